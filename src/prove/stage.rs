//! The stage of the network's probe: a Platform and two Tenants of the operator's own, managed like any other, and
//! the pod that knocks. Pure.

use serde_json::{Value, json};

use crate::api::marks;

/// The probe's Platform.
pub const PLATFORM: &str = "tenantry-probe";
/// The probe's Tenants: the first has the pod that knocks, the second the doors that must be shut.
pub const TENANTS: [&str; 2] = ["probe-tenantry-a", "probe-tenantry-b"];
/// The service that each of them has: who knocks there is told [`WORD`].
pub const SERVICE: &str = "door";
/// The pod that knocks.
pub const POD: &str = "tenantry-knock";
/// Port of the doors.
pub const PORT: u16 = 8080;
/// What a door answers: something else that listens at its address is no open door.
pub const WORD: &str = "tenantry-door";
/// The ServiceAccount that tries: a policy lets it do nothing else.
pub const PROBER: &str = "tenantry-prober";

/// Seconds after which the pod is ended.
const LONGEST: u32 = 120;

/// What has to be applied once, so that the network can be probed.
pub fn manifests(image: &str) -> Vec<Value> {
    let platform = json!({
        "apiVersion": marks::API_VERSION, "kind": "Platform", "metadata": {"name": PLATFORM},
        "spec": {"topology": {"minZones": 1}},
    });
    let tenant = |name: &str| {
        json!({
            "apiVersion": marks::API_VERSION, "kind": "Tenant", "metadata": {"name": name},
            "spec": {
                "platformRef": {"name": PLATFORM},
                "quota": {"hard": {"requests.cpu": "200m", "requests.memory": "256Mi", "limits.cpu": "1", "limits.memory": "512Mi"}},
                "services": [{
                    "name": SERVICE, "image": image, "args": ["probe", "listen"],
                    "ports": [{"name": "door", "containerPort": PORT}],
                    "replicas": {"min": 1},
                    "resources": resources(),
                    "probes": {"readiness": {"tcpSocket": {"port": "door"}, "periodSeconds": 2}},
                }],
            },
        })
    };
    vec![platform, tenant(TENANTS[0]), tenant(TENANTS[1])]
}

fn resources() -> Value {
    json!({"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}})
}

/// Where the pod knocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doors {
    /// Address of a pod of its own Tenant.
    pub own: String,
    /// Address of a pod of the other Tenant.
    pub pod: String,
    /// Address of the other Tenant's Service.
    pub service: String,
}

impl Doors {
    /// The arguments of `tenantry`.
    pub fn arguments(&self) -> Vec<String> {
        let own_service = format!("{SERVICE}.{}.svc", TENANTS[0]);
        let pairs = [
            ("--own", &self.own),
            ("--own-service", &own_service),
            ("--pod", &self.pod),
            ("--service", &self.service),
        ];
        let named = pairs
            .into_iter()
            .flat_map(|(name, host)| [name.to_owned(), format!("{}:{PORT}", bracketed(host))]);
        ["probe", "knock"].map(str::to_owned).into_iter().chain(named).collect()
    }
}

/// As an address stands before a port.
fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// The pod that knocks. It runs as restricted as any tenant's, and once.
pub fn pod(image: &str, doors: &Doors) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": POD, "namespace": TENANTS[0], "labels": {"app.kubernetes.io/name": POD}},
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": LONGEST,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "knock", "image": image, "args": doors.arguments(),
                "resources": resources(),
                "terminationMessagePolicy": "File",
                "securityContext": {
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
                },
            }],
        },
    })
}

/// A pod that Pod Security must refuse, and nothing else: the guards would let its image pass.
pub fn privileged_pod(registries: &[String]) -> Value {
    let registry = registries.first().map_or("registry.k8s.io", |one| one.trim_end_matches('/'));
    let image = format!("{registry}/tenantry-trial@sha256:{}", "0".repeat(64));
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tenantry-trial"},
        "spec": {
            "automountServiceAccountToken": false,
            "hostPID": true,
            "containers": [{
                "name": "trial", "image": image, "resources": resources(), "securityContext": {"privileged": true},
            }],
        },
    })
}

/// Changes of a namespace's labels that the guards must refuse, each with the guard.
pub fn tampering() -> [(&'static str, Value); 2] {
    let labels = |key: &str, value: &str| json!({"metadata": {"labels": {key: value}}});
    [
        ("tenantry-namespaces", labels("pod-security.kubernetes.io/enforce", "privileged")),
        ("tenantry-marks", labels(marks::TENANT, "somebody-else")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{Platform, Tenant},
        validate::{platform, tenant},
    };

    #[test]
    fn the_probes_tenants_are_right() {
        let [rules, first, second] =
            <[Value; 3]>::try_from(manifests("registry.example.com/tenantry:1")).unwrap();
        let rules: Platform = serde_json::from_value(rules).unwrap();
        let rules = platform::validate(&rules).unwrap();
        for (manifest, name) in [first, second].into_iter().zip(TENANTS) {
            let one: Tenant = serde_json::from_value(manifest).unwrap();
            let checked = tenant::validate(&one, &rules).unwrap();
            assert_eq!((checked.name.as_str(), checked.namespace.as_str()), (name, name));
        }
    }

    #[test]
    fn the_pod_knows_every_door() {
        let doors = Doors { own: "10.0.0.1".into(), pod: "fd00::2".into(), service: "10.96.0.3".into() };
        let wanted = [
            "probe",
            "knock",
            "--own",
            "10.0.0.1:8080",
            "--own-service",
            "door.probe-tenantry-a.svc:8080",
            "--pod",
            "[fd00::2]:8080",
            "--service",
            "10.96.0.3:8080",
        ];
        assert_eq!(doors.arguments(), wanted);
        assert_eq!(pod("i", &doors)["metadata"]["namespace"], TENANTS[0]);
        let tried = privileged_pod(&["registry.example.com/shop/".to_owned()]);
        let image = tried["spec"]["containers"][0]["image"].as_str().unwrap();
        assert!(image.starts_with("registry.example.com/shop/tenantry-trial@sha256:0"), "{image}");
    }
}
