//! A disk in memory that loses power: of what wasn't synced, some is there afterwards and some isn't, by sectors and by
//! names, in no order.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenantry::audit::spool::disk::{Disk, Held, Writable};

use super::Dice;

/// What a disk writes at once.
const SECTOR: usize = 512;

type Inode = u64;

/// A change of names that wasn't synced.
#[derive(Clone, Debug)]
enum Change {
    Made(PathBuf, Inode),
    Renamed(PathBuf, PathBuf, Inode),
    Removed(PathBuf),
}

impl Change {
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Made(path, _) | Self::Renamed(path, ..) | Self::Removed(path) => path.parent(),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Content {
    safe: Vec<u8>,
    live: Vec<u8>,
}

#[derive(Debug)]
struct Platter {
    safe: BTreeMap<PathBuf, Inode>,
    live: BTreeMap<PathBuf, Inode>,
    changes: Vec<Change>,
    contents: HashMap<Inode, Content>,
    inodes: Inode,
    locked: Vec<PathBuf>,
    /// Operations until the power goes.
    left: Option<u64>,
    /// Bytes that fit.
    most: Option<u64>,
    dice: Dice,
}

/// The disk; clones are the same one.
#[derive(Clone)]
pub struct FakeDisk(Arc<Mutex<Platter>>);

impl fmt::Debug for FakeDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeDisk").finish_non_exhaustive()
    }
}

fn dead() -> io::Error {
    io::Error::other("there is no power")
}

fn none() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl FakeDisk {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Platter {
            safe: BTreeMap::new(),
            live: BTreeMap::new(),
            changes: Vec::new(),
            contents: HashMap::new(),
            inodes: 0,
            locked: Vec::new(),
            left: None,
            most: None,
            dice: Dice(seed),
        })))
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The power goes after that many operations.
    pub fn cut_after(&self, operations: u64) {
        self.platter().left = Some(operations);
    }

    /// How much fits.
    pub fn limit(&self, most: Option<u64>) {
        self.platter().most = most;
    }

    pub fn is_dead(&self) -> bool {
        self.platter().left == Some(0)
    }

    /// Only the process ended: what it wrote is there, and still not safe.
    pub fn restart(&self) {
        let mut platter = self.platter();
        platter.locked.clear();
        platter.left = None;
    }

    /// The power comes back: what wasn't safe is anything.
    pub fn power_on(&self) {
        let mut platter = self.platter();
        let Platter { safe, live, changes, contents, locked, left, dice, .. } = &mut *platter;
        for change in std::mem::take(changes) {
            if dice.roll(2) == 0 {
                continue;
            }
            match change {
                Change::Made(path, inode) => {
                    safe.insert(path, inode);
                }
                Change::Renamed(from, to, inode) => {
                    safe.retain(|path, one| *path != from || *one != inode);
                    safe.insert(to, inode);
                }
                Change::Removed(path) => {
                    safe.remove(&path);
                }
            }
        }
        live.clone_from(safe);
        for content in contents.values_mut() {
            tear(content, dice);
        }
        locked.clear();
        *left = None;
    }

    /// All files in a folder with what they hold.
    pub fn all(&self, folder: &Path) -> BTreeMap<String, Vec<u8>> {
        let platter = self.platter();
        let files = platter.live.iter().filter(|(path, _)| path.parent() == Some(folder));
        let named = |(path, inode): (&PathBuf, &Inode)| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, platter.contents[inode].live.clone())
        };
        files.map(named).collect()
    }
}

/// Of what wasn't synced, each sector is the old or the new one, and the length any in between.
fn tear(content: &mut Content, dice: &mut Dice) {
    let Content { safe, live } = content;
    if safe != live {
        let (short, long) = (safe.len().min(live.len()), safe.len().max(live.len()));
        let length = short + usize::try_from(dice.roll((long - short) as u64 + 1)).unwrap_or_default();
        safe.resize(length, 0);
        for start in (0..length).step_by(SECTOR) {
            let end = (start + SECTOR).min(length).min(live.len());
            if start < end && dice.roll(2) == 0 {
                safe[start..end].copy_from_slice(&live[start..end]);
            }
        }
    }
    live.clone_from(safe);
}

