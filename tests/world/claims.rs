//! Claims: who hears of one, and what is known after a list.

use serde_json::json;
use tenantry::observe::world::{Signal, World};

use crate::objects::{platform, tenant, world};

/// A world in which Platform `shop` has backups.
fn backed_up() -> World {
    let mut world = world();
    let backups = json!({"backups": {
        "store": {"region": "eu-1", "bucket": "backups", "credentials": {"name": "store"}},
        "key": {"secret": {"name": "key"}},
    }});
    world.platform_seen(platform(2, backups));
    world
}

fn soon() -> Vec<Signal> {
    vec![Signal::TenantSoon("acme".into())]
}

fn names(world: &World, namespace: &str) -> Vec<String> {
    world.claims(namespace).into_iter().collect()
}

#[test]
fn a_claim_is_news_when_it_comes_and_when_it_goes_and_only_where_backups_are_asked_for() {
    let mut world = backed_up();
    assert_eq!(world.claim_seen("acme", "uploads"), soon());
    assert_eq!(world.claim_seen("acme", "uploads"), [], "it was bound, or grew");
    assert_eq!(world.claim_seen("kube-system", "etcd"), []);
    assert_eq!(names(&world, "acme"), ["uploads"]);
    assert_eq!(world.claim_gone("acme", "uploads"), soon());
    assert_eq!(world.claim_gone("acme", "uploads"), []);
    assert_eq!(names(&world, "acme"), Vec::<String>::new());
    let mut quiet = self::world();
    assert_eq!(quiet.claim_seen("acme", "uploads"), [], "without backups nobody asks");
}

#[test]
fn a_claim_that_was_there_first_is_known_to_the_tenant_that_comes() {
    let mut world = backed_up();
    assert_eq!(world.claim_seen("later", "uploads"), []);
    world.tenant_seen(tenant("later", "t2", 3, json!({})));
    assert_eq!(names(&world, "later"), ["uploads"]);
}

#[test]
fn what_a_list_does_not_show_is_gone() {
    let mut world = backed_up();
    world.claim_seen("acme", "old");
    world.claim_seen("acme", "kept");
    world.claims_listing();
    world.claim_seen("acme", "kept");
    assert_eq!(world.claim_seen("acme", "new"), soon());
    assert_eq!(world.claims_listed(), soon());
    assert_eq!(names(&world, "acme"), ["kept", "new"]);
}
