//! A Tenant, checked against its Platform.

use std::collections::BTreeMap;

use crate::api::{
    Tenant,
    common::PortRange,
    conditions::reasons,
    data::{BackupExclusion, Bucket, Database, Volume},
    quantity::Quantity,
    tenant::{Lifecycle, Member, Mode, Placement},
};

use super::{
    backup,
    cidr::Cidr,
    names::{TENANT_NAME_MAX, is_dns_label, is_reserved_namespace},
    platform::{ValidatedPlatform, check_ports},
    problem::{Problem, at},
    resources,
    service::{self, ValidatedService},
    storage,
    text::{is_hidden, quote},
};

/// A Tenant whose every field has been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedTenant {
    /// Its name.
    pub name: String,
    /// Its uid; empty offline.
    pub uid: String,
    /// Name of the workload namespace.
    pub namespace: String,
    /// uid of an existing namespace to take over.
    pub adopt: Option<String>,
    /// Whether it runs.
    pub lifecycle: Lifecycle,
    /// Whether the operator writes.
    pub mode: Mode,
    /// Who may do what.
    pub members: Vec<Member>,
    /// Limits of the namespace.
    pub quota: BTreeMap<String, Quantity>,
    /// Ranges that it may reach.
    pub egress: Vec<ValidatedEgress>,
    /// Its workloads.
    pub services: Vec<ValidatedService>,
    /// Its databases.
    pub databases: Vec<Database>,
    /// Its claims that are backed up.
    pub volumes: Vec<Volume>,
    /// Its buckets.
    pub buckets: Vec<Bucket>,
    /// What is not backed up, and why.
    pub exclusions: Vec<BackupExclusion>,
}

/// A range that a tenant may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatedEgress {
    /// Name of the rule.
    pub name: String,
    /// The range.
    pub cidr: Cidr,
    /// Ports; empty opens every port.
    pub ports: Vec<PortRange>,
}

/// Addresses that no tenant may reach: everything link-local, where most clouds have their metadata
/// services, and those of AWS (IPv6), Alibaba and Azure, which are elsewhere.
const METADATA_RANGES: [&str; 5] =
    ["169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32", "168.63.129.16/32"];

/// Ranges of metadata services, which no rule opens.
pub fn metadata_ranges() -> impl Iterator<Item = Cidr> {
    METADATA_RANGES.iter().filter_map(|range| Cidr::parse(range).ok())
}

/// Checks a Tenant against the Platform that it names.
///
/// # Errors
/// Every problem that was found, not only the first.
pub fn validate(tenant: &Tenant, platform: &ValidatedPlatform) -> Result<ValidatedTenant, Vec<Problem>> {
    let (checked, problems) = examine(tenant, platform);
    checked.filter(|_| problems.is_empty()).ok_or(problems)
}

/// What a Tenant means, also where nothing but the Platform's limits is against it: one that ran before a limit
/// was lowered keeps what it has. `None` where the Tenant is wrong in itself.
pub fn examine(tenant: &Tenant, platform: &ValidatedPlatform) -> (Option<ValidatedTenant>, Vec<Problem>) {
    let spec = &tenant.spec;
    let mut problems = Vec::new();
    let name = tenant.metadata.name.clone().unwrap_or_default();
    check_names(&name, tenant, &mut problems);
    if spec.placement == Placement::Pooled {
        problems.push(
            Problem::new("/spec/placement", "Pooled is reserved and does not work yet").hint("use Dedicated"),
        );
    }
    for (index, member) in spec.members.iter().enumerate() {
        if member.name.chars().any(is_hidden) || member.name.trim() != member.name {
            let pointer = at(&at("/spec/members", index), "name");
            problems.push(Problem::new(pointer, format!("{} holds what can't be seen", quote(&member.name))));
        }
        if member.name.starts_with("system:") {
            let pointer = at(&at("/spec/members", index), "name");
            problems.push(
                Problem::new(pointer, format!("\"{}\" belongs to the cluster", member.name))
                    .hint("name a user or group of your identity provider"),
            );
        }
    }
    let services: Vec<ValidatedService> = spec
        .services
        .iter()
        .enumerate()
        .map(|(index, one)| service::validate(one, &at("/spec/services", index), platform, &mut problems))
        .collect();
    storage::check_names(&services, &mut problems);
    backup::check_tenant(spec, platform, &mut problems);
    let mut egress = check_egress(tenant, platform, &mut problems);
    // Lists with keys have no order: another one must not change what is applied.
    egress.sort_by(|a, b| a.name.cmp(&b.name));
    let mut members = spec.members.clone();
    members.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    let quota = check_quota(tenant, platform, &mut problems);
    resources::check_sum(&services, &quota, !platform.images.pull_secret_refs.is_empty(), &mut problems);
    resources::check_required(&services, &quota, &mut problems);
    if problems.iter().any(|problem| problem.reason != reasons::LIMIT_EXCEEDED) {
        return (None, problems);
    }
    let checked = ValidatedTenant {
        namespace: tenant.namespace().to_owned(),
        uid: tenant.metadata.uid.clone().unwrap_or_default(),
        adopt: spec.adopt.as_ref().map(|adopt| adopt.uid.clone()),
        lifecycle: spec.lifecycle,
        mode: spec.mode,
        members,
        name,
        quota,
        egress,
        services,
        databases: sorted(&spec.databases, |one| &one.name),
        volumes: sorted(&spec.volumes, |one| &one.name),
        buckets: sorted(&spec.buckets, |one| &one.name),
        exclusions: spec.backup_exclusions.clone(),
    };
    (Some(checked), problems)
}

