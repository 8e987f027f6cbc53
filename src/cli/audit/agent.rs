//! `tenantry audit agent`: takes records on a control-plane node.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;
use tracing::{info, warn};

use super::door::DoorArgs;
use super::optional::Optional;
use super::sink::{Opened, SinkArgs};
use crate::api::quantity::Quantity;
use crate::audit::agent::feed::Feed;
use crate::audit::agent::pages::Row;
use crate::audit::agent::servers::ApiServer;
use crate::audit::agent::shipping::Shipping;
use crate::audit::agent::watch::Watch;
use crate::audit::agent::{Agent, publish};
use crate::audit::frame::{Lost, Source};
use crate::audit::ship;
use crate::audit::spool::disk::{Disk, RealDisk};
use crate::audit::spool::names::SOURCES;
use crate::audit::spool::{Settings, Spool};
use crate::audit::tail::files::Watched;
use crate::audit::tail::follow::Follow;
use crate::audit::webhook::{Answers, Webhook};
use crate::cli::Outcome;
use crate::runtime::http::Server;
use crate::runtime::shutdown::{self, Shutdown};
use crate::runtime::telemetry::{self, LogFormat};

/// Threads beside those of the disk: an agent leaves the node to others.
const THREADS: usize = 2;

/// Arguments of `tenantry audit agent`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Take audit records on a control-plane node, and keep them until they are in the archive",
    long_about = "Take audit records on a control-plane node, and keep them until they are in the archive.\n\n\
                  The API server's log file is the better source: it is there whether the agent runs or not. Rotate it \
                  by renaming, as kube-apiserver does, and without compression. The webhook is answered when all \
                  events of a request are on disk; an event that comes both ways counts once.\n\n\
                  Records that were taken are numbered and never deleted before the archive is known to have them. A \
                  full spool makes sources wait.",
    after_help = "Examples:\n  \
                  tenantry audit agent --spool /var/lib/tenantry-audit --cluster eu --agent cp-1 --file /var/log/kubernetes/audit.log\n  \
                  tenantry audit agent --spool /var/lib/tenantry-audit --cluster eu --agent cp-1 --webhook 127.0.0.1:9444 --most 20Gi"
)]
pub struct Args {
    /// Folder of the spool, on a disk of the node that stays; one agent each
    #[arg(long, value_name = "FOLDER")]
    pub spool: PathBuf,
    /// The cluster's name in the archive
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub cluster: String,
    /// The agent's name in the archive: its node's
    #[arg(long, value_name = "NAME", env = "NODE_NAME", value_parser = name)]
    pub agent: String,
    /// Audit log of a kube-apiserver: its --audit-log-path
    #[arg(long, value_name = "FILE")]
    pub file: Vec<PathBuf>,
    #[command(flatten)]
    door: DoorArgs,
    /// Folder of an operator's change trail: trail in its --data-dir
    #[arg(long, value_name = "FOLDER")]
    pub trail: Option<PathBuf>,
    /// Folder of conditions that turned: health in the operator's --data-dir
    #[arg(long, value_name = "FOLDER")]
    pub health: Option<PathBuf>,
    /// Folder of what runs of backups and drills left: backups in the operator's --data-dir
    #[arg(long, value_name = "FOLDER")]
    pub backups: Option<PathBuf>,
    /// Most bytes that the spool may have; the disk's free space when absent
    #[arg(long, value_name = "QUANTITY", value_parser = bytes)]
    pub most: Option<u64>,
    /// Bytes of the disk that the spool leaves free
    #[arg(long, value_name = "QUANTITY", value_parser = bytes, default_value = "64Mi")]
    pub reserve: u64,
    #[command(flatten)]
    sink: Optional<SinkArgs>,
    /// An API server whose events come to this agent, as https://ADDRESS:PORT: canaries go through it, and its counters
    /// are compared with what arrived
    #[arg(long, value_name = "URL")]
    pub apiserver: Vec<String>,
    /// Say how it stands in a ConfigMap of this namespace, for the operator
    #[arg(long, value_name = "NAMESPACE")]
    pub publish: Option<String>,
    /// Address of /healthz, /readyz, /status and /metrics
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9445")]
    pub http: SocketAddr,
    /// Log level or filter, such as info or tenantry=debug
    #[arg(long, value_name = "FILTER", env = telemetry::LOG_VARIABLE, default_value = "info")]
    pub log: String,
    /// Form of the log lines
    #[arg(long, value_name = "FORM", value_enum, default_value = "json")]
    pub log_format: LogFormat,
}

/// A part of a key in the archive.
fn name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let good = (1..=63).contains(&text.len()) && text.chars().all(plain) && !text.starts_with('.');
    good.then(|| text.to_owned())
        .ok_or_else(|| "write 1 to 63 letters, digits, '-', '_' or '.', not '.' first".to_owned())
}

fn bytes(text: &str) -> Result<u64, String> {
    let bytes = Quantity::from(text).milli()?.0 / 1000;
    u64::try_from(bytes).map_err(|_| format!("\"{text}\" is no number of bytes; write it like 20Gi"))
}

