//! What the NetworkPolicies of tenants mean, judged by cyclonus: somebody else's reading of the API, which knows
//! nothing of Tenantry. On a cluster whose network plugin enforces policies, this is what happens.

#![allow(missing_docs, reason = "the names of tests are their documentation")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tenantry::{
    api::{Platform, Tenant},
    desired::{self, Plan},
    validate::{cidr::Cidr, ground::Inputs, platform, tenant},
};
use tenantry_testbed::programs;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

const METADATA: &str = "169.254.169.254";
const NODE: &str = "10.9.0.7";

fn the_platform() -> Value {
    json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Platform", "metadata": {"name": "p"},
        "spec": {
            "network": {
                "ingressFrom": [{"name": "gate", "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}],
                "sharedEgress": [
                    {"name": "cache", "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shared"}},
                     "podSelector": {"matchLabels": {"app": "cache"}}, "ports": [{"port": 6379}]},
                    {"name": "everywhere", "cidr": "0.0.0.0/0", "ports": [{"port": 443}]},
                ],
            },
            "defaults": {"quota": {"requests.cpu": "8", "requests.memory": "8Gi"}},
            "limits": {"egress": ["0.0.0.0/0"]},
        },
    })
}

/// A handful of tenants: none of a kind is like another.
fn tenants() -> Vec<Value> {
    let tenant = |name: &str, spec: Value| {
        let mut tenant = json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name}, "spec": spec});
        tenant["spec"]["platformRef"] = json!({"name": "p"});
        tenant
    };
    let web = json!({
        "name": "web", "image": "registry.example.com/web:1",
        "ports": [{"name": "http", "containerPort": 8080}], "replicas": {"min": 1},
    });
    vec![
        tenant(
            "acme",
            json!({"services": [web], "egress": [{"name": "bank", "cidr": "203.0.113.0/24", "ports": [{"port": 5432}]}]}),
        ),
        tenant("globex", json!({"services": [web], "namespace": "globex-prod"})),
        tenant("initech", json!({"egress": [{"name": "all", "cidr": "0.0.0.0/0"}]})),
        tenant("umbrella", json!({"lifecycle": "Suspended", "services": [web]})),
        tenant("gone", json!({"lifecycle": "Cancelled", "services": [web]})),
    ]
}

/// A tenant's policies, and a pod of its `web`.
struct Made {
    name: String,
    policies: Vec<Value>,
    pod: Value,
}

fn made(index: usize, spec: &Value) -> Made {
    let rules: Platform = serde_json::from_value(the_platform()).unwrap();
    let rules = platform::validate(&rules).unwrap();
    let tenant: Tenant = serde_json::from_value(spec.clone()).unwrap();
    let tenant = tenant::validate(&tenant, &rules).unwrap();
    let inputs = Inputs { denied: vec![Cidr::host(NODE.parse().unwrap())], ..Inputs::default() };
    let objects = desired::objects(Plan { tenant: &tenant, platform: &rules, inputs: &inputs });
    let labels = json!(objects.namespaces[0].metadata.labels);
    let mut named = labels.clone();
    named["kubernetes.io/metadata.name"] = json!(tenant.namespace);
    let pod = json!({
        "ip": format!("10.0.{index}.10"), "namespace": tenant.namespace, "namespaceLabels": named,
        "podLabels": {"app.kubernetes.io/name": "web", "tenantry.dev/tenant": tenant.name},
    });
    let policies = objects.network_policies.iter().map(|policy| json!(policy)).collect();
    Made { name: tenant.name, policies, pod }
}

fn all() -> Vec<Made> {
    tenants().iter().enumerate().map(|(index, spec)| made(index, spec)).collect()
}

/// A pod of somebody else's namespace.
fn pod(ip: &str, namespace: &str, labels: Value) -> Value {
    json!({"ip": ip, "namespace": namespace, "namespaceLabels": {"kubernetes.io/metadata.name": namespace}, "podLabels": labels})
}

fn outside(ip: &str) -> Value {
    json!({ "ip": ip })
}

/// One question, and what it is about.
struct Way {
    words: String,
    open: bool,
    traffic: Value,
}

fn way(
    open: bool,
    words: impl Into<String>,
    (from, to): (&Value, &Value),
    (port, protocol): (u16, &str),
) -> Way {
    let traffic = json!({"from": from, "to": to, "port": port, "protocol": protocol});
    Way { words: words.into(), open, traffic }
}

/// Ways that are other than they must be.
fn wrong(policies: &[Value], ways: &[Way]) -> Outcome<Vec<String>> {
    let mut child =
        Command::new(programs::cyclonus()?).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let asked =
        json!({"policies": policies, "traffic": ways.iter().map(|way| &way.traffic).collect::<Vec<_>>()});
    child.stdin.take().unwrap().write_all(asked.to_string().as_bytes())?;
    let output = child.wait_with_output()?;
    assert!(output.status.success(), "cyclonus fails");
    let answers: Vec<bool> = serde_json::from_slice(&output.stdout)?;
    assert_eq!(answers.len(), ways.len());
    let others = ways.iter().zip(answers).filter(|(way, open)| way.open != *open);
    Ok(others.map(|(way, open)| format!("{} is {}", way.words, if open { "open" } else { "shut" })).collect())
}

const TCP: &str = "TCP";

/// From every tenant to every other, on ports that something listens on and on others.
fn between(all: &[Made]) -> Vec<Way> {
    let pairs = all.iter().flat_map(|from| all.iter().map(move |to| (from, to)));
    let others = pairs.filter(|(from, to)| from.name != to.name);
    let ports = [(8080, TCP), (443, TCP), (53, "UDP"), (6379, TCP), (22, TCP), (9999, "SCTP")];
    others
        .flat_map(|(from, to)| {
            ports.map(|port| {
                way(false, format!("{} -> {} {port:?}", from.name, to.name), (&from.pod, &to.pod), port)
            })
        })
        .collect()
}

