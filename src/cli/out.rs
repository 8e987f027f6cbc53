//! Where words go. Colour and pipes are anstream's; a reader that has gone is no error.

use std::io::{self, ErrorKind, Write};

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
