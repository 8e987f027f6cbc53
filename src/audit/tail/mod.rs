//! Files that grow, followed through rotation, truncation and restarts: each line is a record, verbatim.
//!
//! - [`lines`], [`place`]: pure; lines in bytes, and how far each file was read
//! - [`files`]: the files that lie there now
//! - [`follow`]: the loop that brings them to the spool
//!
//! No clock and no name says which file comes after which: every file that matches is read, and what was read of each is
//! kept by device, inode and a digest of its first bytes. A file that was cut in place is looked for among the others,
//! where copytruncate leaves a copy. What can't be found any more is told in a record.

use std::collections::HashSet;
use std::fs::File;
use std::io;

use jiff::Timestamp;

pub mod files;
pub mod follow;
pub mod lines;
pub mod place;

use files::{Id, Seen, Watched, begin, hole, look, piece};
use lines::lines;
use place::{HEAD, Head, Known, Position};

use super::frame::Source;
use super::own::Own;
use super::spool::batch::Batch;

/// Bytes that are read at once.
const CHUNK: usize = 256 * 1024;
/// Longest line that is one record; longer ones are kept in pieces.
const LINE: usize = 8 * 1024 * 1024;

const CUT: &str = "it was cut in place, and there is no copy of it: what it had from there on is gone";
const GONE: &str = "it is gone: what it had from there on was not read";

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Write these, then say so by [`Tail::taken`].
    Take(Vec<Batch>),
    /// Nothing new.
    Idle,
}

/// A source's files, and how far they were read. Knows no spool: what it gives isn't read until it is told so.
#[derive(Debug)]
pub struct Tail {
    name: String,
    source: Source,
    watched: Watched,
    known: Vec<Known>,
    held: Option<Held>,
    /// Files, by size and time, that hold nothing new.
    quiet: HashSet<(Id, u64, (i64, i64))>,
    taking: Option<Taking>,
    behind: u64,
}

/// The file that is being read; it can be read although it was renamed or removed.
#[derive(Debug)]
struct Held {
    file: File,
    known: Known,
    /// Its size when there was nothing more to read.
    idle: Option<u64>,
}

/// What is true once the records of a step are safe.
#[derive(Debug)]
enum Taking {
    /// The held file was read up to here.
    Upto(u64),
    /// The held file isn't what it was.
    Gone,
    /// So is a known one.
    Forgotten(Known),
}

impl Tail {
    /// A source, as far as it was read before.
    #[must_use]
    pub fn new(name: &str, source: Source, watched: Watched, position: Position) -> Self {
        Self {
            name: name.to_owned(),
            source,
            watched,
            known: position.files,
            held: None,
            quiet: HashSet::new(),
            taking: None,
            behind: 0,
        }
    }

    /// What to keep: how far each file was read.
    #[must_use]
    pub fn files(&self) -> Vec<Known> {
        self.known.iter().chain(self.held.iter().map(|held| &held.known)).cloned().collect()
    }

    /// Bytes of the file that is being read which weren't.
    #[must_use]
    pub fn behind(&self) -> u64 {
        self.behind
    }

    /// Looks, and reads a piece.
    ///
    /// # Errors
    /// A folder or file can't be read.
    pub fn step(&mut self) -> io::Result<Step> {
        self.taking = None;
        let seen = self.watched.files()?;
        self.tidy(&seen);
        loop {
            if self.held.is_none() {
                if let Some(gone) = self.vanished(&seen)? {
                    return Ok(gone);
                }
                self.held = self.pick(&seen)?;
            }
            let Some(held) = &self.held else { return Ok(Step::Idle) };
            let begin = begin(&held.file)?;
            if !held.known.head.fits(&begin) {
                match self.copy(&seen)? {
                    Some(copy) => self.held = Some(copy),
                    None => return Ok(self.lost(CUT, None)),
                }
                continue;
            }
            let (size, offset) = (held.file.metadata()?.len(), held.known.offset);
            if size < offset {
                return Ok(self.lost("its end was cut off after it was read", Some(size)));
            }
            self.behind = size - offset;
            let ended = has_successor(&held.known, &seen);
            if let Some(step) = self.read(&begin, size, ended)? {
                return Ok(step);
            }
            if !self.pass_on(&seen, size, ended)? {
                return Ok(Step::Idle);
            }
        }
    }

