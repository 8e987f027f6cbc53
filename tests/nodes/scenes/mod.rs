//! What goes wrong, one function each: it happens, it is said, and it is over. Tests run them once and judge;
//! `cargo bench --bench recovery` runs them more often and prints their figures.

pub mod control;
pub mod copies;
pub mod places;
pub mod pods;

use std::{fmt, time::Duration};

/// A line of the table.
#[derive(Clone, Debug)]
pub struct Line {
    /// What happened.
    pub what: &'static str,
    /// When somebody could first know: by a condition, or by the Lease. None where nothing is ever said.
    pub noticed: Option<Duration>,
    /// When all was well again.
    pub recovered: Duration,
    /// What the status said meanwhile.
    pub said: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noticed =
            self.noticed.map_or_else(|| "-".into(), |after| format!("{:.1} s", after.as_secs_f32()));
        let Self { what, recovered, said, .. } = self;
        write!(f, "| {what} | {noticed} | {:.1} s | {said} |", recovered.as_secs_f32())
    }
}