impl Platter {
    /// Another operation; an error when the power is gone.
    fn tick(&mut self) -> io::Result<()> {
        match &mut self.left {
            None => Ok(()),
            Some(0) => Err(dead()),
            Some(left) => {
                *left -= 1;
                if *left == 0 { Err(dead()) } else { Ok(()) }
            }
        }
    }

    fn used(&self) -> u64 {
        self.live.values().map(|inode| self.contents[inode].live.len() as u64).sum()
    }
}

impl Disk for FakeDisk {
    fn make_folder(&self, _path: &Path) -> io::Result<()> {
        self.platter().tick()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Held>> {
        let mut platter = self.platter();
        platter.tick()?;
        if platter.locked.iter().any(|one| one == path) {
            return Ok(None);
        }
        platter.locked.push(path.to_owned());
        drop(platter);
        Ok(Some(Box::new(Unlock(self.clone(), path.to_owned()))))
    }

    fn files(&self, folder: &Path) -> io::Result<Vec<(String, u64)>> {
        self.platter().tick()?;
        Ok(self.all(folder).into_iter().map(|(name, content)| (name, content.len() as u64)).collect())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut platter = self.platter();
        platter.tick()?;
        let inode = platter.live.get(path).ok_or_else(none)?;
        Ok(platter.contents[inode].live.clone())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Writable>> {
        let mut platter = self.platter();
        platter.tick()?;
        let inode = match platter.live.get(path) {
            Some(inode) => *inode,
            None => {
                platter.inodes += 1;
                let inode = platter.inodes;
                platter.contents.insert(inode, Content::default());
                platter.live.insert(path.to_owned(), inode);
                platter.changes.push(Change::Made(path.to_owned(), inode));
                inode
            }
        };
        Ok(Box::new(FakeFile(self.clone(), inode)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut platter = self.platter();
        platter.tick()?;
        let inode = platter.live.remove(from).ok_or_else(none)?;
        platter.live.insert(to.to_owned(), inode);
        platter.changes.push(Change::Renamed(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut platter = self.platter();
        platter.tick()?;
        platter.live.remove(path).ok_or_else(none)?;
        platter.changes.push(Change::Removed(path.to_owned()));
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut platter = self.platter();
        platter.tick()?;
        platter.changes.retain(|change| change.folder() != Some(folder));
        let Platter { safe, live, .. } = &mut *platter;
        safe.retain(|path, _| path.parent() != Some(folder));
        let here = live.iter().filter(|(path, _)| path.parent() == Some(folder));
        safe.extend(here.map(|(path, inode)| (path.clone(), *inode)));
        Ok(())
    }

    fn free(&self, _folder: &Path) -> io::Result<u64> {
        // As a disk that says nothing until it is full.
        self.platter().tick()?;
        Ok(u64::MAX)
    }
}

struct Unlock(FakeDisk, PathBuf);

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.platter().locked.retain(|path| *path != self.1);
    }
}

struct FakeFile(FakeDisk, Inode);

impl Writable for FakeFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut platter = self.0.platter();
        if platter.left == Some(0) {
            return Err(dead());
        }
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let used = platter.used();
        let room =
            platter.most.map_or(usize::MAX, |most| usize::try_from(most.saturating_sub(used)).unwrap_or(0));
        let alive = platter.tick();
        // Without power, and without room, some of it was written.
        let some = match &alive {
            Ok(()) => bytes.len().min(room),
            Err(_) => usize::try_from(platter.dice.roll(bytes.len() as u64 + 1)).unwrap_or_default(),
        };
        let content = platter.contents.entry(self.1).or_default();
        if content.live.len() < offset + some {
            content.live.resize(offset + some, 0);
        }
        content.live[offset..offset + some].copy_from_slice(&bytes[..some]);
        alive?;
        if some < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        let mut platter = self.0.platter();
        platter.tick()?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        platter.contents.entry(self.1).or_default().live.resize(length, 0);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut platter = self.0.platter();
        platter.tick()?;
        let content = platter.contents.entry(self.1).or_default();
        content.safe.clone_from(&content.live);
        Ok(())
    }
}
