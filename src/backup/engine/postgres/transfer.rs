//! From the repository into a database: restic writes, pg_restore reads, and we stand between. pg_restore learns that
//! the dump is at its end only when restic ended well: what broke off on the way is never taken for a whole.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::backup::engine::failure::{Failure, meaning, of_postgres, of_restic};
use crate::backup::engine::program::{Call, Deadline, Running, end_of};
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
    let mut from = read.start(Stdio::null())?;
    let mut to = write.start(Stdio::piped())?;
    let (mut said, mut answered) = (Vec::new(), Vec::new());
    let (from_words, to_words) = (from.child.stderr.take(), to.child.stderr.take());
    let both = async {
        let talk = end_of(from_words, &mut said);
        let answer = end_of(to_words, &mut answered);
        tokio::join!(pour(&mut from, &mut to, deadline), talk, answer).0
    };
    let poured = deadline.of("the restore", both).await;
    let (said, answered) = (String::from_utf8_lossy(&said), String::from_utf8_lossy(&answered));
    match poured {
        Err(_) => Err(Failure::late("the restore", &answered)),
        Ok(Err(failure)) => Err(failure),
        Ok(Ok(Poured { written: Some(0), read: Some(0), bytes })) => Ok(bytes),
        // pg_restore first: when it ends early, restic only notices that nobody reads any more.
        Ok(Ok(Poured { written, .. })) if written.is_some_and(|code| code != 0) => {
            Err(of_postgres("the restore", &answered, reasons::RESTORE_FAILED))
        }
        Ok(Ok(Poured { read, .. })) => {
            let failure = of_restic("reading the dump", read, &said, reasons::DAMAGED);
            Err(if meaning(&said).is_none() {
                Failure { reason: reasons::DAMAGED, ..failure }
            } else {
                failure
            })
        }
    }
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
    async fn a_reader_that_gives_up_says_why() {
        let write = "head -c 1 >/dev/null; echo 'pg_restore: error: no such extension' >&2; exit 1";
        let failure = try_it("yes", write).await.unwrap_err();
        assert_eq!(failure.reason, reasons::RESTORE_FAILED);
        assert_eq!(failure.log_line, "pg_restore: error: no such extension");
    }
}
