//! Power cuts at random moments, and kills among them: what was acknowledged before is there afterwards, under its number.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tenantry::audit::frame::Source;
use tenantry::audit::spool::batch::Batch;
use tenantry::audit::spool::disk::replace;
use tenantry::audit::spool::names::{Name, PROVER, SEGMENTS};
use tenantry::audit::spool::open::OpenError;
use tenantry::audit::spool::{Settings, Spool};

use super::disk::FakeDisk;
use super::{Dice, Outcome, Segments, event, proved};

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub cuts: usize,
    /// Records that were acknowledged.
    pub acknowledged: usize,
    /// Records of the log, all of them proved.
    pub records: usize,
    /// Segments that were shipped and forgotten on the way.
    pub forgotten: usize,
    /// Writes that were cut off and found at the next start.
    pub torn: usize,
}

const FOLDER: &str = "/spool";

/// What callers were told: numbers and contents.
type Told = Arc<Mutex<BTreeMap<u64, Vec<u8>>>>;

/// Cuts the power that often.
pub async fn run(cuts: usize, seed: u64) -> Outcome<Report> {
    let disk = FakeDisk::new(seed);
    let mut round =
        Round { dice: Dice(seed), disk, told: Told::default(), archive: Segments::new(), shipped: 0, ids: 0 };
    let mut report = Report { cuts, ..Report::default() };
    for number in 0..cuts {
        round.play(&mut report).await.map_err(|error| format!("cut {number} of seed {seed}: {error}"))?;
    }
    let (spool, found) = Spool::open_on(Arc::new(round.disk.clone()), settings())?;
    if !found.lost.is_empty() {
        return Err(format!("after all cuts: {:?} are lost", found.lost).into());
    }
    spool.close().await;
    let records = proved(&round.everything()?).map_err(|error| format!("seed {seed}: {error}"))?;
    for (seq, bytes) in round.told.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        let there = usize::try_from(*seq).ok().and_then(|seq| records.get(seq));
        if there.is_none_or(|one| one.seq != *seq || one.bytes != *bytes) {
            return Err(format!("seed {seed}: record {seq} was acknowledged, and there is {there:?}").into());
        }
        report.acknowledged += 1;
    }
    report.records = records.len();
    Ok(report)
}

fn settings() -> Settings {
    let usual = Settings::new(FOLDER.into(), "eu", "cp-1");
    Settings { segment: 16 * 1024, batch: 4096, pause: Duration::from_micros(200), ..usual }
}

struct Round {
    dice: Dice,
    disk: FakeDisk,
    told: Told,
    /// What the shipper took away.
    archive: Segments,
    /// Records below this number are there.
    shipped: u64,
    ids: u64,
}

impl Round {
    /// Writes until the power goes, which may be while the spool is opened.
    async fn play(&mut self, report: &mut Report) -> Outcome {
        self.disk.cut_after(1 + self.dice.roll(400));
        match Spool::open_on(Arc::new(self.disk.clone()), settings()) {
            Ok((spool, found)) => {
                if !found.lost.is_empty() {
                    return Err(format!("{:?} are lost", found.lost).into());
                }
                report.torn += usize::from(found.torn > 0);
                let writers: Vec<_> = (0..4).map(|_| self.writer(&spool)).collect();
                while !self.disk.is_dead() {
                    report.forgotten += self.ship(&spool);
                    tokio::time::sleep(Duration::from_micros(300)).await;
                }
                spool.close().await;
                for writer in writers {
                    writer.await?;
                }
            }
            Err(OpenError::Disk { .. }) if self.disk.is_dead() => {}
            Err(error) => return Err(error.into()),
        }
        // What a killed agent left is safe once the next one has begun to count on it.
        if self.dice.roll(3) == 0 {
            self.disk.restart();
        } else {
            self.disk.power_on();
        }
        Ok(())
    }

    /// Appends batches one after the other, and keeps what it was told is safe.
    fn writer(&mut self, spool: &Spool) -> tokio::task::JoinHandle<()> {
        self.ids += 1;
        let (spool, told, round, mut dice) =
            (spool.clone(), Arc::clone(&self.told), self.ids, Dice(self.dice.roll(u64::MAX)));
        tokio::spawn(async move {
            for number in 0_u64.. {
                let (mut bytes, mut ranges) = (Vec::new(), Vec::new());
                for part in 0..=dice.roll(3) {
                    let start = bytes.len();
                    let padding = usize::try_from(dice.roll(1500)).unwrap_or_default();
                    bytes.extend(event(&format!("{round}-{number}-{part}"), padding));
                    ranges.push(start..bytes.len());
                }
                let contents: Vec<Vec<u8>> =
                    ranges.iter().map(|range| bytes[range.clone()].to_vec()).collect();
                let Some(batch) = Batch::new(Source::AuditFile, bytes, ranges) else { return };
                let Ok(seqs) = spool.append(batch).await else { return };
                told.lock().unwrap_or_else(PoisonError::into_inner).extend(seqs.zip(contents));
            }
        })
    }

    /// Takes some sealed segments away, as the shipper does: first the copy, then the note, then the file.
    fn ship(&mut self, spool: &Spool) -> usize {
        let mut forgotten = 0;
        for segment in spool.sealed() {
            if self.dice.roll(3) > 0 {
                break;
            }
            let Ok(bytes) = spool.read(segment) else { break };
            self.archive.insert(segment.first, bytes);
            // One that came back was shipped long ago: a shipper never goes back.
            self.shipped = self.shipped.max(segment.last + 1);
            let note = format!(r#"{{"next":{}}}"#, self.shipped);
            if replace(&self.disk, &Path::new(FOLDER).join(PROVER), note.as_bytes()).is_err() {
                break;
            }
            forgotten += usize::from(spool.forget(segment.first).is_ok());
        }
        forgotten
    }

    /// What was shipped and what is still here; a file that came back is what it was.
    fn everything(&self) -> Outcome<Segments> {
        let mut all = self.archive.clone();
        for (file, bytes) in self.disk.all(&Path::new(FOLDER).join(SEGMENTS)) {
            let Some(Name::Open(first) | Name::Sealed(first, _)) = Name::of(&file) else { continue };
            match all.get(&first) {
                Some(shipped) if *shipped != bytes => {
                    return Err(format!("{file} is not what was shipped").into());
                }
                _ => {
                    all.insert(first, bytes);
                }
            }
        }
        Ok(all)
    }
}
