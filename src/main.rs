//! The `tenantry` program: operator and command line in one.

use std::process::ExitCode;

/// Gives memory back after a relist; glibc's allocator keeps it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The fetch process confines itself before anything else has started a thread.
    if std::env::args_os().nth(1).is_some_and(|name| name == "git-child") {
        return tenantry::source::child_main();
    }
    tenantry::cli::main()
}
