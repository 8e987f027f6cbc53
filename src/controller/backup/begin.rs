//! Begins what the budget lets in. A run that can't begin keeps nobody else waiting: it steps back for a while, and who is
//! next has its place.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use crate::{
    api::{Platform, backup::Backups},
    backup::{
        known::Kind,
        spread::{self, Bid, Budget, Taken},
    },
    controller::context::Context,
    observe::runs::{JobFacts, State},
};

use super::{
    case::{Case, Cases},
    pass, start, tend,
    vault::Vault,
};

/// How often in a round others take the places of those that can't begin.
const TURNS: usize = 8;
/// How long one steps back that can't begin; it doubles each time.
const FIRST: SignedDuration = SignedDuration::from_secs(20);
/// See [`FIRST`].
const LONGEST: SignedDuration = SignedDuration::from_mins(10);

/// Runs that couldn't begin: how often, and when the last time.
#[derive(Default)]
pub(super) struct Back(HashMap<String, (u32, Timestamp)>);

impl Back {
    fn key(bid: &Bid) -> String {
        format!("{}/{}", bid.tenant, bid.job)
    }

    fn step(&mut self, bid: &Bid, now: Timestamp) {
        // People wait for a restore, and it takes nobody's place.
        if bid.kind == Kind::Restore {
            return;
        }
        let known = self.0.entry(Self::key(bid)).or_insert((0, now));
        *known = (known.0.saturating_add(1), now);
    }

    fn is_back(&self, bid: &Bid, now: Timestamp) -> bool {
        let Some((times, at)) = self.0.get(&Self::key(bid)) else { return false };
        let wait = FIRST.checked_mul(1 << (times - 1).min(8)).unwrap_or(LONGEST).min(LONGEST);
        now.duration_since(*at).abs() < wait
    }

    /// Forgets all but these.
    fn forget<'a>(&mut self, bids: impl Iterator<Item = &'a Bid>) {
        if !self.0.is_empty() {
            let wanted: HashSet<String> = bids.map(Self::key).collect();
            self.0.retain(|key, _| wanted.contains(key));
        }
    }
}

/// Sees to what goes on, and begins what has its turn.
pub(super) async fn begin(
    ctx: &Context,
    platform: &Platform,
    backups: &Backups,
    vault: &mut Vault,
    cases: &Cases,
) {
    let there: HashSet<&String> = cases.iter().flat_map(|one| &one.jobs).map(|job| &job.uid).collect();
    vault.tended.retain(|uid, _| there.contains(uid));
    vault.volumes.forget(&there);
    let mut open = bids(cases);
    // Where nothing is wanted nothing is in the way.
    let wanted: HashSet<&str> = open.iter().map(|(_, one, _)| one.name.as_str()).collect();
    vault.problems.retain(|name, _| wanted.contains(name.as_str()));
    if !vault.is_fit() {
        return;
    }
    for one in cases.iter().filter(|one| !one.jobs.is_empty()) {
        tend::supply(ctx, vault, &one.tenant, &one.jobs).await;
    }
    let now = Timestamp::now();
    vault.back.forget(open.iter().map(|(bid, ..)| bid));
    open.retain(|(bid, ..)| !vault.back.is_back(bid, now));
    let mut taken = taken(cases.iter().flat_map(|one| &one.jobs), now);
    let budget = budget(backups, cases);
    for _ in 0..TURNS {
        let bids: Vec<Bid> = open.iter().map(|(bid, ..)| bid.clone()).collect();
        let turn = spread::admit(&bids, &taken, &budget, now).admitted;
        if turn.is_empty() {
            return;
        }
        for index in &turn {
            let (bid, one, index) = &open[*index];
            match begin_one(ctx, platform, vault, (*one, *index, bid)).await {
                Begun::Yes => taken.push(Taken { kind: bid.kind, created: now, active: true }),
                Begun::No => {}
                Begun::Later => return,
            }
        }
        let had: HashSet<usize> = turn.into_iter().collect();
        let others = open.into_iter().enumerate().filter(|(index, _)| !had.contains(index));
        open = others.map(|(_, place)| place).collect();
    }
}