    /// The records of the last step are safe.
    ///
    /// # Errors
    /// The begin of the file can't be read.
    pub fn taken(&mut self) -> io::Result<()> {
        match self.taking.take() {
            Some(Taking::Upto(offset)) => {
                if let Some(held) = &mut self.held {
                    held.advance(offset)?;
                }
            }
            Some(Taking::Gone) => self.held = None,
            Some(Taking::Forgotten(known)) => self.known.retain(|one| *one != known),
            None => {}
        }
        Ok(())
    }

    /// Lines from where it stands; `None` when there are none yet.
    fn read(&mut self, begin: &[u8], size: u64, ended: bool) -> io::Result<Option<Step>> {
        let Some(held) = &mut self.held else { return Ok(None) };
        let quiet = held.idle == Some(size);
        loop {
            if held.known.offset == size || (quiet && !ended) {
                return Ok(None);
            }
            if held.known.offset == 0 && begin.first() == Some(&0) {
                // Whoever goes on writing where it was, after the file was cut, leaves a hole before.
                let hole = hole(&held.file)?;
                held.advance(hole)?;
                continue;
            }
            let offset = held.known.offset;
            let mut bytes = piece(&held.file, offset, CHUNK)?;
            let mut found = lines(&bytes, false);
            if found.used == 0 && bytes.len() == CHUNK {
                bytes = piece(&held.file, offset, LINE)?;
                found = lines(&bytes, false);
            }
            let too_long = found.used == 0 && bytes.len() == LINE;
            // A last line without an end: nobody is writing it any more.
            let last = ended && quiet && offset + bytes.len() as u64 == size;
            if too_long || (last && found.used == 0) {
                found = lines(&bytes, true);
            }
            if found.used == 0 {
                return Ok(None);
            }
            if found.records.is_empty() {
                held.advance(offset + found.used as u64)?;
                continue;
            }
            let mut batches = Vec::new();
            if too_long {
                batches.push(oversize(&self.name, &held.known, bytes.len() as u64));
            }
            self.taking = Some(Taking::Upto(offset + found.used as u64));
            batches.extend(Batch::new(self.source, bytes, found.records));
            return Ok(Some(Step::Take(batches)));
        }
    }

    /// There is nothing to read now. Goes to another file, if there is one; whether it did.
    fn pass_on(&mut self, seen: &[Seen], size: u64, ended: bool) -> io::Result<bool> {
        let Some(mut held) = self.held.take() else { return Ok(false) };
        if ended && held.known.offset == size {
            held.known.whole = true;
            self.known.push(held.known);
            return Ok(true);
        }
        held.idle = Some(size);
        self.held = Some(held);
        if ended {
            // The end of a last line may come yet.
            return Ok(false);
        }
        let Some(other) = self.pick(seen)? else { return Ok(false) };
        self.known.extend(self.held.replace(other).map(|held| held.known));
        Ok(true)
    }

    /// The first file, the oldest first, of which something is to be read.
    fn pick(&mut self, seen: &[Seen]) -> io::Result<Option<Held>> {
        for one in seen {
            let mark = (one.id, one.size, one.written);
            let is_held = self.held.as_ref().is_some_and(|held| one.is(&held.known));
            if is_held || self.quiet.contains(&mark) {
                continue;
            }
            let Some((file, begin)) = look(one)? else { continue };
            let mine = self.known.iter().position(|known| one.is(known) && known.head.fits(&begin));
            if let Some(index) = mine {
                let known = &self.known[index];
                if known.whole && one.size <= known.offset {
                    self.quiet.insert(mark);
                    continue;
                }
                let known = Known { file: one.file.clone(), ..self.known.remove(index) };
                return Ok(Some(Held { file, known, idle: None }));
            }
            match self.original(&begin, seen)? {
                // A copy in the making: the original is still there, and has it all.
                Some(Original::Intact) => {}
                Some(Original::Cut(index)) => {
                    let known = self.known.remove(index);
                    return Ok(Some(one.hold(file, known.offset.min(one.size), known.head)));
                }
                None => return Ok(Some(one.hold(file, 0, Head::default()))),
            }
        }
        Ok(None)
    }

    /// The file that another one is a copy of.
    fn original(&self, begin: &[u8], seen: &[Seen]) -> io::Result<Option<Original>> {
        let same = |known: &Known| known.head.bytes > 0 && known.head.fits(begin);
        if self.held.as_ref().is_some_and(|held| same(&held.known)) {
            return Ok(Some(Original::Intact));
        }
        let mut cut = None;
        for (index, known) in self.known.iter().enumerate().filter(|(_, known)| same(known)) {
            if is_intact(known, seen)? {
                return Ok(Some(Original::Intact));
            }
            cut = cut.or(Some(Original::Cut(index)));
        }
        Ok(cut)
    }

