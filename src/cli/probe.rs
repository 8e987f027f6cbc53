//! `tenantry probe`: what runs in the pods of the network probe, and what has to be applied for it.

use std::process::ExitCode;

use crate::prove::{
    knock::{self, Places},
    stage,
};

use super::{Outcome, out};

/// Where a container leaves its last words, if nobody says another place.
const LAST_WORDS: &str = "/dev/termination-log";

/// Arguments of `tenantry probe`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Probe whether the network keeps tenants apart: what runs in the probe's pods, and what to apply for it",
    after_help = "Examples:\n  tenantry probe manifests --image registry.example.com/tenantry:1.0.0 | kubectl apply -f -"
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Print the Platform and the two Tenants of the probe
    #[command(
        after_help = "Examples:\n  tenantry probe manifests --image registry.example.com/tenantry:1.0.0"
    )]
    Manifests {
        /// The operator's image, by a name that nodes can pull
        #[arg(long, value_name = "IMAGE")]
        image: String,
    },
    /// Answer whoever knocks; runs in the probe's Tenants
    #[command(after_help = "Examples:\n  tenantry probe listen")]
    Listen,
    /// Knock at the doors of both Tenants; runs in the pod that the operator starts
    #[command(
        after_help = "Examples:\n  tenantry probe knock --own 10.0.0.1:8080 --own-service door:8080 --pod 10.0.1.1:8080 --service 10.96.0.9:8080"
    )]
    Knock(KnockArgs),
}

#[derive(Debug, clap::Args)]
struct KnockArgs {
    /// A pod of the own Tenant, which must answer
    #[arg(long, value_name = "HOST:PORT")]
    own: String,
    /// The Service of the own Tenant, by name
    #[arg(long, value_name = "HOST:PORT")]
    own_service: String,
    /// A pod of the other Tenant
    #[arg(long, value_name = "HOST:PORT")]
    pod: String,
    /// The Service of the other Tenant
    #[arg(long, value_name = "HOST:PORT")]
    service: String,
    /// Where to leave the report
    #[arg(long, value_name = "FILE", default_value = LAST_WORDS)]
    report: std::path::PathBuf,
}

/// Runs it.
///
/// # Errors
/// The port can't be had, or the report can't be written.
pub fn main(args: &Args) -> Outcome {
    match &args.what {
        What::Manifests { image } => {
            for manifest in stage::manifests(image) {
                out::stdout(&format!("---\n{}", serde_saphyr::to_string(&manifest)?))?;
            }
        }
        What::Listen => runtime()?.block_on(knock::listen())?,
        What::Knock(args) => knock(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn knock(args: &KnockArgs) -> Result<(), Box<dyn std::error::Error>> {
    let (own, own_service) = (args.own.clone(), args.own_service.clone());
    let places = Places { own, own_service, pod: args.pod.clone(), service: args.service.clone() };
    let report = runtime()?.block_on(knock::report(&places));
    let text = serde_json::to_string(&report)?;
    std::fs::write(&args.report, &text)
        .map_err(|error| format!("{} can't be written: {error}", args.report.display()))?;
    Ok(out::stdout(&format!("{text}\n"))?)
}
