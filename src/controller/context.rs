//! What the drivers share.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use kube::{Client, runtime::events::Recorder};
use tokio::sync::Notify;

use crate::{
    api::conditions::Condition,
    apply::Writer,
    backup::view::View,
    forge::tokens::Tokens,
    hook::{keep::Kept, signature::Key},
    observe::world::{Signal, World},
    plan::waves::Waves,
    runtime::{metrics::Metrics, queue::Queue},
    status::audit::Report as AuditReport,
    status::{
        platform::{PostReport, SourceReport},
        promises::SourceState,
    },
    store::verdict::Judgement,
    trail::keeper::Trail,
    validate::{ground::PullSecret, manifest::Schemas},
};

use super::{health, prove::Proofs};

/// Pods come and go in crowds: one look for all of them.
const SOON: Duration = Duration::from_millis(200);

/// What the drivers share; cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// What is known of the cluster.
    pub world: Arc<Mutex<World>>,
    /// For reads.
    pub client: Client,
    /// For writes.
    pub writer: Writer,
    /// Figures.
    pub metrics: Metrics,
    /// Publishes Events.
    pub recorder: Recorder,
    /// Tenants that want a pass.
    pub tenants: Queue<String>,
    /// Platforms that want a pass.
    pub platforms: Queue<String>,
    /// Rings when a Platform came, went or changed.
    pub platforms_changed: Arc<Notify>,
    /// What the loops tell each other.
    pub board: Arc<Mutex<Board>>,
    /// Schemas and rules of our kinds.
    pub schemas: Arc<Schemas>,
    /// Id of this installation: the uid of the operator's namespace.
    pub install_id: Arc<str>,
    /// The user that this process is to the API server.
    pub operator: Arc<str>,
    /// Namespace that holds the Secrets that Platforms name.
    pub namespace: Arc<str>,
    /// Who this process is among the replicas.
    pub identity: Arc<str>,
    /// Folder for repositories.
    pub data: Arc<PathBuf>,
    /// Where everything is written down.
    pub trail: Trail,
    /// Time between two counts of the room that a lost zone's pods would need.
    pub count_every: Duration,
    /// The image that runs of backups are made of; without one none begin.
    pub tools: Option<Arc<str>>,
    /// What is proven of isolation, and how often.
    pub proofs: Proofs,
}

/// What the loops tell each other: the source loop writes what it knows of Tenants' files, the Platform
/// loop which pull Secrets there are, and who changes a Tenant wakes its source.
#[derive(Debug, Default)]
pub struct Board {
    /// What the source loop knows of a Tenant's file.
    pub sources: HashMap<String, SourceState>,
    /// What the source loop reported last, by Platform.
    pub reports: HashMap<String, SourceReport>,
    /// Pull Secrets by Platform; an error where they can't be read.
    pub pull_secrets: HashMap<String, Result<Option<PullSecret>, String>>,
    /// Who else insists on a Tenant's children, by Tenant.
    pub fights: HashMap<String, Fight>,
    /// How far a change of a Platform's rules, or of the operator, is.
    pub waves: HashMap<String, Waves>,
    /// Wakes a Platform's source loop.
    pub wake: HashMap<String, Arc<Wake>>,
    /// What push hooks are signed with, by Platform.
    pub hook_keys: HashMap<String, Arc<Key>>,
    /// Whose tokens push hooks may carry, by Platform.
    pub issuers: HashMap<String, Kept>,
    /// Wakes a Platform's forge loop.
    pub forges: HashMap<String, Arc<Wake>>,
    /// What the forge loop reported last, by Platform.
    pub posts: HashMap<String, PostReport>,
    /// What is known of Tenants' backups.
    pub backups: HashMap<String, Arc<View>>,
    /// Tenants with a run of a volume that goes on or may have left something; `None` until somebody has looked.
    pub volumes: Option<BTreeSet<String>>,
    /// Whether Platforms' stores are fit, and when that was asked.
    pub stores: HashMap<String, (Judgement, Timestamp)>,
    /// What audit agents said last, by Platform.
    pub audits: HashMap<String, AuditReport>,
    /// What objects said before a write of which nobody knows whether it came through.
    pub unsure: HashMap<String, Vec<Condition>>,
    /// Tokens of GitHub Apps that are still good.
    pub tokens: Tokens,
}

