//! What a repository's files mean for the cluster: which Tenants are written, which keep their last
//! good state and why, which are missing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::de::DeserializeOwned;

use crate::api::{Platform, Tenant, conditions::reasons, finding::Finding, marks};

use super::{
    manifest::{Manifest, ManifestKind, Manifests},
    platform::ValidatedPlatform,
    problem::Problem,
    root,
    set::Set,
    tenant,
};

/// A Tenant that a file asks for, sound in itself and under its Platform's rules.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The Tenant, with defaults.
    pub tenant: Tenant,
    /// Where it stands.
    pub manifest: Arc<Manifest>,
}

/// Why a Tenant isn't as its file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Reason constant.
    pub reason: &'static str,
    /// What is wrong, and the next step.
    pub message: String,
}

/// What the files mean.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Tenants that should be as their files say, by name.
    pub wanted: BTreeMap<String, Wanted>,
    /// Tenants in the cluster that keep what they have, by name.
    pub behind: BTreeMap<String, Behind>,
    /// The Platform's own rules, where a file sets them: its spec without the trust root.
    pub rules: Option<serde_json::Value>,
    /// The file that sets them; empty when none does.
    pub rules_file: String,
    /// Everything that is wrong, by file and position.
    pub findings: Vec<Finding>,
}

/// Keeps what may come through a door: Tenants from `path`, Platforms from `platformPath`. The rest
/// becomes findings: who may merge a tenant file may not thereby change the Platform that limits it.
pub fn through_door(file: &mut Manifests, platforms: bool) {
    let refused =
        if platforms { std::mem::take(&mut file.tenants) } else { std::mem::take(&mut file.platforms) };
    for manifest in refused {
        let (kind, name) = (manifest.kind.name(), &manifest.name);
        let (message, hint) = if platforms {
            (
                format!("{kind} {name} is not accepted from spec.source.git.platformPath"),
                "put it below spec.source.git.path",
            )
        } else {
            (
                format!("{kind} {name} is not accepted from spec.source.git.path"),
                "put it below spec.source.git.platformPath",
            )
        };
        file.findings.push(manifest.place().value("/kind", message).hint(hint));
    }
}

/// What the cluster says of a Tenant that a file may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The annotation `tenantry.dev/source`; `None` for Tenants from kubectl.
    pub source: Option<String>,
    /// Its namespace.
    pub namespace: String,
}

/// Decides. `owners` are the Tenants in the cluster.
pub fn decide(
    set: Set,
    platform: &Platform,
    rules: &ValidatedPlatform,
    owners: &BTreeMap<String, Owner>,
) -> Decision {
    let mut decision = Decision { findings: set.findings, ..Decision::default() };
    for (kind, name) in &set.refused {
        if *kind == ManifestKind::Tenant && owned(owners, name, &rules.name) {
            let twice = set.duplicates.contains(&(*kind, name.clone()));
            let (reason, what) = if twice {
                (reasons::DUPLICATE, "several files name it")
            } else {
                (reasons::INVALID_FILE, "its file has findings")
            };
            let message =
                format!("{what}; the last good content stays: see status.source.findings of the Platform");
            decision.behind.insert(name.clone(), Behind { reason, message });
        }
    }
    // Who is in the cluster keeps its namespace, whatever newcomers' files say.
    let mut namespaces: BTreeMap<String, String> =
        owners.iter().map(|(name, owner)| (owner.namespace.clone(), name.clone())).collect();
    for manifest in set.tenants {
        let name = manifest.name.clone();
        match sound(&manifest, rules, owners, &mut namespaces) {
            Ok(tenant) => drop(decision.wanted.insert(name, Wanted { tenant, manifest })),
            Err(problems) => {
                let first = &problems[0];
                if owned(owners, &name, &rules.name) || first.reason == reasons::OWNED_ELSEWHERE {
                    let message = format!("{}: {first}; the last good content stays", manifest.file);
                    let reason = if first.reason == reasons::OWNED_ELSEWHERE {
                        first.reason
                    } else {
                        reasons::INVALID_FILE
                    };
                    decision.behind.insert(name, Behind { reason, message });
                }
                decision.findings.extend(problems.iter().map(|problem| locate(problem, &manifest)));
            }
        }
    }
    for manifest in &set.platforms {
        match own_rules(manifest, platform) {
            Ok(rules) => {
                decision.rules = Some(rules);
                decision.rules_file.clone_from(&manifest.file);
            }
            Err(problems) => {
                decision.findings.extend(problems.iter().map(|problem| locate(problem, manifest)));
            }
        }
    }
    missing(&mut decision, &set.incomplete, rules, owners);
    decision.findings.sort();
    decision
}

