//! `cargo bench --bench audit`: how fast records get onto the disk before anybody is told, how long the last of a hundred
//! waits, what a start costs with a large spool, how much memory an outage takes, and how fast an archive is verified.
//!
//! ```text
//! cargo bench --bench audit
//! cargo bench --bench audit -- --folder /var/tmp --outage 8640000
//! cargo bench --bench audit -- verify --archive 10000000
//! ```

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a bench ends where something is wrong")]

mod verify;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use futures::{StreamExt, TryStreamExt};
use tenantry::audit::frame::{HEADER, Record, Source};
use tenantry::audit::prove::Prover;
use tenantry::audit::spool::batch::Batch;
use tenantry::audit::spool::names::{EPOCH, Name, SEGMENTS};
use tenantry::audit::spool::{Settings, Spool};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Records a second, and how long a caller waits for the word
    Rate,
    /// A start with a large spool
    Start,
    /// Memory while nothing is shipped
    Outage,
    /// An archive, by somebody who believes nothing
    Verify,
}

/// Measures the spool and the verifier.
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench audit --")]
struct Args {
    /// Parts [default: all]
    parts: Vec<Part>,
    /// Where to write; the disk matters
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Events for the rates
    #[arg(long, default_value_t = 400_000)]
    events: usize,
    /// Events in the archive: 10,000,000 need 6 GB of disk
    #[arg(long, default_value_t = 1_000_000)]
    archive: u64,
    /// Gigabytes of the spool for the start
    #[arg(long, default_value_t = 10)]
    start_up: u64,
    /// Events of the outage: at 100 a second, 24 hours are 8,640,000 and 9 GB
    #[arg(long, default_value_t = 864_000)]
    outage: usize,
    /// What cargo adds by itself
    #[arg(long, hide = true)]
    bench: bool,
}

/// Bytes of an event, and how many come at once: as many as the tailer reads.
const EVENT: usize = 1024;
const TOGETHER: usize = 256;

fn main() -> Outcome {
    let args = Args::parse();
    let folder = tempfile::tempdir_in(&args.folder)?;
    println!("on {}; release build, this machine as busy as it is", folder.path().display());
    // One core for everything that is ours but the disk's own work.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let is_asked = |part| args.parts.is_empty() || args.parts.contains(&part);
    let place = |name| folder.path().join(name);
    if is_asked(Part::Rate) {
        let plain = plain(&place("plain"), args.events)?;
        let spooled = runtime.block_on(rate(&place("rate"), args.events))?;
        println!("of plain append and sync in the same run: {:.2} (goal 0.7)", spooled / plain);
        runtime.block_on(wait(&place("wait"), 20_000))?;
    }
    if is_asked(Part::Start) {
        start_up(&place("start"), args.start_up, &runtime)?;
    }
    if is_asked(Part::Outage) {
        runtime.block_on(outage(&place("outage"), args.outage))?;
    }
    if is_asked(Part::Verify) {
        verify::speed(&place("archive"), args.archive)?;
    }
    Ok(())
}

/// An event of 1 KB, in a buffer that holds many.
fn batch(number: usize, count: usize) -> Batch {
    let (mut bytes, mut records) = (Vec::with_capacity(count * EVENT), Vec::with_capacity(count));
    for part in 0..count {
        let start = bytes.len();
        write!(
            bytes,
            r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"{:08x}-0000-4000-8000-{part:012}","stage":"ResponseComplete","verb":"get","padding":""#,
            number
        )
        .unwrap();
        bytes.resize(start + EVENT - 2, b'x');
        bytes.extend_from_slice(b"\"}");
        records.push(start..bytes.len());
    }
    Batch::new(Source::AuditFile, bytes, records).unwrap()
}

/// The same bytes, appended and synced 256 KiB at a time, with nothing else.
fn plain(folder: &Path, events: usize) -> Outcome<f64> {
    std::fs::create_dir_all(folder)?;
    let mut frames = Vec::new();
    batch(0, TOGETHER).append(0, 0, 0, &mut frames);
    let mut file = File::create(folder.join("plain"))?;
    let (start, cpu) = (Instant::now(), cpu()?);
    for number in 0..events / TOGETHER {
        let _ = batch(number, TOGETHER);
        file.write_all(&frames)?;
        file.sync_data()?;
    }
    let rate = events as f64 / start.elapsed().as_secs_f64();
    println!(
        "plain append and sync: {rate:.0} events/s, {:.2} s of a core",
        (self::cpu()? - cpu).as_secs_f64()
    );
    drop(file);
    std::fs::remove_dir_all(folder)?;
    Ok(rate)
}

fn settings(folder: &Path) -> Settings {
    Settings::new(folder.to_owned(), "eu", "cp-1")
}

/// Batches that wait for their word at once, as those of several sources do.
const AT_ONCE: usize = 8;

