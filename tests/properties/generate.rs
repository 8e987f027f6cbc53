//! Tenants and Platforms as people might write them, all valid.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};
use tenantry::api::{Platform, Tenant};
use tenantry::apply::manifest::Manifest;
use tenantry::apply::order;
use tenantry::desired::{self, Objects, Plan, Prepared};
use tenantry::validate::ground::{Inputs, PullSecret};
use tenantry::validate::{platform, platform::ValidatedPlatform, tenant, tenant::ValidatedTenant};

/// Everything that a pass starts with.
#[derive(Clone, Debug)]
pub struct Case {
    pub tenant: Tenant,
    pub platform: Platform,
    pub inputs: Inputs,
}

/// The same, checked.
pub struct Checked {
    pub tenant: ValidatedTenant,
    pub platform: ValidatedPlatform,
    pub inputs: Inputs,
}

impl Case {
    /// Everything generated is valid: what isn't is a mistake of the generator, or of validate.
    pub fn check(&self) -> Checked {
        let platform = platform::validate(&self.platform).expect("a generated Platform is valid");
        let tenant = tenant::validate(&self.tenant, &platform).expect("a generated Tenant is valid");
        Checked { tenant, platform, inputs: self.inputs.clone() }
    }
}

impl Checked {
    pub fn objects(&self) -> Objects<Prepared> {
        desired::objects(Plan { tenant: &self.tenant, platform: &self.platform, inputs: &self.inputs })
    }

    pub fn list(&self) -> Vec<Manifest> {
        order::list(self.objects()).manifests
    }
}

/// A Tenant of this name, its Platform, and what the cluster gives.
pub fn case(name: &'static str) -> impl Strategy<Value = Case> {
    (tenant_spec(), platform_spec(), any::<bool>(), 0u8..4).prop_map(move |(spec, rules, pull, nodes)| {
        let uid = format!("uid-{name}");
        let tenant = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant",
            "metadata": {"name": name, "uid": uid, "generation": 7}, "spec": spec
        });
        let platform = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Platform",
            "metadata": {"name": "shop"}, "spec": rules
        });
        let address = |node: u8| core::net::IpAddr::from([10, 0, 0, node]);
        let pull = pull.then(|| PullSecret { config: "{\"auths\":{}}".into(), version: "3".into() });
        let inputs = Inputs {
            denied: (0..nodes).map(|node| tenantry::validate::cidr::Cidr::host(address(node))).collect(),
            pull_secret: pull,
            install_id: "install-1".into(),
            ..Inputs::default()
        };
        Case {
            tenant: serde_json::from_value(tenant).expect("a generated Tenant can be read"),
            platform: serde_json::from_value(platform).expect("a generated Platform can be read"),
            inputs,
        }
    })
}

fn tenant_spec() -> impl Strategy<Value = Value> {
    let names =
        subsequence(vec!["web", "api", "worker", "a", "forty-characters-is-as-long-as-names-get"], 0..4);
    let services = names.prop_flat_map(|names| names.into_iter().map(service).collect::<Vec<_>>());
    let members = subsequence(
        vec![
            ("User", "ada", "Viewer"),
            ("User", "bob", "Editor"),
            ("Group", "ada", "Editor"),
            ("Group", "ops", "Viewer"),
        ],
        0..=4,
    );
    let egress = subsequence(
        vec![("all", "0.0.0.0/0"), ("ten", "10.0.0.0/8"), ("six", "2001:db8::/32"), ("one", "192.0.2.1/32")],
        0..=4,
    );
    let lifecycle = select(vec!["Active", "Active", "Suspended", "Cancelled"]);
    (services, members, egress, lifecycle).prop_map(|(services, members, egress, lifecycle)| {
        let members: Vec<Value> = members
            .into_iter()
            .map(|(kind, name, role)| json!({"kind": kind, "name": name, "role": role}))
            .collect();
        let egress: Vec<Value> =
            egress.into_iter().map(|(name, cidr)| json!({"name": name, "cidr": cidr})).collect();
        json!({
            "platformRef": {"name": "shop"}, "lifecycle": lifecycle,
            "services": services, "members": members, "egress": egress
        })
    })
}

fn service(name: &'static str) -> impl Strategy<Value = Value> {
    let ports = subsequence(vec![("http", 8080, "TCP"), ("admin", 9090, "TCP"), ("dns", 53, "UDP")], 0..=3);
    let config = subsequence(vec!["A", "B_2", "LONG_NAME"], 0..=3);
    let secrets = subsequence(vec![("db", None), ("tls", Some("/run/tls")), ("ca", Some("/run/ca"))], 0..=3);
    let size = (1..6i32, 0..4i32, any::<bool>(), any::<bool>());
    let extras = (any::<bool>(), any::<bool>(), 1..1000i64, ".{0,12}");
    let volumes = subsequence(vec![("data", "1Gi", "/data"), ("log", "10Gi", "/var/log/app")], 0..=2);
    (ports, config, secrets, size, extras, volumes).prop_map(
        move |(ports, config, secrets, size, extras, volumes)| {
            let (min, more, ceiling, disruptable) = size;
            let (files, own_resources, user, value) = extras;
            let mut replicas = json!({"min": min});
            if ceiling {
                replicas["max"] = json!(min + more);
            }
            let ports: Vec<Value> = ports
            .into_iter()
            .map(|(name, port, protocol)| json!({"name": name, "containerPort": port, "protocol": protocol}))
            .collect();
            let secrets: Vec<Value> = secrets
                .into_iter()
                .map(|(name, path)| match path {
                    Some(path) => json!({"name": name, "mountPath": path}),
                    None => json!({"name": name}),
                })
                .collect();
            let config: Map<String, Value> =
                config.into_iter().map(|key| (key.into(), json!(value))).collect();
            let mut service = json!({
                "name": name, "image": "registry.example.com/app:1", "replicas": replicas, "ports": ports,
                "config": config, "secretRefs": secrets, "disruptable": disruptable, "runAsUser": user,
            });
            let volumes = volumes.into_iter();
            service["storage"] =
                volumes.map(|(name, size, path)| json!({"name": name, "size": size, "path": path})).collect();
            if files {
                service["configPath"] = json!("/etc/app");
            }
            if own_resources {
                service["resources"] = json!({"requests": {"cpu": "50m"}, "limits": {"memory": "96Mi"}});
            }
            service
        },
    )
}

fn platform_spec() -> impl Strategy<Value = Value> {
    let peers = || {
        subsequence(
            vec![
                json!({"name": "ingress", "namespaceSelector": {"matchLabels": {"a": "b"}}, "ports": [{"port": 8080}]}),
                json!({"name": "balancer", "cidr": "198.51.100.0/24"}),
                json!({"name": "private", "cidr": "10.0.0.0/8", "ports": [{"port": 1, "endPort": 9000}]}),
                json!({"name": "cache", "podSelector": {"matchLabels": {"app": "cache"}}}),
            ],
            0..=4,
        )
    };
    let zones = subsequence(vec!["a", "b", "c"], 0..=3);
    let level = select(vec!["restricted", "baseline"]);
    (peers(), peers(), zones, level, 1..4u32).prop_map(|(ingress, shared, zones, level, min_zones)| {
        json!({
            "network": {"ingressFrom": ingress, "sharedEgress": shared, "denied": ["172.16.0.0/12"]},
            "topology": {"zones": zones, "minZones": min_zones},
            "isolation": {"podSecurity": level},
            "limits": {"egress": ["0.0.0.0/0", "::/0"]}
        })
    })
}