/// Lists with keys have no order: another one must not change what is applied.
fn sorted<T: Clone>(list: &[T], name: fn(&T) -> &String) -> Vec<T> {
    let mut list = list.to_vec();
    list.sort_by(|a, b| name(a).cmp(name(b)));
    list
}

fn check_names(name: &str, tenant: &Tenant, problems: &mut Vec<Problem>) {
    if !is_dns_label(name) || name.len() > TENANT_NAME_MAX {
        let message =
            format!("\"{name}\" is not a name of at most {TENANT_NAME_MAX} lower-case letters, digits and -");
        problems.push(Problem::new("/metadata/name", message));
    }
    let namespace = tenant.namespace();
    if is_reserved_namespace(namespace) {
        let pointer = if tenant.spec.namespace.is_some() { "/spec/namespace" } else { "/metadata/name" };
        problems.push(
            Problem::new(
                pointer,
                format!("namespace \"{namespace}\" belongs to the cluster or the operator"),
            )
            .hint("choose a namespace of the tenant's own"),
        );
    } else if !is_dns_label(namespace) {
        problems.push(Problem::new("/spec/namespace", format!("\"{namespace}\" is not a namespace name")));
    }
}

fn check_egress(
    tenant: &Tenant,
    platform: &ValidatedPlatform,
    problems: &mut Vec<Problem>,
) -> Vec<ValidatedEgress> {
    let mut valid = Vec::new();
    for (index, rule) in tenant.spec.egress.iter().enumerate() {
        let base = at("/spec/egress", index);
        check_ports(&rule.ports, &at(&base, "ports"), problems);
        let pointer = at(&base, "cidr");
        let cidr = match Cidr::parse(&rule.cidr) {
            Ok(cidr) => cidr,
            Err(message) => {
                problems.push(Problem::new(pointer, message));
                continue;
            }
        };
        check_range(cidr, &pointer, platform, problems);
        valid.push(ValidatedEgress { name: rule.name.clone(), cidr, ports: rule.ports.clone() });
    }
    valid
}

/// A range that a tenant may reach lies within the Platform's limits, and in none that nobody may reach.
pub(super) fn check_range(
    cidr: Cidr,
    pointer: &str,
    platform: &ValidatedPlatform,
    problems: &mut Vec<Problem>,
) {
    if !platform.egress_limits.iter().any(|limit| limit.contains(cidr)) {
        let limits: Vec<String> = platform.egress_limits.iter().map(ToString::to_string).collect();
        let allowed = if limits.is_empty() { "no address".to_owned() } else { limits.join(", ") };
        problems.push(
            Problem::new(
                pointer,
                format!("Platform {} does not allow {cidr}; it allows {allowed}", platform.name),
            )
            .reason(reasons::LIMIT_EXCEEDED)
            .hint("a cluster admin can allow it in Platform.spec.limits.egress"),
        );
    } else if let Some(range) =
        metadata_ranges().chain(platform.denied.iter().copied()).find(|one| one.contains(cidr))
    {
        problems.push(
            Problem::new(pointer, format!("{cidr} lies in {range}, which no tenant may reach"))
                .reason(reasons::LIMIT_EXCEEDED)
                .hint("remove the rule"),
        );
    }
}

/// The Platform's default quota with the Tenant's own entries over it, each within the Platform's limit.
fn check_quota(
    tenant: &Tenant,
    platform: &ValidatedPlatform,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Quantity> {
    let own = tenant.spec.quota.clone().unwrap_or_default().hard;
    resources::check_quota(&own, "/spec/quota/hard", problems);
    let mut quota = platform.default_quota.clone();
    quota.extend(own);
    for (key, limit) in &platform.quota_limits {
        let (Some(asked), Ok(limit_amount)) = (quota.get(key), limit.milli()) else {
            quota.insert(key.clone(), limit.clone());
            continue;
        };
        if asked.milli().is_ok_and(|amount| amount > limit_amount) {
            problems.push(
                Problem::new(
                    at("/spec/quota/hard", key),
                    format!("{asked} is more than the {limit} that Platform {} allows", platform.name),
                )
                .reason(reasons::LIMIT_EXCEEDED),
            );
        }
    }
    quota
}
