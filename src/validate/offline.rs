//! What files mean without a cluster: the same rules, as far as files can answer them. What only a
//! cluster knows is a note, never silently right.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::api::{
    Platform, Tenant,
    conditions::reasons,
    finding::Finding,
    marks,
    platform::{Environment, PlatformSpec},
    service::{Resources, Service},
};

use super::{
    cidr::Cidr,
    cross::{claim, locate, typed},
    ground::{Inputs, PullSecret},
    manifest::{Manifest, ManifestKind, Manifests},
    platform::{self, ValidatedPlatform},
    problem::Problem,
    set::{Set, set},
    tenant::{self, ValidatedTenant},
    text::code,
};

/// Stands where only the cluster knows what to write: uids, and versions of Secrets.
pub const PLACEHOLDER: &str = "known-only-in-the-cluster";

/// A Tenant that nothing was found against.
#[derive(Clone, Debug)]
pub struct Sound {
    /// The Tenant.
    pub tenant: ValidatedTenant,
    /// Its Platform's name.
    pub platform: String,
    /// Where it stands.
    pub file: String,
}

/// A Platform that nothing was found against.
#[derive(Clone, Debug)]
pub struct Ruler {
    /// What it says.
    pub platform: Platform,
    /// Its rules.
    pub rules: ValidatedPlatform,
}

/// Why a Tenant would not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Reason constant.
    pub reason: &'static str,
    /// What is wrong.
    pub message: String,
}

/// What is there before the files come: it goes on to hold where they are silent or wrong.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Platforms, by name.
    pub platforms: BTreeMap<String, Ruler>,
    /// Tenants, by their namespace.
    pub namespaces: BTreeMap<String, String>,
}

/// What files mean.
#[derive(Clone, Debug, Default)]
pub struct Review {
    /// Tenants that the cluster would take, by name.
    pub sound: Vec<Sound>,
    /// Tenants whose Platform isn't known here: right as far as anyone can say. With the place of the
    /// Platform's name.
    pub unruled: Vec<(String, Finding)>,
    /// The Platforms, by name.
    pub platforms: BTreeMap<String, Ruler>,
    /// Everything that is wrong, by file and position.
    pub findings: Vec<Finding>,
    /// What can't be decided here.
    pub notes: Vec<Finding>,
    /// Tenants that the files name and that the cluster would not take, by name.
    pub refused: BTreeMap<String, Refused>,
    /// Files of which some part could not be attributed to a resource.
    pub incomplete: BTreeSet<String>,
    /// Tenants that the files name, sound or not.
    pub tenants_named: usize,
    /// Platforms that the files name, sound or not.
    pub platforms_named: usize,
}

/// Judges files. With `strict` every Tenant has to name one of the Platforms given; else one whose
/// Platform isn't among the files is checked as far as that goes.
pub fn review(files: Vec<Manifests>, strict: bool) -> Review {
    review_after(files, strict, &Standing::default())
}

/// Judges files that come to where something is already: a Platform that they leave out, or get wrong,
/// stays as it is, and a Tenant keeps its namespace.
pub fn review_after(files: Vec<Manifests>, strict: bool, standing: &Standing) -> Review {
    let set = set(files);
    let mut review = Review {
        tenants_named: named(&set, ManifestKind::Tenant),
        platforms_named: named(&set, ManifestKind::Platform),
        ..Review::default()
    };
    let Set { tenants, platforms, mut refused, findings, duplicates, incomplete } = set;
    review.findings = findings;
    review.incomplete = incomplete;
    for resource in refused.iter().filter(|(kind, _)| *kind == ManifestKind::Tenant) {
        let (reason, message) = if duplicates.contains(resource) {
            (reasons::DUPLICATE, "several files name it")
        } else {
            (reasons::INVALID_FILE, "its file has findings")
        };
        review.refused.insert(resource.1.clone(), Refused { reason, message: message.to_owned() });
    }
    for manifest in platforms.iter().chain(&tenants) {
        review.notes.extend(undecided(manifest));
    }
    for manifest in &platforms {
        match ruler(manifest) {
            Ok(ruler) => drop(review.platforms.insert(manifest.name.clone(), ruler)),
            Err(problems) => {
                refused.insert((ManifestKind::Platform, manifest.name.clone()));
                review.findings.extend(problems.iter().map(|problem| locate(problem, manifest)));
            }
        }
    }
    for (name, ruler) in &standing.platforms {
        review.platforms.entry(name.clone()).or_insert_with(|| ruler.clone());
    }
    let mut namespaces = standing.namespaces.clone();
    for manifest in &tenants {
        if let Err(problems) = judge(manifest, strict, &refused, &mut namespaces, &mut review) {
            let first =
                problems.first().map(|first| Refused { reason: first.reason, message: first.to_string() });
            review.refused.extend(first.map(|first| (manifest.name.clone(), first)));
            review.findings.extend(problems.iter().map(|problem| locate(problem, manifest)));
        }
    }
    review.notes.extend(missing_platforms(&review.unruled, &refused));
    review.findings.sort();
    review
}

