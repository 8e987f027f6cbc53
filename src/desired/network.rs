//! Who may talk to whom. One policy a purpose, so that a refusal can be traced to its rule.

use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
        NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};

use crate::{
    api::common::{Labels, PortRange},
    validate::{
        cidr::Cidr,
        platform::{PeerEnd, ValidatedPeer},
        service::ValidatedService,
        tenant::metadata_ranges,
    },
};

use super::{Plan, meta};

/// Nothing in, nothing out.
pub const DENY_ALL: &str = "tenantry-deny-all";
/// Out to the name servers.
pub const DNS: &str = "tenantry-dns";
/// In and out among the tenant's own pods.
pub const SAME_NAMESPACE: &str = "tenantry-same-namespace";
/// Out to what the Platform shares.
pub const SHARED_EGRESS: &str = "tenantry-shared-egress";
/// Out to what the Tenant asks for.
pub const EGRESS: &str = "tenantry-egress";
/// In from the Platform's peers; `-<service>` follows for declared services.
pub const INGRESS: &str = "tenantry-ingress";

/// Every policy of the tenant; deny-all alone for a cancelled one.
pub fn policies(plan: Plan<'_>, alive: bool) -> Vec<NetworkPolicy> {
    let mut policies = vec![deny_all(plan)];
    if alive {
        policies.extend(dns(plan));
        policies.push(same_namespace(plan));
        policies.extend(shared_egress(plan));
        policies.extend(egress(plan));
        policies.extend(plan.tenant.services.iter().filter_map(|service| ingress(plan, service)));
        policies.extend(undeclared_ingress(plan));
    }
    policies
}

/// Nothing in, nothing out: the other policies open what is needed.
pub fn deny_all(plan: Plan<'_>) -> NetworkPolicy {
    own(plan, DENY_ALL, LabelSelector::default(), None, None, &["Ingress", "Egress"])
}

/// Out to the name servers, on their ports only.
pub fn dns(plan: Plan<'_>) -> Option<NetworkPolicy> {
    let rules = dns_rules(plan);
    (!rules.is_empty()).then(|| own(plan, DNS, LabelSelector::default(), None, Some(rules), &["Egress"]))
}

/// The same as rules, for namespaces beside the tenant's own.
pub(super) fn dns_rules(plan: Plan<'_>) -> Vec<NetworkPolicyEgressRule> {
    plan.platform.dns.iter().map(|peer| out(vec![plain_peer(peer)], &peer.ports)).collect()
}

/// In and out among the pods of the namespace.
pub fn same_namespace(plan: Plan<'_>) -> NetworkPolicy {
    let everyone =
        || NetworkPolicyPeer { pod_selector: Some(LabelSelector::default()), ..Default::default() };
    let ingress = NetworkPolicyIngressRule { from: Some(vec![everyone()]), ports: None };
    let egress = NetworkPolicyEgressRule { to: Some(vec![everyone()]), ports: None };
    own(
        plan,
        SAME_NAMESPACE,
        LabelSelector::default(),
        Some(vec![ingress]),
        Some(vec![egress]),
        &["Ingress", "Egress"],
    )
}

/// Out to what the Platform shares with every tenant.
pub fn shared_egress(plan: Plan<'_>) -> Option<NetworkPolicy> {
    let denied = denied(plan);
    let rules: Vec<_> = plan
        .platform
        .shared_egress
        .iter()
        .filter_map(|peer| Some(out(vec![guarded_peer(&peer.end, &denied)?], &peer.ports)))
        .collect();
    (!rules.is_empty())
        .then(|| own(plan, SHARED_EGRESS, LabelSelector::default(), None, Some(rules), &["Egress"]))
}

/// Out to the addresses that the Tenant asks for, less those that nobody may reach.
pub fn egress(plan: Plan<'_>) -> Option<NetworkPolicy> {
    let denied = denied(plan);
    let rules: Vec<_> = plan
        .tenant
        .egress
        .iter()
        .filter_map(|rule| Some(out(vec![guarded_peer(&PeerEnd::Range(rule.cidr), &denied)?], &rule.ports)))
        .collect();
    (!rules.is_empty()).then(|| own(plan, EGRESS, LabelSelector::default(), None, Some(rules), &["Egress"]))
}

/// In from the Platform's peers to the declared ports of one service.
pub fn ingress(plan: Plan<'_>, service: &ValidatedService) -> Option<NetworkPolicy> {
    let declared: Vec<PortRange> = service
        .spec
        .ports
        .iter()
        .map(|port| PortRange { port: port.container_port, end_port: None, protocol: port.protocol })
        .collect();
    let rules: Vec<_> = plan
        .platform
        .ingress_from
        .iter()
        .filter_map(|peer| {
            let open: Vec<PortRange> =
                declared.iter().filter(|port| admits(&peer.ports, port)).cloned().collect();
            (!open.is_empty()).then(|| into(plain_peer(peer), &open))
        })
        .collect();
    let name = format!("{INGRESS}-{}", service.spec.name);
    let pods = meta::pod_selector(plan, &service.spec.name);
    (!rules.is_empty()).then(|| own(plan, &name, pods, Some(rules), None, &["Ingress"]))
}

