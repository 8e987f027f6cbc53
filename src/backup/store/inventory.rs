//! What the store has of one tenant: restore points, and the runs that left a record. Records are read once and kept;
//! what is there is listed on each look.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use crate::backup::known::{self, Evidence, Past, Point, Snapshot};
use crate::backup::layout::Place;
use crate::backup::record::{self, Record};
use crate::store::{Class, Store, StoreError};

/// Most records, and most snapshots of one generation, that a look takes. A cut listing would say that something is
/// gone, so that it is an error.
const MOST: usize = 200_000;
/// Records read at once.
const AT_ONCE: usize = 16;
/// A record's key says when its run began, and it is written at the end: no run takes longer.
const LONGEST_RUN: SignedDuration = SignedDuration::from_hours(72);
/// Most packs that are counted for what is under lock.
const MOST_PACKS: usize = 20_000;

/// A restore point, or what was one.
#[derive(Clone, Debug)]
struct Kept {
    /// `stored` is when its record was, until a look finds its snapshots.
    point: Point,
    there: bool,
}

/// What is kept between looks.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Names of records that were read and may be listed again.
    read: HashSet<String>,
    /// When the newest run of them began.
    newest: Option<Timestamp>,
    /// Runs that began before are listed no more. It never goes back: what was forgotten would be read twice.
    from: Option<Timestamp>,
    points: Vec<Kept>,
    past: Vec<Past>,
    evidence: Evidence,
    unreadable: u32,
}

impl Inventory {
    /// Looks. What an earlier look found stays when this one fails.
    ///
    /// # Errors
    /// What went wrong; a part of what is there is never told for all of it.
    pub async fn look(
        &mut self,
        store: &Store,
        place: &Place,
        now: Timestamp,
    ) -> Result<known::Store, StoreError> {
        // Records first: a run writes its own last, so that each is found with its snapshots.
        self.read_records(store, place).await?;
        let snapshots = snapshots(store, place).await?;
        let at: HashMap<&str, Timestamp> =
            snapshots.iter().map(|one| (one.id.as_str(), one.stored)).collect();
        for kept in &mut self.points {
            let both = (at.get(kept.point.snapshot.as_str()), at.get(kept.point.manifest.as_str()));
            kept.there = false;
            if let (Some(dump), Some(manifest)) = both {
                (kept.point.stored, kept.there) = (*dump.max(manifest), true);
            }
        }
        let stored = snapshots.iter().map(|one| one.stored);
        self.evidence = Evidence::of(self.evidence.times().iter().copied().chain(stored));
        let points = self.points.iter().filter(|kept| kept.there).map(|kept| kept.point.clone());
        Ok(known::Store {
            observed_at: now,
            clock: store.clock().now(),
            points: points.collect(),
            snapshots,
            past: self.past.clone(),
            evidence: self.evidence.clone(),
        })
    }

    /// Restore points that are gone although they are younger: nobody may have removed them.
    #[must_use]
    pub fn gone_early(&self, retention_days: u32, clock: Timestamp) -> Vec<&Point> {
        let whole = SignedDuration::from_hours(24 * i64::from(retention_days));
        let young = |kept: &&Kept| !kept.there && clock.duration_since(kept.point.stored) < whole;
        self.points.iter().filter(young).map(|kept| &kept.point).collect()
    }

    /// Objects among the records that aren't any.
    #[must_use]
    pub fn unreadable(&self) -> u32 {
        self.unreadable
    }

    async fn read_records(&mut self, store: &Store, place: &Place) -> Result<(), StoreError> {
        let after = self.from.map(|from| format!("{}{}", place.records(), stamp(from))).unwrap_or_default();
        let listing = store.list(&place.records(), &after, MOST).await?;
        whole(store, &place.records(), listing.cut)?;
        let new: Vec<_> = listing.objects.into_iter().filter(|one| !self.read.contains(&one.key)).collect();
        let gets = stream::iter(new).map(|object| async move {
            let answer = store.get(&object.key, record::MOST_BYTES).await;
            match answer {
                Ok(bytes) => Ok((object, serde_json::from_slice::<Record>(&bytes).ok())),
                Err(error) if matches!(error.class, Class::NotFound | Class::Unexpected) => {
                    Ok((object, None))
                }
                Err(error) => Err(error),
            }
        });
        // All or nothing: what is marked as read is never read again.
        let got: Vec<_> = gets.buffer_unordered(AT_ONCE).try_collect().await?;
        let times: Vec<Timestamp> = got.iter().filter_map(|(object, _)| object.modified).collect();
        for (object, record) in got {
            match record.as_ref().and_then(|record| Some((record, Past::of(record)?))) {
                Some((record, past)) => self.keep(record, past, object.modified),
                None => self.unreadable = self.unreadable.saturating_add(1),
            }
            self.read.insert(object.key);
        }
        Past::thin(&mut self.past);
        self.evidence = Evidence::of(self.evidence.times().iter().copied().chain(times));
        self.forget(place, store.clock().now());
        Ok(())
    }

