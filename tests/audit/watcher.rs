//! An agent's eyes alone: it follows a log and watches what arrives, and ships nowhere.

use std::path::Path;
use std::time::Duration;

use tenantry::audit::agent::feed::Feed;
use tenantry::audit::agent::servers::ApiServer;
use tenantry::audit::agent::watch::Watch;
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
pub const EVERY: Duration = Duration::from_secs(2);

/// What follows a log and watches it, in this process.
pub struct Watcher {
    state: watch::Receiver<Agent>,
    trigger: Trigger,
    parts: JoinSet<()>,
    spool: Spool,
}

impl Watcher {
    pub fn start(folder: &Path, log: &Path, servers: Vec<ApiServer>) -> Outcome<Self> {
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

    pub async fn until(&self, what: &str, is: impl Fn(&Agent) -> bool) -> Outcome<Agent> {
        let found = eventually(SOON, what, || {
            let now = self.state.borrow().clone();
            let found = if is(&now) { Ok(now) } else { Err(format!("{now:?}")) };
            async move { found }
        });
        Ok(found.await?)
    }

    pub async fn stop(self) {
        self.trigger.stop();
        self.parts.join_all().await;
        self.spool.close().await;
    }
}
