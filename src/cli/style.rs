//! How words look. Pure.

use anstyle::{AnsiColor, Style};

/// What is wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What is right.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What nobody knows, and notes.
pub const OPEN: Style = AnsiColor::Yellow.on_default();
/// Frames and places.
pub const DIM: Style = AnsiColor::BrightBlue.on_default();
/// What a report is about.
pub const BOLD: Style = Style::new().bold();

/// Text in a style.
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

pub use crate::plan::words::count;
