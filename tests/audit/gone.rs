//! A12: files that are gone before they were read.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tenantry::audit::agent::feed::Feed;
use tenantry::audit::agent::watch::Watch;
use tenantry::audit::complete::judge::judge;
use tenantry::audit::complete::state::Agent;
use tenantry::audit::frame::Source;
use tenantry::audit::ship::run::State;
use tenantry::audit::spool::{Settings, Spool};
use tenantry::audit::tail::files::Watched;
use tenantry::audit::tail::follow::Follow;
use tenantry::runtime::shutdown::{Shutdown, Trigger};
use tenantry_testbed::eventually;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::play::Outcome;
use crate::play::agent::SOON;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(2);

/// What follows a log and watches it, in this process.
struct Watcher {
    state: watch::Receiver<Agent>,
    trigger: Trigger,
    parts: JoinSet<()>,
    spool: Spool,
}

impl Watcher {
    fn start(folder: &Path, log: &Path) -> Outcome<Self> {
        let usual = Settings::new(folder.join("spool"), "eu", "cp-1");
        let (spool, _) = Spool::open(Settings { age: Duration::from_secs(1), ..usual })?;
        let (trigger, stop) = Shutdown::new();
        let follow = Follow::new("audit-log", Source::AuditFile, Watched::Log(log.into()), folder);
        // Of an agent that ships nowhere: it is heard all the same.
        let shipped = watch::channel(State::default()).1;
        let watching = Watch::new(("eu", "cp-1"), spool.clone(), shipped, Vec::new(), &[]).every(EVERY);
        let state = watching.state();
        let mut parts = JoinSet::new();
        parts.spawn(Box::new(follow).run(spool.clone(), stop.clone()));
        parts.spawn(watching.run(stop));
        Ok(Self { state, trigger, parts, spool })
    }

    async fn until(&self, what: &str, is: impl Fn(&Agent) -> bool) -> Outcome<Agent> {
        let found = eventually(SOON, what, || {
            let now = self.state.borrow().clone();
            let found = if is(&now) { Ok(now) } else { Err(format!("{now:?}")) };
            async move { found }
        });
        Ok(found.await?)
    }

    async fn stop(self) {
        self.trigger.stop();
        self.parts.join_all().await;
        self.spool.close().await;
    }
}

/// A12: a rotated file that was removed before it was read is named, also by the agent that was away meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_removed_unread_is_told() -> Outcome {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("audit.log");
    std::fs::write(&log, "{\"auditID\":\"a\"}\n")?;
    let watcher = Watcher::start(folder.path(), &log)?;
    watcher.until("the first line", |agent| agent.records >= 2).await?;
    watcher.stop().await;
    // Rotated with a line that nobody read, and removed; then the next one.
    std::fs::File::options().append(true).open(&log)?.write_all(b"{\"auditID\":\"unread\"}\n")?;
    std::fs::remove_file(&log)?;
    std::fs::write(&log, "{\"auditID\":\"b\"}\n")?;
    let watcher = Watcher::start(folder.path(), &log)?;
    let told = watcher.until("the gap", |agent| !agent.unread.is_empty()).await?;
    assert!(told.unread.len() == 1 && told.unread[0].contains("audit.log of source audit-log"), "{told:?}");
    let verdict = judge(&[Agent { verified: told.records, ..told }], Timestamp::now());
    assert_eq!(verdict.reason, "EventsLost", "{verdict:?}");
    watcher.stop().await;
    Ok(())
}
