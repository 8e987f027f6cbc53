//! `cargo bench --bench converge`: the operator, as the release process that it is, against a real API
//! server, beside a bare client that makes the same writes.
//!
//! ```text
//! cargo bench --bench converge                                 # 100, 300 and 1,000 tenants, every phase
//! cargo bench --bench converge -- 20,50 --quick                # minutes instead of an hour
//! cargo bench --bench converge -- 300 --phases bare            # one phase
//! ```
//!
//! - [`rate`]: from an empty cluster to all Ready, beside [`bare`]
//! - [`drift`], [`commit`], [`quiet`], [`memory`]: what the converged operator does, at the last size

mod bare;
mod bed;
mod calls;
mod commit;
mod drift;
mod memory;
mod quiet;
mod rate;
mod report;
mod seen;
mod tenants;
mod watching;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::bed::Bed;
use crate::report::Report;

/// Any failure ends the benchmark: half a figure is none.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures the operator beside a bare client that makes the same writes.
#[derive(Debug, Clone, Parser)]
#[command(name = "cargo bench --bench converge --")]
struct Args {
    /// Tenants in each run; the other phases run at the last size [default: 100,300,1000; with --quick: 30]
    #[arg(value_delimiter = ',')]
    sizes: Vec<usize>,
    /// Shorter phases and fewer repetitions
    #[arg(long)]
    quick: bool,
    /// Only these phases
    #[arg(long, value_delimiter = ',', value_enum)]
    phases: Vec<Phase>,
    /// Runs of each size, the order of the two turning each time [default: 2 up to 300 tenants, else 1]
    #[arg(long)]
    rounds: Option<usize>,
    /// Where the figures go
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Another build of the operator, to hold against this one
    #[arg(long, value_name = "FILE", default_value = env!("CARGO_BIN_EXE_tenantry"))]
    operator: PathBuf,
    /// What cargo adds by itself
    #[arg(long, hide = true)]
    bench: bool,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Phase {
    /// The bare client beside the operator; without it the operator alone
    Bare,
    /// Repair of children that somebody changed
    Drift,
    /// From a push to the child's new content
    Commit,
    /// A restart without drift, then idle minutes
    Quiet,
    /// Memory with foreign objects
    Memory,
}

impl Args {
    fn sizes(&self) -> Vec<usize> {
        match (self.sizes.is_empty(), self.quick) {
            (false, _) => self.sizes.clone(),
            (true, true) => vec![30],
            (true, false) => vec![100, 300, 1000],
        }
    }

    fn rounds(&self, size: usize) -> usize {
        self.rounds.unwrap_or(if size <= 300 && !self.quick { 2 } else { 1 }).max(1)
    }

    fn wants(&self, phase: Phase) -> bool {
        self.phases.is_empty() || self.phases.contains(&phase)
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("converge: can't start the async runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = match runtime.block_on(run(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nconverge: {error}");
            ExitCode::FAILURE
        }
    };
    runtime.shutdown_background();
    code
}

async fn run(args: &Args) -> Outcome<()> {
    let mut report = Report::new();
    let sizes = args.sizes();
    for (index, &size) in sizes.iter().enumerate() {
        let rounds = args.rounds(size);
        for round in 1..=rounds {
            // The last round ends with the operator running, for the other phases.
            let operator_first = (rounds - round) % 2 == 1;
            let mut bed = rate::run(size, &mut report, args, operator_first).await?;
            if index + 1 == sizes.len() && round == rounds {
                let outcome = phases(&mut bed, &mut report, args).await;
                if outcome.is_err() {
                    bed.show_log();
                }
                outcome?;
            }
        }
    }
    report.finish(args)
}

/// What the converged operator does.
async fn phases(bed: &mut Bed, report: &mut Report, args: &Args) -> Outcome<()> {
    if args.wants(Phase::Drift) {
        drift::run(bed, report, args).await?;
    }
    if args.wants(Phase::Commit) {
        commit::run(bed, report, args).await?;
    }
    if args.wants(Phase::Quiet) {
        quiet::run(bed, report, args).await?;
    }
    if args.wants(Phase::Memory) {
        memory::run(bed, report, args).await?;
    }
    Ok(())
}
