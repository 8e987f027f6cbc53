//! A session: psql as a co-process. One transaction is held open while the manifest is made and pg_dump reads the
//! same snapshot.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::task::JoinHandle;

use super::Programs;
use crate::backup::engine::failure::{Failure, of_postgres};
use crate::backup::engine::program::{Deadline, Running, end_of};
use crate::backup::engine::secrets::Variables;
use crate::backup::record::reasons;

/// No file of the user's, only values, nobody asked for a password, and the first error ends it.
pub(super) const QUIET: [&str; 5] = ["-X", "-qAt", "-w", "-v", "ON_ERROR_STOP=1"];

/// What psql echoes after an answer; no answer is like it, for each is JSON.
const END: &str = "tenantry-end-of-answer";

/// Statements that are sent before their answers are read: they must fit into a pipe.
const AT_ONCE: usize = 32;

/// A connection to a database.
pub struct Session {
    running: Running,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    words: JoinHandle<Vec<u8>>,
    deadline: Deadline,
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// psql isn't there. That the server refuses shows with the first question.
    pub fn open(programs: &Programs, variables: &Variables, deadline: Deadline) -> Result<Self, Failure> {
        let mut running = programs.call("psql", variables).args(QUIET).start(Stdio::piped())?;
        let child = &mut running.child;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::new(reasons::INTERRUPTED, "psql has no input"));
        };
        let errors = child.stderr.take();
        let words = tokio::spawn(async move {
            let mut kept = Vec::new();
            end_of(errors, &mut kept).await;
            kept
        });
        Ok(Self { running, input, output: BufReader::new(output).lines(), words, deadline })
    }

    /// Asks, and reads the answer's lines.
    ///
    /// # Errors
    /// The server refuses, or the connection is lost; the session is of no more use then.
    pub async fn ask(&mut self, doing: &str, statements: &[String]) -> Result<Vec<String>, Failure> {
        let deadline = self.deadline;
        let mut lines = Vec::new();
        for part in statements.chunks(AT_ONCE) {
            let Some(answer) = deadline.of(doing, self.exchange(part)).await? else {
                return Err(self.broken(doing).await);
            };
            lines.extend(answer);
        }
        Ok(lines)
    }

    /// One answer of one line.
    ///
    /// # Errors
    /// As [`Self::ask`], and when it has another number of lines.
    pub async fn ask_one(&mut self, doing: &str, statement: &str) -> Result<String, Failure> {
        let mut lines = self.ask(doing, &[statement.to_owned()]).await?;
        match (lines.pop(), lines.len()) {
            (Some(line), 0) => Ok(line),
            _ => Err(Failure::new(reasons::SOURCE_UNREACHABLE, format!("{doing}: not one line came back"))),
        }
    }

    /// None when psql is gone.
    async fn exchange(&mut self, statements: &[String]) -> Option<Vec<String>> {
        let text = format!("{};\n\\echo {END}\n", statements.join(";\n"));
        self.input.write_all(text.as_bytes()).await.ok()?;
        self.input.flush().await.ok()?;
        let mut lines = Vec::new();
        loop {
            match self.output.next_line().await {
                Ok(Some(line)) if line == END => return Some(lines),
                Ok(Some(line)) => lines.push(line),
                _ => return None,
            }
        }
    }

    async fn broken(&mut self, doing: &str) -> Failure {
        self.running.kill().await;
        let words = (&mut self.words).await.unwrap_or_default();
        of_postgres(doing, &String::from_utf8_lossy(&words), reasons::SOURCE_UNREACHABLE)
    }
}
