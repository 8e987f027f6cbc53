//! From the repository into a database: restic writes, pg_restore reads, and we stand between. pg_restore learns that
//! the dump is at its end only when restic ended well: what broke off on the way is never taken for a whole.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::backup::engine::failure::{Failure, meaning, of_postgres, of_restic};
use crate::backup::engine::program::{Call, Deadline, OUT, Running, begin_of, end_of};
use crate::backup::record::reasons;

/// Bytes that are moved at once.
const PART: usize = 256 * 1024;

/// How often progress is told.
const TELL: Duration = Duration::from_secs(10);

/// Moves a dump; returns its bytes.
///
/// # Errors
/// One of the two failed; the other is then dead. Nothing is committed where pg_restore works in one transaction.
pub async fn transfer(read: &Call, write: &Call, deadline: Deadline) -> Result<u64, Failure> {
    let moved = between(read, write, deadline).await?;
    match moved.poured {
        Poured { written: Some(0), read: Some(0), bytes } => Ok(bytes),
        _ => Err(moved.failure()),
    }
}

/// What a dump says that it holds, as pg_restore lists it (`list` is a call of that). It stands at the dump's begin: the
/// rest isn't waited for.
///
/// # Errors
/// One of the two failed.
pub async fn contents(read: &Call, list: &Call, deadline: Deadline) -> Result<String, Failure> {
    let moved = between(read, list, deadline).await?;
    match moved.poured {
        Poured { written: Some(0), read: Some(0) | None, .. } => {
            Ok(String::from_utf8_lossy(&moved.out).into_owned())
        }
        _ => Err(moved.failure()),
    }
}

/// The list without event triggers, for pg_restore: only superusers may make them. A line is
/// `number; class oid KIND schema name owner`.
#[must_use]
pub fn without_event_triggers(contents: &str) -> String {
    const KINDS: [&str; 3] =
        ["EVENT TRIGGER ", "COMMENT - EVENT TRIGGER ", "SECURITY LABEL - EVENT TRIGGER "];
    let is_one = |line: &&str| {
        let kind = line.split_once("; ").and_then(|(_, rest)| rest.splitn(3, ' ').nth(2));
        kind.is_some_and(|kind| KINDS.iter().any(|one| kind.starts_with(one)))
    };
    contents.lines().filter(|line| !is_one(line)).map(|line| format!("{line}\n")).collect()
}

/// What came of two programs, one of which reads what the other writes.
struct Moved {
    poured: Poured,
    out: Vec<u8>,
    said: String,
    answered: String,
}

impl Moved {
    fn failure(&self) -> Failure {
        // pg_restore first: when it ends early, restic only notices that nobody reads any more.
        if self.poured.written.is_some_and(|code| code != 0) {
            return of_postgres("the restore", &self.answered, reasons::RESTORE_FAILED);
        }
        let failure = of_restic("reading the dump", self.poured.read, &self.said, reasons::DAMAGED);
        if meaning(&self.said).is_none() {
            return Failure { reason: reasons::DAMAGED, ..failure };
        }
        failure
    }
}

async fn between(read: &Call, write: &Call, deadline: Deadline) -> Result<Moved, Failure> {
    let mut from = read.start(Stdio::null())?;
    let mut to = write.start(Stdio::piped())?;
    let (mut said, mut answered) = (Vec::new(), Vec::new());
    let (from_words, to_words) = (from.child.stderr.take(), to.child.stderr.take());
    let out = begin_of(to.child.stdout.take(), OUT);
    let both = async {
        let talk = end_of(from_words, &mut said);
        let answer = end_of(to_words, &mut answered);
        let (poured, (), (), out) = tokio::join!(pour(&mut from, &mut to, deadline), talk, answer, out);
        poured.map(|poured| (poured, out))
    };
    let ended = deadline.of("the restore", both).await;
    let text = |words: &[u8]| String::from_utf8_lossy(words).into_owned();
    let (said, answered) = (text(&said), text(&answered));
    let (poured, out) = ended.map_err(|_| Failure::late("the restore", &answered))??;
    Ok(Moved { poured, out, said, answered })
}

/// How both ended; none for what was killed.
struct Poured {
    read: Option<i32>,
    written: Option<i32>,
    bytes: u64,
}

