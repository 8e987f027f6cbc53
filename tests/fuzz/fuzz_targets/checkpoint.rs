//! What must hold is in `tests/support/audit/parsers.rs`.

#![no_main]

#[path = "../../support/audit/parsers.rs"]
mod parsers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parsers::checkpoint(bytes));
