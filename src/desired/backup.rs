//! The two namespaces that no member reaches: backups are made in one, restore points are tried in the other. What runs
//! there comes and goes with each run; this is the ground for it.

use k8s_openapi::{
    api::{
        core::v1::{Namespace, ResourceQuota, ResourceQuotaSpec, Secret},
        networking::v1::{NetworkPolicy, NetworkPolicyPeer},
        rbac::v1::{RoleBinding, RoleRef, Subject},
    },
    apimachinery::pkg::{
        api::resource::Quantity as ApiQuantity,
        apis::meta::v1::{LabelSelector, ObjectMeta},
    },
};

use crate::{
    api::{
        backup::Backups,
        common::{Labels, PortRange, Protocol},
        data::Database,
        marks,
        tenant_status::Purpose,
    },
    validate::{
        cidr::Cidr,
        platform::{PeerEnd, ValidatedPeer},
    },
};

use super::{
    Plan, meta,
    network::{self, DENY_ALL, DNS},
    pull_secret, quota,
};

/// Out to the store.
pub const STORE: &str = "tenantry-store";
/// To one database; its name follows.
pub const DATABASE: &str = "tenantry-database";
/// The binding by which the operator reads connection Secrets in the tenant's namespace.
pub const READER: &str = "tenantry-secret-reader";
/// The bindings by which the operator sees to the Secrets of runs.
pub const RUN_SECRETS: &str = "tenantry-run-secrets";
/// Label on the pods of a run that talk to a database: its name in `Tenant.spec.databases`.
pub const DATABASE_LABEL: &str = "tenantry.dev/database";

/// Most pods in a namespace of either purpose, and what it may keep.
const QUOTA: [(&str, &str); 4] =
    [("pods", "8"), ("persistentvolumeclaims", "8"), ("services", "0"), ("configmaps", "8")];
/// Where restore points are tried nothing is kept.
const DRILL_QUOTA: [(&str, &str); 4] =
    [("pods", "4"), ("persistentvolumeclaims", "0"), ("services", "0"), ("configmaps", "4")];

/// Name of the namespace for a purpose.
#[must_use]
pub fn name_of(workload: &str, purpose: Purpose) -> String {
    match purpose {
        Purpose::Workload => workload.to_owned(),
        Purpose::Backup => format!("{workload}-backup"),
        Purpose::Drill => format!("{workload}-drill"),
    }
}

/// What a namespace of that name is for.
#[must_use]
pub fn purpose_of(workload: &str, name: &str) -> Option<Purpose> {
    [Purpose::Workload, Purpose::Backup, Purpose::Drill]
        .into_iter()
        .find(|purpose| name_of(workload, *purpose) == name)
}

/// The tenant's own namespace, by the one that is for a purpose; `None` where that can't be.
#[must_use]
pub fn workload_of(name: &str, purpose: Purpose) -> Option<&str> {
    match purpose {
        Purpose::Workload => Some(name),
        Purpose::Backup => name.strip_suffix("-backup"),
        Purpose::Drill => name.strip_suffix("-drill"),
    }
}

/// Names of the namespaces that a Tenant has beside its own, or is about to have.
#[must_use]
pub fn beside(workload: &str) -> [String; 2] {
    [Purpose::Backup, Purpose::Drill].map(|purpose| name_of(workload, purpose))
}

/// Whether the Tenant has something to back up, or had once: no change of a manifest takes the namespaces away.
fn wanted(plan: Plan<'_>) -> bool {
    plan.inputs.had_backups || backs_up(plan)
}

fn backs_up(plan: Plan<'_>) -> bool {
    plan.platform.backups.is_some() && !(plan.tenant.databases.is_empty() && plan.tenant.volumes.is_empty())
}

/// Both namespaces.
pub fn namespaces(plan: Plan<'_>) -> Vec<Namespace> {
    let volumes = !plan.tenant.volumes.is_empty() || plan.inputs.volumes_in_use;
    let one = |name: String| {
        // Files of a volume are whoever's wrote them: what reads them all is root, with one capability.
        let reads = volumes && name == name_of(&plan.tenant.namespace, Purpose::Backup);
        let level = if reads { "baseline" } else { "restricted" };
        let mut metadata = meta::cluster(plan, name);
        let labels = metadata.labels.get_or_insert_default();
        for mode in ["enforce", "audit", "warn"] {
            labels.insert(format!("pod-security.kubernetes.io/{mode}"), level.to_owned());
        }
        Namespace { metadata, ..Namespace::default() }
    };
    if wanted(plan) { beside(&plan.tenant.namespace).map(one).into() } else { Vec::new() }
}

