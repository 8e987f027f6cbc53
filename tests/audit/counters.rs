//! A11: what a real API server counts, against what arrives of its log: while lines are lost, and while it is restarted.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tenantry::audit::agent::servers::ApiServer;
use tenantry::audit::complete::judge::judge;
use tenantry::audit::complete::state::Agent;
use tenantry::audit::policy::GOOD;
use tenantry_testbed::{Cluster, Options, programs};

use crate::play::Outcome;
use crate::watcher::Watcher;

/// Requests of each kind; each is worth two events.
const REQUESTS: usize = 100;

/// A log that somebody brings to another file, and who loses lines about some ConfigMaps when told to.
struct Copier {
    loses: Arc<AtomicBool>,
    ends: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<std::io::Result<u64>>,
}

impl Copier {
    fn start(from: PathBuf, to: PathBuf) -> Self {
        let (loses, ends) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (loses, ends) = (Arc::clone(&loses), Arc::clone(&ends));
            move || copy((from, to), &loses, &ends)
        });
        Self { loses, ends, thread }
    }

    /// How many lines it lost.
    fn end(self) -> Outcome<u64> {
        self.ends.store(true, Ordering::Relaxed);
        Ok(self.thread.join().map_err(|_| "the copier panicked")??)
    }
}

fn copy((from, to): (PathBuf, PathBuf), loses: &AtomicBool, ends: &AtomicBool) -> std::io::Result<u64> {
    let mut log = BufReader::new(std::fs::File::open(from)?);
    let mut to = std::fs::File::options().create(true).append(true).open(to)?;
    let (mut line, mut lost) = (Vec::new(), 0);
    while !ends.load(Ordering::Relaxed) {
        log.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        }
        let about = |word: &[u8]| line.windows(word.len()).any(|part| part == word);
        if loses.load(Ordering::Relaxed) && about(b"/configmaps/lost-") {
            lost += 1;
        } else {
            to.write_all(&line)?;
        }
        line.clear();
    }
    Ok(lost)
}

async fn ask(cluster: &Cluster, name: &str) -> Outcome {
    for _ in 0..REQUESTS {
        let uri = format!("/api/v1/namespaces/default/configmaps/{name}");
        // Nothing is there; that is worth two events all the same.
        let _ = cluster.client().request_text(http::Request::get(uri).body(Vec::new())?).await;
    }
    Ok(())
}

/// Waits for a look whose events must have arrived, and gives what is said then.
async fn settled(watcher: &Watcher, after: Timestamp) -> Outcome<Agent> {
    let is_old = |agent: &Agent| agent.at.is_some_and(|at| at.duration_since(after).as_secs() > 12);
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
    let copier = Copier::start(cluster.audit_log(), copied.clone());
    let url = cluster.config().cluster_url.to_string();
    let server = ApiServer::new(cluster.config(), url.trim_end_matches('/'))?;
    let watcher = Watcher::start(folder.path(), &copied, vec![server])?;

    ask(&cluster, "kept").await?;
    let calm = settled(&watcher, Timestamp::now()).await?;
    assert_eq!((calm.servers[0].dropped, &calm.servers[0].unasked), (0, &None), "{calm:?}");

    copier.loses.store(true, Ordering::Relaxed);
    let (kept, lost) = tokio::join!(ask(&cluster, "kept"), ask(&cluster, "lost-1"));
    kept?;
    lost?;
    let asked = 2 * REQUESTS as u64;
    // As many as come while counters are read may hide some.
    let least = asked - 20;
    let told = watcher.until("the loss to be told", |agent| agent.servers[0].dropped >= least).await?;
    assert!(told.servers[0].dropped <= asked && url.contains(&told.servers[0].address), "{told:?}");
    let verdict = judge(&[Agent { verified: told.records, ..told }], Timestamp::now());
    assert_eq!(verdict.reason, "SourceDropped", "{verdict:?}");

    // Busy, killed, and begun anew: what was lost stays so, and nothing more is.
    ask(&cluster, "kept").await?;
    cluster.stop_apiserver()?;
    cluster.start_apiserver().await?;
    ask(&cluster, "kept").await?;
    let again = settled(&watcher, Timestamp::now()).await?;
    assert!((least..=asked).contains(&again.servers[0].dropped), "{again:?}");
    watcher.stop().await;
    assert_eq!(copier.end()?, asked);
    Ok(())
}
