//! What there is of a tenant's volumes and of the runs that save them: read by name when it is needed, and kept nowhere.

use http::Request;
use kube::Client;
use serde_json::Value;

use crate::{
    backup::volumes::{
        objects::{Bridge, SNAPSHOTS, Thing},
        seen::{Claim, Content, Seen, Snapshot},
        support::Class,
    },
    runtime::call::{CallError, READ_DEADLINE, deadline},
};

async fn get(client: &Client, path: &str) -> Result<Option<Value>, CallError> {
    let request = Request::get(path).body(Vec::new());
    let request = request.map_err(|error| CallError::Invalid(format!("{path}: {error}")))?;
    match deadline(READ_DEADLINE, client.request(request)).await {
        Ok(object) => Ok(Some(object)),
        Err(CallError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn one(client: &Client, thing: Thing, namespace: &str, name: &str) -> Result<Option<Value>, CallError> {
    get(client, &format!("{}/{name}", thing.path(namespace))).await
}

/// The VolumeSnapshotClasses; `None` where the cluster knows no snapshots.
///
/// # Errors
/// As [`CallError`].
pub async fn classes(client: &Client) -> Result<Option<Vec<Class>>, CallError> {
    let found = get(client, &format!("/apis/{SNAPSHOTS}/volumesnapshotclasses?limit=500")).await?;
    let list = |found: Value| found["items"].as_array().map(|all| all.iter().map(Class::read).collect());
    Ok(found.map(|found| list(found).unwrap_or_default()))
}

/// A claim.
///
/// # Errors
/// As [`CallError`].
pub async fn claim(client: &Client, namespace: &str, name: &str) -> Result<Option<Claim>, CallError> {
    Ok(one(client, Thing::Claim, namespace, name).await?.as_ref().map(Claim::read))
}

/// What there is of a run. `told`: whether it has its Secret, which nobody may look at.
///
/// # Errors
/// As [`CallError`].
pub async fn seen(client: &Client, bridge: &Bridge<'_>, told: bool) -> Result<Seen, CallError> {
    let (name, content) = (bridge.name(), bridge.content_name());
    let read = |thing, namespace, name| one(client, thing, namespace, name);
    let source = async {
        // Nobody asks for it where only what is left counts.
        if bridge.claim.is_empty() { Ok(None) } else { read(Thing::Claim, bridge.from, bridge.claim).await }
    };
    let (source, taken, ours, copy, volume) = tokio::try_join!(
        source,
        read(Thing::Snapshot, bridge.from, &name),
        read(Thing::Content, "", &content),
        read(Thing::Snapshot, bridge.to, &name),
        read(Thing::Claim, bridge.to, &name),
    )?;
    let taken = taken.as_ref().map(Snapshot::read);
    let content = match taken.as_ref().filter(|taken| !taken.content.is_empty()) {
        Some(taken) => one(client, Thing::Content, "", &taken.content).await?,
        None => None,
    };
    Ok(Seen {
        claim: source.as_ref().map(Claim::read),
        taken,
        content: content.as_ref().map(Content::read),
        bridge: ours.as_ref().map(Content::read),
        copy: copy.as_ref().map(Snapshot::read),
        volume: volume.as_ref().map(Claim::read),
        told,
    })
}