/// The credentials for image registries, for the pods of runs.
pub fn pull_secrets(plan: Plan<'_>) -> Vec<Secret> {
    let one = |namespace: String| {
        let mut secret = pull_secret::secret(plan)?;
        secret.metadata.namespace = Some(namespace);
        Some(secret)
    };
    if wanted(plan) {
        beside(&plan.tenant.namespace).into_iter().filter_map(one).collect()
    } else {
        Vec::new()
    }
}

/// How much may run there at once.
pub fn quotas(plan: Plan<'_>) -> Vec<ResourceQuota> {
    let one = |(purpose, hard): (Purpose, [(&str, &str); 4])| {
        let hard = hard.map(|(key, value)| (key.to_owned(), ApiQuantity(value.to_owned())));
        ResourceQuota {
            metadata: within(plan, purpose, quota::NAME),
            spec: Some(ResourceQuotaSpec { hard: Some(hard.into()), ..ResourceQuotaSpec::default() }),
            status: None,
        }
    };
    let both = [(Purpose::Backup, QUOTA), (Purpose::Drill, DRILL_QUOTA)];
    if wanted(plan) { both.map(one).into() } else { Vec::new() }
}

/// Nothing in, and out to the store, the name servers and, where backups are made, each run to its own database.
pub fn policies(plan: Plan<'_>, alive: bool) -> Vec<NetworkPolicy> {
    if !wanted(plan) {
        return Vec::new();
    }
    let mut all = Vec::new();
    for purpose in [Purpose::Backup, Purpose::Drill] {
        let meta = |name: &str| within(plan, purpose, name);
        let everyone = LabelSelector::default;
        all.push(network::policy(meta(DENY_ALL), everyone(), None, None, &["Ingress", "Egress"]));
        let dns = network::dns_rules(plan);
        if !dns.is_empty() {
            all.push(network::policy(meta(DNS), everyone(), None, Some(dns), &["Egress"]));
        }
        if let Some(backups) = &plan.platform.backups {
            let peers = store_peers(plan, backups).into_iter();
            let store = peers.map(|(peer, ports)| network::out(vec![peer], &ports)).collect();
            all.push(network::policy(meta(STORE), everyone(), None, Some(store), &["Egress"]));
        }
    }
    if alive && backs_up(plan) {
        all.extend(plan.tenant.databases.iter().flat_map(|database| doors(plan, database)));
    }
    all
}

/// Where the store answers: the Platform's peers, else every address but those that no tenant may reach.
fn store_peers(plan: Plan<'_>, backups: &Backups) -> Vec<(NetworkPolicyPeer, Vec<PortRange>)> {
    let denied = network::denied(plan);
    let port = vec![tcp(store_port(backups.store.endpoint.as_deref()))];
    if backups.store.egress.is_empty() {
        let any = ["0.0.0.0/0", "::/0"].into_iter().filter_map(|range| Cidr::parse(range).ok());
        let peers = any.filter_map(|range| network::guarded_peer(&PeerEnd::Range(range), &denied));
        return peers.map(|peer| (peer, port.clone())).collect();
    }
    let end = |peer: &crate::api::common::Peer| match &peer.cidr {
        Some(range) => Cidr::parse(range).ok().map(PeerEnd::Range),
        None => Some(PeerEnd::Pods {
            namespace: peer.namespace_selector.clone(),
            pods: peer.pod_selector.clone(),
        }),
    };
    let peers = backups.store.egress.iter().filter_map(|peer| {
        let ports = if peer.ports.is_empty() { port.clone() } else { peer.ports.clone() };
        let plain = ValidatedPeer { name: peer.name.clone(), end: end(peer)?, ports: Vec::new() };
        Some((network::plain_peer(&plain), ports))
    });
    peers.collect()
}

/// The port of an endpoint.
fn store_port(endpoint: Option<&str>) -> i32 {
    let Some(endpoint) = endpoint else { return 443 };
    let plain = endpoint.starts_with("http://");
    let host = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let port = host.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    port.unwrap_or(if plain { 80 } else { 443 })
}

