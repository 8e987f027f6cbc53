//! Starts the loops when this replica leads, and stops them when it no longer does.

use std::{
    collections::{HashMap, hash_map::Entry},
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::{
    observe::watch::Sink,
    runtime::{health::Health, lease::Leadership, queue::Queue, shutdown::Shutdown},
};

use super::{
    audit, backup,
    context::{Context, Wake},
    forge, health as turned,
    outcome::Next,
    platform, prove, room, source, tenant,
};

/// Passes over Tenants at once.
const TENANT_WORKERS: usize = 12;
/// Passes over Platforms at once.
const PLATFORM_WORKERS: usize = 2;

/// Time until a repository that was still in use is looked at again.
const SWEEP: Duration = Duration::from_secs(5);

/// Where signals of the world go: into the queues, and to the source that a Tenant came from.
pub fn sink(ctx: &Context) -> Sink {
    let ctx = ctx.clone();
    Arc::new(move |signal| ctx.signal(signal))
}

/// Runs until shutdown: waits for leadership, works while it lasts, and waits again.
pub async fn run(ctx: &Context, mut leadership: Leadership, health: &Health, shutdown: &Shutdown) {
    loop {
        let Some(term) = shutdown.unless_requested(leadership.leading()).await else { return };
        info!(term, "leading");
        turned::leads(ctx, true, "Elected");
        let mut tasks = start(ctx, health);
        tokio::select! {
            () = leadership.lost(term) => warn!(term, "leadership lost"),
            () = shutdown.requested() => {}
        }
        turned::leads(ctx, false, if shutdown.is_requested() { "Stopped" } else { "Lost" });
        tasks.shutdown().await;
        health.forget_workers();
        if shutdown.is_requested() {
            return;
        }
    }
}

fn start(ctx: &Context, health: &Health) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    // Another replica may have begun runs since.
    ctx.board().volumes = None;
    let (tenants, platforms) = {
        let world = ctx.world();
        (world.tenant_names(), world.platforms())
    };
    tenants.into_iter().for_each(|name| ctx.tenants.add(name));
    for platform in platforms {
        ctx.platforms.add_urgent(platform.metadata.name.clone().unwrap_or_default());
    }
    for index in 0..TENANT_WORKERS {
        let worker =
            Worker { name: format!("tenant-{index}"), controller: "tenant", queue: ctx.tenants.clone() };
        let ctx = ctx.clone();
        tasks.spawn(worker.run(ctx.clone(), health.clone(), move |name| {
            let ctx = ctx.clone();
            async move { tenant::reconcile(&ctx, &name).await }
        }));
    }
    for index in 0..PLATFORM_WORKERS {
        let worker = Worker {
            name: format!("platform-{index}"),
            controller: "platform",
            queue: ctx.platforms.clone(),
        };
        let ctx = ctx.clone();
        tasks.spawn(worker.run(ctx.clone(), health.clone(), move |name| {
            let ctx = ctx.clone();
            async move { platform::reconcile(&ctx, &name).await }
        }));
    }
    tasks.spawn(sources(ctx.clone()));
    tasks.spawn(room::run(ctx.clone(), ctx.count_every));
    tasks.spawn(audit::run(ctx.clone()));
    tasks.spawn(backup::run(ctx.clone(), health.clone()));
    tasks.spawn(prove::run(ctx.clone(), ctx.proofs.clone()));
    tasks
}

/// Takes keys and works on them, one at a time.
struct Worker {
    name: String,
    controller: &'static str,
    queue: Queue<String>,
}

impl Worker {
    async fn run<F: Future<Output = Next>>(self, ctx: Context, health: Health, work: impl Fn(String) -> F) {
        let beat = health.worker(&self.name);
        while let Some(taken) = self.queue.take().await {
            beat.busy();
            let start = Instant::now();
            let next = work(taken.clone()).await;
            ctx.metrics.reconciled(self.controller, next.label(), start.elapsed());
            next.settle(taken);
            beat.idle();
        }
        beat.leave();
    }
}

/// One source loop a Platform that has a source; looked over when Platforms change.
async fn sources(ctx: Context) {
    let mut running: HashMap<String, tokio::task::AbortHandle> = HashMap::new();
    let mut tasks = JoinSet::new();
    loop {
        let wanted: Vec<String> = {
            let world = ctx.world();
            let with_source = world.platforms().into_iter().filter(|platform| platform.spec.source.is_some());
            with_source.filter_map(|platform| platform.metadata.name.clone()).collect()
        };
        running.retain(|name, task| {
            let keep = wanted.contains(name) && !task.is_finished();
            if !keep {
                task.abort();
                ctx.board().wake.remove(name);
                ctx.board().forges.remove(name);
            }
            keep
        });
        for name in wanted {
            let Entry::Vacant(free) = running.entry(name) else { continue };
            let name = free.key().clone();
            let (wake, posts) = (Arc::new(Wake::default()), Arc::new(Wake::default()));
            ctx.board().wake.insert(name.clone(), Arc::clone(&wake));
            ctx.board().forges.insert(name.clone(), Arc::clone(&posts));
            free.insert(tasks.spawn(both(ctx.clone(), name, wake, posts)));
        }
        let limit = if sweep(&ctx).await { Duration::MAX } else { SWEEP };
        // One that is still in use is looked at again without a change.
        let _ = tokio::time::timeout(limit, ctx.platforms_changed.notified()).await;
        while tasks.try_join_next().is_some() {}
    }
}

/// The two loops of a source. Neither waits for the other.
async fn both(ctx: Context, name: String, wake: Arc<Wake>, posts: Arc<Wake>) {
    // Both end when the Platform goes; together, so that a new one of its name gets both.
    tokio::select! {
        () = source::run(ctx.clone(), name.clone(), wake) => {}
        () = forge::run(ctx.clone(), name.clone(), posts) => {}
    }
}

/// Removes the repositories of Platforms that are gone. Returns whether nothing is left to do.
async fn sweep(ctx: &Context) -> bool {
    let platforms = ctx.world().platforms();
    let kept = platforms.into_iter().filter_map(|platform| platform.metadata.name.clone()).collect();
    let folders = [ctx.sources(), ctx.pulls()];
    let work = move || {
        let swept = folders.iter().map(|folder| crate::source::sweep(folder, &kept));
        swept.collect::<Result<Vec<bool>, _>>().map(|swept| swept.into_iter().all(|one| one))
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(swept)) => swept,
        Ok(Err(error)) => {
            warn!(%error, "repositories of Platforms that are gone can't be removed");
            true
        }
        Err(_) => true,
    }
}
