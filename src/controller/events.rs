//! Events on Tenants: for people who look with `kubectl describe`. Losing one loses nothing.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Resource,
    runtime::events::{Event, EventType},
};
use tracing::debug;

use crate::{
    api::kinds::ObjectId,
    api::{Tenant, conditions::reasons},
    apply::drift::Change,
};

use super::context::Context;

/// Longest wait for an Event to be taken.
const DEADLINE: Duration = Duration::from_secs(5);

/// Most objects of a pass with an Event each: somebody who breaks a whole tenant is told once how much it was.
const MOST: usize = 5;

/// Longest note, in characters: the API server takes a kilobyte.
const NOTE: usize = 1000;

/// Says what somebody did, and that it was healed.
pub async fn healed(ctx: &Context, tenant: &Tenant, healed: &[(ObjectId, Vec<Change>)]) {
    for (related, note) in told(tenant, healed) {
        // Events that differ in nothing but their note are counted as one, with the first one's note: which
        // object, which fields and who is said in the reference too.
        let related = ObjectReference { field_path: Some(note.clone()), ..related };
        let event = Event {
            type_: EventType::Warning,
            reason: reasons::DRIFT_HEALED.into(),
            note: Some(note),
            action: "Heal".into(),
            secondary: Some(related),
        };
        publish(ctx, tenant, &event).await;
    }
}

/// Each Event's object and note.
fn told(tenant: &Tenant, healed: &[(ObjectId, Vec<Change>)]) -> Vec<(ObjectReference, String)> {
    let one = |(id, changes): &(ObjectId, Vec<Change>)| {
        let text: Vec<String> = changes.iter().map(ToString::to_string).collect();
        (reference(id), format!("{id}: {}", text.join("; ")).chars().take(NOTE).collect())
    };
    // The sum stands for two at least: it would be as long as the one that it leaves out.
    let named = if healed.len() > MOST + 1 { MOST } else { healed.len() };
    let mut told: Vec<_> = healed.iter().take(named).map(one).collect();
    if named < healed.len() {
        told.push((tenant.object_ref(&()), format!("and {} more objects", healed.len() - named)));
    }
    told
}

fn reference(id: &ObjectId) -> ObjectReference {
    ObjectReference {
        api_version: Some(id.kind.api_version()),
        kind: Some(id.kind.info().kind.into()),
        namespace: Some(id.namespace.clone()).filter(|namespace| !namespace.is_empty()),
        name: Some(id.name.clone()),
        ..ObjectReference::default()
    }
}

async fn publish(ctx: &Context, tenant: &Tenant, event: &Event) {
    let reference = tenant.object_ref(&());
    match tokio::time::timeout(DEADLINE, ctx.recorder.publish(event, &reference)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "event not published"),
        Err(_) => debug!("event not published in time"),
    }
}
