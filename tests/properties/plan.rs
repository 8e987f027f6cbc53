//! Plans: what is right is left alone, each difference is one write, and nothing unknown is deleted.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tenantry::api::{
    kinds::{Kind, ObjectId},
    tenant_status::InventoryEntry,
};
use tenantry::apply::manifest::Manifest;
use tenantry::apply::plan::{plan, written};
use tenantry::observe::fields::{Path, Step};
use tenantry::observe::live::{Addition, Live};
use tenantry::observe::world::id;

use crate::generate::case;
use crate::many;

/// What a cluster looks like after a list was applied.
pub fn applied(list: &[Manifest]) -> (Vec<InventoryEntry>, BTreeMap<ObjectId, Live>) {
    let live: BTreeMap<ObjectId, Live> = list
        .iter()
        .enumerate()
        .map(|(index, one)| {
            let live = Live {
                uid: format!("u{index}").into(),
                version: 5,
                hash: one.hash.as_str().into(),
                digest: "d".into(),
                ..Live::default()
            };
            (one.id.clone(), live)
        })
        .collect();
    (list.iter().map(|one| written(one, &live[&one.id])).collect(), live)
}

/// Everything that may be different about one object.
fn change(which: usize, entry: &mut InventoryEntry, live: &mut Live) {
    match which {
        0 => live.uid = "other".into(),
        1 => live.hash = "other".into(),
        2 => live.digest = "other".into(),
        3 => live.digest = "".into(),
        4 => {
            let paths = vec![Path(vec![Step::Field("spec".into()), Step::Field("x".into())])];
            live.additions = Some(Box::new([Addition { manager: "someone".into(), paths }]));
        }
        5 => entry.uid = "other".into(),
        6 => entry.hash = "other".into(),
        _ => entry.digest = "other".into(),
    }
}

proptest! {
    #![proptest_config(many(200))]

    #[test]
    fn what_was_applied_needs_nothing(case in case("acme"), version in 0u64..99) {
        let list = case.check().list();
        let (inventory, mut live) = applied(&list);
        live.values_mut().for_each(|one| one.version = version); // status writes and the like
        let plan = plan(list, &inventory, &live, &[]);
        prop_assert_eq!((plan.writes.len(), plan.prune.len(), plan.announce.len()), (0, 0, 0));
        prop_assert_eq!(plan.kept.len(), inventory.len());
    }

    #[test]
    fn every_single_difference_is_one_write(case in case("acme"), which in 0usize..8, at in any::<prop::sample::Index>()) {
        let list = case.check().list();
        let (mut inventory, mut live) = applied(&list);
        let index = at.index(list.len());
        let target = list[index].id.clone();
        let uid = inventory[index].uid.clone();
        change(which, &mut inventory[index], live.get_mut(&target).expect("it was applied"));
        let plan = plan(list, &inventory, &live, &[]);
        let targets: Vec<&ObjectId> = plan.writes.iter().map(|write| &write.manifest.id).collect();
        prop_assert_eq!(targets, vec![&target]);
        // Another object than the recorded one: the record gives up its uid before the write.
        let other = *live[&target].uid != *uid || *inventory[index].uid != *uid;
        prop_assert_eq!((plan.prune.len(), plan.announce.len()), (0, usize::from(other)));
    }

    #[test]
    fn what_is_being_deleted_is_waited_for(case in case("acme"), at in any::<prop::sample::Index>()) {
        let list = case.check().list();
        let (inventory, mut live) = applied(&list);
        let target = list[at.index(list.len())].id.clone();
        live.get_mut(&target).expect("it was applied").terminating = true;
        let plan = plan(list, &inventory, &live, &[]);
        prop_assert_eq!((plan.writes.len(), plan.prune.len(), plan.kept.len()), (0, 0, inventory.len()));
        prop_assert_eq!(plan.leaving, vec![target]);
    }

    #[test]
    fn what_is_gone_is_made_again_and_what_is_new_is_announced(case in case("acme"), at in any::<prop::sample::Index>()) {
        let list = case.check().list();
        let (mut inventory, mut live) = applied(&list);
        let index = at.index(list.len());
        live.remove(&list[index].id);
        prop_assert_eq!(plan(list.clone(), &inventory, &live, &[]).writes.len(), 1);
        let entry = inventory.remove(index);
        let plan = plan(list, &inventory, &live, &[]);
        prop_assert_eq!((plan.writes.len(), plan.announce.len()), (1, 1));
        prop_assert_eq!((&plan.announce[0].name, plan.announce[0].uid.as_str()), (&entry.name, ""));
    }

    /// Two versions of a Tenant: only what the first one made goes, and never a namespace.
    #[test]
    fn nothing_is_deleted_that_was_not_made(before in case("acme"), after in case("acme"), known in any::<u64>()) {
        let old = before.check().list();
        let (inventory, live) = applied(&old);
        // Some of it was never recorded, though it is there.
        let recorded: Vec<InventoryEntry> =
            inventory.into_iter().enumerate().filter(|(index, _)| known >> (index % 64) & 1 == 1).map(|(_, entry)| entry).collect();
        let new = after.check().list();
        let wanted: BTreeSet<ObjectId> = new.iter().map(|one| one.id.clone()).collect();
        let plan = plan(new, &recorded, &live, &[]);
        for entry in &plan.prune {
            prop_assert!(recorded.contains(entry));
            let id = id(entry).expect("a known kind");
            prop_assert!(!wanted.contains(&id) && id.kind != Kind::Namespace);
        }
        let nothing = tenantry::apply::plan::plan(Vec::new(), &recorded, &live, &[]);
        prop_assert!(nothing.prune.iter().all(|entry| entry.kind != "Namespace"), "a namespace holds data");
        // Nothing is forgotten either.
        let named: BTreeSet<ObjectId> = plan
            .writes
            .iter()
            .map(|write| write.manifest.id.clone())
            .chain(plan.kept.iter().chain(&plan.prune).filter_map(id))
            .collect();
        prop_assert!(recorded.iter().filter_map(id).all(|one| named.contains(&one)));
        prop_assert!(wanted.iter().all(|one| named.contains(one)));
        prop_assert!(plan.prune.is_sorted_by_key(|entry| std::cmp::Reverse(id(entry))), "backwards");
    }
}
