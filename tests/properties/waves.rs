//! Waves: never more Tenants down by us than a wave holds, also over restarts, and everybody gets there.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use proptest::prelude::*;
use tenantry::plan::waves::{Waves, size};

use crate::many;

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A Tenant gets a pass.
    Pass(prop::sample::Index),
    /// The services of a Tenant that is on its way come back.
    Back(prop::sample::Index),
    /// The services of a Tenant that was reached, and was back, fall.
    Fall(prop::sample::Index),
    /// The operator dies: only what statuses say is left.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any::<prop::sample::Index>().prop_map(Step::Pass),
        4 => any::<prop::sample::Index>().prop_map(Step::Back),
        1 => any::<prop::sample::Index>().prop_map(Step::Fall),
        1 => Just(Step::Restart),
    ]
}

/// A cluster with Tenants, some of which lie down from the start.
struct World {
    percent: u32,
    waves: Waves,
    /// Status: on its way.
    rolling: BTreeMap<String, bool>,
    broken: BTreeSet<String>,
    done: BTreeSet<String>,
    woken: BTreeSet<String>,
    /// Who fell, and whether this operator knows.
    fallen: BTreeMap<String, bool>,
    now: Instant,
}

impl World {
    fn new(tenants: usize, broken: &BTreeSet<usize>, percent: u32) -> Self {
        let name = |index: usize| format!("t{index:02}");
        Self {
            percent,
            waves: Waves::default(),
            rolling: (0..tenants).map(|index| (name(index), false)).collect(),
            broken: broken.iter().filter(|index| **index < tenants).map(|index| name(*index)).collect(),
            done: BTreeSet::new(),
            woken: BTreeSet::new(),
            fallen: BTreeMap::new(),
            now: Instant::now(),
        }
    }

    fn pass(&mut self, tenant: &str) {
        let may = self.done.contains(tenant)
            || self.waves.ask(tenant, !self.broken.contains(tenant), &self.rolling, self.percent, self.now);
        if may && self.done.insert(tenant.to_owned()) {
            // Said before anything is touched.
            self.rolling.insert(tenant.to_owned(), !self.broken.contains(tenant));
        }
        if !self.rolling[tenant] {
            self.woken.extend(self.waves.back(tenant));
        }
    }

    fn back(&mut self, tenant: &str) {
        self.fallen.remove(tenant);
        if self.rolling.insert(tenant.to_owned(), false) == Some(true) {
            self.woken.extend(self.waves.back(tenant));
        }
    }

    fn fall(&mut self, at: prop::sample::Index) {
        let up = |name: &&String| !self.rolling[*name] && self.waves.has_moved(name, self.now);
        let up: Vec<String> = self.done.iter().filter(up).cloned().collect();
        if !up.is_empty() {
            let tenant = &up[at.index(up.len())];
            self.rolling.insert(tenant.clone(), true);
            self.waves.fell(tenant, self.now);
            self.fallen.insert(tenant.clone(), true);
        }
    }

    /// Who is down by us, and not because they fell later.
    fn taken(&self) -> usize {
        self.down().iter().filter(|name| !self.fallen.contains_key(*name)).count()
    }

    fn down(&self) -> Vec<String> {
        self.rolling.iter().filter(|(_, rolling)| **rolling).map(|(name, _)| name.clone()).collect()
    }
}

proptest! {
    #![proptest_config(many(300))]

    #[test]
    fn a_wave_is_never_larger_and_everybody_gets_there(
        tenants in 1usize..40,
        broken in prop::collection::btree_set(0usize..40, 0..6),
        percent in 1u32..=100,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let mut world = World::new(tenants, &broken, percent);
        let most = size(tenants, percent);
        for step in steps {
            let (done, stopped) = (world.done.len(), world.fallen.values().any(|known| *known));
            match step {
                Step::Pass(at) => world.pass(&format!("t{:02}", at.index(tenants))),
                Step::Back(at) => {
                    let down = world.down();
                    if !down.is_empty() {
                        world.back(&down[at.index(down.len())]);
                    }
                }
                Step::Fall(at) => world.fall(at),
                Step::Restart => {
                    world.waves = Waves::default();
                    world.fallen.values_mut().for_each(|known| *known = false);
                }
            }
            prop_assert!(world.taken() <= most, "{:?} of {most}", world.down());
            prop_assert!(!stopped || world.done.len() == done, "who fell stops the waves");
        }
        // From here on nobody asks twice unless somebody wakes them.
        world.waves = Waves::default();
        world.woken = world.rolling.keys().cloned().collect();
        for _ in 0..10_000 {
            if let Some(next) = world.woken.pop_first() {
                world.pass(&next);
            } else if let Some(next) = world.down().first().cloned() {
                world.back(&next);
            } else {
                break;
            }
            prop_assert!(world.taken() <= most);
        }
        prop_assert_eq!(world.done.len(), tenants, "who waits is woken");
    }
}
