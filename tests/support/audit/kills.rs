//! SIGKILL at random moments, while the log grows and rotates and the webhook is posted to.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tenantry_testbed::{Run, eventually};

use super::agent::{Desk, SOON, append, post};
use super::{Dice, Outcome, event, list, missing, proved, records, segments};

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub kills: usize,
    /// Lines of the log, all of them safe in the end.
    pub lines: usize,
    /// Events that the webhook acknowledged, likewise.
    pub acknowledged: usize,
    /// Records of the spool, all of them proved.
    pub records: usize,
    /// Those that came twice.
    pub twice: usize,
    /// Times that the log was rotated.
    pub rotations: usize,
}

/// Lines of a log before it is rotated.
const ROTATE: usize = 300;

/// Kills an agent that often.
pub async fn run(binary: &str, kills: usize, seed: u64) -> Outcome<Report> {
    let run = Run::start()?;
    let desk = Desk::new(binary, &run, "kills")?;
    let desk = desk.clone().with(&["--file", &desk.file().display().to_string()]);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(write(desk.file(), Arc::clone(&stop)));
    let told: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let posters: Vec<_> = (0..3)
        .map(|number| tokio::spawn(send(desk.webhook, number, Arc::clone(&told), Arc::clone(&stop))))
        .collect();
    let mut dice = Dice(seed);
    for _ in 0..kills {
        let agent = desk.start()?;
        if dice.roll(4) > 0 {
            agent.answers().await?;
        }
        tokio::time::sleep(Duration::from_millis(dice.roll(200))).await;
        agent.process.kill();
    }
    stop.store(true, Ordering::Relaxed);
    let (lines, rotations) = writer.await??;
    let agent = desk.start()?;
    for poster in posters {
        poster.await?;
    }
    eventually(SOON, "all lines to be safe", || async {
        let all = segments(&desk.spool).map_err(|error| error.to_string())?;
        let gone = missing(&lines, &records(&all));
        if gone.is_empty() {
            Ok(())
        } else {
            Err(format!("{} of {} lines are missing", gone.len(), lines.len()))
        }
    })
    .await?;
    if agent.stop().is_none_or(|status| !status.success()) {
        return Err(format!("the agent did not end well:\n{}", agent.process.logs()).into());
    }
    report(&desk.spool, kills, &lines, rotations, &told.lock().unwrap_or_else(PoisonError::into_inner))
}

fn report(
    spool: &Path,
    kills: usize,
    lines: &[Vec<u8>],
    rotations: usize,
    told: &[Vec<u8>],
) -> Outcome<Report> {
    let records = proved(&segments(spool)?)?;
    let gone = missing(lines.iter().chain(told), &records);
    if !gone.is_empty() {
        return Err(format!("{} are lost: {gone:?}", gone.len()).into());
    }
    // Nothing but what was written, what was sent and what the agent says.
    let ids: std::collections::HashSet<_> = records.iter().map(super::Kept::identity).collect();
    let gaps = ids.iter().filter(|(_, stage)| matches!(stage.as_str(), "Gap" | "SourceGap")).count();
    if gaps > 0 {
        return Err(format!("{gaps} gaps were told, and nothing was lost").into());
    }
    let (twice, acknowledged) = (records.len() - ids.len(), told.len());
    Ok(Report { kills, lines: lines.len(), acknowledged, records: records.len(), twice, rotations })
}

/// Writes lines as the API server does, in pieces now and then, and rotates by renaming.
async fn write(file: PathBuf, stop: Arc<AtomicBool>) -> Outcome<(Vec<Vec<u8>>, usize)> {
    let (mut lines, mut rotations) = (Vec::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        let line = event(&format!("line-{}", lines.len()), lines.len() % 700);
        let whole = [&line[..], b"\n"].concat();
        let (one, two) = whole.split_at(if lines.len() % 5 == 0 { whole.len() / 2 } else { 0 });
        append(&file, one)?;
        append(&file, two)?;
        lines.push(line);
        if lines.len() % ROTATE == 0 {
            rotations += 1;
            std::fs::rename(
                &file,
                file.with_file_name(format!("audit-2026-11-23T00-00-00.{rotations:06}.log")),
            )?;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok((lines, rotations))
}

/// Posts events until the stop, and keeps those that were acknowledged.
async fn send(port: u16, number: usize, told: Arc<Mutex<Vec<Vec<u8>>>>, stop: Arc<AtomicBool>) {
    for round in 0.. {
        let event = |part: usize| event(&format!("sent-{number}-{round}-{part}"), part * 100);
        let events: Vec<Vec<u8>> = (0..1 + round % 4).map(event).collect();
        if post(port, &list(&events)).await.is_ok_and(|status| status == 200) {
            told.lock().unwrap_or_else(PoisonError::into_inner).extend(events);
        } else {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if stop.load(Ordering::Relaxed) {
            return;
        }
    }
}
