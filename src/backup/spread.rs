//! How many runs may begin now, over all tenants: tokens for each minute, and places for what runs at once. What is due
//! longest goes first; what finds no token waits for the next minute, so that no minute of a window has more starts than
//! the mean, rounded up. Nothing is remembered: what began in this minute is seen on the cluster. Pure.

use jiff::Timestamp;

use super::{known::Kind, schedule::Seed};

/// Limits of one Platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Most runs at once that aren't drills.
    pub concurrency: u32,
    /// Most drills at once.
    pub drills: u32,
    /// Most starts of one class in a minute: see [`per_minute`].
    pub per_minute: u32,
}

/// Starts per minute that let everything begin inside its window: the sum of the schedules' rates
/// ([`super::schedule::Schedule::rate`]), rounded up.
pub fn per_minute(rates: impl Iterator<Item = f64>) -> u32 {
    let sum: f64 = rates.sum();
    // 360 times 1/360 is a little more than 1 in floating point.
    let whole = (sum - 1e-6).ceil().clamp(1.0, 1e6);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 1e6")]
    {
        whole as u32
    }
}

/// What shares tokens and places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// People wait for it: no limit.
    Restore,
    Backup,
    Upkeep,
    Drill,
}

impl Class {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Restore => Self::Restore,
            Kind::Backup => Self::Backup,
            Kind::Expire | Kind::Prune | Kind::Check => Self::Upkeep,
            Kind::AskedDrill | Kind::Drill | Kind::OldDrill => Self::Drill,
        }
    }
}

/// A run that wants to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bid {
    /// What it is for.
    pub kind: Kind,
    /// Since when it is due.
    pub due: Timestamp,
    /// Whose it is.
    pub tenant: String,
    /// The Job.
    pub job: String,
}

/// A Job that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What it is for.
    pub kind: Kind,
    /// When it was made.
    pub created: Timestamp,
    /// Whether it still runs.
    pub active: bool,
}

/// Who may begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// Places in the list of bids, in the order in which they begin.
    pub admitted: Vec<usize>,
    /// When to ask again for those that have to wait; sooner when a run ends.
    pub again: Option<Timestamp>,
}

/// Lets in who has a token and a place.
#[must_use]
pub fn admit(bids: &[Bid], taken: &[Taken], budget: &Budget, now: Timestamp) -> Admission {
    let minute = now.as_second().div_euclid(60);
    let mut left = Left::new(taken, budget, minute);
    let mut order: Vec<usize> = (0..bids.len()).collect();
    order.sort_by_cached_key(|index| {
        let bid = &bids[*index];
        // Of those due at the same moment another one is first each day: the hash knows the Job, which knows the slot.
        (Class::of(bid.kind), bid.due, Seed::of(&[&bid.tenant, &bid.job]).pick(b"tie", u64::MAX))
    });
    let mut admission = Admission::default();
    for index in order {
        if left.take(Class::of(bids[index].kind)) {
            admission.admitted.push(index);
        } else {
            admission.again = Timestamp::from_second((minute + 1) * 60).ok();
        }
    }
    admission
}

/// Tokens and places that are left.
struct Left {
    tokens: [u32; 3],
    places: u32,
    drills: u32,
}

impl Left {
    fn new(taken: &[Taken], budget: &Budget, minute: i64) -> Self {
        let count = |wanted: &dyn Fn(&Taken) -> bool| {
            u32::try_from(taken.iter().filter(|one| wanted(one)).count()).unwrap_or(u32::MAX)
        };
        let began = |class: Class| {
            count(&|one| Class::of(one.kind) == class && one.created.as_second().div_euclid(60) == minute)
        };
        let runs = |drills: bool| {
            count(&|one| one.active && one.kind != Kind::Restore && one.kind.is_drill() == drills)
        };
        let tokens = [Class::Backup, Class::Upkeep, Class::Drill];
        Self {
            tokens: tokens.map(|class| budget.per_minute.saturating_sub(began(class))),
            places: budget.concurrency.saturating_sub(runs(false)),
            drills: budget.drills.saturating_sub(runs(true)),
        }
    }

    fn take(&mut self, class: Class) -> bool {
        let (token, place) = match class {
            Class::Restore => return true,
            Class::Backup => (&mut self.tokens[0], &mut self.places),
            Class::Upkeep => (&mut self.tokens[1], &mut self.places),
            Class::Drill => (&mut self.tokens[2], &mut self.drills),
        };
        if *token == 0 || *place == 0 {
            return false;
        }
        *token -= 1;
        *place -= 1;
        true
    }
}