/// Out of the backup namespace to one database, and into its pods where they are the tenant's own.
fn doors(plan: Plan<'_>, database: &Database) -> Vec<NetworkPolicy> {
    let port = [tcp(database.server.port)];
    let name = format!("{DATABASE}-{}", database.name);
    let runs = LabelSelector {
        match_labels: Some([(DATABASE_LABEL.to_owned(), database.name.clone())].into()),
        match_expressions: None,
    };
    let server = &database.server;
    let pods = match (&server.service, &server.pod_selector) {
        (Some(service), _) => Some(meta::pod_selector(plan, service)),
        (None, Some(labels)) => Some(network::selector(labels)),
        (None, None) => None,
    };
    let to = match (&pods, &server.cidr) {
        (Some(pods), _) => Some(NetworkPolicyPeer {
            namespace_selector: Some(namespace_selector(&plan.tenant.namespace)),
            pod_selector: Some(pods.clone()),
            ip_block: None,
        }),
        (None, Some(range)) => Cidr::parse(range)
            .ok()
            .and_then(|range| network::guarded_peer(&PeerEnd::Range(range), &network::denied(plan))),
        (None, None) => None,
    };
    let out = to.map(|to| {
        let rules = vec![network::out(vec![to], &port)];
        network::policy(within(plan, Purpose::Backup, &name), runs.clone(), None, Some(rules), &["Egress"])
    });
    let into = pods.map(|pods| {
        let from = NetworkPolicyPeer {
            namespace_selector: Some(namespace_selector(&name_of(&plan.tenant.namespace, Purpose::Backup))),
            pod_selector: Some(runs.clone()),
            ip_block: None,
        };
        let rules = vec![network::into(from, &port)];
        network::policy(meta::namespaced(plan, &name), pods, Some(rules), None, &["Ingress"])
    });
    out.into_iter().chain(into).collect()
}

/// Lets the operator read connection Secrets in the tenant's namespace, take snapshots of volumes there and copy them to
/// the namespace of backups; each nowhere else. What a run of a volume made it takes away, too, whatever is asked for
/// meanwhile.
pub fn bindings(plan: Plan<'_>, alive: bool) -> Vec<RoleBinding> {
    let asked = alive && plan.platform.backups.is_some();
    let databases = asked && !plan.tenant.databases.is_empty();
    let volumes = asked && !plan.tenant.volumes.is_empty() || plan.inputs.volumes_in_use;
    let reader = databases.then(|| bound(plan, meta::namespaced(plan, READER), marks::ROLE_SECRET_READER));
    let source = volumes
        .then(|| bound(plan, meta::namespaced(plan, marks::ROLE_VOLUME_SOURCE), marks::ROLE_VOLUME_SOURCE));
    let copies = volumes.then(|| {
        let meta = within(plan, Purpose::Backup, marks::ROLE_VOLUME_COPIES);
        bound(plan, meta, marks::ROLE_VOLUME_COPIES)
    });
    [reader, source, copies].into_iter().flatten().collect()
}

/// Lets the operator make, renew and remove the Secrets of runs where runs are, and nowhere else.
pub fn run_bindings(plan: Plan<'_>) -> Vec<RoleBinding> {
    let one = |purpose| bound(plan, within(plan, purpose, RUN_SECRETS), marks::ROLE_RUN_SECRETS);
    if wanted(plan) { [Purpose::Backup, Purpose::Drill].map(one).into() } else { Vec::new() }
}

/// The operator's own binding to a role.
fn bound(plan: Plan<'_>, metadata: ObjectMeta, role: &str) -> RoleBinding {
    let api_group = "rbac.authorization.k8s.io".to_owned();
    RoleBinding {
        metadata,
        role_ref: RoleRef { api_group: api_group.clone(), kind: "ClusterRole".into(), name: role.into() },
        subjects: Some(vec![Subject {
            kind: "User".into(),
            name: plan.inputs.operator.clone(),
            api_group: Some(api_group),
            namespace: None,
        }]),
    }
}

fn within(plan: Plan<'_>, purpose: Purpose, name: &str) -> ObjectMeta {
    ObjectMeta { namespace: Some(name_of(&plan.tenant.namespace, purpose)), ..meta::cluster(plan, name) }
}

fn tcp(port: i32) -> PortRange {
    PortRange { port, end_port: None, protocol: Protocol::TCP }
}

fn namespace_selector(name: &str) -> LabelSelector {
    let name = crate::api::common::LabelValue(name.to_owned());
    network::selector(&Labels { match_labels: [("kubernetes.io/metadata.name".to_owned(), name)].into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_has_its_name_and_back() {
        for purpose in [Purpose::Workload, Purpose::Backup, Purpose::Drill] {
            assert_eq!(purpose_of("acme", &name_of("acme", purpose)), Some(purpose));
            assert_eq!(workload_of(&name_of("acme", purpose), purpose), Some("acme"));
        }
        assert_eq!(purpose_of("acme", "acme-backups"), None);
        assert_eq!(workload_of("acme-drill", Purpose::Backup), None);
    }

    #[test]
    fn the_stores_port_is_that_of_its_endpoint() {
        for (endpoint, port) in [
            (None, 443),
            (Some("https://s3.example.com"), 443),
            (Some("http://10.0.0.1:7070"), 7070),
            (Some("http://store"), 80),
            (Some("https://[fd00::1]:9000"), 9000),
        ] {
            assert_eq!(store_port(endpoint), port, "{endpoint:?}");
        }
    }
}
