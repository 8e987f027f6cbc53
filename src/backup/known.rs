//! What is known of a tenant's backups: from the store, from the cluster, from the spec. Plain data. Pure.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub use super::past::{Details, Past};

use super::{
    record::{Record, reasons},
    schedule::{Schedule, Seed},
    task::{Size, SqlCheck},
};

/// What a run is for. Its word is the first part of a Job's name and of a record's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A restore that somebody asked for.
    Restore,
    /// A dump.
    Backup,
    /// A drill that somebody asked for.
    AskedDrill,
    /// Removes what has expired.
    Expire,
    /// Removes what has expired, and gives space back.
    Prune,
    /// A drill of the newest restore point.
    Drill,
    /// A drill of an old one.
    OldDrill,
    /// Reads a part of the repository.
    Check,
}

impl Kind {
    /// Every kind, the most urgent first.
    pub const ALL: [Self; 8] = [
        Self::Restore,
        Self::Backup,
        Self::AskedDrill,
        Self::Expire,
        Self::Prune,
        Self::Drill,
        Self::OldDrill,
        Self::Check,
    ];

    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Restore => "restore",
            Self::Backup => "backup",
            Self::AskedDrill => "askeddrill",
            Self::Expire => "expire",
            Self::Prune => "prune",
            Self::Drill => "drill",
            Self::OldDrill => "olddrill",
            Self::Check => "check",
        }
    }

    /// What the run of that name is for.
    #[must_use]
    pub fn of(id: &str) -> Option<Self> {
        let word = id.split('-').next()?;
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Whether it needs a restic repository for itself: expiry, prune and check take a lock that shuts others out.
    #[must_use]
    pub fn is_exclusive(self) -> bool {
        matches!(self, Self::Expire | Self::Prune | Self::Check)
    }

    /// Whether it restores into an engine of its own.
    #[must_use]
    pub fn is_drill(self) -> bool {
        matches!(self, Self::AskedDrill | Self::Drill | Self::OldDrill)
    }

    /// Whether two runs may go on in one tenant at once. One writer: a restore point is made alone; what is read may be
    /// read by several, but never while something is removed.
    #[must_use]
    pub fn goes_with(self, other: Self) -> bool {
        let one_of_a_kind = |kind: Self| kind == Self::Backup || kind.is_exclusive();
        !(self.is_exclusive()
            || other.is_exclusive()
            || (one_of_a_kind(self) && one_of_a_kind(other))
            || (self.is_drill() && other.is_drill()))
    }
}

/// A restore point: both its snapshots are in the store, and the record of its run says that it is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Name in `Tenant.spec.databases`.
    pub database: String,
    /// Generation of its repository.
    pub generation: u32,
    /// Full id of the snapshot with the dump.
    pub snapshot: String,
    /// Full id of the snapshot with the manifest.
    pub manifest: String,
    /// When the source was read, by the source's clock.
    pub time: Timestamp,
    /// When it was stored, by the store's clock: the later of its two snapshots.
    pub stored: Timestamp,
    /// What it holds.
    pub size: Size,
}

impl Point {
    /// How far a source's clock may be before the store's.
    pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(10);

    /// From the record of its run and the store's times of its snapshots; `None` where the record has no restore point.
    #[must_use]
    pub fn of(record: &Record, stored: Timestamp) -> Option<Self> {
        let point = record.point.as_ref().filter(|_| record.succeeded)?;
        Some(Self {
            database: record.database.clone(),
            generation: record.generation,
            snapshot: point.snapshot.clone(),
            manifest: point.manifest.clone(),
            time: point.time.parse().ok()?,
            stored,
            size: point.size,
        })
    }

    /// Whether it says a time that the store's clock hadn't reached when it was stored.
    #[must_use]
    pub fn is_future_dated(&self) -> bool {
        self.time.duration_since(self.stored) > Self::TOLERANCE
    }
}

/// An object in the store that stands for a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Generation of its repository.
    pub generation: u32,
    /// Full id.
    pub id: String,
    /// When it was stored, by the store's clock.
    pub stored: Timestamp,
}

/// What one look into the store found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// When, by our clock.
    pub observed_at: Timestamp,
    /// When, by the store's.
    pub clock: Timestamp,
    /// Good restore points, of every database that ever had one.
    pub points: Vec<Point>,
    /// Every object that stands for a snapshot, of good points or not.
    pub snapshots: Vec<Snapshot>,
    /// Runs that left a record.
    pub past: Vec<Past>,
    /// When something was stored anywhere in the Platform's part.
    pub evidence: Evidence,
}

/// Times by the store's clock at which something was stored, the last of each hour. Days without any are days of which
/// nobody knows whether they were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence(Arc<[Timestamp]>);

impl Evidence {
    /// From all times, in any order.
    #[must_use]
    pub fn of(times: impl IntoIterator<Item = Timestamp>) -> Self {
        let mut times: Vec<Timestamp> = times.into_iter().collect();
        times.sort_unstable();
        let hour = |time: &Timestamp| time.as_second().div_euclid(3600);
        let mut kept: Vec<Timestamp> = Vec::new();
        for time in times {
            match kept.last_mut() {
                Some(last) if hour(last) == hour(&time) => *last = time,
                _ => kept.push(time),
            }
        }
        Self(kept.into())
    }

