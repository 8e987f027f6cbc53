//! `tenantry watchdog`: where there is no operator, every status says so.

use std::{process::ExitCode, time::Duration};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ClusterResourceScope;
use kube::{Resource, ResourceExt};
use tokio::time::Instant;

use crate::{
    api::{Platform, Tenant},
    apply::Writer,
    observe::lists,
    runtime::{
        call::CallError,
        lease::{self, KubeLease, Leadership, Silence, silence},
        telemetry::{self, LogFormat},
    },
    status::silence::silenced,
};

use super::{
    Outcome,
    cluster::{ClusterArgs, Connection, runtime},
    out,
};

/// Objects that are read at once.
const PAGE: u32 = 100;

/// Arguments of `tenantry watchdog`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Say in every status that there is no operator, if nobody renews its Lease",
    long_about = "Say in every status that there is no operator, if nobody renews its Lease.\n\n\
                  Looks once, ends within minutes, and needs neither the operator nor its rights: run it every \
                  minute beside it. With an operator it writes nothing; without one every condition of Tenants and \
                  Platforms becomes Unknown (OperatorNotRunning), until an operator is back and says them anew.\n\n\
                  Ends with 0 when it could tell, and 2 when something can't be read or written.",
    after_help = "Examples:\n  tenantry watchdog\n  tenantry watchdog --silent-for 120 --context staging"
)]
pub struct Args {
    /// How long the Lease must stand still; its times are not asked, because clocks can be wrong
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(20..=120))]
    pub silent_for: u64,
    #[command(flatten)]
    #[allow(missing_docs)] // clap would print it as help
    pub cluster: ClusterArgs,
}

/// Looks, and says what it did.
///
/// # Errors
/// The cluster can't be read, or a status not be written.
pub fn main(args: &Args) -> Outcome {
    telemetry::init(LogFormat::Text, "warn")?;
    let said = runtime()?.block_on(watch(args))?;
    out::stdout(&format!("{said}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// What there is to work with.
struct Watchdog {
    connection: Connection,
    /// When it was [`Connection::now`].
    begin: Instant,
    lease: KubeLease,
    name: String,
    silence: Silence,
    writer: Writer,
}

/// What came of it.
#[derive(Debug, Default)]
struct Told {
    written: usize,
    /// They said so already, or somebody else spoke meanwhile.
    left: usize,
    failed: Vec<String>,
    /// The operator is back.
    back: bool,
}

async fn watch(args: &Args) -> Result<String, Box<dyn std::error::Error>> {
    let connection = args.cluster.connect().await?;
    let begin = Instant::now();
    let lease = KubeLease::new(connection.client.clone(), &args.cluster.namespace, lease::NAME);
    let name = format!("{}/{}", args.cluster.namespace, lease::NAME);
    let Some(silence) = silence(&lease, Duration::from_secs(args.silent_for)).await? else {
        return Ok(format!("an operator renews Lease {name}"));
    };
    // Nobody leads: that is why it writes at all.
    let writer = Writer::new(connection.client.clone(), Leadership::always());
    let watchdog = Watchdog { connection, begin, lease, name, silence, writer };
    let mut told = Told::default();
    watchdog.tell::<Platform>(&mut told).await?;
    watchdog.tell::<Tenant>(&mut told).await?;
    let Told { written, left, failed, back } = told;
    if let Some(first) = failed.first() {
        return Err(format!("{} statuses can't be written; the first: {first}", failed.len()).into());
    }
    let end = if back { "; then an operator came back" } else { "" };
    Ok(format!(
        "nobody renews Lease {}: {written} statuses changed to Unknown, {left} not{end}",
        watchdog.name
    ))
}

impl Watchdog {
    /// Tells it on every object of a kind. One that can't be written stops none of the others.
    async fn tell<K>(&self, told: &mut Told) -> Result<(), CallError>
    where
        K: Resource<Scope = ClusterResourceScope, DynamicType = ()>,
    {
        let mut next = None;
        while !told.back {
            let page = lists::page::<K>(&self.connection.client, PAGE, next.as_deref()).await?;
            told.back = !self.silence.lasts(&self.lease).await?;
            for object in page.items.into_iter().filter(|_| !told.back) {
                let Some(status) = silenced(&object.data["status"], &self.name, self.now()) else {
                    told.left += 1;
                    continue;
                };
                let (plural, kind) = (K::plural(&()), K::kind(&()));
                match self.writer.status_of_this_version(&plural, &kind, &object.metadata, &status).await {
                    Ok(()) => told.written += 1,
                    Err(CallError::Conflict(_) | CallError::NotFound(_)) => told.left += 1,
                    Err(error) => told.failed.push(format!("{kind} {}: {error}", object.name_any())),
                }
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// The API server's time: ours may be wrong.
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.begin.elapsed()).unwrap_or_default();
        self.connection.now.checked_add(passed).unwrap_or(self.connection.now)
    }
}
