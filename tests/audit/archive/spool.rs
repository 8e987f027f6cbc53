//! A spool as its writer leaves it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tenantry::audit::frame::{Record, Source};
use tenantry::audit::layout::{Stream, key_name};
use tenantry::audit::log::note::{Kind, PrivateKey};
use tenantry::audit::ship::shipper::{Shipper, Step};
use tenantry::audit::ship::sink::Sink;
use tenantry::audit::ship::spool::Folder;
use tenantry::audit::ship::trouble::Trouble;

use crate::Outcome;

pub(crate) const CLUSTER: &str = "eu";
pub(crate) const EPOCH: &str = "20261123T000000Z-0a0b0c0d";

pub(crate) struct Spool {
    folder: TempDir,
    agent: String,
    /// What tells its records from those of another history.
    word: &'static str,
    next: u64,
}

pub(crate) fn log_key(agent: &str) -> PrivateKey {
    let seed = agent.bytes().fold([7; 32], |mut seed, byte| {
        seed[usize::from(byte) % 32] ^= byte;
        seed
    });
    PrivateKey::of_seed(&key_name(CLUSTER, agent), Kind::Log, seed).expect("it is a name")
}

pub(crate) fn witness_key() -> PrivateKey {
    PrivateKey::of_seed("archive.example.org", Kind::Witness, [9; 32]).expect("it is a name")
}

impl Spool {
    pub(crate) fn of(agent: &str, word: &'static str) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("segments"))?;
        fs::write(folder.path().join("epoch.json"), format!(r#"{{"epoch":"{EPOCH}","previous":null}}"#))?;
        Ok(Self { folder, agent: agent.to_owned(), word, next: 0 })
    }

    pub(crate) fn new() -> Outcome<Self> {
        Self::of("cp-1", "")
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn stream(&self) -> Stream {
        Stream { cluster: CLUSTER.into(), agent: self.agent.clone(), epoch: EPOCH.into() }
    }

    /// Seals a segment of so many records.
    pub(crate) fn seal(&mut self, count: u64) -> Outcome {
        let (first, mut segment) = (self.next, Vec::new());
        for seq in first..first + count {
            let id = format!("{:032x}", u128::from(seq) * 0x9e37_79b9_7f4a_7c15);
            let text = format!(
                r#"{{"auditID":"{id}","stage":"ResponseComplete","verb":"get","word":"{}"}}"#,
                self.word
            );
            let received = 1_790_000_000_000 + i64::try_from(seq)?;
            let record =
                Record { seq, synced: first, received, source: Source::AuditFile, bytes: text.as_bytes() };
            record.append(&mut segment);
        }
        self.next += count;
        let name = format!("segments/{first:020}-{:020}.seg", self.next - 1);
        fs::write(self.path().join(name), segment)?;
        Ok(())
    }

    /// First records of the segments that are kept.
    pub(crate) fn kept(&self) -> Outcome<Vec<u64>> {
        Ok(Folder::new(self.path()).sealed()?.iter().map(|one| one.first).collect())
    }

    /// What ships it: begins where the last one ended.
    pub(crate) fn shipper(&self) -> Result<Shipper, Trouble> {
        Shipper::open(Folder::new(self.path()), CLUSTER, &self.agent, &log_key(&self.agent))
    }
}

/// Ships all that there is; how often the archive refused.
pub(crate) async fn ship(shipper: &mut Shipper, sink: &Sink) -> Result<u32, Trouble> {
    let mut refused = 0;
    loop {
        let store = sink.writer().store().await?;
        match Box::pin(shipper.step(&store, sink.prefix())).await {
            Ok(Step::Idle) => return Ok(refused),
            Ok(Step::Shipped(_)) => {}
            Err(Trouble::Sink(_)) if refused < 20 => refused += 1,
            Err(trouble) => return Err(trouble),
        }
    }
}

/// Ships it all.
pub(crate) async fn ship_all(spool: &Spool, sink: &Arc<Sink>) -> Result<(), Trouble> {
    ship(&mut spool.shipper()?, sink).await.map(drop)
}