/// What a pass over a Tenant would know, with placeholders for what only the cluster knows.
pub fn inputs(platform: &Platform) -> Inputs {
    let refs: Vec<&str> =
        platform.spec.images.pull_secret_refs.iter().map(|secret| secret.name.as_str()).collect();
    // Of which Secrets it is made is known: another list of them is another Secret.
    let version = format!("{PLACEHOLDER}: {}", refs.join(", "));
    Inputs {
        install_id: PLACEHOLDER.to_owned(),
        operator: marks::OPERATOR.to_owned(),
        pull_secret: (!refs.is_empty()).then(|| PullSecret { config: r#"{"auths":{}}"#.to_owned(), version }),
        ..Inputs::default()
    }
}

fn named(set: &Set, kind: ManifestKind) -> usize {
    let sound = match kind {
        ManifestKind::Tenant => set.tenants.len(),
        ManifestKind::Platform => set.platforms.len(),
    };
    sound + set.refused.iter().filter(|(refused, _)| *refused == kind).count()
}

fn undecided(manifest: &Manifest) -> impl Iterator<Item = Finding> + '_ {
    manifest.unchecked.iter().map(|rule| {
        let message = format!(
            "rule {} can't be decided here ({}); the API server decides it",
            code(&rule.rule),
            rule.reason
        );
        Finding::of_file(&manifest.file, message).at(manifest.line, 0).field(&rule.field)
    })
}

fn ruler(manifest: &Manifest) -> Result<Ruler, Vec<Problem>> {
    let platform: Platform = typed(manifest).map_err(|problem| vec![problem])?;
    let rules = platform::validate(&platform)?;
    Ok(Ruler { platform, rules })
}

/// Checks one Tenant, and puts it where it belongs.
fn judge(
    manifest: &Manifest,
    strict: bool,
    refused: &BTreeSet<(ManifestKind, String)>,
    namespaces: &mut BTreeMap<String, String>,
    review: &mut Review,
) -> Result<(), Vec<Problem>> {
    let one: Tenant = typed(manifest).map_err(|problem| vec![problem])?;
    let platform = one.spec.platform_ref.name.clone();
    let ruler = review.platforms.get(&platform);
    let wrong_itself = refused.contains(&(ManifestKind::Platform, platform.clone()));
    if strict && ruler.is_none() && !wrong_itself {
        return Err(vec![unknown_platform(&platform, &review.platforms)]);
    }
    let checked = match ruler {
        Some(ruler) => tenant::validate(&one, &ruler.rules),
        None => tenant::validate(&one, &lenient(&platform, &one.spec.services)?),
    };
    let mut checked = checked?;
    claim(&one, &manifest.name, namespaces).map_err(|problem| vec![problem])?;
    if ruler.is_some() {
        PLACEHOLDER.clone_into(&mut checked.uid);
        review.sound.push(Sound { tenant: checked, platform, file: manifest.file.clone() });
    } else {
        let place = manifest.place().value("/spec/platformRef/name", platform);
        review.unruled.push((manifest.name.clone(), place));
    }
    Ok(())
}

fn unknown_platform(name: &str, known: &BTreeMap<String, Ruler>) -> Problem {
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    let problem =
        Problem::new("/spec/platformRef/name", format!("Platform \"{name}\" is not the one that was given"));
    if names.is_empty() { problem } else { problem.hint(format!("write {}", names.join(" or "))) }
}

/// Rules that forbid nothing which only a Platform could forbid.
fn lenient(name: &str, services: &[Service]) -> Result<ValidatedPlatform, Vec<Problem>> {
    let everywhere = ["0.0.0.0/0", "::/0"].iter().filter_map(|range| Cidr::parse(range).ok());
    let annotations = services.iter().flat_map(|one| one.service_account_annotations.keys().cloned());
    let nothing = |key: &str| (key.to_owned(), "0".into());
    let mut platform = Platform::new(name, PlatformSpec::default());
    // An amount that nobody knows counts as nothing: no quota is called too small by a guess.
    platform.spec.defaults.resources =
        Resources { requests: [nothing("cpu"), nothing("memory")].into(), ..Resources::default() };
    let backups = json!({
        "store": {"region": "any", "bucket": "any", "credentials": {"name": "any"}},
        "key": {"secret": {"name": "any"}},
        "postgresql": {"image": "any"},
    });
    Ok(ValidatedPlatform {
        environment: Environment::Test,
        backups: serde_json::from_value(backups).ok(),
        default_quota: BTreeMap::new(),
        egress_limits: everywhere.collect(),
        service_account_annotations: annotations.collect(),
        ..platform::validate(&platform)?
    })
}

/// One note for each Platform that Tenants name and that can't be asked.
fn missing_platforms(
    unruled: &[(String, Finding)],
    refused: &BTreeSet<(ManifestKind, String)>,
) -> Vec<Finding> {
    let mut by_platform: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for (_, place) in unruled {
        by_platform.entry(&place.message).or_default().push(place);
    }
    let note = |(name, places): (&str, Vec<&Finding>)| {
        let wrong_itself = refused.contains(&(ManifestKind::Platform, name.to_owned()));
        let (why, hint) = if wrong_itself {
            ("has findings itself", "mend the Platform first")
        } else {
            ("is not among the files", "name its file with --platform")
        };
        let tenants =
            if places.len() == 1 { "1 Tenant".to_owned() } else { format!("{} Tenants", places.len()) };
        let message = format!(
            "Platform \"{name}\" {why}: its limits, images, egress and quota are not checked for {tenants}"
        );
        Finding { message, hint: Some(hint.to_owned()), ..places[0].clone() }
    };
    by_platform.into_iter().map(note).collect()
}

#[cfg(test)]
mod tests;
