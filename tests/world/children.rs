//! Children: own writes are silent, foreign ones are not.

use tenantry::api::kinds::Kind;
use tenantry::observe::world::{Signal, World};

use crate::objects::{Child, finish, pass, remember, tenant, world};

fn heal() -> Vec<Signal> {
    vec![Signal::Tenant("acme".into())]
}

fn soon() -> Vec<Signal> {
    vec![Signal::TenantSoon("acme".into())]
}

fn service(version: u64) -> Child {
    Child::new(Kind::Service, "web", "u1", version)
}

/// A world after a pass that wrote one Service.
fn settled() -> (World, Child) {
    let mut world = world();
    let child = service(10);
    assert!(!pass(&mut world, std::slice::from_ref(&child)));
    (world, child)
}

fn none() -> Vec<Signal> {
    Vec::new()
}

#[test]
fn the_echo_of_an_own_write_is_silent() {
    let (mut world, child) = settled();
    assert_eq!(world.child_seen(Kind::Service, &child.meta()), none());
    assert_eq!(world.child_seen(Kind::Service, &child.at(99).meta()), none(), "status writes and the like");
}

#[test]
fn an_echo_that_comes_before_the_pass_ends_is_silent() {
    let (mut world, child) = settled();
    let next = Child { hash: "h2".into(), ..child.at(11) };
    world.begin("acme");
    assert_eq!(world.child_seen(Kind::Service, &next.meta()), none());
    remember(&mut world, std::slice::from_ref(&next));
    assert!(!finish(&mut world));
    assert_eq!(world.child_seen(Kind::Service, &next.meta()), none());
}

#[test]
fn a_stale_echo_does_not_undo_what_is_known() {
    let (mut world, child) = settled();
    let next = Child { hash: "h2".into(), ..child.at(12) };
    assert!(!pass(&mut world, std::slice::from_ref(&next)));
    assert_eq!(world.child_seen(Kind::Service, &child.at(11).meta()), none());
    assert_eq!(world.children("acme")[&child.id()].version, 12);
}

#[test]
fn a_foreign_write_is_heard_also_while_a_pass_runs() {
    let (mut world, child) = settled();
    let stolen = Child { stolen: true, ..child.at(11) };
    assert_eq!(world.child_seen(Kind::Service, &stolen.meta()), heal());
    world.begin("acme");
    assert_eq!(world.child_seen(Kind::Service, &stolen.at(12).meta()), none(), "the pass sees it itself");
    remember(&mut world, std::slice::from_ref(&child));
    assert!(finish(&mut world), "but when it ends, what is newer counts");
}

#[test]
fn a_deletion_is_heard_also_while_a_pass_runs() {
    let (mut world, child) = settled();
    world.begin("acme");
    assert_eq!(world.child_gone(Kind::Service, &child.at(11).meta()), none());
    remember(&mut world, &[]);
    world.expect("acme", &[child.entry()]);
    assert!(finish(&mut world));
    let (mut world, child) = settled();
    assert_eq!(world.child_gone(Kind::Service, &child.at(11).meta()), heal());
}

/// Written by the pass, shown by the watch, deleted by somebody, and only then remembered.
#[test]
fn what_is_deleted_before_the_pass_remembers_it_is_no_ghost() {
    let mut world = world();
    let child = service(10);
    world.begin("acme");
    world.child_seen(Kind::Service, &child.meta());
    world.child_gone(Kind::Service, &child.at(11).meta());
    remember(&mut world, std::slice::from_ref(&child));
    assert!(finish(&mut world), "the Tenant needs another look");
    assert!(world.children("acme").is_empty(), "and that look must see that it is gone");
}

#[test]
fn a_deletion_of_its_predecessor_means_nothing() {
    let (mut world, child) = settled();
    let heir = Child { uid: "u2".into(), ..child.at(20) };
    assert!(!pass(&mut world, std::slice::from_ref(&heir)));
    assert_eq!(world.child_gone(Kind::Service, &child.at(19).meta()), none());
    assert_eq!(&*world.children("acme")[&child.id()].uid, "u2");
}

