//! Tenants and Platforms.

use std::time::{Duration, Instant};

use serde_json::json;
use tenantry::api::{
    conditions::{Condition, ConditionStatus},
    kinds::Kind,
    tenant_status::TenantStatus,
};
use tenantry::observe::world::{Signal, World};

use crate::objects::{Child, pass, platform, tenant, world};

fn wakes(signals: &[Signal], name: &str) -> bool {
    signals.contains(&Signal::Tenant(name.into()))
}

#[test]
fn a_status_write_does_not_wake_its_tenant() {
    let mut world = world();
    let mut next = (*tenant("acme", "t1", 2, json!({}))).clone();
    next.metadata
        .creation_timestamp
        .clone_from(&world.tenant("acme").expect("it is there").metadata.creation_timestamp);
    next.status = Some(tenantry::api::tenant_status::TenantStatus {
        observed_generation: Some(1),
        ..Default::default()
    });
    let signals = world.tenant_seen(std::sync::Arc::new(next));
    assert!(!wakes(&signals, "acme"), "{signals:?}");
}

/// A watchdog may write a moment after the operator came back, and no pass is due then.
#[test]
fn what_a_watchdog_said_wakes_who_it_was_said_of() {
    let mut world = world();
    let said = Condition {
        type_: "Ready".into(),
        status: ConditionStatus::Unknown,
        observed_generation: 1,
        last_transition_time: "2026-01-01T00:00:00Z".into(),
        reason: "OperatorNotRunning".into(),
        message: String::new(),
    };
    let silenced = |version: u64| {
        let mut tenant = (*tenant("acme", "t1", version, json!({}))).clone();
        tenant.status = Some(TenantStatus { conditions: vec![said.clone()], ..TenantStatus::default() });
        std::sync::Arc::new(tenant)
    };
    assert!(wakes(&world.tenant_seen(silenced(2)), "acme"));
    assert!(!wakes(&world.tenant_seen(silenced(3)), "acme"), "once");
    let mut shop = (*platform(1, json!({}))).clone();
    shop.metadata.resource_version = Some("4".into());
    shop.status.get_or_insert_default().conditions = vec![said];
    assert_eq!(world.platform_seen(std::sync::Arc::new(shop)), [Signal::Platform("shop".into())]);
}

#[test]
fn promises_are_counted_over_tenants_and_platforms() {
    let mut world = world();
    let says = |type_: &str, status| Condition {
        type_: type_.into(),
        status,
        observed_generation: 1,
        last_transition_time: "2026-01-01T00:00:00Z".into(),
        reason: "x".into(),
        message: String::new(),
    };
    let mut acme = (*tenant("acme", "t1", 2, json!({}))).clone();
    acme.status.get_or_insert_default().conditions =
        vec![says("SourceSynced", ConditionStatus::False), says("ZoneSpread", ConditionStatus::Unknown)];
    world.tenant_seen(std::sync::Arc::new(acme));
    let mut shop = (*platform(2, json!({}))).clone();
    shop.status.get_or_insert_default().conditions = vec![says("SourceSynced", ConditionStatus::True)];
    world.platform_seen(std::sync::Arc::new(shop));
    let expected = [
        ("isolation", [0, 0, 0]),
        ("config-as-code", [1, 1, 0]),
        ("availability", [0, 0, 0]),
        ("zone-spread", [0, 0, 1]),
        ("backups", [0, 0, 0]),
        ("retention", [0, 0, 0]),
        ("restores", [0, 0, 0]),
        ("audit", [0, 0, 0]),
    ];
    assert_eq!(world.promises(), expected);
}

#[test]
fn a_new_generation_or_a_request_wakes_it() {
    let mut world = world();
    let mut next = (*tenant("acme", "t1", 2, json!({"lifecycle": "Suspended"}))).clone();
    next.metadata.generation = Some(2);
    assert!(wakes(&world.tenant_seen(std::sync::Arc::new(next.clone())), "acme"));
    next.metadata.resource_version = Some("3".into());
    next.metadata.annotations = Some([("tenantry.dev/paused-until".to_owned(), "x".to_owned())].into());
    assert!(wakes(&world.tenant_seen(std::sync::Arc::new(next.clone())), "acme"));
    next.metadata.resource_version = Some("4".into());
    next.metadata.labels = Some([("team".to_owned(), "a".to_owned())].into());
    assert!(!wakes(&world.tenant_seen(std::sync::Arc::new(next)), "acme"), "labels mean nothing to a pass");
}

/// Deleted and made again while nobody watched: what was remembered was another's.
#[test]
fn a_tenant_made_anew_remembers_nothing() {
    let mut world = world();
    let child = Child::new(Kind::Service, "web", "u1", 10);
    assert!(!pass(&mut world, std::slice::from_ref(&child)));
    assert!(wakes(&world.tenant_seen(tenant("acme", "t2", 20, json!({}))), "acme"));
    let stolen = Child { stolen: true, ..child.at(21) };
    let signals = world.child_seen(Kind::Service, &stolen.meta());
    assert!(!wakes(&signals, "acme"), "its inventory names nothing yet: {signals:?}");
}

#[test]
fn a_tenant_made_anew_elsewhere_frees_its_old_namespace() {
    let mut world = World::default();
    world.tenant_seen(tenant("acme", "t1", 1, json!({"namespace": "first"})));
    world.tenant_seen(tenant("acme", "t2", 2, json!({"namespace": "second"})));
    world.tenant_seen(tenant("beta", "t3", 3, json!({"namespace": "first"})));
    assert_eq!(world.namespace_owner("second").as_deref(), Some("acme"));
    assert_eq!(world.namespace_owner("first").as_deref(), Some("beta"));
}

