//! `tenantry run`: the operator.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt,
    runtime::events::{Recorder, Reporter},
};
use tracing::{info, warn};

use crate::{
    api::common::Duration as Span,
    apply::Writer,
    controller::{context::Context, hooks::Hooks, prove::Proofs, supervise},
    hook,
    observe::{
        crds::Definitions,
        standing::whoami,
        watch::{READ_DEADLINE, Watches},
        world::World,
    },
    prove::prober,
    runtime::{
        api_client::{self, IN_FLIGHT, Target},
        call::deadline,
        health::Health,
        http,
        lease::{self, Elector, KubeLease, Leadership},
        metrics::Metrics,
        queue::Queue,
        shutdown::{self, Shutdown},
        telemetry::{self, LogFormat},
    },
    source,
    trail::keeper::Trail,
};

use super::{
    Outcome,
    crds::{definitions, schemas},
};

/// Calls for the Lease at once: it has a client of its own, so that it never waits behind others.
const LEASE_CALLS: usize = 2;

/// The operator's folder, where nobody says another.
pub const DATA: &str = "/var/lib/tenantry";

/// Time between two looks for what must be there at the start.
const RETRY: Duration = Duration::from_secs(2);

/// Arguments of `tenantry run`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tenantry run\n  tenantry run --kubeconfig ~/.kube/config --context staging --log-format text"
)]
pub struct Args {
    /// Kubeconfig file; otherwise KUBECONFIG, ~/.kube/config, or the Pod's service account
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context in the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The operator's own namespace: it holds the Lease and the Secrets that Platforms name
    #[arg(long, value_name = "NAME", env = "POD_NAMESPACE", default_value = "tenantry-system")]
    pub namespace: String,
    /// Folder for Git repositories, which are not worth a backup, and for what the operator writes down, which is
    #[arg(long, value_name = "FOLDER", env = "TENANTRY_DATA", default_value = DATA)]
    pub data_dir: PathBuf,
    /// Address of /healthz, /readyz and /metrics
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub http: SocketAddr,
    /// Address of POST /hooks/PLATFORM, for push hooks of Git servers; without it there are none
    #[arg(long, value_name = "ADDRESS")]
    pub hooks: Option<SocketAddr>,
    /// Time between two counts of all pods and nodes, for what the loss of a zone would do
    #[arg(long, value_name = "DURATION", value_parser = Span::parse, default_value = "10m")]
    pub zone_loss_interval: Span,
    /// Time between two proofs of each Tenant's isolation: access reviews, and dry runs of what must be refused; 0s for
    /// none. Evidence older than 12h proves nothing
    #[arg(long, value_name = "DURATION", value_parser = Span::parse, default_value = "6h")]
    pub proof_interval: Span,
    /// The operator's image, to probe the network between the two Tenants that `tenantry probe manifests` prints;
    /// without it the network isn't probed
    #[arg(long, value_name = "IMAGE")]
    pub probe_image: Option<String>,
    /// An image with this program and restic, for the Jobs that make and try backups: the operator's own has both;
    /// without it no backups are made
    #[arg(long, value_name = "IMAGE")]
    pub backup_image: Option<String>,
    /// Log level or filter, such as info or tenantry=debug
    #[arg(long, value_name = "FILTER", env = telemetry::LOG_VARIABLE, default_value = "info")]
    pub log: String,
    /// Form of the log lines
    #[arg(long, value_name = "FORM", value_enum, default_value = "json")]
    pub log_format: LogFormat,
}

/// Runs the operator until it is told to stop.
///
/// # Errors
/// Something that it needs from the start is not there.
pub fn main(args: Args) -> Outcome {
    telemetry::init(args.log_format, &args.log)?;
    source::check_libgit2()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(operate(args))
}

