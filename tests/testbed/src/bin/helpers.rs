//! Builds all helper programs of the tests, each once a machine.

use std::process::ExitCode;

use tenantry_testbed::programs;

fn main() -> ExitCode {
    match programs::every() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