/// Works until it is told to stop.
///
/// # Errors
/// The spool or an address can't be used, or a source ended.
pub fn main(args: Args) -> Outcome {
    telemetry::init(args.log_format, &args.log)?;
    let folders = [&args.trail, &args.health, &args.backups];
    if args.file.is_empty() && args.door.webhook.is_none() && folders.iter().all(|one| one.is_none()) {
        return Err(
            "there is nothing to take: give --file, --webhook or both, or a folder of the operator's".into(),
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    runtime.block_on(work(args))
}

async fn work(args: Args) -> Outcome {
    let (trigger, shutdown) = Shutdown::new();
    shutdown::on_signals(trigger)?;
    let (spool, lost) = open(&args)?;
    let (mut feeds, mut rows) = (follow(&args), Vec::new());
    if let Some(addr) = args.door.webhook {
        let webhook = Webhook::bind(addr, args.door.tls()?).await?;
        info!(webhook = %webhook.addr(), "listening");
        rows.extend(count(&webhook.answers()));
        feeds.push(Box::new(webhook));
    }
    let server = Server::bind(args.http, "health, status and metrics").await?;
    info!(version = env!("CARGO_PKG_VERSION"), http = %server.addr(), epoch = spool.epoch(), "starting");
    let mut others = Vec::new();
    let shipping = args.sink.0.as_ref().map(|sink| ship(&args, sink)).transpose()?;
    let shipped =
        shipping.as_ref().map_or_else(|| watch::channel(ship::run::State::default()).1, Shipping::state);
    if !args.apiserver.is_empty() || args.publish.is_some() {
        let config = kube::Config::infer().await?;
        let servers =
            args.apiserver.iter().map(|url| ApiServer::new(&config, url)).collect::<Result<_, _>>()?;
        let watch = Watch::new((&args.cluster, &args.agent), spool.clone(), shipped, servers, &lost);
        if let Some(namespace) = args.publish {
            let client = kube::Client::try_from(config)?;
            let told = publish::run(client, namespace, watch.state(), shutdown.clone());
            others.push(("the word to the operator", Box::pin(told) as _));
        }
        others.push(("the watch", Box::pin(watch.run(shutdown.clone())) as _));
    }
    let shipper = shipping.map(|shipping| Box::new(shipping) as _);
    let agent = Agent { cluster: args.cluster, agent: args.agent, spool, feeds, rows, shipper, others };
    agent.run(server, shutdown).await?;
    Ok(ExitCode::SUCCESS)
}

fn ship(args: &Args, sink: &SinkArgs) -> Result<Shipping, Box<dyn std::error::Error>> {
    let Opened { sink, settings, key } = sink.open()?;
    let folder = ship::spool::Folder::new(&args.spool);
    let shipper = ship::shipper::Shipper::open(folder, &args.cluster, &args.agent, &key)?;
    Ok(Shipping::new(shipper, sink, settings))
}

fn open(args: &Args) -> Result<(Spool, Vec<Lost>), Box<dyn std::error::Error>> {
    let usual = Settings::new(args.spool.clone(), &args.cluster, &args.agent);
    let (spool, found) = Spool::open(Settings { most: args.most, reserve: args.reserve, ..usual })?;
    if found.torn > 0 {
        info!(bytes = found.torn, "a write that was cut off is cut away; nobody was told of it");
    }
    for (first, last) in &found.lost {
        warn!(first, last, "acknowledged records can't be read any more; a record says so");
    }
    RealDisk.make_folder(&args.spool.join(SOURCES))?;
    Ok((spool, found.lost))
}

/// Everything that comes in files.
fn follow(args: &Args) -> Vec<Box<dyn Feed>> {
    let notes = args.spool.join(SOURCES);
    let mut feeds: Vec<Box<dyn Feed>> = Vec::new();
    let mut add =
        |name: &str, source, watched| feeds.push(Box::new(Follow::new(name, source, watched, &notes)));
    for (index, file) in args.file.iter().enumerate() {
        // The first one's name doesn't change when others come.
        let name = if index == 0 { "audit-log".to_owned() } else { format!("audit-log-{}", index + 1) };
        add(&name, Source::AuditFile, Watched::Log(file.clone()));
    }
    let folders = [
        ("trail", Source::ChangeTrail, &args.trail),
        ("health", Source::Health, &args.health),
        ("backups", Source::Backup, &args.backups),
    ];
    for (name, source, folder) in folders {
        if let Some(folder) = folder {
            add(name, source, Watched::Folder(folder.clone(), ".jsonl"));
        }
    }
    feeds
}

fn count(answers: &Arc<Answers>) -> [Row; 3] {
    let row = |label, of: fn(&Answers) -> &AtomicU64| -> Row {
        let answers = Arc::clone(answers);
        ("webhook_answers", label, Arc::new(move || of(&answers).load(Ordering::Relaxed)))
    };
    [
        row("taken", |answers| &answers.taken),
        row("rubbish", |answers| &answers.rubbish),
        row("later", |answers| &answers.later),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sizes_are_read() {
        assert!(name("cp-1.eu_2").is_ok());
        for bad in ["", ".", "..", "a/b", "a b", "é", &"x".repeat(64)] {
            assert!(name(bad).is_err(), "{bad}");
        }
        assert_eq!(bytes("20Gi"), Ok(20 << 30));
        assert!(bytes("-1").is_err() && bytes("much").is_err());
    }
}
