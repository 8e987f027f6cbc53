//! `cargo bench --bench recovery`: things fail on real nodes, and what the status said and how long all took is
//! printed as a Markdown table. Needs root on Linux. The tests in `tests/nodes` play the same scenes once, with
//! generous bounds.
//!
//! ```text
//! cargo bench --bench recovery                 # three rounds, medians
//! cargo bench --bench recovery -- --rounds 1
//! ```

#![allow(
    clippy::unwrap_used,
    dead_code,
    unused_imports,
    reason = "what tests share, of which this needs a part"
)]

#[path = "../../nodes/operator.rs"]
mod operator;
#[path = "../../nodes/scenes/mod.rs"]
mod scenes;
#[path = "../../nodes/site.rs"]
mod site;
#[path = "../../nodes/story.rs"]
mod story;
#[path = "../../support/mod.rs"]
mod support;
#[path = "../../nodes/writes.rs"]
mod writes;

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use scenes::{Line, control, copies, places, pods};
use site::Site;
use support::Outcome;

/// Lets things fail on real nodes, and prints how long it took until that was said, and until it was over.
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench recovery --")]
struct Args {
    /// How often each thing fails
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// What cargo adds by itself
    #[arg(long, hide = true)]
    bench: bool,
}

/// The Tenant that suffers everything but the loss of etcd's memory.
const TENANT: &str = "suffers";

async fn round(site: &Site, round: usize) -> Outcome<Vec<Line>> {
    let mut lines = Vec::new();
    let mut tell = |line: Line| {
        eprintln!("{line}");
        lines.push(line);
    };
    tell(pods::container_killed(site, TENANT).await?);
    tell(pods::pod_killed(site, TENANT).await?);
    tell(pods::pod_evicted(site, TENANT).await?);
    tell(places::kubelet_stopped(site, TENANT).await?);
    tell(places::zone_gone(site, TENANT).await?);
    tell(control::leader_killed(site, TENANT).await?);
    tell(control::leaders_node_gone(site, TENANT).await?);
    tell(control::apiserver_restarted(site, TENANT).await?);
    let source = format!("copy-{round}");
    tell(copies::etcd_restored(site, &source).await?);
    site.clean_up_source(&source).await?;
    Ok(lines)
}

fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

async fn run(rounds: usize) -> Outcome<bool> {
    let Some(site) = Site::with_own_nodes().await? else { return Ok(false) };
    site.tenant(TENANT).await?;
    let mut all = Vec::new();
    for number in 0..rounds {
        all.push(round(&site, number).await?);
    }
    println!(
        "\n| what | noticed after | recovered after | what the status said meanwhile |\n|---|---|---|---|"
    );
    for (index, first) in all.first().into_iter().flatten().enumerate() {
        let of = |time: fn(&Line) -> Option<Duration>| {
            median(all.iter().filter_map(|lines| time(lines.get(index)?)).collect())
        };
        let noticed = of(|line| line.noticed);
        let recovered = of(|line| Some(line.recovered)).unwrap_or_default();
        println!("{}", Line { noticed, recovered, ..first.clone() });
    }
    Ok(true)
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    match run(Args::parse().rounds.max(1)).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
