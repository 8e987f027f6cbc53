use serde_json::json;

use super::*;

fn node(name: &str, rest: Value) -> Node {
    let mut node = json!({
        "metadata": {"name": name, "labels": {"zone": "a"}},
        "spec": {},
        "status": {
            "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110", "example.com/gpu": "2"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    });
    merge(&mut node, rest);
    serde_json::from_value(node).expect("a Node")
}

fn pod(rest: Value) -> Pod {
    let mut pod = json!({
        "metadata": {
            "name": "web-1", "namespace": "shop",
            "labels": {marks::TENANT: "shop", marks::SERVICE: "web"},
            "ownerReferences": [{"kind": "ReplicaSet", "controller": true}],
        },
        "spec": {"nodeName": "n", "containers": [{"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}]},
        "status": {"phase": "Running"},
    });
    merge(&mut pod, rest);
    serde_json::from_value(pod).expect("a Pod")
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn census(pods: &[Value]) -> Census {
    let mut census = Census::default();
    census.node(&node("n", json!({})));
    pods.iter().for_each(|rest| census.pod(&pod(rest.clone())));
    census
}

fn only_group(census: &Census) -> Group {
    let groups: Vec<_> = census.groups().collect();
    assert_eq!(groups.len(), 1, "{groups:?}");
    groups[0].0.clone()
}

const GI: i128 = 1024 * 1024 * 1024 * 1000;

#[test]
fn what_pods_ask_for_is_taken_from_their_node() {
    let census = census(&[json!({}), json!({"metadata": {"name": "web-2"}})]);
    let place = &census.places()["n"];
    assert_eq!(place.free, Amount { resources: [3000 * 1000 / 1000, 6 * GI, 0], pods: 108 });
    assert_eq!(only_group(&census).asks, Amount { resources: [500, GI, 0], pods: 1 });
    assert_eq!(census.groups().next().map(|(_, nodes)| nodes["n"]), Some(2));
}

#[test]
fn pods_ask_as_kubernetes_counts() {
    let asks = |spec: Value| pod(json!({"spec": spec})).spec.asks().0.resources[0];
    let cpu = |amount: &str| json!({"requests": {"cpu": amount}});
    let two = json!([{"resources": cpu("1")}, {"resources": cpu("2")}]);
    assert_eq!(asks(json!({"containers": two})), 3000, "containers add up");
    let init = json!([{"resources": cpu("5")}]);
    assert_eq!(asks(json!({"containers": two, "initContainers": init})), 5000, "the largest init container");
    let sidecar = json!([{"resources": cpu("1"), "restartPolicy": "Always"}, {"resources": cpu("3")}]);
    assert_eq!(asks(json!({"containers": two, "initContainers": sidecar})), 4000, "sidecars stay");
    assert_eq!(asks(json!({"containers": two, "resources": cpu("7")})), 7000, "the pod's own go first");
    assert_eq!(asks(json!({"containers": two, "overhead": {"cpu": "250m"}})), 3250, "overhead on top");
}

#[test]
fn pods_that_do_not_come_back_elsewhere_only_take_room() {
    let gone = [
        json!({"metadata": {"ownerReferences": [{"kind": "DaemonSet", "controller": true}]}}),
        json!({"metadata": {"ownerReferences": [{"kind": "Node", "controller": true}]}}),
        json!({"metadata": {"ownerReferences": []}}),
        json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
    ];
    for rest in gone {
        let census = census(std::slice::from_ref(&rest));
        assert_eq!(census.groups().count(), 0, "{rest}");
        assert_eq!(census.places()["n"].free.pods, 109, "{rest}");
    }
    let ended = census(&[json!({"status": {"phase": "Succeeded"}})]);
    assert_eq!(ended.places()["n"].free.pods, 110);
    let elsewhere = census(&[json!({"spec": {"nodeName": ""}})]);
    assert_eq!(elsewhere.groups().count(), 0, "a pod without a node waits already");
}

#[test]
fn what_is_not_judged_is_said() {
    let cases = [
        (json!({"nodeSelector": {"disk": "ssd"}}), "nodeSelector"),
        (json!({"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "d"}}]}), "volumes"),
        (json!({"hostNetwork": true}), "host ports"),
        (json!({"containers": [{"ports": [{"hostPort": 80}]}]}), "host ports"),
        (json!({"containers": [{"resources": {"requests": {"example.com/gpu": "1"}}}]}), "resources"),
        (json!({"tolerations": [{"key": "spot", "operator": "Exists"}]}), "tolerations"),
        (json!({"schedulerName": "mine"}), "schedulerName"),
        (json!({"resourceClaims": [{"name": "x"}]}), "resourceClaims"),
        (json!({"affinity": {"podAntiAffinity": {}}}), "affinity"),
    ];
    for (spec, word) in cases {
        assert_eq!(only_group(&census(&[json!({"spec": spec})])).beyond, word, "{spec}");
    }
    let given = json!([{"key": "node.kubernetes.io/not-ready"}, {"key": "node.kubernetes.io/unreachable"}]);
    let plain = json!({"tolerations": given, "volumes": [{"name": "tmp", "emptyDir": {}}]});
    assert_eq!(only_group(&census(&[json!({"spec": plain})])).beyond, "");
}

#[test]
fn the_zones_of_a_platform_are_understood() {
    let expression = json!({"key": "zone", "operator": "In", "values": ["a", "b"]});
    let terms = json!([{"matchExpressions": [expression]}]);
    let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}});
    let group = only_group(&census(&[json!({"spec": {"affinity": {"nodeAffinity": required}}})]));
    assert_eq!(group.only, Some(("zone".to_owned(), vec!["a".to_owned(), "b".to_owned()])));
    assert_eq!(group.beyond, "");
    assert!(group.may_run_on(&[("zone".to_owned(), "b".to_owned())].into()));
    assert!(
        !group.may_run_on(&[("zone".to_owned(), "c".to_owned())].into()) && !group.may_run_on(&[].into())
    );
}

#[test]
fn closed_nodes_are_no_room() {
    let closed = [
        json!({"spec": {"unschedulable": true}}),
        json!({"spec": {"taints": [{"key": "x", "effect": "NoSchedule"}]}}),
        json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}),
    ];
    let open = |rest: &Value| {
        let mut census = Census::default();
        census.node(&node("n", rest.clone()));
        census.places()["n"].open
    };
    assert!(closed.iter().all(|rest| !open(rest)));
    assert!(open(&json!({"spec": {"taints": [{"key": "x", "effect": "PreferNoSchedule"}]}})));
}
