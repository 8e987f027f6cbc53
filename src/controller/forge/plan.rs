//! What one pull request would do: its commits fetched into a folder of their own, read, and held against where they
//! left the branch. Nothing of them is ever applied, and however large they are, the source's own copy is untouched.

use std::{collections::HashMap, sync::Arc};

use kube::ResourceExt;
use serde_json::json;

use crate::{
    api::{Platform, marks},
    plan::{self, Doors, Revision, report::Report},
    source::{self, CommitId, Door, Reference, Settings, Snapshot, SourceError},
    validate::{
        cross::through_door,
        manifest::{self, Manifests, Schemas},
    },
};

use super::super::{
    context::Context,
    source::{blocking, settings},
};

/// Plans a pull request's head against where it left the accepted history.
pub(super) async fn plan(
    ctx: &Context,
    platform: &Platform,
    accepted: CommitId,
    head: CommitId,
) -> Result<Box<Report>, SourceError> {
    let settings = settings(ctx, platform).await?;
    let settings = Settings { repository: ctx.pulls().join(platform.name_any()), ..settings };
    let base = bring(&settings, accepted, head).await?;
    let old = match source::snapshot(&settings, &base, None).await {
        Ok(snapshot) => Some(Arc::new(snapshot)),
        // The folder may be what the pull request brings.
        Err(SourceError::PathNotFound { .. }) => None,
        Err(error) => return Err(error),
    };
    let new = source::snapshot(&settings, &head, old.clone()).await?;
    let (schemas, platform) = (Arc::clone(&ctx.schemas), platform.clone());
    let work = move || Box::new(compare(&schemas, &platform, (base, old.as_deref()), (head, &new)));
    tokio::task::spawn_blocking(work).await.map_err(|error| SourceError::Child {
        detail: format!("planning ended early: {error}"),
        source: None,
    })
}

/// Brings both ends with the history between them; returns where they part.
async fn bring(settings: &Settings, accepted: CommitId, head: CommitId) -> Result<CommitId, SourceError> {
    let pinned = |id: CommitId| Settings { reference: Reference::Commit(id.to_string()), ..settings.clone() };
    let holds = |id: CommitId| blocking(settings, move |settings| source::holds(settings, &id));
    let meet = || blocking(settings, move |settings| source::merge_base(settings, accepted, head));
    if !holds(head).await? || meet().await?.is_none() {
        source::fetch_since(&pinned(head), &head, Some(accepted)).await?;
    }
    if !holds(accepted).await? || meet().await?.is_none() {
        source::fetch_since(&pinned(accepted), &accepted, Some(head)).await?;
    }
    meet().await?.ok_or_else(|| SourceError::NoMergeBase { head: head.short() })
}

fn compare(
    schemas: &Schemas,
    platform: &Platform,
    (base, old): (CommitId, Option<&Snapshot>),
    (head, new): (CommitId, &Snapshot),
) -> Report {
    let own = own(schemas, platform);
    let mut known = HashMap::new();
    let before = old
        .map(|old| revision(old, &own, schemas, &mut known))
        .unwrap_or_else(|| Revision { files: vec![own.clone()], findings: Vec::new() });
    let after = revision(new, &own, schemas, &mut known);
    let doors = Doors { strict: true, git_platforms: true };
    let planned = plan::plan(before, after, schemas, doors);
    let name = platform.name_any();
    let brake = platform.spec.source.as_ref().map(|source| (name.as_str(), &source.brake));
    Report::new(base.to_string(), head.to_string(), planned, brake)
}

/// The Platform as the cluster has it, as if it came from a file; without its trust root, which comes from none.
fn own(schemas: &Schemas, platform: &Platform) -> Manifests {
    let name = platform.name_any();
    let mut spec = json!(platform.spec);
    spec.as_object_mut().map(|spec| spec.remove("source"));
    let whole = json!({
        "apiVersion": marks::API_VERSION, "kind": "Platform", "metadata": {"name": name}, "spec": spec,
    });
    manifest::read(&format!("platform {name} of the cluster"), whole.to_string().as_bytes(), schemas)
}

/// One revision's files, parsed; those that both revisions have only once. The cluster's Platform stands where the
/// files don't have it.
fn revision(
    snapshot: &Snapshot,
    own: &Manifests,
    schemas: &Schemas,
    known: &mut HashMap<(String, String), Manifests>,
) -> Revision {
    let mut files: Vec<Manifests> = Vec::with_capacity(snapshot.files.len() + 1);
    for (path, file) in &snapshot.files {
        let parse = || {
            let mut found = manifest::read(path, &file.bytes, schemas);
            through_door(&mut found, file.door == Door::Platform);
            found
        };
        files.push(known.entry((path.clone(), file.blob.clone())).or_insert_with(parse).clone());
    }
    let names = |found: &Manifests| found.platforms.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
    let theirs: Vec<String> = files.iter().flat_map(names).collect();
    if !names(own).iter().any(|name| theirs.contains(name)) {
        files.push(own.clone());
    }
    Revision { files, findings: snapshot.findings.clone() }
}
