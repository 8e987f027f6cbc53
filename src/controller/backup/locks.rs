//! How much of what the newest restore points consist of is under Object Lock: counted now and then, since all packs of a
//! repository have to be listed for it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use crate::{
    backup::{known, layout::Place, store::inventory::locked_percent},
    store::Store,
};

/// Time after which it is counted again: locks end by themselves.
const REFRESH: SignedDuration = SignedDuration::from_hours(6);
/// The same where a restore point came since, or the last count failed.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// The last count of each repository that has a newest restore point.
#[derive(Default)]
pub(super) struct Locks(BTreeMap<u32, Count>);

struct Count {
    newest: String,
    at: Timestamp,
    percent: Option<u32>,
}

impl Locks {
    /// Percent by generation, where it is known.
    pub(super) fn percents(&self) -> BTreeMap<u32, u32> {
        self.0.iter().filter_map(|(generation, count)| Some((*generation, count.percent?))).collect()
    }

    /// Counts what is due.
    pub(super) async fn look(
        &mut self,
        store: &Store,
        place: &Place,
        lock_days: u32,
        seen: &known::Store,
        now: Timestamp,
    ) {
        let wanted = newest(seen);
        self.0.retain(|generation, _| wanted.contains_key(generation));
        for (generation, newest) in wanted {
            if self.0.get(&generation).is_some_and(|count| count.is_good(newest, now)) {
                continue;
            }
            let percent = match locked_percent(store, place, generation, lock_days).await {
                Ok(percent) => percent,
                Err(error) => {
                    warn!(folder = place.prefix, generation, %error, "what is under lock can't be counted");
                    None
                }
            };
            self.0.insert(generation, Count { newest: newest.to_owned(), at: now, percent });
        }
    }
}

impl Count {
    fn is_good(&self, newest: &str, now: Timestamp) -> bool {
        let same = self.newest == newest && self.percent.is_some();
        now.duration_since(self.at).abs() < if same { REFRESH } else { AGAIN }
    }
}

/// Generations in which the newest restore point of some database lies, each with its newest snapshot.
fn newest(seen: &known::Store) -> BTreeMap<u32, &str> {
    let mut of_database: BTreeMap<&str, &known::Point> = BTreeMap::new();
    for point in &seen.points {
        let known = of_database.entry(&point.database).or_insert(point);
        if point.stored > known.stored {
            *known = point;
        }
    }
    let mut found: BTreeMap<u32, &known::Point> = BTreeMap::new();
    for point in of_database.into_values() {
        let known = found.entry(point.generation).or_insert(point);
        if point.stored > known.stored {
            *known = point;
        }
    }
    found.into_iter().map(|(generation, point)| (generation, point.snapshot.as_str())).collect()
}