/// Spooled, and each sealed segment hashed into the tree: beside it, as the shipper does.
async fn rate(folder: &Path, events: usize) -> Outcome<f64> {
    // Whole batches: the end is known by the number of records.
    let batches = events / TOGETHER;
    let events = batches * TOGETHER;
    let (spool, _) = Spool::open(settings(folder))?;
    let (start, cpu) = (Instant::now(), cpu()?);
    let proving = tokio::task::spawn_blocking({
        let (spool, runtime) = (spool.clone(), tokio::runtime::Handle::current());
        // The spool's own first record is one more.
        move || prove(&spool, events as u64 + 1, &runtime)
    });
    let append = |number| {
        let spool = spool.clone();
        async move { spool.append(batch(number, TOGETHER)).await }
    };
    let words = futures::stream::iter((0..batches).map(append)).buffer_unordered(AT_ONCE);
    words.try_for_each(|_| async { Ok(()) }).await?;
    let written = start.elapsed().as_secs_f64();
    spool.seal();
    proving.await??;
    let (took, used) = (start.elapsed().as_secs_f64(), (self::cpu()? - cpu).as_secs_f64());
    println!(
        "spooled, synced before the word, hashed: {:.0} events/s, the word after {:.0} %; {:.0} events a second of a core (goal 40,000); {} syncs",
        events as f64 / took,
        100.0 * written / took,
        events as f64 / used,
        spool.figures().syncs
    );
    spool.close().await;
    std::fs::remove_dir_all(folder)?;
    Ok(events as f64 / took)
}

/// Hashes what is sealed, until there are so many records.
fn prove(spool: &Spool, records: u64, runtime: &tokio::runtime::Handle) -> Outcome {
    let (mut prover, mut seals) = (Prover::default(), spool.seals());
    loop {
        for segment in spool.sealed() {
            let size = prover.tree().size();
            if segment.first < size {
                // The last one stays until another one follows.
                continue;
            }
            assert_eq!(size, segment.first);
            prover.segment(segment.first, &spool.read(segment)?);
            spool.forget(segment.first)?;
        }
        if prover.tree().size() >= records {
            assert_eq!(prover.tree().size(), records);
            return Ok(());
        }
        runtime.block_on(seals.changed())?;
    }
}

/// A hundred callers with one event each, again and again: how long each waits for its word.
async fn wait(folder: &Path, events: usize) -> Outcome {
    let (spool, _) = Spool::open(settings(folder))?;
    let taken = std::sync::Arc::new(AtomicU64::new(0));
    let callers = (0..100).map(|number| {
        let (spool, taken) = (spool.clone(), std::sync::Arc::clone(&taken));
        tokio::spawn(async move {
            let mut waits = Vec::new();
            while taken.fetch_add(1, Ordering::Relaxed) < events as u64 {
                let start = Instant::now();
                spool.append(batch(number, 1)).await.unwrap();
                waits.push(start.elapsed());
            }
            waits
        })
    });
    let mut waits: Vec<Duration> = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        waits.extend(caller.await?);
    }
    waits.sort_unstable();
    let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    println!(
        "word to one of 100 callers: median {:.1} ms, p99 {:.1} ms, last {:.1} ms (goal p99 50 ms)",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    spool.close().await;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// A spool as large as that; then the start. Sealed segments are holes of the right length and name: they take no disk, and
/// a start that read them would find damage in all of them.
fn start_up(folder: &Path, gigabytes: u64, runtime: &tokio::runtime::Runtime) -> Outcome {
    let segments = folder.join(SEGMENTS);
    std::fs::create_dir_all(&segments)?;
    std::fs::write(folder.join(EPOCH), r#"{"epoch":"20261123T000000Z-00000000","previous":null}"#)?;
    let frame = (HEADER + EVENT) as u64;
    let each = (8 << 20_u64) / frame + 1;
    let count = (gigabytes << 30) / (each * frame) + 1;
    for number in 0..count {
        let (first, last) = (number * each, (number + 1) * each - 1);
        File::create(segments.join(Name::Sealed(first, last).file()))?.set_len(each * frame)?;
    }
    let mut seq = count * each;
    let mut open = Vec::new();
    for _ in 0..8000 {
        let record = [b'x'; EVENT];
        Record { seq, synced: seq, received: 0, source: Source::AuditFile, bytes: &record }.append(&mut open);
        seq += 1;
    }
    std::fs::write(segments.join(Name::Open(seq - 8000).file()), &open)?;
    rustix::fs::sync();
    let start = Instant::now();
    let (spool, found) = Spool::open(settings(folder))?;
    let took = start.elapsed();
    assert_eq!((found.next, found.lost.len()), (seq, 0));
    println!(
        "start with {gigabytes} GB in {} segments, and {:.1} MB being written: {:.3} s (goal 2 s with 10 GB)",
        spool.sealed().len(),
        open.len() as f64 / 1e6,
        took.as_secs_f64()
    );
    runtime.block_on(spool.close());
    drop(spool);
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// Nothing is shipped while events go on coming: what a day at 100 a second leaves, as fast as it can be written.
async fn outage(folder: &Path, events: usize) -> Outcome {
    let (spool, _) = Spool::open(settings(folder))?;
    let before = resident()?;
    let mut most = 0;
    for number in 0..events / TOGETHER {
        spool.append(batch(number, TOGETHER)).await?;
        if number % 64 == 0 {
            most = most.max(resident()?);
        }
    }
    let figures = spool.figures();
    println!(
        "outage of {:.1} hours at 100 events/s: {:.1} GB in {} segments; memory {:.1} MB before, {:.1} MB at most (goal 64)",
        events as f64 / 360_000.0,
        figures.bytes as f64 / 1e9,
        figures.sealed,
        before as f64 / 1e6,
        most as f64 / 1e6
    );
    spool.close().await;
    Ok(())
}

/// Bytes of memory in use.
fn resident() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    Ok(line.split_whitespace().next().unwrap_or("0").parse::<u64>()? * 1024)
}

/// What this process used of all cores.
fn cpu() -> Outcome<Duration> {
    let mut total = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let line = std::fs::read_to_string(task?.path().join("schedstat"))?;
        total += line.split_whitespace().next().unwrap_or("0").parse::<u64>()?;
    }
    Ok(Duration::from_nanos(total))
}
