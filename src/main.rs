//! tenantry.
fn main() {}