/// What every tenant may and may not reach, and who may reach it.
fn of_each(all: &[Made]) -> Vec<Way> {
    let dns = pod("10.0.99.53", "kube-system", json!({"k8s-app": "kube-dns"}));
    let cache = pod("10.0.98.1", "shared", json!({"app": "cache"}));
    let gate = pod("10.0.97.1", "ingress", json!({}));
    let stranger = pod("10.0.96.1", "somebody", json!({}));
    let alive = all.iter().filter(|one| one.name != "gone");
    let mut ways: Vec<Way> = alive
        .flat_map(|one| {
            let (name, me) = (&one.name, &one.pod);
            let mut neighbour = me.clone();
            neighbour["ip"] = json!("10.0.95.1");
            // It asked for every address and port.
            let everywhere = name == "initech";
            let serves = matches!(name.as_str(), "acme" | "globex" | "umbrella");
            vec![
                way(true, format!("{name} -> DNS"), (me, &dns), (53, "UDP")),
                way(true, format!("{name} -> DNS over TCP"), (me, &dns), (53, TCP)),
                way(everywhere, format!("{name} -> the name server's own SSH"), (me, &dns), (22, TCP)),
                way(true, format!("{name} -> the shared cache"), (me, &cache), (6379, TCP)),
                way(everywhere, format!("{name} -> the shared cache's SSH"), (me, &cache), (22, TCP)),
                way(
                    true,
                    format!("{name} -> the internet, shared"),
                    (me, &outside("198.51.100.9")),
                    (443, TCP),
                ),
                way(true, format!("{name} -> its own"), (me, &neighbour), (9999, TCP)),
                way(false, format!("{name} <- a stranger"), (&stranger, me), (8080, TCP)),
                way(false, format!("{name} <- a node"), (&outside(NODE), me), (8080, TCP)),
                way(serves, format!("{name} <- the gate"), (&gate, me), (8080, TCP)),
                way(false, format!("{name} <- the gate, undeclared"), (&gate, me), (9999, TCP)),
            ]
        })
        .collect();
    for one in all {
        for port in [80, 443] {
            let words = format!("{} -> the metadata address on {port}", one.name);
            ways.push(way(false, words, (&one.pod, &outside(METADATA)), (port, TCP)));
            let words = format!("{} -> a node on {port}", one.name);
            ways.push(way(false, words, (&one.pod, &outside(NODE)), (port, TCP)));
        }
    }
    ways
}

/// What single tenants asked for.
fn declared(all: &[Made]) -> Vec<Way> {
    let of = |name: &str| &all.iter().find(|one| one.name == name).unwrap().pod;
    let bank = outside("203.0.113.7");
    vec![
        way(true, "acme -> its bank", (of("acme"), &bank), (5432, TCP)),
        way(false, "acme -> its bank on another port", (of("acme"), &bank), (22, TCP)),
        way(false, "globex -> acme's bank", (of("globex"), &bank), (5432, TCP)),
        way(true, "initech -> anywhere", (of("initech"), &outside("198.51.100.1")), (25, TCP)),
        way(false, "a cancelled tenant -> anywhere", (of("gone"), &outside("198.51.100.1")), (443, TCP)),
        way(
            false,
            "a cancelled tenant -> DNS",
            (of("gone"), &pod("10.0.99.53", "kube-system", json!({"k8s-app": "kube-dns"}))),
            (53, "UDP"),
        ),
    ]
}

#[test]
fn no_way_leads_from_one_tenant_to_another() -> Outcome {
    if programs::skip() {
        return Ok(());
    }
    let all = all();
    let policies: Vec<Value> = all.iter().flat_map(|one| one.policies.clone()).collect();
    assert!(policies.len() > 15, "{}", policies.len());
    let ways: Vec<Way> = between(&all).into_iter().chain(of_each(&all)).chain(declared(&all)).collect();
    assert!(ways.len() > 150, "{}", ways.len());
    assert_eq!(wrong(&policies, &ways)?, Vec::<String>::new());
    Ok(())
}

/// A judge who finds nothing wrong anywhere would be none.
#[test]
fn a_wrong_policy_is_found() -> Outcome {
    if programs::skip() {
        return Ok(());
    }
    let all = all();
    let clean: Vec<Value> = all.iter().flat_map(|one| one.policies.clone()).collect();
    let with = |planted: Value| {
        let ways: Vec<Way> = between(&all).into_iter().chain(of_each(&all)).collect();
        let policies = [clean.clone(), vec![planted]].concat();
        wrong(&policies, &ways).unwrap()
    };
    let policy = |namespace: &str, spec: Value| json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "x", "namespace": namespace}, "spec": spec});
    let everyone = json!([{"namespaceSelector": {}}]);
    let out = with(policy(
        "acme",
        json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]}),
    ));
    assert!(out.contains(&"acme -> the metadata address on 80 is open".to_owned()), "{out:?}");
    let into = with(policy(
        "globex-prod",
        json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": everyone}]}),
    ));
    // Those who may go anywhere.
    assert!(into.contains(&"globex <- a stranger is open".to_owned()), "{into:?}");
    assert!(into.iter().any(|one| one.starts_with("initech -> globex")), "{into:?}");
    // Without the policy that denies all, what nobody opens is open.
    let bare: Vec<Value> =
        clean.iter().filter(|one| one["metadata"]["namespace"] != "acme").cloned().collect();
    let found = wrong(&bare, &of_each(&all))?;
    assert!(found.contains(&"acme <- a stranger is open".to_owned()), "{found:?}");
    Ok(())
}
