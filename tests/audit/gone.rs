//! A12: files that are gone before they were read.

use std::io::Write;

use jiff::Timestamp;
use tenantry::audit::complete::judge::judge;
use tenantry::audit::complete::state::Agent;

use crate::play::Outcome;
use crate::watcher::Watcher;

/// A12: a rotated file that was removed before it was read is named, also by the agent that was away meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_removed_unread_is_told() -> Outcome {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("audit.log");
    std::fs::write(&log, "{\"auditID\":\"a\"}\n")?;
    let watcher = Watcher::start(folder.path(), &log, Vec::new())?;
    watcher.until("the first line", |agent| agent.records >= 2).await?;
    watcher.stop().await;
    // Rotated with a line that nobody read, and removed; then the next one.
    std::fs::File::options().append(true).open(&log)?.write_all(b"{\"auditID\":\"unread\"}\n")?;
    std::fs::remove_file(&log)?;
    std::fs::write(&log, "{\"auditID\":\"b\"}\n")?;
    let watcher = Watcher::start(folder.path(), &log, Vec::new())?;
    let told = watcher.until("the gap", |agent| !agent.unread.is_empty()).await?;
    assert!(told.unread.len() == 1 && told.unread[0].contains("audit.log of source audit-log"), "{told:?}");
    let verdict = judge(&[Agent { verified: told.records, ..told }], Timestamp::now());
    assert_eq!(verdict.reason, "EventsLost", "{verdict:?}");
    watcher.stop().await;
    Ok(())
}