#[test]
fn an_own_deletion_is_silent() {
    let (mut world, child) = settled();
    world.begin("acme");
    remember(&mut world, &[]);
    world.child_deleted("acme", &child.id(), &child.uid);
    assert!(!finish(&mut world));
    assert_eq!(world.child_gone(Kind::Service, &child.at(12).meta()), none());
}

/// We delete by uid: who made another one of the same name meanwhile still has it.
#[test]
fn an_own_deletion_leaves_a_newer_object_of_the_name_known() {
    let (mut world, child) = settled();
    world.begin("acme");
    let heir = Child { uid: "u2".into(), ..child.at(20) };
    world.child_gone(Kind::Service, &child.at(19).meta());
    world.child_seen(Kind::Service, &heir.meta());
    world.child_deleted("acme", &child.id(), &child.uid);
    assert_eq!(&*world.children("acme")[&child.id()].uid, "u2");
}

#[test]
fn a_label_that_is_taken_off_or_changed_is_heard() {
    for kind in [Kind::Service, Kind::NetworkPolicy, Kind::Namespace] {
        for tenant in [None, Some("other".to_owned())] {
            let mut world = world();
            let child = Child::new(kind, if kind == Kind::Namespace { "acme" } else { "web" }, "u1", 10);
            assert!(!pass(&mut world, std::slice::from_ref(&child)));
            let bare = Child { tenant, ..child.at(11) };
            let signals = world.child_seen(kind, &bare.meta());
            assert!(signals.contains(&heal()[0]), "{kind:?}: {signals:?}");
            // Healing puts it back, and nothing is left behind.
            assert!(!pass(&mut world, &[child.at(12)]));
            world.child_seen(kind, &child.at(12).meta());
            assert_eq!((world.foreign("acme"), world.orphans("shop")), (Vec::new(), Vec::new()), "{kind:?}");
        }
    }
}

#[test]
fn what_is_being_deleted_waits_for_its_end() {
    let (mut world, child) = settled();
    let ending = Child { terminating: true, ..child.at(11) };
    assert_eq!(world.child_seen(Kind::Service, &ending.meta()), heal());
    world.begin("acme");
    world.expect("acme", &[child.entry()]);
    assert!(!finish(&mut world), "nothing can be done before it is gone");
    assert_eq!(world.child_gone(Kind::Service, &ending.at(12).meta()), heal());
}

#[test]
fn policies_and_bindings_of_others_come_and_go() {
    let mut world = world();
    for kind in [Kind::NetworkPolicy, Kind::RoleBinding] {
        let foreign = Child { tenant: None, ..Child::new(kind, "open", "f1", 10) };
        assert_eq!(world.child_seen(kind, &foreign.meta()), soon());
        assert_eq!(world.child_seen(kind, &foreign.at(11).meta()), none(), "known already");
        assert_eq!(world.foreign("acme"), [foreign.id()]);
        assert_eq!(world.child_gone(kind, &foreign.at(12).meta()), soon());
        assert_eq!(world.foreign("acme"), []);
    }
    let other = Child { tenant: None, ..Child::new(Kind::ConfigMap, "theirs", "f2", 13) };
    assert_eq!(world.child_seen(Kind::ConfigMap, &other.meta()), none(), "other kinds open no way");
}

