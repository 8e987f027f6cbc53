//! Where words go. Colour and pipes are anstream's; a reader that has gone is no error.

use std::io::{self, ErrorKind, Write};

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

/// Writes the result of a command.
///
/// # Errors
/// It can't be written: the disk is full, say. Not when the reader has gone (`| head`).
pub fn stdout(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes a line beside the result. If that fails there is nobody left to tell.
pub fn stderr(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// `1 Tenant`, `3 Tenants`.
pub fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}