async fn operate(args: Args) -> Outcome {
    let (trigger, shutdown) = Shutdown::new();
    shutdown::on_signals(trigger)?;
    let (metrics, health) = (Metrics::new(), Health::default());
    metrics.watch_health(health.clone());
    let server = http::bind(args.http).await?;
    info!(version = env!("CARGO_PKG_VERSION"), http = %server.addr(), "starting");
    let serving = tokio::spawn(http::serve(server, health.clone(), metrics.clone(), shutdown.clone()));
    let listener = match args.hooks {
        Some(address) => Some(hook::server::bind(address).await?),
        None => None,
    };

    let config =
        Target { kubeconfig: args.kubeconfig.clone(), context: args.context.clone() }.config().await?;
    let client = api_client::client(config.clone(), &metrics, &health, IN_FLIGHT)?;
    let lease_client = api_client::client(config.clone(), &metrics, &health, LEASE_CALLS)?;
    let known = definitions().map(|(_, definition)| definition);
    let (mut definitions, _watch) = Definitions::watch(&client, known, &health);
    let ground = ground(&client, &args.namespace, &mut definitions, &health);
    let Some(who) = shutdown.unless_requested(ground).await else { return Ok(ExitCode::SUCCESS) };
    let replica = lease::identity(&std::env::var("POD_NAME").unwrap_or_else(|_| "tenantry".to_owned()));
    let lease = KubeLease::new(lease_client, &args.namespace, lease::NAME);
    let (elector, leadership) = Elector::new(lease, lease::Settings::new(replica.clone()));
    metrics.watch_leadership(leadership.clone());
    let electing = tokio::spawn(elect(elector, definitions, shutdown.clone()));
    let trail = Trail::start(&args.data_dir, metrics.clone())?;
    let proofs = Proofs {
        period: args.proof_interval.0,
        image: args.probe_image.clone(),
        prober: prober::Settings {
            config,
            namespace: args.namespace.clone(),
            metrics: metrics.clone(),
            health: health.clone(),
        },
        leadership: leadership.clone(),
    };
    let ctx = context(&args, client, proofs, metrics, (who, replica), trail);
    let hooks = Hooks { ctx: ctx.clone(), leadership: leadership.clone() };
    let hooking = listener.map(|server| {
        info!(hooks = %server.addr(), "taking push hooks");
        tokio::spawn(hook::server::serve(server, hooks, ctx.metrics.clone(), shutdown.clone()))
    });
    work(&ctx, leadership, &health, &shutdown).await;
    if let Some(hooking) = hooking {
        hooking.await?;
    }
    ctx.trail.flush().await;
    electing.await?;
    serving.await?;
    info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Watches the cluster, and works while this replica leads.
async fn work(ctx: &Context, leadership: Leadership, health: &Health, shutdown: &Shutdown) {
    let (_watches, mut synced) = Watches::start(&ctx.client, &ctx.world, &supervise::sink(ctx), health);
    if shutdown.unless_requested(synced.wait()).await.is_some() {
        supervise::run(ctx, leadership, health, shutdown).await;
    }
}

/// Takes part in the election while the cluster has the definitions that this version knows: another version
/// may know those that it has, and every write ends with leadership.
async fn elect(mut elector: Elector<KubeLease>, mut definitions: Definitions, shutdown: Shutdown) {
    while shutdown.unless_requested(definitions.right()).await.is_some() {
        let stop = async {
            let _ = shutdown.unless_requested(definitions.wrong()).await;
        };
        elector.run(stop).await;
    }
}

/// Waits until the cluster has the definitions that this version knows, and returns the id of the
/// installation. Nothing is written before.
async fn ground(
    client: &Client,
    namespace: &str,
    definitions: &mut Definitions,
    health: &Health,
) -> Identity {
    definitions.right().await;
    loop {
        match identity(client, namespace).await {
            Ok(id) => {
                health.unblock("cluster");
                return id;
            }
            Err(problem) => {
                warn!(%problem, "waiting for the cluster");
                health.block("cluster", problem);
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Who this process is.
struct Identity {
    /// The uid of the operator's namespace: it lives as long as the installation.
    install_id: String,
    /// The user that it is to the API server.
    user: String,
}

async fn identity(client: &Client, namespace: &str) -> Result<Identity, String> {
    let api: Api<Namespace> = Api::all(client.clone());
    let found = deadline(READ_DEADLINE, api.get_metadata(namespace)).await;
    let found = found.map_err(|error| format!("namespace {namespace} can't be read: {error}"))?;
    let install_id = found.uid().ok_or_else(|| format!("namespace {namespace} has no uid"))?;
    let user = whoami(client).await;
    let user = user.map_err(|error| format!("the API server doesn't say who this process is: {error}"))?;
    Ok(Identity { install_id, user })
}

fn context(
    args: &Args,
    client: Client,
    proofs: Proofs,
    metrics: Metrics,
    (who, replica): (Identity, String),
    trail: Trail,
) -> Context {
    let reporter = Reporter { controller: "tenantry".into(), instance: std::env::var("POD_NAME").ok() };
    let (tenants, platforms): (Queue<String>, Queue<String>) = (Queue::default(), Queue::default());
    metrics.watch_queue("tenant", {
        let queue = tenants.clone();
        move || queue.stats()
    });
    metrics.watch_queue("platform", {
        let queue = platforms.clone();
        move || queue.stats()
    });
    let world: Arc<Mutex<World>> = Arc::default();
    metrics.watch_promises({
        let world = Arc::clone(&world);
        move || world.lock().unwrap_or_else(PoisonError::into_inner).promises()
    });
    Context {
        world,
        recorder: Recorder::new(client.clone(), reporter),
        writer: Writer::new(client.clone(), proofs.leadership.clone()),
        client,
        metrics,
        tenants,
        platforms,
        platforms_changed: Arc::default(),
        board: Arc::default(),
        schemas: Arc::new(schemas()),
        install_id: who.install_id.into(),
        operator: who.user.into(),
        tools: args.backup_image.as_deref().map(Into::into),
        namespace: args.namespace.as_str().into(),
        identity: replica.into(),
        data: Arc::new(args.data_dir.clone()),
        trail,
        count_every: args.zone_loss_interval.0,
        proofs,
    }
}