async fn pour(from: &mut Running, to: &mut Running, deadline: Deadline) -> Result<Poured, Failure> {
    let broken = || Failure::new(reasons::INTERRUPTED, "a program has no pipe");
    let mut source = from.child.stdout.take().ok_or_else(broken)?;
    let mut target = to.child.stdin.take().ok_or_else(broken)?;
    let (mut part, mut bytes, mut told) = (vec![0; PART], 0, Instant::now());
    let whole = loop {
        match source.read(&mut part).await {
            Ok(0) => break true,
            Ok(read) if target.write_all(&part[..read]).await.is_ok() => bytes += read as u64,
            _ => break false,
        }
        if told.elapsed() > TELL {
            told = Instant::now();
            tracing::info!(megabytes = bytes >> 20, "restoring");
        }
    };
    if !whole {
        // pg_restore is gone: its own words tell why, and restic has nobody to write to.
        drop(target);
        let written = to.wait(deadline).await?;
        from.kill().await;
        return Ok(Poured { read: None, written, bytes });
    }
    let read = from.wait(deadline).await?;
    if read != Some(0) {
        to.kill().await;
        return Ok(Poured { read, written: None, bytes });
    }
    drop(target);
    let written = to.wait(deadline).await?;
    Ok(Poured { read, written, bytes })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    async fn try_it(read: &str, write: &str) -> Result<u64, Failure> {
        let sh = |script: &str| Call::new("/bin/sh", Path::new("/")).args(["-c", script]);
        transfer(&sh(read), &sh(write), Deadline::after(60)).await
    }

    #[tokio::test]
    async fn what_broke_off_is_never_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("whole");
        // The reader marks that it saw the end: it must not, when the writer failed.
        let write = format!("cat >/dev/null && touch {}", mark.display());
        let failure =
            try_it("echo part; echo 'Load(<data/ab>) failed' >&2; exit 1", &write).await.unwrap_err();
        assert_eq!((failure.reason, mark.exists()), (reasons::DAMAGED, false));
        assert_eq!(try_it("echo whole", &write).await, Ok(6));
        assert!(mark.exists());
    }

    #[tokio::test]
    async fn a_list_is_read_and_the_rest_is_not_waited_for() {
        let sh = |script: &str| Call::new("/bin/sh", Path::new("/")).args(["-c", script]);
        let list = |read: &str, write: &str| {
            let (read, write) = (sh(read), sh(write));
            async move { contents(&read, &write, Deadline::after(60)).await }
        };
        assert_eq!(list("yes", "head -c 4").await.as_deref(), Ok("y\ny\n"));
        assert_eq!(list("echo whole", "cat").await.as_deref(), Ok("whole\n"));
        let broken = "echo part; echo 'Load(<data/ab>) failed' >&2; exit 1";
        assert_eq!(list(broken, "cat").await.unwrap_err().reason, reasons::DAMAGED);
        let gives_up = "head -c 1 >/dev/null; echo 'pg_restore: error: no' >&2; exit 1";
        assert_eq!(list("yes", gives_up).await.unwrap_err().reason, reasons::RESTORE_FAILED);
    }

    #[test]
    fn event_triggers_and_what_is_said_of_them_are_left_out() {
        let contents = ";\n; Archive created at 2026-11-22\n; Selected TOC Entries:\n;\n\
            210; 1255 16390 FUNCTION public no_drops() shop\n\
            211; 1259 16391 TABLE public EVENT TRIGGER shop\n\
            3300; 0 0 COMMENT - TABLE \"EVENT TRIGGER \" shop\n\
            3301; 3466 16400 EVENT TRIGGER - no_drops postgres\n\
            3302; 0 0 COMMENT - EVENT TRIGGER no_drops postgres\n\
            3303; 0 0 SECURITY LABEL - EVENT TRIGGER no_drops postgres\n";
        let kept: Vec<&str> = contents.lines().take(7).collect();
        assert_eq!(without_event_triggers(contents).lines().collect::<Vec<_>>(), kept);
    }

    #[tokio::test]
    async fn a_reader_that_gives_up_says_why() {
        let write = "head -c 1 >/dev/null; echo 'pg_restore: error: no such extension' >&2; exit 1";
        let failure = try_it("yes", write).await.unwrap_err();
        assert_eq!(failure.reason, reasons::RESTORE_FAILED);
        assert_eq!(failure.log_line, "pg_restore: error: no such extension");
    }
}
