//! What files may say only when nothing stands there yet: rules about change, and the trust root.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use crate::{
    api::{Platform, finding::Finding},
    validate::{
        cross::locate,
        manifest::{Manifest, ManifestKind, Manifests, Schemas},
        root,
    },
};

/// Refuses in `head` what can't follow on `base`: a change of a field that can't change, and, where
/// Platforms come from Git, a change of their trust root. What is refused has a finding and is no longer valid.
pub fn refuse(base: &[Manifests], head: &mut [Manifests], schemas: &Schemas, git_platforms: bool) {
    let old: BTreeMap<(ManifestKind, &str), &Manifest> = base
        .iter()
        .flat_map(|file| file.tenants.iter().chain(&file.platforms))
        .filter(|manifest| manifest.valid)
        .map(|manifest| ((manifest.kind, manifest.name.as_str()), manifest.as_ref()))
        .collect();
    for file in head {
        let Manifests { tenants, platforms, findings, .. } = file;
        for manifest in tenants.iter_mut().chain(platforms).filter(|manifest| manifest.valid) {
            let Some(old) = old.get(&(manifest.kind, manifest.name.as_str())) else { continue };
            if old.value == manifest.value {
                continue;
            }
            let mut found = transitions(&old.value.value(), manifest, schemas);
            found.extend(trust_root(old, manifest).filter(|_| git_platforms));
            found.extend(backups(old, manifest).into_iter().filter(|_| git_platforms));
            if !found.is_empty() {
                Arc::make_mut(manifest).valid = false;
                findings.extend(found);
            }
        }
        findings.sort();
    }
}

/// What can't follow on `old`. A manifest was checked by itself already: what is found now is about the change.
pub(super) fn transitions(old: &Value, new: &Manifest, schemas: &Schemas) -> Vec<Finding> {
    schemas.of(new.kind).check(&new.given.value(), Some(old), new.place()).1.findings
}

fn trust_root(old: &Manifest, new: &Manifest) -> Option<Finding> {
    let source = |manifest: &Manifest| manifest.value.value().pointer("/spec/source").cloned();
    let (was, is) = (source(old)?, source(new)?);
    (new.kind == ManifestKind::Platform && was != is).then(|| {
        let message = "the trust root of a Platform can't be changed from the repository that it protects";
        new.place().value("/spec/source", message).hint("change it with kubectl, and take it out of the file")
    })
}

/// The part of it that says where backups go. What BASE doesn't say may be what the cluster says: only it can decide.
fn backups(old: &Manifest, new: &Manifest) -> Vec<Finding> {
    let of = |manifest: &Manifest| {
        let platform: Option<Platform> = manifest.value.typed().ok();
        platform
            .and_then(|platform| platform.spec.backups)
            .filter(|_| manifest.kind == ManifestKind::Platform)
    };
    let (Some(was), Some(is)) = (of(old), of(new)) else { return Vec::new() };
    root::changes(&was, &is).iter().map(|problem| locate(problem, new)).collect()
}
