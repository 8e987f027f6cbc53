//! Do several files claim one resource.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::manifest::{Manifest, ManifestKind, Manifests};
use super::text::code;
use crate::api::finding::Finding;

/// What all files together declare.
#[derive(Clone, Debug, Default)]
pub struct Set {
    /// The Tenants to apply, each sound and declared once, by name.
    pub tenants: Vec<Arc<Manifest>>,
    /// The Platforms to apply, each sound and declared once, by name.
    pub platforms: Vec<Arc<Manifest>>,
    /// Resources that are declared, but wrong or more than once: present, not
    /// absent. They keep their last good state.
    pub refused: BTreeSet<(ManifestKind, String)>,
    /// Those of them that are declared more than once.
    pub duplicates: BTreeSet<(ManifestKind, String)>,
    /// Everything that is wrong, by file and position.
    pub findings: Vec<Finding>,
    /// Files of which some part could not be attributed to a resource: a resource
    /// that is missing may well be in one of them.
    pub incomplete: BTreeSet<String>,
}

/// Puts the files together. A resource that is declared twice is taken from
/// neither place: no order of files may decide what runs.
pub fn set(files: Vec<Manifests>) -> Set {
    let mut set = Set::default();
    let mut claims: BTreeMap<(ManifestKind, String), Vec<Arc<Manifest>>> = BTreeMap::new();
    for file in files {
        set.findings.extend(file.findings);
        if !file.complete {
            set.incomplete.insert(file.file);
        }
        for manifest in file.tenants.into_iter().chain(file.platforms) {
            claims.entry((manifest.kind, manifest.name.clone())).or_default().push(manifest);
        }
    }
    for (resource, mut claims) in claims {
        if claims.len() > 1 {
            claims.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
            set.findings.extend((0..claims.len()).map(|index| duplicate(&claims, index)));
            set.duplicates.insert(resource.clone());
            set.refused.insert(resource);
            continue;
        }
        for manifest in claims {
            match (manifest.valid, manifest.kind) {
                (false, _) => drop(set.refused.insert((manifest.kind, manifest.name.clone()))),
                (true, ManifestKind::Tenant) => set.tenants.push(manifest),
                (true, ManifestKind::Platform) => set.platforms.push(manifest),
            }
        }
    }
    set.findings.sort();
    set
}

/// The finding for one of several places, naming the first other one.
fn duplicate(claims: &[Arc<Manifest>], index: usize) -> Finding {
    let claim = &claims[index];
    let other = &claims[usize::from(index == 0)];
    let (kind, name) = (claim.kind.name(), code(&claim.name));
    let message = match claims.len() {
        2 => format!("{kind} {name} is also declared at {}:{}", other.file, other.line),
        many => format!("{kind} {name} is declared {many} times, also at {}:{}", other.file, other.line),
    };
    claim.place().value("/metadata/name", message).hint("keep one of them; until then neither is applied")
}

#[cfg(test)]
mod tests;
