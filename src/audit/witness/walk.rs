//! One stream, from what is remembered to its newest checkpoint.

use jiff::Timestamp;

use crate::audit::layout;
use crate::audit::log::checkpoint::Checkpoint;
use crate::audit::log::hash::Hash;
use crate::audit::log::note::{Note, PrivateKey, PublicKey, Signed};

use super::memory::Memory;
use super::refused::{Trouble, refused};
use super::remote::Remote;

/// What came of a walk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Leaves that are read and proved.
    pub size: u64,
    /// Segments that were read.
    pub segments: u64,
    /// Whether a checkpoint was cosigned.
    pub cosigned: bool,
}

/// A stream, and whose signatures count.
pub struct Walk<'a> {
    /// Its folder.
    pub remote: Remote<'a>,
    /// The agent's key, under the stream's origin.
    pub log: PublicKey,
    /// The witness'.
    pub key: &'a PrivateKey,
    /// What is remembered; it only grows.
    pub memory: Memory,
    /// Keeps what is remembered.
    pub keep: &'a (dyn Fn(&Memory) -> Result<(), Trouble> + Sync),
    /// What we cosigned once and have no memory of: the walk must come past it.
    floor: Option<(u64, Hash)>,
}

impl<'a> Walk<'a> {
    /// Reads nothing yet.
    pub fn new(
        remote: Remote<'a>,
        log: PublicKey,
        key: &'a PrivateKey,
        memory: Memory,
        keep: &'a (dyn Fn(&Memory) -> Result<(), Trouble> + Sync),
    ) -> Self {
        Self { remote, log, key, memory, keep, floor: None }
    }

    /// Reads and proves all that is new, then cosigns.
    ///
    /// # Errors
    /// The archive can't be read, or isn't what it must be.
    pub async fn go(mut self) -> Result<Walked, Trouble> {
        let mut walked = Walked::default();
        self.is_still_there().await?;
        while let Some(target) = self.newest().await? {
            self.goes_on(&target).await?;
            walked.segments += self.read_up_to(&target).await?;
        }
        if let Some((size, _)) = self.floor {
            let said =
                format!("this witness cosigned {size} records, and the archive has {}", self.memory.size());
            return Err(refused(layout::CHECKPOINT, said));
        }
        walked.size = self.memory.size();
        let now = Timestamp::now();
        if self.memory.is_due(now) {
            self.cosign(now).await?;
            walked.cosigned = true;
        }
        Ok(walked)
    }

    /// What was cosigned before must lie there as it was.
    async fn is_still_there(&mut self) -> Result<(), Trouble> {
        let size = self.memory.size();
        if size == 0 {
            self.floor = self.own().await?;
            return Ok(());
        }
        match self.remote.checkpoint(size, &self.log).await? {
            Some((found, _)) if found.root == self.memory.root() => Ok(()),
            Some(_) => Err(refused(
                layout::checkpoint(size),
                "it has another root than the one this witness proved: history was rewritten",
            )),
            None => Err(refused(layout::checkpoint(size), "this witness proved it, and it was removed")),
        }
    }

    /// Without a memory, our own signature in the archive says how far it once came.
    async fn own(&self) -> Result<Option<(u64, Hash)>, Trouble> {
        let Some(bytes) = self.remote.get(layout::CHECKPOINT, crate::audit::log::note::MOST_BYTES).await?
        else {
            return Ok(None);
        };
        let Ok(note) = Note::parse(&bytes) else { return Ok(None) };
        let is_own = matches!(note.signed(self.key.public()), Signed::Yes(_));
        Ok(Checkpoint::of(&note).ok().filter(|_| is_own).map(|found| (found.size, found.root)))
    }

