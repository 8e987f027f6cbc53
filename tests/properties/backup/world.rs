//! A cluster and a store on a simulated clock. An operator decides from what it sees; Jobs do what they would do.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use tenantry::backup::{
    decide::{self, Decision, Known, Want},
    known::{Evidence, Kind, Past, Point, Run, RunState, Settings, Snapshot, Store},
    record::reasons,
    schedule::Seed,
    spread::{self, Bid, Budget, Taken},
    task::{Size, Work},
};

use super::known::hours;

/// What becomes of a Job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Good,
    /// It fails and says why.
    Bad(&'static str),
    /// It is killed without a word; a dump leaves its first snapshot.
    Killed,
}

#[derive(Clone, Debug)]
pub struct Job {
    pub tenant: usize,
    pub want: Want,
    /// True time.
    pub ends: Timestamp,
    pub end: End,
    /// Our clock then.
    created_says: Timestamp,
    ended_says: Option<Timestamp>,
}

impl Job {
    pub fn is_active(&self) -> bool {
        self.ended_says.is_none()
    }
}

/// What is in the store of one tenant.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    pub points: Vec<Point>,
    pub snapshots: Vec<Snapshot>,
    pub past: Vec<Past>,
}

/// What a leader sees.
#[derive(Clone)]
pub struct View {
    pub stores: Vec<Store>,
    runs: Vec<Vec<Run>>,
    taken: Vec<Taken>,
}

pub struct World {
    pub now: Timestamp,
    /// How far clocks are ahead of the true time.
    pub ours_ahead: SignedDuration,
    pub stores_ahead: SignedDuration,
    pub settings: Vec<Settings>,
    pub kept: Vec<Kept>,
    pub jobs: Vec<Job>,
    pub budget: Budget,
    /// True times of what was stored, by id.
    pub truly: BTreeMap<String, Timestamp>,
    /// Every name that was ever given, by tenant.
    names: BTreeSet<(usize, String)>,
    /// What would become of the next Jobs; asked with the Job's name.
    pub fate: fn(&Want, u64) -> End,
    pub seed: Seed,
    pub removed_early: Vec<String>,
    pub refused: usize,
    pub ended: usize,
}

impl World {
    pub fn new(now: Timestamp, settings: Vec<Settings>, seed: u64) -> Self {
        Self {
            now,
            ours_ahead: SignedDuration::ZERO,
            stores_ahead: SignedDuration::ZERO,
            kept: vec![Kept::default(); settings.len()],
            settings,
            jobs: vec![],
            budget: Budget { concurrency: 8, drills: 2, per_minute: 3 },
            truly: BTreeMap::new(),
            names: BTreeSet::new(),
            fate: |_, _| End::Good,
            seed: Seed::of(&[&seed.to_string()]),
            removed_early: vec![],
            refused: 0,
            ended: 0,
        }
    }

    pub fn ours(&self) -> Timestamp {
        self.now + self.ours_ahead
    }

    fn stores(&self) -> Timestamp {
        self.now + self.stores_ahead
    }

    /// What a leader sees that looks now.
    pub fn look(&self) -> View {
        let stored = |kept: &Kept| {
            let snapshots = kept.snapshots.iter().map(|one| one.stored);
            snapshots.chain(kept.past.iter().map(|past| past.ended)).collect::<Vec<_>>()
        };
        let evidence = Evidence::of(self.kept.iter().flat_map(stored));
        let store = |kept: &Kept| Store {
            observed_at: self.ours(),
            clock: self.stores(),
            points: kept.points.clone(),
            snapshots: kept.snapshots.clone(),
            past: kept.past.clone(),
            evidence: evidence.clone(),
        };
        let mut runs = vec![Vec::new(); self.settings.len()];
        for job in &self.jobs {
            runs[job.tenant].push(run(job));
        }
        let taken = self.jobs.iter().map(|job| Taken {
            kind: job.want.kind,
            created: job.created_says,
            active: job.is_active(),
        });
        View { stores: self.kept.iter().map(store).collect(), runs, taken: taken.collect() }
    }

    /// One pass of a leader over every tenant; returns when it wants to be asked again, by the true clock.
    pub fn pass(&mut self, view: &View) -> Option<Timestamp> {
        let now = self.ours();
        let mut bids: Vec<(Bid, usize, Want)> = Vec::new();
        let mut next: Option<Timestamp> = None;
        for tenant in 0..self.settings.len() {
            let decision = self.decide(view, tenant, now);
            next = next.into_iter().chain(decision.next).min();
            for (bid, want) in decision.bids(&tenant.to_string()).into_iter().zip(decision.starts) {
                bids.push((bid, tenant, want));
            }
        }
        let only: Vec<Bid> = bids.iter().map(|(bid, ..)| bid.clone()).collect();
        let admission = spread::admit(&only, &view.taken, &self.budget, now);
        for index in &admission.admitted {
            let (_, tenant, want) = &bids[*index];
            self.create(*tenant, want.clone());
        }
        next.into_iter().chain(admission.again).min().map(|next| next - self.ours_ahead)
    }

