//! From an empty cluster to all Ready: the operator, and the bare client beside it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::{Client, Config, config::KubeConfigOptions, config::Kubeconfig};
use serde_json::json;

use crate::bare::{self, Counts};
use crate::bed::Bed;
use crate::calls::{self, Sample};
use crate::report::{Report, say};
use crate::seen::{Seen, Stage};
use crate::{Args, Outcome, Phase, tenants};

/// Concurrencies that the bare client tries; the best one counts.
const AT_ONCE: [usize; 3] = [4, 8, 16];

/// What one side needed.
#[derive(Debug, Clone, Copy)]
struct Took {
    /// Until the last child was written.
    written: Duration,
    /// Until every Deployment had its pods.
    available: Duration,
}

/// Measures both sides, in one order or the other, each on a control plane of its own: the second on the same
/// one would work beside everything that the first left. Returns the side that came last.
pub async fn run(size: usize, report: &mut Report, args: &Args, operator_first: bool) -> Outcome<Bed> {
    let counts = bare::counts()?;
    let mut beside = None;
    if args.wants(Phase::Bare) && !operator_first {
        let bed = Bed::start(size, &args.operator).await?;
        beside = Some(bare(&bed, report, counts, args).await?);
    }
    let mut bed = Bed::start(size, &args.operator).await?;
    let took = operator(&mut bed, report, counts).await?;
    if args.wants(Phase::Bare) && operator_first {
        drop(bed);
        bed = Bed::start(size, &args.operator).await?;
        beside = Some(bare(&bed, report, counts, args).await?);
    }
    if let Some(bare) = beside {
        let ratio = |bare: Duration, ours: Duration| bare.as_secs_f64() / ours.as_secs_f64();
        let (written, available) = (ratio(bare.written, took.written), ratio(bare.available, took.available));
        let order = if operator_first { "operator first" } else { "bare client first" };
        let conditions = format!("{} tenants, {order}", bed.size);
        report.row(
            "operator / bare client, children written",
            &conditions,
            format!("{written:.2}"),
            ">= 0.9",
        );
        report.row("operator / bare client, all pods there", &conditions, format!("{available:.2}"), "");
        report.put(
            "ratio",
            json!({"tenants": bed.size, "operatorFirst": operator_first, "written": written, "available": available}),
        );
    }
    Ok(bed)
}

/// From the push of one commit with all tenants.
async fn operator(bed: &mut Bed, report: &mut Report, counts: Counts) -> Outcome<Took> {
    let kubeconfig = bed.kubeconfig.clone();
    bed.start_operator(&kubeconfig).await?;
    let seen = Seen::start(&bed.client, "t-", counts.children);
    // Leadership, first look at the repository, watches of ours.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = Sample::take(bed.operator()?).await?;
    say(&format!("operator: {} tenants, {} children each", bed.size, counts.children));
    let files: Vec<(String, String)> =
        bed.names().iter().map(|name| (tenants::path(name), tenants::file(name, "1"))).collect();
    bed.commit(&files, "All tenants")?;
    let start = Instant::now();
    bed.trigger().await?;
    let written = seen.wait(Stage::Written, bed.size).await? - start;
    let at_written = Sample::take(bed.operator()?).await?.since(&before);
    let available = seen.wait(Stage::Available, bed.size * 2).await? - start;
    let ready = seen.wait(Stage::Ready, bed.size).await? - start;
    // What is still to be said in status belongs to it.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let used = Sample::take(bed.operator()?).await?.since(&before);
    let (rss, most) = calls::memory_mib(bed.operator()?.id());
    rows(bed, report, counts, "operator", written, available);
    let conditions = format!("{} tenants", bed.size);
    report.row("operator: all Tenants Ready", &conditions, format!("{:.1} s", ready.as_secs_f64()), "");
    let per = |count: u64| count as f64 / bed.size as f64;
    let figure = format!(
        "{:.1} writes ({:.1} when written), {:.2} gets, {:.0} ms CPU",
        per(used.writes()),
        per(at_written.writes()),
        per(used.of("get")),
        used.cpu() * 1000.0 / bed.size as f64
    );
    report.row(
        "operator: cost of a tenant",
        format!("{conditions}; the least is {} writes", counts.writes),
        figure,
        "",
    );
    report.row(
        "operator: memory after convergence",
        &conditions,
        format!("{rss:.0} MiB, most {most:.0}"),
        "<= 64",
    );
    report.put(
        "operator",
        json!({
            "tenants": bed.size, "children": counts.children * bed.size, "leastWrites": counts.writes * bed.size,
            "writtenSeconds": written.as_secs_f64(), "availableSeconds": available.as_secs_f64(),
            "readySeconds": ready.as_secs_f64(), "used": used.json(), "usedWhenWritten": at_written.json(),
            "rssMib": rss, "mostRssMib": most,
        }),
    );
    Ok(Took { written, available })
}