#[test]
fn the_first_tenant_has_the_namespace_and_the_oldest_inherits_it() {
    let mut world = World::default();
    let shared = || json!({"namespace": "shared"});
    world.tenant_seen(tenant("late", "t3", 3, shared()));
    world.tenant_seen(tenant("first", "t1", 1, shared()));
    world.tenant_seen(tenant("a-young", "t9", 9, shared()));
    assert_eq!(world.namespace_owner("shared").as_deref(), Some("first"));
    world.tenant_seen(tenant("aged", "t2", 2, shared()));
    let signals = world.tenant_gone("first");
    assert_eq!(world.namespace_owner("shared").as_deref(), Some("aged"), "not the first by name");
    assert!(wakes(&signals, "aged"));
}

#[test]
fn a_vanished_tenant_leaves_orphans_that_its_return_takes_back() {
    let mut world = world();
    let namespace = Child::new(Kind::Namespace, "acme", "n1", 10);
    assert!(!pass(&mut world, std::slice::from_ref(&namespace)));
    assert_eq!(world.orphans("shop"), []);
    world.tenant_gone("acme");
    assert_eq!(world.orphans("shop"), [("acme".to_owned(), "acme".to_owned())]);
    assert_eq!(world.orphans("other"), []);
    world.tenant_seen(tenant("acme", "t2", 20, json!({})));
    assert_eq!(world.orphans("shop"), []);
}

#[test]
fn a_platforms_status_wakes_nobody_and_its_rules_wake_all() {
    let mut world = world();
    let mut same = (*platform(2, json!({}))).clone();
    same.status = Some(Default::default());
    assert_eq!(world.platform_seen(std::sync::Arc::new(same)), []);
    let signals = world.platform_seen(platform(3, json!({"topology": {"minZones": 2}})));
    assert_eq!(signals, [Signal::Platform("shop".into()), Signal::Tenant("acme".into())]);
    assert!(wakes(&world.platform_gone("shop"), "acme"));
}

#[test]
fn a_list_tells_which_tenants_are_gone() {
    let mut world = world();
    world.tenants_listing();
    world.tenant_seen(tenant("beta", "t2", 2, json!({})));
    let signals = world.tenants_listed();
    assert_eq!((world.tenant("acme"), signals), (None, vec![Signal::Platform("shop".into())]));
    assert_eq!(world.tenant_names(), ["beta"]);
}

/// etcd restored to an older state: versions go back, and what a list shows is right all the same; but our
/// own status, written since the list began, is newer.
#[test]
fn a_list_of_tenants_is_right_whatever_its_versions() {
    let mut world = World::default();
    let cancelled = || json!({"lifecycle": "Cancelled"});
    world.tenant_seen(tenant("acme", "t1", 20, json!({})));
    world.platform_seen(platform(20, json!({})));
    world.platforms_listing();
    let rules = json!({"topology": {"minZones": 2}});
    assert!(wakes(&world.platform_seen(platform(3, rules)), "acme"));
    world.tenants_listing();
    let mut older = (*tenant("acme", "t1", 4, cancelled())).clone();
    older.metadata.generation = Some(2);
    assert!(wakes(&world.tenant_seen(std::sync::Arc::new(older)), "acme"));
    world.tenants_listed();

    world.tenants_listing();
    world.tenant_written(tenant("acme", "t1", 6, json!({})));
    world.tenant_seen(tenant("acme", "t1", 5, cancelled()));
    world.tenants_listed();
    let known = world.tenant("acme").expect("it is there");
    assert_eq!(known.metadata.resource_version.as_deref(), Some("6"));
}

/// The first status may wait for the pods: what was made is known meanwhile, to this process alone.
#[test]
fn what_the_status_does_not_say_yet_is_remembered_until_it_does() {
    let mut world = world();
    let child = Child::new(Kind::Service, "web", "u1", 10);
    let with = |version: u64, uid: &str, name: &str| {
        let mut tenant = (*tenant("acme", uid, version, json!({}))).clone();
        let mut entry = child.entry();
        (entry.uid, entry.hash, entry.digest, entry.name) = Default::default();
        name.clone_into(&mut entry.name);
        tenant.status = Some(TenantStatus { inventory: vec![entry], ..TenantStatus::default() });
        std::sync::Arc::new(tenant)
    };
    let announced = with(2, "t1", "web");
    let start = Instant::now();
    assert_eq!(world.holds_back("acme", vec![child.entry()], start), start);
    let later = start + Duration::from_secs(1);
    assert_eq!(world.holds_back("acme", vec![child.entry()], later), start, "it waits since the first time");
    assert_eq!(world.recorded(&announced), [child.entry()]);
    assert_eq!(world.unsaid(&with(3, "t1", "api")), None, "another leader made something else since");
    let mut said = (*announced).clone();
    said.status.get_or_insert_default().conditions = vec![Condition {
        type_: "Ready".into(),
        status: ConditionStatus::True,
        observed_generation: 1,
        last_transition_time: "2026-01-01T00:00:00Z".into(),
        reason: "Succeeded".into(),
        message: String::new(),
    }];
    assert_eq!(world.unsaid(&said), None, "another leader has said what there is");
    world.tenant_seen(with(4, "t2", "web"));
    assert_eq!(world.unsaid(&announced), None, "it was another's");
    world.holds_back("acme", vec![child.entry()], start);
    world.spoke("acme", later);
    assert_eq!(world.unsaid(&announced), None, "the status says it");
}
