//! What the cluster shows of a convergence: the same two watches, whoever writes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::{StreamExt, pin_mut};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use tenantry::api::{
    Tenant,
    conditions::{ConditionStatus, ConditionType, find},
};
use tenantry::observe::slim::SlimDeployment;
use tokio::task::JoinHandle;

use crate::Outcome;

/// When each tenant of one side was written, available and Ready.
#[derive(Debug, Default)]
struct Marks {
    written: HashMap<String, Instant>,
    ready: HashMap<String, Instant>,
    available: HashMap<String, Instant>,
    /// What a Tenant said last, until it is Ready.
    words: HashMap<String, String>,
}

/// The watches; dropped, they end.
pub struct Seen {
    marks: Arc<Mutex<Marks>>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Nobody gets further for this long: it won't come.
const STALLED: Duration = Duration::from_secs(120);

/// What is waited for.
#[derive(Debug, Clone, Copy)]
pub enum Stage {
    /// Every child's uid is in the Tenant's inventory.
    Written,
    /// Every Deployment has its pods.
    Available,
    /// The Tenant says Ready.
    Ready,
}

impl Seen {
    /// Watches the tenants whose names begin with `prefix`.
    pub fn start(client: &Client, prefix: &'static str, children: usize) -> Self {
        let marks: Arc<Mutex<Marks>> = Arc::default();
        let tenants = tokio::spawn(tenants(client.clone(), Arc::clone(&marks), prefix, children));
        let deployments = tokio::spawn(deployments(client.clone(), Arc::clone(&marks), prefix));
        Self { marks, tasks: [tenants, deployments] }
    }

    /// Waits until `count` tenants (or Deployments) are that far; returns when the last of them was.
    pub async fn wait(&self, stage: Stage, count: usize) -> Outcome<Instant> {
        let (mut progress, mut said, mut before) = (Instant::now(), Instant::now(), 0);
        loop {
            let (seen, last) = self.far(stage);
            if let (true, Some(last)) = (seen >= count, last) {
                return Ok(last);
            }
            if seen > before {
                (progress, before) = (Instant::now(), seen);
            }
            if progress.elapsed() > STALLED {
                let words = lock(&self.marks).words.clone();
                return Err(format!(
                    "only {seen} of {count} are {stage:?}, no other for {STALLED:?}: {words:?}"
                )
                .into());
            }
            if said.elapsed() > Duration::from_secs(15) {
                said = Instant::now();
                crate::report::say(&format!("  {seen} of {count} {stage:?}"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// How many are that far, and when the last of them was.
    fn far(&self, stage: Stage) -> (usize, Option<Instant>) {
        let marks = lock(&self.marks);
        let map = match stage {
            Stage::Written => &marks.written,
            Stage::Available => &marks.available,
            Stage::Ready => &marks.ready,
        };
        (map.len(), map.values().max().copied())
    }
}

fn lock(marks: &Mutex<Marks>) -> MutexGuard<'_, Marks> {
    marks.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn tenants(client: Client, marks: Arc<Mutex<Marks>>, prefix: &'static str, children: usize) {
    let stream = watcher(Api::<Tenant>::all(client), watcher::Config::default()).default_backoff();
    let stream = stream.applied_objects();
    pin_mut!(stream);
    while let Some(event) = stream.next().await {
        let now = Instant::now();
        let Ok(tenant) = event else { continue };
        let name = tenant.name_any();
        let Some(status) = tenant.status.filter(|_| name.starts_with(prefix)) else { continue };
        let written = status.inventory.iter().filter(|entry| !entry.uid.is_empty()).count();
        let mut marks = lock(&marks);
        if written >= children {
            marks.written.entry(name.clone()).or_insert(now);
        }
        let ready = find(&status.conditions, ConditionType::Ready);
        if ready.is_some_and(|ready| ready.status == ConditionStatus::True) {
            marks.words.remove(&name);
            marks.ready.entry(name).or_insert(now);
        } else {
            marks.words.insert(name, ready.map(|ready| ready.message.clone()).unwrap_or_default());
        }
    }
}

async fn deployments(client: Client, marks: Arc<Mutex<Marks>>, prefix: &'static str) {
    let stream = watcher(Api::<SlimDeployment>::all(client), watcher::Config::default()).default_backoff();
    let stream = stream.applied_objects();
    pin_mut!(stream);
    while let Some(event) = stream.next().await {
        let now = Instant::now();
        let Ok(deployment) = event else { continue };
        let namespace = deployment.namespace().unwrap_or_default();
        if namespace.starts_with(prefix) && deployment.status.available_replicas >= 3 {
            let key = format!("{namespace}/{}", deployment.name_any());
            lock(&marks).available.entry(key).or_insert(now);
        }
    }
}
