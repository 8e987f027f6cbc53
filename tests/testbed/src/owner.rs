//! A part of a test that runs as another process, so that the test can kill it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::error::{Error, Result, io};

/// Runs the test `name` of this very test program with the environment variable `mark` set, and waits for a line on
/// its standard output that begins with `OWNER`; returns the process and the other words of that line.
///
/// # Errors
/// The program can't be started, or ends without that line.
pub fn run_owner(name: &str, mark: &str) -> Result<(Child, Vec<String>)> {
    let program = std::env::current_exe().map_err(io("find", Path::new("this program")))?;
    let mut command = Command::new(&program);
    command.args(["--exact", name, "--nocapture"]).env(mark, "1").stdout(Stdio::piped());
    let mut child = command.spawn().map_err(io("start", &program))?;
    for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
        let line = line.map_err(io("read the output of", &program))?;
        let mut words = line.split_whitespace().map(str::to_owned);
        if words.next().as_deref() == Some("OWNER") {
            return Ok((child, words.collect()));
        }
    }
    Err(Error::Invalid(format!("{name} said nothing")))
}