/// The same writes, by nobody in particular.
async fn bare(bed: &Bed, report: &mut Report, counts: Counts, args: &Args) -> Outcome<Took> {
    let client = client(bed).await?;
    let sample = (bed.size / 5).clamp(10, 60);
    let mut rates = Vec::new();
    for (index, at_once) in AT_ONCE.into_iter().enumerate() {
        let (_, rate) = part(&client, 90_000 + index * 1000, sample, at_once, counts).await?;
        say(&format!("bare client, {at_once} at once: {rate:.0} writes/s over {sample} tenants"));
        rates.push((at_once, rate));
    }
    if !args.quick {
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    let best = rates.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or(AT_ONCE[1], |best| best.0);
    let seen = Seen::start(&bed.client, "b-0", counts.children);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let cpu = calls::cpu_seconds(std::process::id());
    let start = Instant::now();
    let (again, rate) = part(&client, 0, bed.size, best, counts).await?;
    let written = start.elapsed();
    let cpu = calls::cpu_seconds(std::process::id()) - cpu;
    let available = seen.wait(Stage::Available, bed.size * 2).await? - start;
    rows(bed, report, counts, "bare client", written, available);
    report.put(
        "bare",
        json!({
            "tenants": bed.size, "writes": counts.writes * bed.size, "atOnce": best, "sentAgain": again,
            "writtenSeconds": written.as_secs_f64(), "availableSeconds": available.as_secs_f64(),
            "writesPerSecond": rate, "cpuSecondsWithWatches": cpu,
            "tried": rates.iter().map(|(at_once, rate)| json!({"atOnce": at_once, "writesPerSecond": rate})).collect::<Vec<_>>(),
        }),
    );
    Ok(Took { written, available })
}

/// Sends the writes of some tenants; returns what was sent again, and writes a second.
async fn part(
    client: &Client,
    from: usize,
    count: usize,
    at_once: usize,
    counts: Counts,
) -> Outcome<(u64, f64)> {
    let work: Outcome<Vec<_>> =
        (from..from + count).map(|index| bare::work(&tenants::name("b", index))).collect();
    let (took, again) = bare::send(client, Arc::new(work?), at_once).await?;
    Ok((again, (counts.writes * count) as f64 / took.as_secs_f64()))
}

fn rows(bed: &Bed, report: &mut Report, counts: Counts, who: &str, written: Duration, available: Duration) {
    let conditions = format!("{} tenants", bed.size);
    let rate = |each: usize, took: Duration| (each * bed.size) as f64 / took.as_secs_f64();
    let figure = |took: Duration| {
        let (children, writes) = (rate(counts.children, took), rate(counts.writes, took));
        format!("{children:.0} children/s, {writes:.0} writes/s ({:.1} s)", took.as_secs_f64())
    };
    report.row(&format!("{who}: until the last child is written"), &conditions, figure(written), "");
    report.row(&format!("{who}: until all pods are there"), &conditions, figure(available), "");
}

/// A client with the operator's rights.
async fn client(bed: &Bed) -> Outcome<Client> {
    let file = Kubeconfig::read_from(&bed.kubeconfig)?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}