/// Where backups are made nobody else has anything to open, either.
#[test]
fn a_binding_of_others_beside_the_backups_wakes_the_tenant() {
    let mut world = world();
    let mut acme = (*tenant("acme", "t1", 2, serde_json::json!({}))).clone();
    let beside =
        serde_json::json!({"namespaces": [{"purpose": "Backup", "name": "acme-backup", "uid": "u"}]});
    let foreign = |namespace: &str, uid: &str| {
        let namespace = namespace.to_owned();
        Child { tenant: None, namespace, ..Child::new(Kind::RoleBinding, "open", uid, 10) }
    };
    assert_eq!(world.child_seen(Kind::RoleBinding, &foreign("acme-drill", "f0").meta()), none(), "nobody's");
    acme.status = serde_json::from_value(beside).expect("a status");
    world.tenant_seen(std::sync::Arc::new(acme));
    let binding = foreign("acme-backup", "f1");
    assert_eq!(world.child_seen(Kind::RoleBinding, &binding.meta()), soon());
    assert_eq!(world.foreign("acme-backup"), [binding.id()]);
    assert_eq!(world.child_gone(Kind::RoleBinding, &binding.at(12).meta()), soon());
}

/// Watches start in no order: policies may be listed before the Tenant is known.
#[test]
fn a_foreign_policy_counts_also_when_it_was_there_first() {
    let mut world = World::default();
    let foreign = Child { tenant: None, ..Child::new(Kind::NetworkPolicy, "open", "f1", 10) };
    assert_eq!(world.child_seen(Kind::NetworkPolicy, &foreign.meta()), none());
    world.tenant_seen(tenant("acme", "t1", 11, serde_json::json!({})));
    assert_eq!(world.foreign("acme"), [foreign.id()]);
}

/// `kubectl get -o yaml | sed | kubectl apply`: our labels, and not ours.
#[test]
fn a_copy_of_our_policy_is_foreign() {
    let mut world = world();
    let ours = Child::new(Kind::NetworkPolicy, "tenantry-deny-all", "u1", 10);
    assert!(!pass(&mut world, std::slice::from_ref(&ours)));
    let copy = Child::new(Kind::NetworkPolicy, "copy", "u2", 11);
    assert_eq!(world.child_seen(Kind::NetworkPolicy, &copy.meta()), soon());
    assert_eq!(world.foreign("acme"), [copy.id()]);
}

#[test]
fn a_list_tells_what_went_while_nobody_watched() {
    let mut world = world();
    let (stays, goes) = (service(10), Child::new(Kind::Service, "api", "u2", 11));
    let foreign = Child { tenant: None, ..Child::new(Kind::NetworkPolicy, "open", "f1", 12) };
    assert!(!pass(&mut world, &[stays.clone(), goes.clone()]));
    world.child_seen(Kind::NetworkPolicy, &foreign.meta());
    world.children_listing(Kind::Service);
    assert_eq!(world.child_seen(Kind::Service, &stays.at(20).meta()), none());
    assert_eq!(world.children_listed(Kind::Service), heal());
    assert_eq!(world.foreign("acme").len(), 1, "a list of one kind says nothing of another");
    world.children_listing(Kind::NetworkPolicy);
    world.children_listed(Kind::NetworkPolicy);
    assert_eq!(world.foreign("acme"), []);
}

/// etcd restored to an older state: versions go back, and what a list shows is right all the same.
#[test]
fn a_list_is_right_whatever_its_versions() {
    let (mut world, child) = settled();
    world.children_listing(Kind::Service);
    let restored = Child { stolen: true, ..child.at(3) };
    assert_eq!(world.child_seen(Kind::Service, &restored.meta()), heal());
    assert_eq!(world.children_listed(Kind::Service), none());
    assert_eq!(world.children("acme")[&child.id()], restored.live());
    assert!(!pass(&mut world, &[child.at(4)]));
    assert_eq!(world.child_seen(Kind::Service, &restored.at(5).meta()), heal(), "and what follows it");
}

#[test]
fn what_we_wrote_since_a_list_began_is_newer_than_it() {
    let (mut world, child) = settled();
    world.children_listing(Kind::Service);
    let next = Child { hash: "h2".into(), ..child.at(12) };
    assert!(!pass(&mut world, std::slice::from_ref(&next)));
    assert_eq!(world.child_seen(Kind::Service, &child.at(11).meta()), none());
    assert_eq!(world.children_listed(Kind::Service), none());
    assert_eq!(world.children("acme")[&child.id()].version, 12);
}
