//! A11 and A12: what a real API server counts, against what arrives of its log while it is restarted, and while lines are
//! lost; and files that are gone.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tenantry::audit::agent::feed::Feed;
use tenantry::audit::agent::servers::ApiServer;
use tenantry::audit::agent::watch::Watch;
use tenantry::audit::complete::judge::judge;
use tenantry::audit::complete::state::Agent;
use tenantry::audit::frame::Source;
use tenantry::audit::policy::GOOD;
use tenantry::audit::ship::run::State;
use tenantry::audit::spool::{Settings, Spool};
use tenantry::audit::tail::files::Watched;
use tenantry::audit::tail::follow::Follow;
use tenantry::runtime::shutdown::{Shutdown, Trigger};
use tenantry_testbed::{Cluster, Options, eventually, programs};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::play::Outcome;

/// A loss is told 45 s after the next look; with room for slow machines.
const SOON: Duration = Duration::from_secs(180);
const EVERY: Duration = Duration::from_secs(2);

/// Brings the log's lines to another file, and loses those of ConfigMaps when it is told to.
fn copy(from: PathBuf, to: PathBuf, loses: Arc<AtomicBool>, ends: Arc<AtomicBool>) -> Outcome {
    let mut log = BufReader::new(std::fs::File::open(from)?);
    let mut to = std::fs::File::options().create(true).append(true).open(to)?;
    let mut line = Vec::new();
    while !ends.load(Ordering::Relaxed) {
        log.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        }
        let about = |word: &[u8]| line.windows(word.len()).any(|part| part == word);
        if !(loses.load(Ordering::Relaxed) && about(b"/configmaps/lost-")) {
            to.write_all(&line)?;
        }
        line.clear();
    }
    Ok(())
}

async fn ask(cluster: &Cluster, name: &str, times: usize) -> Outcome {
    for _ in 0..times {
        let uri = format!("/api/v1/namespaces/default/configmaps/{name}");
        // Nothing is there; that is worth two events all the same.
        let _ = cluster.client().request_text(http::Request::get(uri).body(Vec::new())?).await;
    }
    Ok(())
}

/// What follows a log and watches it, in this process.
struct Watcher {
    state: watch::Receiver<Agent>,
    trigger: Trigger,
    parts: JoinSet<()>,
    spool: Spool,
}

impl Watcher {
    fn start(folder: &Path, log: &Path, servers: Vec<ApiServer>) -> Outcome<Self> {
        let usual = Settings::new(folder.join("spool"), "eu", "cp-1");
        let (spool, _) = Spool::open(Settings { age: Duration::from_secs(1), ..usual })?;
        let (trigger, stop) = Shutdown::new();
        let follow = Follow::new("audit-log", Source::AuditFile, Watched::Log(log.into()), folder);
        // Of an agent that ships nowhere: it is heard all the same.
        let shipped = watch::channel(State::default()).1;
        let watching = Watch::new(("eu", "cp-1"), spool.clone(), shipped, servers, &[]).every(EVERY);
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

/// Waits for a look whose events must have arrived, and gives what is said then.
async fn settled(watcher: &Watcher, after: Timestamp) -> Outcome<Agent> {
    let is_old = |agent: &Agent| agent.at.is_some_and(|at| at.duration_since(after).as_secs() > 55);
    watcher.until("a look that is old enough", is_old).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_is_no_gap_and_lost_events_are_one() -> Outcome {
    if programs::skip() {
        return Ok(());
    }
    let options = Options { audit_policy: Some(GOOD.into()), ..Options::api_only() };
    let cluster = Cluster::start(options).await?;
    let folder = tempfile::tempdir()?;
    let copied = folder.path().join("copy.log");
    let (loses, ends) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let copying = {
        let (from, to, loses, ends) =
            (cluster.audit_log(), copied.clone(), Arc::clone(&loses), Arc::clone(&ends));
        std::thread::spawn(move || copy(from, to, loses, ends).map_err(|error| error.to_string()))
    };
    let url = cluster.config().cluster_url.to_string();
    let server = ApiServer::new(cluster.config(), url.trim_end_matches('/'))?;
    let watcher = Watcher::start(folder.path(), &copied, vec![server])?;

    ask(&cluster, "kept", 200).await?;
    let calm = settled(&watcher, Timestamp::now()).await?;
    assert_eq!((calm.servers[0].dropped, &calm.servers[0].unasked), (0, &None), "{calm:?}");

    loses.store(true, Ordering::Relaxed);
    ask(&cluster, "lost-1", 100).await?;
    let lost = Timestamp::now();
    // 200 events are gone; as many as come within 2 s of a look may hide some.
    let told = watcher.until("the loss to be told", |agent| agent.servers[0].dropped >= 150).await?;
    let after = Timestamp::now().duration_since(lost).as_secs();
    println!("{} of 200 lost events told after {after} s", told.servers[0].dropped);
    assert!(told.servers[0].dropped <= 200 && url.contains(&told.servers[0].address), "{told:?}");
    let verdict = judge(&[Agent { verified: told.records, ..told }], Timestamp::now());
    assert_eq!(verdict.reason, "SourceDropped", "{verdict:?}");

    // Busy, killed while it is, and begun anew: what was lost stays so, and nothing more is.
    ask(&cluster, "kept", 200).await?;
    cluster.stop_apiserver()?;
    cluster.start_apiserver().await?;
    ask(&cluster, "kept", 200).await?;
    let again = settled(&watcher, Timestamp::now()).await?;
    assert!((150..=200).contains(&again.servers[0].dropped), "{again:?}");
    watcher.stop().await;
    ends.store(true, Ordering::Relaxed);
    copying.join().map_err(|_| "the copy panicked")??;
    Ok(())
}
