//! tenantry.
fn main() {
    for (name, crd) in tenantry::cli::crds::definitions() {
        let _ = std::fs::write(format!("crds/{name}"), tenantry::cli::crds::yaml(&crd).unwrap());
    }
}