    pub fn decide(&self, view: &View, tenant: usize, now: Timestamp) -> Decision {
        decide::decide(Known {
            settings: &self.settings[tenant],
            store: Some(&view.stores[tenant]),
            runs: &view.runs[tenant],
            asked: &[],
            now,
        })
    }

    /// What the API server does with a new Job: a name is given once.
    fn create(&mut self, tenant: usize, want: Want) {
        if !self.names.insert((tenant, want.job.clone())) {
            self.refused += 1;
            return;
        }
        let minutes = 1 + self.seed.pick(want.job.as_bytes(), 15);
        let locked = self
            .jobs
            .iter()
            .any(|job| job.tenant == tenant && job.is_active() && !want.kind.goes_with(job.want.kind));
        let end = if locked {
            End::Bad(reasons::LOCK_HELD)
        } else {
            (self.fate)(&want, self.seed.pick(want.job.as_bytes(), 1000))
        };
        self.jobs.push(Job {
            tenant,
            ends: self.now + SignedDuration::from_mins(i64::try_from(minutes).unwrap()),
            end,
            created_says: self.ours(),
            ended_says: None,
            want,
        });
    }

    /// Goes on to a true time; Jobs that end before it end at their time.
    pub fn go_to(&mut self, then: Timestamp) {
        let mut due: Vec<usize> = (0..self.jobs.len())
            .filter(|index| self.jobs[*index].is_active() && self.jobs[*index].ends <= then)
            .collect();
        due.sort_by_key(|index| self.jobs[*index].ends);
        for index in due {
            self.now = self.jobs[index].ends;
            self.end(index);
        }
        self.now = then;
        // As the operator would: Jobs of days ago are gone.
        self.jobs.retain(|job| job.is_active() || then.duration_since(job.ends) < hours(48));
    }

    pub fn next_end(&self) -> Option<Timestamp> {
        self.jobs.iter().filter(|job| job.is_active()).map(|job| job.ends).min()
    }

    fn end(&mut self, index: usize) {
        self.ended += 1;
        let says = self.ours();
        self.jobs[index].ended_says = Some(says);
        let job = self.jobs[index].clone();
        let stored = self.stores();
        let kept = &mut self.kept[job.tenant];
        let mut past = Past {
            id: job.want.job.clone(),
            kind: job.want.kind,
            database: job.want.database.clone(),
            slot: Some(job.want.slot),
            generation: job.want.generation,
            started: job.created_says,
            ended: says,
            succeeded: job.end == End::Good,
            reason: reasons::SUCCEEDED.into(),
            removed: 0,
            details: None,
        };
        if job.want.kind == Kind::Backup && job.end != End::Bad(reasons::LOCK_HELD) {
            let ids = [format!("manifest-{}", job.want.job), format!("dump-{}", job.want.job)];
            let made = if job.end == End::Good { 2 } else { 1 };
            for id in ids.iter().take(made) {
                self.truly.insert(id.clone(), self.now);
                kept.snapshots.push(Snapshot { generation: job.want.generation, id: id.clone(), stored });
            }
            if job.end == End::Good {
                kept.points.push(Point {
                    database: job.want.database.clone(),
                    generation: job.want.generation,
                    manifest: ids[0].clone(),
                    snapshot: ids[1].clone(),
                    time: self.now,
                    stored,
                    size: Size { rows: 1, bytes: 1 },
                });
            }
        }
        if let (Work::Expire { snapshots, .. }, End::Good) = (&job.want.work, job.end) {
            past.removed = u32::try_from(snapshots.len()).unwrap();
            let days = hours(i64::from(self.settings[job.tenant].retention_days) * 24);
            for id in snapshots {
                let truly = self.truly.get(id).copied().unwrap_or(self.now);
                if kept.snapshots.iter().any(|one| one.id == *id) && self.now.duration_since(truly) < days {
                    self.removed_early.push(format!("{id} of {truly} at {}", self.now));
                }
            }
            kept.snapshots.retain(|one| !snapshots.contains(&one.id));
            kept.points
                .retain(|point| !snapshots.contains(&point.snapshot) && !snapshots.contains(&point.manifest));
        }
        match job.end {
            End::Killed => return,
            End::Bad(reason) => past.reason = reason.into(),
            End::Good => {}
        }
        kept.past.push(past);
    }
}

fn run(job: &Job) -> Run {
    let (state, reason) = match (job.ended_says, job.end) {
        (None, _) => (RunState::Active, String::new()),
        (Some(_), End::Good) => (RunState::Succeeded, String::new()),
        (Some(_), End::Bad(reason)) => (RunState::Failed, reason.to_owned()),
        (Some(_), End::Killed) => (RunState::Failed, reasons::INTERRUPTED.to_owned()),
    };
    Run {
        job: job.want.job.clone(),
        kind: job.want.kind,
        database: job.want.database.clone(),
        slot: Some(job.want.slot),
        state,
        reason,
        created: job.created_says,
        ended: job.ended_says,
        hosts: vec![format!("{}-abcde", job.want.job)],
    }
}
