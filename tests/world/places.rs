//! Deployments, pods, nodes, API servers.

use tenantry::api::kinds::Kind;
use tenantry::desired::ScaleRule;
use tenantry::observe::slim::{SlimCondition, SlimDeployment};
use tenantry::observe::world::{Left, NodeTurn, Signal, World};

use crate::objects::{Child, deployment, node, pod, remember, world};

fn soon() -> Vec<Signal> {
    vec![Signal::TenantSoon("acme".into())]
}

fn seen(world: &mut World, one: &SlimDeployment) -> Vec<Signal> {
    world.workload_seen(Kind::Deployment, &one.metadata, one.spec.replicas, &one.status)
}

fn none() -> Vec<Signal> {
    Vec::new()
}

#[test]
fn a_deployments_progress_is_told_and_its_scale_is_kept() {
    let mut world = world();
    let child = Child::new(Kind::Deployment, "web", "u1", 10);
    world.begin("acme");
    remember(&mut world, std::slice::from_ref(&child));
    let scales = [(child.id(), ScaleRule::Exactly(3))].into();
    assert!(!world.finish("acme", Left { scales, settled: true, ..Left::default() }));
    assert_eq!(seen(&mut world, &deployment(&child.at(11), 3, 0)), soon());
    assert_eq!(seen(&mut world, &deployment(&child.at(12), 3, 3)), soon());
    assert_eq!(seen(&mut world, &deployment(&child.at(13), 3, 3)), none(), "nothing new");
    assert_eq!(seen(&mut world, &deployment(&child.at(14), 1, 1)), [Signal::Tenant("acme".into())]);
}

#[test]
fn progress_during_a_pass_is_told() {
    let mut world = world();
    let child = Child::new(Kind::Deployment, "web", "u1", 10);
    seen(&mut world, &deployment(&child, 3, 0));
    world.begin("acme");
    assert_eq!(seen(&mut world, &deployment(&child.at(11), 3, 3)), soon(), "it may have looked already");
}

#[test]
fn readiness_of_pods_is_told_and_nothing_else() {
    let mut world = world();
    assert_eq!(world.pod_seen(&pod("a", "acme", false)), none());
    assert_eq!(world.pod_seen(&pod("a", "acme", true)), soon());
    assert_eq!(world.pod_seen(&pod("a", "acme", true)), none());
    assert_eq!(world.pods("acme", "acme").filter(|(_, pod)| pod.ready).count(), 1);
    assert_eq!(world.pod_gone(&pod("a", "acme", false)), soon(), "it was ready");
    assert_eq!(world.pod_gone(&pod("a", "acme", true)), none(), "and is gone already");
    assert_eq!(world.pods("acme", "acme").count(), 0);
}

/// A member can change labels of its pods: none may be counted that isn't there.
#[test]
fn a_pod_that_changes_its_label_is_not_counted_twice() {
    let mut world = world();
    world.pod_seen(&pod("a", "acme", true));
    let signals = world.pod_seen(&pod("a", "other", true));
    assert!(signals.contains(&soon()[0]), "{signals:?}");
    assert_eq!(world.pods("acme", "acme").count(), 0);
    world.pod_gone(&pod("a", "other", true));
    assert_eq!(world.pods("other", "acme").count(), 0);
}

#[test]
fn a_list_of_pods_tells_which_are_gone() {
    let mut world = world();
    world.pod_seen(&pod("a", "acme", true));
    world.pod_seen(&pod("b", "acme", true));
    world.pods_listing();
    assert_eq!(world.pod_seen(&pod("a", "acme", true)), none());
    assert_eq!(world.pods_listed(), soon());
    assert_eq!(world.pods("acme", "acme").count(), 1);
}

#[test]
fn heartbeats_of_nodes_are_silent() {
    let mut world = world();
    assert_eq!(world.node_seen(&node("n1", "a", "10.0.0.1")), [Signal::AllTenants]);
    assert_eq!(world.node_seen(&node("n1", "a", "10.0.0.1")), none());
    let mut labelled = node("n1", "a", "10.0.0.1");
    labelled.metadata.labels.get_or_insert_default().insert("feature.node/avx".into(), "yes".into());
    assert_eq!(world.node_seen(&labelled), none(), "a label that no Platform asks for");
    assert_eq!(world.node_seen(&node("n1", "b", "10.0.0.1")), [Signal::AllTenants]);
    assert_eq!(world.node_seen(&node("n1", "b", "10.0.0.9")), [Signal::AllTenants]);
    assert_eq!(world.node_gone(&node("n1", "b", "10.0.0.9")), [Signal::AllTenants]);
    assert_eq!(world.infrastructure().count(), 0);
}

#[test]
fn a_node_whose_health_turned_is_told_once() {
    let mut world = world();
    let told = |status: &str, reason: &str| {
        let mut node = node("n1", "a", "10.0.0.1");
        node.metadata.uid = Some("u1".into());
        node.status.conditions = vec![SlimCondition {
            type_: "Ready".into(),
            status: status.into(),
            reason: reason.into(),
            message: String::new(),
        }];
        node
    };
    assert_eq!(world.node_seen(&told("True", "KubeletReady")), [Signal::AllTenants], "the first word");
    assert_eq!(world.node_seen(&told("True", "KubeletReady")), none());
    let turn = |from: &str, to: Option<&str>, reason: &str| {
        Signal::Node(NodeTurn {
            name: "n1".into(),
            uid: "u1".into(),
            from: from.into(),
            to: to.map(str::to_owned),
            reason: reason.into(),
        })
    };
    let lost = told("Unknown", "NodeStatusUnknown");
    assert_eq!(world.node_seen(&lost), [turn("True", Some("Unknown"), "NodeStatusUnknown")]);
    assert_eq!(world.node_seen(&lost), none());
    let gone = world.node_gone(&lost);
    assert_eq!(gone, [turn("Unknown", None, "NodeStatusUnknown"), Signal::AllTenants]);
}

/// A dual-stack cluster has a slice a family, and endpoints come in any order; the Service has addresses
/// of its own.
#[test]
fn every_address_of_the_api_servers_counts() {
    let mut world = world();
    let ips = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("an address")).collect::<Vec<_>>();
    assert_eq!(world.api_servers_seen("four", ips(&["10.0.0.1", "10.0.0.2"])), [Signal::AllTenants]);
    assert_eq!(world.api_servers_seen("four", ips(&["10.0.0.2", "10.0.0.1"])), none(), "another order");
    assert_eq!(world.api_servers_seen("six", ips(&["2001:db8::1"])), [Signal::AllTenants]);
    assert_eq!(world.api_servers_seen("service/kubernetes", ips(&["10.96.0.1"])), [Signal::AllTenants]);
    assert_eq!(world.infrastructure().count(), 4);
    assert_eq!(world.api_servers_gone("six"), [Signal::AllTenants]);
    assert_eq!(world.infrastructure().count(), 3);
}
