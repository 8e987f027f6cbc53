use serde_json::json;

use super::*;
use crate::{
    api::marks,
    observe::loss::objects::{Node, Pod},
};

/// A cluster to be: nodes by zone, then pods.
#[derive(Default)]
struct Sketch(Census, usize);

impl Sketch {
    fn nodes(zones: &[(&str, &str)]) -> Self {
        let mut sketch = Self::default();
        for (name, cpu) in zones {
            let zone = name.split('-').next().unwrap_or_default();
            let node: Node = serde_json::from_value(json!({
                "metadata": {"name": name, "labels": {"zone": zone}},
                "status": {
                    "allocatable": {"cpu": cpu, "memory": "64Gi", "pods": "20"},
                    "conditions": [{"type": "Ready", "status": "True"}],
                },
            }))
            .expect("a Node");
            sketch.0.node(&node);
        }
        sketch
    }

    fn pods(mut self, service: &str, cpu: &str, nodes: &[&str], spec: serde_json::Value) -> Self {
        for node in nodes {
            self.1 += 1;
            let labels = if service.is_empty() {
                json!({})
            } else {
                json!({marks::TENANT: "shop", marks::SERVICE: service})
            };
            let skew = json!([{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]);
            let skew = if service.is_empty() { json!([]) } else { skew };
            let mut pod = json!({
                "metadata": {
                    "name": format!("p{}", self.1), "namespace": "shop", "labels": labels,
                    "ownerReferences": [{"kind": "ReplicaSet", "controller": true}],
                },
                "spec": {
                    "nodeName": node, "topologySpreadConstraints": skew,
                    "containers": [{"resources": {"requests": {"cpu": cpu}}}],
                },
                "status": {"phase": "Running"},
            });
            for (key, value) in spec.as_object().expect("an object") {
                pod["spec"][key] = value.clone();
            }
            let pod: Pod = serde_json::from_value(pod).expect("a Pod");
            self.0.pod(&pod);
        }
        self
    }

    fn fit(&self, service: &str) -> Option<Fit> {
        fits(&self.0, "zone").remove(&("shop".to_owned(), service.to_owned()))
    }
}

const THREE: [(&str, &str); 3] = [("a-1", "2"), ("b-1", "2"), ("c-1", "2")];
const EACH: [&str; 3] = ["a-1", "b-1", "c-1"];

#[test]
fn pods_with_room_elsewhere_fit() {
    let sketch = Sketch::nodes(&THREE).pods("web", "500m", &EACH, json!({}));
    assert_eq!(sketch.fit("web"), Some(Fit::Yes));
    assert_eq!(fits(&sketch.0, "another-label"), Fits::new());
}

#[test]
fn pods_without_room_do_not() {
    let sketch = Sketch::nodes(&THREE).pods("web", "1500m", &EACH, json!({}));
    let Some(Fit::No(why)) = sketch.fit("web") else { panic!("{:?}", sketch.fit("web")) };
    assert!(why.contains("without zone") && why.contains("cpu"), "{why}");
    let full = Sketch::nodes(&THREE).pods("web", "1", &EACH, json!({})).pods("api", "1", &EACH, json!({}));
    let Some(Fit::No(why)) = full.fit("api") else { panic!("{:?}", full.fit("api")) };
    assert!(why.contains("ask for 2 cpu, and 0 are free"), "{why}");
}

#[test]
fn nodes_that_name_no_zone_are_no_room() {
    let mut sketch = Sketch::nodes(&THREE).pods("web", "1500m", &EACH, json!({}));
    let node: Node = serde_json::from_value(json!({
        "metadata": {"name": "large"},
        "status": {
            "allocatable": {"cpu": "64", "memory": "64Gi", "pods": "99"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }))
    .expect("a Node");
    sketch.0.node(&node);
    assert!(matches!(sketch.fit("web"), Some(Fit::No(_))), "{:?}", sketch.fit("web"));
}

#[test]
fn a_pod_larger_than_what_any_node_has_left_does_not_fit() {
    let nodes = [("a-1", "4"), ("b-1", "2"), ("b-2", "2"), ("c-1", "2"), ("c-2", "2")];
    let sketch = Sketch::nodes(&nodes).pods("big", "3", &["a-1"], json!({}));
    let Some(Fit::No(why)) = sketch.fit("big") else { panic!("{:?}", sketch.fit("big")) };
    assert!(why.contains("without zone a") && why.contains("room for one of its pods"), "{why}");
}

#[test]
fn other_peoples_pods_come_first_and_make_it_unknown_never_yes() {
    let sketch = Sketch::nodes(&[("a-1", "3"), ("b-1", "3"), ("c-1", "3")])
        .pods("web", "800m", &EACH, json!({}))
        .pods("", "1", &EACH, json!({"nodeSelector": {"disk": "ssd"}}));
    let Some(Fit::Unknown(why)) = sketch.fit("web") else { panic!("{:?}", sketch.fit("web")) };
    assert!(why.contains("1 of its 1 pods there may find no room"), "{why}");
}

#[test]
fn what_is_not_judged_is_never_a_yes() {
    let claim = json!({"volumes": [{"persistentVolumeClaim": {"claimName": "d"}}]});
    let sketch = Sketch::nodes(&THREE).pods("db", "100m", &EACH, claim);
    let Some(Fit::Unknown(why)) = sketch.fit("db") else { panic!("{:?}", sketch.fit("db")) };
    assert!(why.contains("volumes"), "{why}");
}

#[test]
fn the_spread_is_kept_in_what_is_left() {
    // Without c, the sixth pod would need room in a, which is full, or a skew of 2.
    let nodes = [("a-1", "2"), ("b-1", "8"), ("c-1", "8")];
    let sketch =
        Sketch::nodes(&nodes).pods("web", "1", &["a-1", "a-1", "b-1", "b-1", "c-1", "c-1"], json!({}));
    let Some(Fit::Unknown(why)) = sketch.fit("web") else { panic!("{:?}", sketch.fit("web")) };
    assert!(why.contains("without zone c, 1 of its 2 pods"), "{why}");
}

#[test]
fn zones_that_the_platform_does_not_name_are_no_room() {
    let terms = json!([{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]);
    let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}});
    let spec = json!({"affinity": {"nodeAffinity": required}});
    let sketch = Sketch::nodes(&THREE).pods("web", "100m", &["a-1"], spec);
    let Some(Fit::No(why)) = sketch.fit("web") else { panic!("{:?}", sketch.fit("web")) };
    assert!(why.contains("no node is left that its pods may run on"), "{why}");
}

#[test]
fn a_cluster_of_one_zone_has_no_elsewhere() {
    let sketch = Sketch::nodes(&[("a-1", "8"), ("a-2", "8")]).pods("web", "100m", &["a-1", "a-2"], json!({}));
    assert!(matches!(sketch.fit("web"), Some(Fit::No(_))));
}

/// What is placed is placed: yes is said only where the sum of what is asked for is there, whatever the dice say.
#[test]
fn yes_is_never_more_than_there_is() {
    let mut dice = 7u64;
    let mut roll = |most: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % most + 1
    };
    let mut yes = 0;
    for _ in 0..500 {
        let cpu: Vec<u64> = (0..3).map(|_| roll(6)).collect();
        let nodes: Vec<(&str, String)> =
            EACH.iter().zip(&cpu).map(|(name, cpu)| (*name, cpu.to_string())).collect();
        let nodes: Vec<(&str, &str)> = nodes.iter().map(|(name, cpu)| (*name, cpu.as_str())).collect();
        let asks = roll(3);
        let sketch = Sketch::nodes(&nodes).pods("web", &asks.to_string(), &EACH, json!({}));
        if sketch.fit("web") == Some(Fit::Yes) {
            yes += 1;
            for away in 0..3 {
                let left: u64 =
                    (0..3).filter(|zone| *zone != away).map(|zone| cpu[zone].saturating_sub(asks)).sum();
                assert!(left >= asks, "{cpu:?} {asks}");
            }
        }
    }
    assert!(yes > 20, "{yes}");
}
