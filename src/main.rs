//! tenantry.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The fetch process: it restricts itself, so it must come before anything that starts threads.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == "git-child") {
        return tenantry::source::child_main();
    }
    ExitCode::SUCCESS
}