    /// The times, the oldest first.
    #[must_use]
    pub fn times(&self) -> &[Timestamp] {
        &self.0
    }
}

impl Store {
    /// The store's time now.
    #[must_use]
    pub fn now(&self, now: Timestamp) -> Timestamp {
        self.clock.saturating_add(now.duration_since(self.observed_at)).unwrap_or(self.clock)
    }

    /// Good restore points of one database, the oldest first.
    #[must_use]
    pub fn points_of(&self, database: &str) -> Vec<&Point> {
        let mut points: Vec<&Point> = self.points.iter().filter(|point| point.database == database).collect();
        points.sort_by_key(|point| (point.stored, &point.snapshot));
        points
    }

    /// Runs of one kind for one database that have ended.
    pub fn past_of<'a>(&'a self, kind: Kind, database: &'a str) -> impl Iterator<Item = &'a Past> {
        self.past.iter().filter(move |past| past.kind == kind && past.database == database)
    }
}

/// How a Job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It waits, or runs.
    Active,
    /// It is done.
    Succeeded,
    /// It has failed, or was killed.
    Failed,
}

/// A Job in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its name.
    pub job: String,
    /// What it is for.
    pub kind: Kind,
    /// The database, where it is about one.
    pub database: String,
    /// The slot that it fills, if any.
    pub slot: Option<Timestamp>,
    /// How it stands.
    pub state: RunState,
    /// Why it failed, from its last words or from its pod; [`reasons::INTERRUPTED`] where neither says.
    pub reason: String,
    /// When it was made, by our clock.
    pub created: Timestamp,
    /// When it ended, by our clock.
    pub ended: Option<Timestamp>,
    /// Hostnames of its pods: restic's locks name them.
    pub hosts: Vec<String>,
}

impl Run {
    /// The same as an ended run; `None` while it goes on.
    #[must_use]
    pub fn past(&self) -> Option<Past> {
        let succeeded = match self.state {
            RunState::Active => return None,
            RunState::Succeeded => true,
            RunState::Failed => false,
        };
        let ended = self.ended.unwrap_or(self.created);
        Some(Past {
            id: self.job.clone(),
            kind: self.kind,
            database: self.database.clone(),
            slot: self.slot,
            generation: 0,
            started: self.created,
            ended,
            succeeded,
            reason: if succeeded { reasons::SUCCEEDED.to_owned() } else { self.reason.clone() },
            removed: 0,
            details: None,
        })
    }
}

/// Which restore point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The newest.
    Newest,
    /// The oldest.
    Oldest,
    /// One of all, by the slot.
    Random,
    /// The newest whose source was not read later.
    At(Timestamp),
}

/// A drill or a restore that somebody asked for and that hasn't ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Name of the object.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// Name in `Tenant.spec.databases`.
    pub database: String,
    /// Which restore point.
    pub choice: Choice,
    /// For a restore: the database that is made; `Some(None)` to go over the live one. `None` for a drill.
    pub restore: Option<Option<String>>,
}

/// What a tenant's backups shall be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The Tenant.
    pub tenant: String,
    /// Its lifecycle is Active, and nobody has stopped writes: only then runs start by themselves, and only then
    /// anything expires.
    pub active: bool,
    /// What is backed up.
    pub databases: Vec<Database>,
    /// How late a missed run may still begin.
    pub starting_deadline: SignedDuration,
    /// Days that restore points stay.
    pub retention_days: u32,
    /// Whether the bucket locks what it is given: then each week has a repository of its own.
    pub locked: bool,
    /// Most restore points that may expire in one repository in an hour.
    pub max_deletions_per_hour: u32,
    /// What was stored before this, by the store's clock, may expire at any rate: an annotation says so.
    pub accepted_deletions: Option<Timestamp>,
    /// When a part of the repository is read.
    pub check: Schedule,
    /// When space is given back.
    pub prune: Schedule,
}

/// One database, or one volume.
#[derive(Clone, Debug)]
pub struct Database {
    /// Name in `Tenant.spec.databases`; of a volume, its [`super::volumes::key`].
    pub name: String,
    /// The claim that a volume's files are in; `None` for a database.
    pub claim: Option<String>,
    /// Why it can't be backed up, where that is known.
    pub unsupported: Option<String>,
    /// When it is dumped.
    pub schedule: Schedule,
    /// When its newest restore point is tried.
    pub drills: Schedule,
    /// When an old one is.
    pub old_points: Schedule,
    /// What drills and old drills draw from.
    pub seed: Seed,
    /// See [`super::task::Backup::least_percent`].
    pub least_percent: u32,
    /// See [`super::task::Backup::sampled_tables`].
    pub sampled_tables: u32,
    /// See [`super::task::Backup::sentinel`].
    pub sentinel: bool,
    /// The run whose source may be empty, or so much smaller.
    pub accept_shrunken: Option<String>,
    /// See [`super::task::Drill::checks`].
    pub checks: Vec<SqlCheck>,
    /// See [`super::task::Drill::room_bytes`].
    pub room_bytes: u64,
    /// See [`super::task::Drill::rpo_limit_seconds`].
    pub rpo_limit_seconds: u64,
}

impl Database {
    /// What it is and what it is called, for people.
    #[must_use]
    pub fn words(&self) -> String {
        match super::volumes::name_of(&self.name) {
            Some(volume) => format!("volume {volume}"),
            None => format!("database {}", self.name),
        }
    }
}