/// What came of a run's turn.
enum Begun {
    /// It has its place.
    Yes,
    /// It can't have it now.
    No,
    /// Nobody can: the API server asks to wait.
    Later,
}

async fn begin_one(
    ctx: &Context,
    platform: &Platform,
    vault: &mut Vault,
    (one, index, bid): (&Case, usize, &Bid),
) -> Begun {
    let want = &one.decision.starts[index];
    match start::start(ctx, platform, vault, &one.tenant, want).await {
        Ok(new) => {
            if new {
                info!(tenant = one.name, job = want.job, "run begun");
            } else {
                // Its Job will be seen in a moment; one that isn't is none of ours.
                vault.back.step(bid, Timestamp::now());
            }
            vault.problems.remove(&one.name);
            Begun::Yes
        }
        Err(refusal) => {
            warn!(tenant = one.name, job = want.job, problem = refusal.text, "run can't begin");
            vault.problems.insert(one.name.clone(), refusal.text);
            if refusal.later {
                return Begun::Later;
            }
            vault.back.step(bid, Timestamp::now());
            Begun::No
        }
    }
}

/// Everything that may begin, and where it stands in whose decision.
fn bids(cases: &Cases) -> Vec<(Bid, &Case, usize)> {
    let mut all = Vec::new();
    for one in cases.iter().filter(|one| start::namespaces(&one.tenant).is_some()) {
        let bids = one.decision.bids(&one.name).into_iter().enumerate();
        all.extend(bids.map(|(index, bid)| (bid, one, index)));
    }
    all
}

fn budget(backups: &Backups, cases: &Cases) -> Budget {
    let rates = cases.iter().flat_map(|one| one.settings.databases.iter().map(|one| one.schedule.rate()));
    Budget {
        concurrency: backups.concurrency,
        drills: backups.drills.concurrency,
        per_minute: spread::per_minute(rates),
    }
}

/// What of its budget a Platform has given away; the runs of others have theirs. One that stays though it is over takes no
/// place: a node that is gone must not keep everybody's runs waiting.
fn taken<'a>(jobs: impl Iterator<Item = &'a JobFacts>, now: Timestamp) -> Vec<Taken> {
    jobs.filter_map(|job| {
        let kind = Kind::of(&job.name)?;
        let active = job.state == State::Active && !pass::stays(job, now);
        Some(Taken { kind, created: job.created, active })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b15_what_stays_on_a_node_that_is_gone_takes_nobodys_place() {
        let now: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
        let job = |name: &str, over: Option<i64>| JobFacts {
            name: name.into(),
            over: over.map(|minutes| now - SignedDuration::from_mins(minutes)),
            ..JobFacts::default()
        };
        let jobs = [job("drill-app-1", Some(11)), job("backup-app-2", Some(9)), job("backup-app-3", None)];
        let active: Vec<bool> = taken(jobs.iter(), now).iter().map(|one| one.active).collect();
        assert_eq!(active, [false, true, true]);
    }

    #[test]
    fn who_cannot_begin_steps_back_longer_each_time_and_is_never_forgotten() {
        let now: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
        let after = |seconds| now + SignedDuration::from_secs(seconds);
        let bid = Bid { kind: Kind::Backup, due: now, tenant: "acme".into(), job: "backup-app-1".into() };
        let other = Bid { job: "drill-app-1".into(), ..bid.clone() };
        let mut back = Back::default();
        for wait in [20, 40, 80, 160, 320, 600, 600] {
            back.step(&bid, now);
            assert!(back.is_back(&bid, after(wait - 1)) && !back.is_back(&bid, after(wait)), "{wait}");
            assert!(!back.is_back(&bid, after(-wait)), "nor by a clock that jumps");
        }
        assert!(!back.is_back(&other, now), "its drill needs other things");
        let restore = Bid { kind: Kind::Restore, ..other.clone() };
        back.step(&restore, now);
        assert!(!back.is_back(&restore, now));
        back.forget([&other].into_iter());
        assert!(back.0.is_empty());
    }
}