    /// A copy of the held file, which was cut.
    fn copy(&self, seen: &[Seen]) -> io::Result<Option<Held>> {
        let Some(held) = &self.held else { return Ok(None) };
        let others = seen.iter().filter(|one| !self.known.iter().any(|known| one.is(known)));
        for one in others.filter(|one| !one.is(&held.known)) {
            let Some((file, begin)) = look(one)? else { continue };
            if held.known.head.bytes > 0 && held.known.head.fits(&begin) {
                let offset = held.known.offset.min(one.size);
                return Ok(Some(one.hold(file, offset, held.known.head.clone())));
            }
        }
        Ok(None)
    }

    /// A file that wasn't read to its end and isn't there any more.
    fn vanished(&mut self, seen: &[Seen]) -> io::Result<Option<Step>> {
        for known in self.known.iter().filter(|known| !known.whole && known.offset > 0) {
            if !is_intact(known, seen)? && !has_copy(known, seen)? {
                let gap = self.gap(known, None, GONE);
                self.taking = Some(Taking::Forgotten(known.clone()));
                return Ok(Some(Step::Take(vec![gap])));
            }
        }
        Ok(None)
    }

    /// The held file lost something: all from where it was read on, or its end down to a size.
    fn lost(&mut self, why: &str, size: Option<u64>) -> Step {
        let Some(held) = &self.held else { return Step::Idle };
        let known = Known { offset: size.unwrap_or(held.known.offset), ..held.known.clone() };
        let gap = self.gap(&known, size.map(|_| held.known.offset), why);
        self.taking = Some(size.map_or(Taking::Gone, Taking::Upto));
        Step::Take(vec![gap])
    }

    fn gap(&self, known: &Known, to: Option<u64>, why: &str) -> Batch {
        let (identity, source) = (known.identity(), self.name.as_str());
        let (identity, from) = (identity.as_str(), known.offset);
        let gap = Own::SourceGap { source, file: &known.file, identity, from, to, why };
        Batch::own(gap.record(Timestamp::now()))
    }

    /// Forgets what isn't there any more.
    fn tidy(&mut self, seen: &[Seen]) {
        let there = |known: &Known| seen.iter().any(|one| one.is(known));
        self.known.retain(|known| !known.whole || there(known));
        self.quiet.retain(|(id, ..)| seen.iter().any(|one| one.id == *id));
    }
}

enum Original {
    Intact,
    Cut(usize),
}

impl Held {
    fn advance(&mut self, offset: u64) -> io::Result<()> {
        self.known.offset = offset;
        self.idle = None;
        let bytes = offset.min(HEAD);
        if self.known.head.bytes != bytes {
            let mut begin = begin(&self.file)?;
            begin.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
            self.known.head = Head::of(&begin);
        }
        Ok(())
    }
}

impl Seen {
    fn is(&self, known: &Known) -> bool {
        self.id == (known.device, known.inode)
    }

    fn hold(&self, file: File, offset: u64, head: Head) -> Held {
        let ((device, inode), file_name) = (self.id, self.file.clone());
        let known = Known { file: file_name, device, inode, head, offset, whole: false };
        Held { file, known, idle: None }
    }
}

/// Whether another file is written now.
fn has_successor(known: &Known, seen: &[Seen]) -> bool {
    seen.iter().any(|one| one.current && !one.is(known))
}

/// Whether a file is there under whatever name, as it was.
fn is_intact(known: &Known, seen: &[Seen]) -> io::Result<bool> {
    let Some(one) = seen.iter().find(|one| one.is(known)) else { return Ok(false) };
    Ok(look(one)?.is_some_and(|(_, begin)| known.head.fits(&begin)))
}

/// Whether any file begins as it did.
fn has_copy(known: &Known, seen: &[Seen]) -> io::Result<bool> {
    for one in seen {
        if look(one)?.is_some_and(|(_, begin)| known.head.fits(&begin)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn oversize(source: &str, known: &Known, bytes: u64) -> Batch {
    let (identity, offset) = (known.identity(), known.offset);
    let own = Own::Oversize { source, file: &known.file, identity: &identity, offset, bytes };
    Batch::own(own.record(Timestamp::now()))
}

#[cfg(test)]
mod tests;