/// Wakes a source loop, and may ask it for a look at the network.
#[derive(Debug, Default)]
pub struct Wake {
    bell: Notify,
    look: AtomicBool,
}

impl Wake {
    /// Something in the cluster changed.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// Something in the repository changed. Asked during a look, it means another one after it.
    pub fn ask(&self) {
        self.look.store(true, Ordering::Release);
        self.ring();
    }

    /// Waits for the next ring.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Whether a look was asked for since the last time.
    pub fn taken(&self) -> bool {
        self.look.swap(false, Ordering::AcqRel)
    }
}

impl Context {
    /// The board, locked for a moment.
    pub fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world, locked for a moment.
    pub fn world(&self) -> MutexGuard<'_, World> {
        crate::observe::inputs::lock(&self.world)
    }

    /// Takes a signal of the world to who should look. The world must not be locked.
    pub fn signal(&self, signal: Signal) {
        match signal {
            Signal::Tenant(name) => {
                let platform = self.world().tenant(&name).map(|tenant| tenant.spec.platform_ref.name.clone());
                let patience = self.board().patience(&name);
                match patience {
                    None => self.tenants.add_urgent(name),
                    Some(wait) => self.tenants.add_after(name, wait),
                }
                platform.iter().for_each(|platform| self.wake_source(platform));
            }
            Signal::TenantSoon(name) => self.tenants.add_after(name, SOON),
            Signal::Platform(name) => {
                self.wake_source(&name);
                self.wake_forge(&name);
                self.platforms_changed.notify_one();
                self.platforms.add_after(name, SOON);
            }
            Signal::AllTenants => {
                let names = self.world().tenant_names();
                names.into_iter().for_each(|name| self.tenants.add(name));
            }
            Signal::Node(turn) => health::node(self, turn),
        }
    }

    /// Folder of the repositories, one a Platform by its name.
    pub fn sources(&self) -> PathBuf {
        self.data.join("sources")
    }

    /// Folder of what pull requests bring, one a Platform by its name: never the one that is applied from.
    pub fn pulls(&self) -> PathBuf {
        self.data.join("pulls")
    }

    /// Wakes a Platform's forge loop, if it has one.
    pub fn wake_forge(&self, platform: &str) {
        if let Some(wake) = self.board().forges.get(platform) {
            wake.ring();
        }
    }

    /// Wakes a Platform's source loop, if it has one.
    pub fn wake_source(&self, platform: &str) {
        if let Some(wake) = self.board().wake.get(platform) {
            wake.ring();
        }
    }
}

/// Heals of one Tenant in a row. Somebody who puts the same change back each time would otherwise keep us
/// writing as fast as the API server answers.
#[derive(Clone, Copy, Debug)]
pub struct Fight {
    since: Instant,
    heals: u32,
}

/// Heals within this time count as one fight.
const FIGHT: Duration = Duration::from_secs(60);
/// Heals in a fight before we slow down.
const PATIENCE: u32 = 20;
/// Time between heals from then on.
const TRUCE: Duration = Duration::from_secs(5);

impl Board {
    /// A Tenant was healed.
    pub fn healed(&mut self, tenant: &str) {
        let now = Instant::now();
        let fight = self.fights.entry(tenant.to_owned()).or_insert(Fight { since: now, heals: 0 });
        if now.duration_since(fight.since) > FIGHT {
            *fight = Fight { since: now, heals: 0 };
        }
        fight.heals += 1;
    }

    /// How long to wait before the next heal of a Tenant.
    pub fn patience(&self, tenant: &str) -> Option<Duration> {
        let fight = self.fights.get(tenant)?;
        (fight.heals >= PATIENCE && fight.since.elapsed() <= FIGHT).then_some(TRUCE)
    }
}