    /// The last checkpoint of those that come next.
    async fn newest(&self) -> Result<Option<Checkpoint>, Trouble> {
        let after = (self.memory.size() > 0).then(|| layout::checkpoint(self.memory.size()));
        let paths = self.remote.after(layout::CHECKPOINTS, after.as_deref()).await?;
        let Some(size) = paths.iter().filter_map(|path| layout::checkpoint_of(path)).next_back() else {
            return Ok(None);
        };
        let found = self.remote.checkpoint(size, &self.log).await?;
        found.map(|(found, _)| Some(found)).ok_or_else(|| refused(layout::checkpoint(size), "it was removed"))
    }

    /// One proof, before anything is read: a history that was rewritten costs a few tiles.
    async fn goes_on(&self, target: &Checkpoint) -> Result<(), Trouble> {
        let size = self.memory.size();
        if size == 0
            || self.remote.is_consistent((size, &self.memory.root()), (target.size, &target.root)).await?
        {
            return Ok(());
        }
        let said = format!(
            "it doesn't go on from the {size} records that this witness proved: history was rewritten"
        );
        Err(refused(layout::checkpoint(target.size), said))
    }

    async fn read_up_to(&mut self, target: &Checkpoint) -> Result<u64, Trouble> {
        let mut count = 0;
        while self.memory.size() < target.size {
            let paths = self.remote.after(layout::SEGMENTS, self.memory.segment.as_deref()).await?;
            if paths.is_empty() {
                let said = format!(
                    "it vouches for {} records, and the segments hold {}",
                    target.size,
                    self.memory.size()
                );
                return Err(refused(layout::checkpoint(target.size), said));
            }
            for path in paths {
                if self.memory.size() < target.size {
                    self.segment(path, target.size).await?;
                    count += 1;
                }
            }
        }
        Ok(count)
    }

    async fn segment(&mut self, path: String, most: u64) -> Result<(), Trouble> {
        let Some((first, last)) = layout::segment_of(&path) else {
            return Err(refused(path, "it is no segment of this log"));
        };
        if first < self.memory.next {
            return Err(refused(
                path,
                format!("records below {} were in earlier segments", self.memory.next),
            ));
        }
        let records = self.remote.segment(&path).await?;
        let mut memory = self.memory.clone();
        let added = memory.prover.segment(first, &records);
        drop(records);
        if memory.size() > most {
            return Err(refused(
                path,
                format!("it goes on beyond the {most} records of the next checkpoint"),
            ));
        }
        if added.records > 0 {
            self.remote.compare(&added.objects).await?;
            self.is_signed(&memory).await?;
            memory.advanced = Some(Timestamp::now());
        }
        (memory.next, memory.segment) = (last.saturating_add(1), Some(path));
        (self.keep)(&memory)?;
        self.memory = memory;
        Ok(())
    }

    /// A segment's end has a checkpoint, with the root that we found.
    async fn is_signed(&mut self, memory: &Memory) -> Result<(), Trouble> {
        let (size, root) = (memory.size(), memory.root());
        let path = layout::checkpoint(size);
        let found = self.remote.checkpoint(size, &self.log).await?;
        let (found, _) = found.ok_or_else(|| refused(&path, "it was removed"))?;
        if found.root != root {
            return Err(refused(path, "its root isn't that of the records in the archive"));
        }
        match self.floor {
            Some(floor) if floor == (size, root) => self.floor = None,
            Some((least, _)) if size >= least => {
                let said =
                    format!("this witness cosigned another tree of {least} records: history was rewritten");
                return Err(refused(path, said));
            }
            _ => {}
        }
        Ok(())
    }

    async fn cosign(&mut self, now: Timestamp) -> Result<(), Trouble> {
        let size = self.memory.size();
        let found = self.remote.checkpoint(size, &self.log).await?;
        let (found, note) = found.ok_or_else(|| refused(layout::checkpoint(size), "it was removed"))?;
        if found.root != self.memory.root() {
            return Err(refused(
                layout::checkpoint(size),
                "its root isn't that of the records in the archive",
            ));
        }
        self.remote.cosigned(&self.key.sign(note, now)).await?;
        self.memory.cosigned = Some(now);
        (self.keep)(&self.memory)
    }
}
