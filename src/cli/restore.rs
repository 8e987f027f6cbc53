//! `tenantry restore`: asks for a Restore, and says how far it is.

use std::{process::ExitCode, time::Duration};

use jiff::Timestamp;
use kube::{Api, Client, ResourceExt};

use crate::{
    api::{
        Restore, Tenant,
        backup_status::{BackupStatus, RunResult},
        restore::RestoreSpec,
        tenant::PlatformRef,
    },
    observe::watch::READ_DEADLINE,
    runtime::call::deadline,
};

use super::{
    Outcome,
    cluster::{ClusterArgs, runtime},
    out,
    style::{BAD, GOOD, paint},
};

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// Arguments of `tenantry restore`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Bring a restore point of a Tenant's database back, as a new database on its own server",
    long_about = "Bring a restore point of a Tenant's database back, as a new database on its own server.\n\n\
                  Makes a Restore and waits for it. Ends with 0 when the data is back, 1 when it isn't, 2 when that \
                  can't be asked. Interrupted, it stops waiting; the restore goes on.",
    after_help = "Examples:\n  tenantry restore acme --database app --to app_then\n  tenantry restore acme --database app --at 2026-11-21T09:00:00Z --to app_then\n  tenantry restore acme --database app --over-live acme/app"
)]
pub struct Args {
    /// The Tenant
    #[arg(value_name = "TENANT")]
    tenant: String,
    /// Its database, by its name in spec.databases
    #[arg(long, value_name = "NAME")]
    database: String,
    /// The newest restore point that is not younger than this; the newest of all when absent
    #[arg(long, value_name = "RFC 3339")]
    at: Option<Timestamp>,
    /// Database that is made on the same server; <database>_restored when absent
    #[arg(long, value_name = "NAME", conflicts_with = "over_live")]
    to: Option<String>,
    /// Replace the live database: write <tenant>/<database> to say that what is in it may be lost
    #[arg(long, value_name = "TENANT/DATABASE")]
    over_live: Option<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Restores.
///
/// # Errors
/// It can't be asked for, or how it stands can't be read.
pub fn main(args: &Args) -> Outcome {
    runtime()?.block_on(restore(args))
}

async fn restore(args: &Args) -> Outcome {
    let client = args.cluster.connect().await?.client;
    let about = known(&client, args).await?;
    out::stdout(&about)?;
    let api: Api<Restore> = Api::all(client);
    let wanted = wanted(args, Timestamp::now());
    let made = deadline(READ_DEADLINE, api.create(&kube::api::PostParams::default(), &wanted)).await?;
    let name = made.name_any();
    out::stdout(&format!("Restore {name} is asked for; kubectl get restore {name} shows it, too\n"))?;
    let mut said = RunResult::Pending;
    loop {
        let now = deadline(READ_DEADLINE, api.get(&name)).await?;
        let status = now.status.unwrap_or_default();
        if status.result != said {
            out::stdout(&format!("  {}\n", progress(status.result)))?;
            said = status.result;
        }
        match status.result {
            RunResult::Pending | RunResult::Running => tokio::time::sleep(LOOK).await,
            RunResult::Succeeded => {
                let text = format!(
                    "{}: database {} holds the data of {}\n",
                    paint(GOOD, "restored"),
                    status.database,
                    status.restore.point
                );
                out::stdout(&text)?;
                return Ok(ExitCode::SUCCESS);
            }
            RunResult::Failed => {
                let why = &status.restore;
                let text =
                    format!("{}: {}: {}\n{}\n", paint(BAD, "failed"), why.reason, why.message, why.log_line);
                out::stdout(&text)?;
                return Ok(ExitCode::from(1));
            }
        }
    }
}

fn progress(result: RunResult) -> &'static str {
    match result {
        RunResult::Pending => "waiting for the operator",
        RunResult::Running => "running",
        RunResult::Succeeded => "done",
        RunResult::Failed => "ended",
    }
}

/// What there is to restore from, before anything is asked for.
async fn known(client: &Client, args: &Args) -> Result<String, Box<dyn std::error::Error>> {
    let (tenant, database) = (&args.tenant, &args.database);
    let api: Api<Tenant> = Api::all(client.clone());
    let found = deadline(READ_DEADLINE, api.get_opt(tenant)).await?;
    let found = found.ok_or_else(|| format!("there is no Tenant {tenant}; see kubectl get tenants"))?;
    let listed: Vec<&str> = found.spec.databases.iter().map(|one| one.name.as_str()).collect();
    if !listed.contains(&database.as_str()) {
        return Err(
            format!("Tenant {tenant} lists no database {database}; it lists: {}", listed.join(", ")).into()
        );
    }
    let points = found.status.iter().flat_map(|status| &status.backups).find(|one| one.name == *database);
    match points.filter(|points| points.points > 0) {
        Some(points) => Ok(range(points)),
        None => {
            Err(format!("{tenant}/{database} has no restore point yet; tenantry why {tenant} says why")
                .into())
        }
    }
}

fn range(points: &BackupStatus) -> String {
    let text = |time: &Option<String>| time.clone().unwrap_or_else(|| "unknown".into());
    format!("{} restore points, from {} to {}\n", points.points, text(&points.oldest), text(&points.newest))
}

fn wanted(args: &Args, now: Timestamp) -> Restore {
    let (tenant, database) = (args.tenant.clone(), args.database.clone());
    let to = match (&args.to, &args.over_live) {
        (Some(to), _) => Some(to.clone()),
        (None, None) => Some(format!("{}_restored", database.replace('-', "_"))),
        (None, Some(_)) => None,
    };
    let name = format!("{tenant}-{}", now.strftime("%Y%m%d%H%M%S"));
    Restore::new(
        &name,
        RestoreSpec {
            tenant_ref: PlatformRef { name: tenant },
            database,
            at: args.at.map(|at| at.to_string()),
            to,
            over_live: args.over_live.clone(),
        },
    )
}