/// A problem at its place in the file; one with a field that the file doesn't set, at the key of the
/// map that would hold it.
pub fn locate(problem: &Problem, manifest: &Manifest) -> Finding {
    let (given, spans) = (manifest.given.value(), &manifest.spans);
    let mut pointer = problem.pointer.as_str();
    while given.pointer(pointer).is_none() {
        pointer = pointer.rsplit_once('/').map_or("", |(around, _)| around);
    }
    let mark = if pointer == problem.pointer { spans.locate(pointer) } else { spans.locate_key(pointer) };
    problem.at(&manifest.file, mark)
}

fn owned(owners: &BTreeMap<String, Owner>, name: &str, platform: &str) -> bool {
    owners.get(name).is_some_and(|owner| consents(owner, platform))
}

/// Whether the Tenant came through this Platform's source, or its annotation lets it in: `<platform>` or
/// `<platform>/<path>`.
pub fn consents(owner: &Owner, platform: &str) -> bool {
    let rest = owner.source.as_deref().and_then(|source| source.strip_prefix(platform));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Reads and checks one Tenant.
fn sound(
    manifest: &Manifest,
    rules: &ValidatedPlatform,
    owners: &BTreeMap<String, Owner>,
    namespaces: &mut BTreeMap<String, String>,
) -> Result<Tenant, Vec<Problem>> {
    let tenant: Tenant = typed(manifest).map_err(|problem| vec![problem])?;
    let platform = &tenant.spec.platform_ref.name;
    if *platform != rules.name {
        let message = format!(
            "names Platform \"{platform}\", and this repository is the source of Platform {}",
            rules.name
        );
        let hint = format!("write {}; a source writes only Tenants of its own Platform", rules.name);
        return Err(vec![Problem::new("/spec/platformRef/name", message).hint(hint)]);
    }
    if let Some(owner) = owners.get(&manifest.name).filter(|owner| !consents(owner, &rules.name)) {
        let holder =
            owner.source.as_ref().map_or_else(|| "kubectl".to_owned(), |source| format!("source {source}"));
        let message = format!("Tenant {} belongs to {holder} already", manifest.name);
        let hint = format!(
            "to hand it over: kubectl annotate --overwrite tenant {} {}={}",
            manifest.name,
            marks::SOURCE,
            rules.name
        );
        return Err(vec![
            Problem::new("/metadata/name", message).reason(reasons::OWNED_ELSEWHERE).hint(hint),
        ]);
    }
    tenant::validate(&tenant, rules)?;
    if !owners.contains_key(&manifest.name) {
        claim(&tenant, &manifest.name, namespaces).map_err(|problem| vec![problem])?;
    }
    Ok(tenant)
}

/// What the file says, as a type.
pub(super) fn typed<T: DeserializeOwned>(manifest: &Manifest) -> Result<T, Problem> {
    manifest
        .value
        .typed()
        .map_err(|error| Problem::new("", format!("can't be read as a {}: {error}", manifest.kind.name())))
}

/// Gives the Tenant its namespace, where no other has it.
pub(super) fn claim(
    tenant: &Tenant,
    name: &str,
    namespaces: &mut BTreeMap<String, String>,
) -> Result<(), Problem> {
    let holder = namespaces.entry(tenant.namespace().to_owned()).or_insert_with(|| name.to_owned());
    if holder == name {
        return Ok(());
    }
    let message = format!("namespace \"{}\" is Tenant {holder}'s", tenant.namespace());
    let pointer = if tenant.spec.namespace.is_some() { "/spec/namespace" } else { "/metadata/name" };
    Err(Problem::new(pointer, message)
        .reason(reasons::NAMESPACE_TAKEN)
        .hint("give each Tenant a namespace of its own"))
}

/// The rules that a Platform file sets: its spec without the trust root. A file that is wrong, or that
/// changes the trust root, is held as a whole.
fn own_rules(manifest: &Manifest, platform: &Platform) -> Result<serde_json::Value, Vec<Problem>> {
    if let Some(problem) = foreign_platform(manifest, platform) {
        return Err(vec![problem]);
    }
    let mut candidate: Platform = manifest
        .value
        .typed()
        .map_err(|error| vec![Problem::new("", format!("can't be read as a Platform: {error}"))])?;
    candidate.spec.source.clone_from(&platform.spec.source);
    let held = root::held(&platform.spec, &candidate.spec);
    if !held.is_empty() {
        return Err(held);
    }
    candidate.spec.backups = candidate.spec.backups.or_else(|| platform.spec.backups.clone());
    super::platform::validate(&candidate)?;
    let mut rules = manifest.given.value().get("spec").cloned().unwrap_or_default();
    match rules.as_object_mut() {
        Some(map) => drop(map.remove("source")),
        None => rules = serde_json::json!({}),
    }
    root::fill(&mut rules, &platform.spec);
    Ok(rules)
}

/// A Platform file may speak of its own Platform only, and never of the trust root.
fn foreign_platform(manifest: &Manifest, platform: &Platform) -> Option<Problem> {
    let name = platform.metadata.name.as_deref().unwrap_or_default();
    if manifest.name != name {
        let message =
            format!("Platform {} can't be changed from the source of Platform {name}", manifest.name);
        return Some(
            Problem::new("/metadata/name", message)
                .hint("a Platform comes from its own source or from kubectl"),
        );
    }
    let given = manifest.given.value();
    let given = given.pointer("/spec/source")?;
    let present = serde_json::to_value(&platform.spec.source).unwrap_or_default();
    let mut filled = manifest.value.value().pointer("/spec/source").cloned().unwrap_or_default();
    if filled.is_null() {
        filled = given.clone();
    }
    (filled != present).then(|| {
        Problem::new(
            "/spec/source",
            "the trust root of a Platform can't be changed from the repository that it protects",
        )
        .reason(reasons::TRUST_ROOT_CHANGE)
        .hint("change it with kubectl, and take it out of the file")
    })
}

/// Tenants of this source that no file names any more. Absence is never an instruction: they stay.
fn missing(
    decision: &mut Decision,
    incomplete: &BTreeSet<String>,
    rules: &ValidatedPlatform,
    owners: &BTreeMap<String, Owner>,
) {
    for (name, owner) in owners {
        let Some(path) =
            owner.source.as_deref().and_then(|source| source.strip_prefix(&format!("{}/", rules.name)))
        else {
            continue;
        };
        if decision.wanted.contains_key(name) || decision.behind.contains_key(name) {
            continue;
        }
        let behind = if incomplete.contains(path) {
            let message =
                format!("{path} has findings, and the Tenant may be in it; the last good content stays");
            Behind { reason: reasons::INVALID_FILE, message }
        } else {
            let message = format!(
                "{path} no longer names the Tenant; it stays as it is. To end it, bring the file back with lifecycle: Cancelled; to keep it without Git, remove the annotation {}",
                marks::SOURCE
            );
            Behind { reason: reasons::MISSING_FROM_SOURCE, message }
        };
        decision.behind.insert(name.clone(), behind);
    }
}

#[cfg(test)]
mod tests;
