//! `cargo bench --bench backup`: a backup, a restore and a drill against plain restic and PostgreSQL's programs by
//! hand, in the same run and on the same servers, printed as a Markdown table.
//!
//! ```text
//! cargo bench --bench backup                          # three rounds of a million rows, medians
//! cargo bench --bench backup -- --rounds 1 --rows 100000
//! ```

#![allow(clippy::unwrap_used, dead_code, reason = "the tests' bed, of which this needs a part")]

#[path = "../../backups/bed.rs"]
mod bed;

use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use bed::{Bed, DATABASE, Outcome, Ran, Tenant};
use clap::Parser;
use tenantry::backup::task::{Backup, Drill, Work};

/// Compares backups and restores with plain restic by hand.
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench backup --")]
struct Args {
    /// Rows of the database: about 160 bytes of dump each
    #[arg(long, default_value_t = 1_000_000)]
    rows: u32,
    /// How often each is done
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// What cargo adds by itself
    #[arg(long, hide = true)]
    bench: bool,
}

/// Seconds of one round.
#[derive(Default)]
struct Round {
    backup_by_hand: f64,
    backup: f64,
    manifest: f64,
    dump: f64,
    proof: f64,
    restore_by_hand: f64,
    restore: f64,
    restoring: f64,
    comparing: f64,
    drill: f64,
    engine: f64,
    drill_restore: f64,
    drill_checks: f64,
    bytes: f64,
}

fn seconds(ran: &Ran, name: &str) -> f64 {
    let phase = ran.record.phases.iter().find(|phase| phase.name == name);
    phase.map_or(0.0, |phase| phase.milliseconds as f64 / 1000.0)
}

fn good(ran: Ran) -> Outcome<Ran> {
    if ran.record.succeeded { Ok(ran) } else { Err(format!("{ran:#?}").into()) }
}

fn by_hand(mut command: Command) -> Outcome<f64> {
    let begin = Instant::now();
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(begin.elapsed().as_secs_f64())
}

/// pg_restore of what `restic dump` writes, as the pipe that people write.
fn restore_by_hand(bed: &Bed, plain: &Tenant<'_>, database: &str) -> Outcome<f64> {
    bed.postgres.sql("postgres", &format!("CREATE DATABASE {database}"))?;
    let begin = Instant::now();
    let mut restic = plain.restic(&["dump", "latest", "plain.dump"]).stdout(Stdio::piped()).spawn()?;
    let mut restore = Command::new(bed.postgres.programs().join("pg_restore"));
    let (user, password) = bed.postgres.superuser();
    restore.args(["-h", "127.0.0.1", "-p", &bed.postgres.port().to_string(), "-U", user, "-d", database]);
    restore.env("PGPASSWORD", password).args(["--no-owner", "--exit-on-error"]);
    let status = restore.stdin(restic.stdout.take().unwrap()).status()?;
    if !status.success() || !restic.wait()?.success() {
        return Err("the restore by hand failed".into());
    }
    let took = begin.elapsed().as_secs_f64();
    bed.postgres.sql("postgres", &format!("DROP DATABASE {database}"))?;
    Ok(took)
}

async fn round(bed: &Bed, number: usize) -> Outcome<Round> {
    let name = |word: &str| -> &'static str { Box::leak(format!("{word}{number}").into_boxed_str()) };
    let (plain, ours) = (Tenant::new(bed, name("plain"))?, Tenant::new(bed, name("ours"))?);
    plain.restic_says(&["init"])?;
    ours.restic_says(&["init"])?;
    let mut found = Round::default();

    let dump = bed.postgres.programs().join("pg_dump");
    let mut backup =
        plain.restic(&["backup", "--json", "--stdin-filename", "plain.dump", "--stdin-from-command", "--"]);
    backup.arg(dump).args(["-Fc", "-Z0"]);
    backup.envs(bed.postgres.connection(DATABASE, "canary-database-password", DATABASE));
    found.backup_by_hand = by_hand(backup)?;

    let begin = Instant::now();
    let ran = good(ours.run(Work::Backup(Backup { initialise: false, ..ours.backup() })).await?)?;
    found.backup = begin.elapsed().as_secs_f64();
    found.manifest = seconds(&ran, "manifest");
    found.dump = seconds(&ran, "dump");
    found.proof = seconds(&ran, "proof");
    found.bytes = ran.record.point.as_ref().unwrap().size.bytes as f64;
    let point = bed::point(&ran.record);

    found.restore_by_hand = restore_by_hand(bed, &plain, name("byhand"))?;
    let copy = name("copy");
    let begin = Instant::now();
    let ran = good(ours.run(Work::Restore(ours.restore(&point, Some(copy)))).await?)?;
    found.restore = begin.elapsed().as_secs_f64();
    found.restoring = seconds(&ran, "restore");
    found.comparing = seconds(&ran, "checks");
    bed.postgres.sql("postgres", &format!("DROP DATABASE {copy}"))?;

    let begin = Instant::now();
    let ran = good(ours.run(Work::Drill(Drill { room_bytes: 1 << 40, ..ours.drill(&point) })).await?)?;
    found.drill = begin.elapsed().as_secs_f64();
    found.engine = seconds(&ran, "engine");
    found.drill_restore = seconds(&ran, "restore");
    found.drill_checks = seconds(&ran, "checks");
    Ok(found)
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print(rounds: &[Round]) {
    let of = |of: fn(&Round) -> f64| median(rounds, of);
    println!("\n{:.0} MB of dump, medians of {} rounds, seconds\n", of(|r| r.bytes) / 1e6, rounds.len());
    println!("| what | by hand | ours | ratio | apart |\n| --- | --- | --- | --- | --- |");
    println!(
        "| backup | {:.1} | {:.1} | {:.2} | manifest and checksums {:.1}, reading back {:.1}; the whole run {:.1} |",
        of(|r| r.backup_by_hand),
        of(|r| r.dump),
        of(|r| r.backup_by_hand / r.dump),
        of(|r| r.manifest),
        of(|r| r.proof),
        of(|r| r.backup)
    );
    println!(
        "| restore | {:.1} | {:.1} | {:.2} | comparing {:.1}; the whole run {:.1} |",
        of(|r| r.restore_by_hand),
        of(|r| r.restoring),
        of(|r| r.restore_by_hand / r.restoring),
        of(|r| r.comparing),
        of(|r| r.restore)
    );
    println!(
        "| drill | {:.1} | {:.1} | {:.2} | engine {:.1}, checks {:.1}; the whole run {:.1} |",
        of(|r| r.restore_by_hand),
        of(|r| r.drill_restore),
        of(|r| r.restore_by_hand / r.drill_restore),
        of(|r| r.engine),
        of(|r| r.drill_checks),
        of(|r| r.drill)
    );
}

async fn whole(args: &Args) -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    bed.fill("orders", args.rows)?;
    let mut rounds = Vec::new();
    for number in 1..=args.rounds.max(1) {
        eprintln!("round {number} of {}", args.rounds);
        rounds.push(round(&bed, number).await?);
    }
    print(&rounds);
    Ok(())
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    match whole(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