    fn keep(&mut self, record: &Record, past: Past, modified: Option<Timestamp>) {
        self.newest = self.newest.max(Some(past.started));
        if let Some(point) = Point::of(record, modified.unwrap_or(past.ended)) {
            self.points.push(Kept { point, there: false });
        }
        self.past.push(past);
    }

    /// Names of records that no later look lists again. A node whose clock was ahead has said a time that hasn't come: that
    /// hides none of those who come later.
    fn forget(&mut self, place: &Place, clock: Timestamp) {
        let newest = self.newest.map(|newest| newest.min(clock));
        self.from = self.from.max(newest.and_then(|newest| newest.checked_sub(LONGEST_RUN).ok()));
        let Some(from) = self.from else { return };
        let oldest = format!("{}{}", place.records(), stamp(from));
        self.read.retain(|key| *key > oldest);
    }
}

/// As [`Place::record`] begins.
fn stamp(time: Timestamp) -> jiff::fmt::strtime::Display<'static> {
    time.strftime("%Y%m%dT%H%M%SZ")
}

fn whole(store: &Store, prefix: &str, cut: bool) -> Result<(), StoreError> {
    if !cut {
        return Ok(());
    }
    Err(store.fault(Class::Unexpected, "list", prefix, format!("more than {MOST} objects")))
}

/// The objects that stand for snapshots, of all generations.
async fn snapshots(store: &Store, place: &Place) -> Result<Vec<Snapshot>, StoreError> {
    let folders = store.folders(&format!("{}/g", place.prefix)).await?;
    // A list, not an iterator that borrows: the future of a stream over one can't move between threads.
    let generations: Vec<u32> = folders.iter().filter_map(|folder| place.generation_of(folder)).collect();
    let lists = stream::iter(generations).map(|generation| async move {
        let prefix = place.snapshots(generation);
        let listing = store.list(&prefix, "", MOST).await?;
        whole(store, &prefix, listing.cut)?;
        let found = listing.objects.into_iter().filter_map(|object| {
            let id = object.key.strip_prefix(&prefix)?;
            let fits = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
            fits.then(|| id.to_owned()).zip(object.modified)
        });
        Ok::<_, StoreError>(found.map(|(id, stored)| Snapshot { generation, id, stored }).collect::<Vec<_>>())
    });
    let found: Vec<Vec<Snapshot>> = lists.buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// Share of the bytes of a generation's packs that is under lock, in percent: what its newest restore point consists of
/// is among them. `None` where there are too many to count, or none.
///
/// `lock_days` is the bucket's default; where the store tells the lock of an object, that of the oldest pack counts.
///
/// # Errors
/// What went wrong.
pub async fn locked_percent(
    store: &Store,
    place: &Place,
    generation: u32,
    lock_days: u32,
) -> Result<Option<u32>, StoreError> {
    let prefix = format!("{}/data/", place.repository(generation));
    let listing = store.list(&prefix, "", MOST_PACKS).await?;
    let oldest = listing.objects.iter().filter(|one| one.modified.is_some()).min_by_key(|one| one.modified);
    let Some(oldest) = oldest.filter(|_| !listing.cut) else { return Ok(None) };
    let told = store.head(&oldest.key).await?.held.map(|held| held.until);
    let days = SignedDuration::from_hours(24 * i64::from(lock_days));
    let span = told.zip(oldest.modified).map_or(days, |(until, from)| until.duration_since(from));
    let now = store.clock().now();
    let bytes = |locked: bool| -> u64 {
        let is_locked = |at: Timestamp| span.is_positive() && now.duration_since(at) < span;
        let of = listing.objects.iter().filter(|one| !locked || one.modified.is_some_and(is_locked));
        of.map(|one| one.size).sum()
    };
    let all = bytes(false);
    Ok(bytes(true).saturating_mul(100).checked_div(all).and_then(|share| u32::try_from(share).ok()))
}
