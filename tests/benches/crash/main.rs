//! `cargo bench --bench crash`: the operator is killed at random moments while specs change, and what is left
//! is held against what should be. Not a measurement but a long search; `cargo test` makes a short one.
//!
//! ```text
//! cargo bench --bench crash                       # 1,000 kills
//! cargo bench --bench crash -- 50 --seed 20779    # those of a run that found something
//! cargo bench --bench crash -- --audit 1000 200   # the audit agent instead: kills, and power cuts
//! ```

#![allow(clippy::unwrap_used, dead_code, reason = "the tests' support, of which this needs a part")]

#[path = "../../support/audit/mod.rs"]
mod audit;
#[path = "../../support/mod.rs"]
mod support;

use std::process::ExitCode;

use clap::Parser;
use support::{World, crash};

/// Kills the operator at random moments and counts what is lost, extra, orphaned or unrecorded.
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench crash --")]
struct Args {
    /// How often it is killed
    #[arg(default_value_t = 1000)]
    kills: usize,
    /// Tenants whose specs change
    #[arg(long, default_value_t = 5)]
    tenants: usize,
    /// Where the dice begin [default: the time]
    #[arg(long)]
    seed: Option<u64>,
    /// Kills of an audit agent, and power cuts of its spool's disk
    #[arg(long, num_args = 2, value_names = ["KILLS", "CUTS"])]
    audit: Option<Vec<usize>>,
    /// What cargo adds by itself
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let args = Args::parse();
    let seed =
        args.seed.unwrap_or_else(|| u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default());
    if let Some([kills, cuts]) = args.audit.as_deref() {
        return audit(*kills, *cuts, seed).await;
    }
    println!("{} kills, {} tenants, seed {seed}", args.kills, args.tenants);
    let report = match World::shared().await {
        Ok(Some(world)) => {
            world.stop_operator();
            crash::run(world, args.kills, args.tenants, seed).await
        }
        Ok(None) => return ExitCode::FAILURE,
        Err(error) => Err(error),
    };
    match report {
        Ok(report) => {
            println!(
                "{} kills in {:.0} s, {} deletions: {} lost, {} extra deletions, {} orphans, {} unrecorded",
                report.kills,
                report.seconds,
                report.deletions,
                report.lost.len(),
                report.extra.len(),
                report.orphans.len(),
                report.unrecorded.len()
            );
            if report.is_clean() {
                return ExitCode::SUCCESS;
            }
            println!("{report:#?}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The audit agent: everything that was acknowledged is there, or the seed that loses something is named.
async fn audit(kills: usize, cuts: usize, seed: u64) -> ExitCode {
    let cut = audit::cuts::run(cuts, seed).await;
    let killed = audit::kills::run(env!("CARGO_BIN_EXE_tenantry"), kills, seed).await;
    let good = cut.is_ok() && killed.is_ok();
    println!("0 lost unless said otherwise, seed {seed}\n{cut:?}\n{killed:?}");
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