/// Tenants who deploy with tools of their own declare no ports: the Platform's peers reach them on
/// the ports that the Platform names, and on none where it names none.
pub fn undeclared_ingress(plan: Plan<'_>) -> Option<NetworkPolicy> {
    if !plan.tenant.services.is_empty() {
        return None;
    }
    let peers = plan.platform.ingress_from.iter().filter(|peer| !peer.ports.is_empty());
    let rules: Vec<_> = peers.map(|peer| into(plain_peer(peer), &peer.ports)).collect();
    (!rules.is_empty()).then(|| own(plan, INGRESS, LabelSelector::default(), Some(rules), None, &["Ingress"]))
}

/// Whether a peer's ports, where it names any, include a declared one.
fn admits(ranges: &[PortRange], port: &PortRange) -> bool {
    ranges.is_empty()
        || ranges.iter().any(|range| {
            range.protocol == port.protocol
                && (range.port..=range.end_port.unwrap_or(range.port)).contains(&port.port)
        })
}

/// Ranges that no rule with a CIDR opens: metadata services, the Platform's list, nodes and API servers.
pub(super) fn denied(plan: Plan<'_>) -> Vec<Cidr> {
    metadata_ranges()
        .chain(plan.platform.denied.iter().copied())
        .chain(plan.inputs.denied.iter().copied())
        .collect()
}

pub(super) fn out(to: Vec<NetworkPolicyPeer>, ports: &[PortRange]) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule { to: Some(to), ports: policy_ports(ports) }
}

pub(super) fn into(from: NetworkPolicyPeer, ports: &[PortRange]) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule { from: Some(vec![from]), ports: policy_ports(ports) }
}

/// A peer as the Platform wrote it.
pub(super) fn plain_peer(peer: &ValidatedPeer) -> NetworkPolicyPeer {
    match &peer.end {
        PeerEnd::Range(range) => block(*range, Vec::new()),
        PeerEnd::Pods { namespace, pods } => NetworkPolicyPeer {
            namespace_selector: namespace.as_ref().map(selector),
            pod_selector: pods.as_ref().map(selector),
            ip_block: None,
        },
    }
}

/// A peer less the denied ranges; `None` when nothing is left of it. An empty peer list would mean everyone.
pub(super) fn guarded_peer(end: &PeerEnd, denied: &[Cidr]) -> Option<NetworkPolicyPeer> {
    match end {
        PeerEnd::Range(range) => Some(block(*range, range.except(denied)?)),
        PeerEnd::Pods { .. } => {
            Some(plain_peer(&ValidatedPeer { name: String::new(), end: end.clone(), ports: Vec::new() }))
        }
    }
}

fn block(range: Cidr, except: Vec<Cidr>) -> NetworkPolicyPeer {
    let except = (!except.is_empty()).then(|| except.iter().map(ToString::to_string).collect());
    NetworkPolicyPeer { ip_block: Some(IPBlock { cidr: range.to_string(), except }), ..Default::default() }
}

pub(super) fn selector(labels: &Labels) -> LabelSelector {
    let pairs = labels.match_labels.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect();
    LabelSelector { match_labels: Some(pairs), match_expressions: None }
}

fn policy_ports(ports: &[PortRange]) -> Option<Vec<NetworkPolicyPort>> {
    let one = |range: &PortRange| NetworkPolicyPort {
        port: Some(IntOrString::Int(range.port)),
        end_port: range.end_port,
        protocol: Some(range.protocol.as_str().into()),
    };
    (!ports.is_empty()).then(|| ports.iter().map(one).collect())
}

/// A policy in the tenant's own namespace.
fn own(
    plan: Plan<'_>,
    name: &str,
    pods: LabelSelector,
    ingress: Option<Vec<NetworkPolicyIngressRule>>,
    egress: Option<Vec<NetworkPolicyEgressRule>>,
    types: &[&str],
) -> NetworkPolicy {
    policy(meta::namespaced(plan, name), pods, ingress, egress, types)
}

pub(super) fn policy(
    metadata: ObjectMeta,
    pods: LabelSelector,
    ingress: Option<Vec<NetworkPolicyIngressRule>>,
    egress: Option<Vec<NetworkPolicyEgressRule>>,
    types: &[&str],
) -> NetworkPolicy {
    let policy_types = Some(types.iter().map(|one| (*one).to_owned()).collect());
    let spec = NetworkPolicySpec { pod_selector: Some(pods), ingress, egress, policy_types };
    NetworkPolicy { metadata, spec: Some(spec) }
}
