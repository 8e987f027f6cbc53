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

/// Says that somebody's change was healed.
pub async fn healed(ctx: &Context, tenant: &Tenant, id: &ObjectId, changes: &[Change]) {
    let text: Vec<String> = changes.iter().map(ToString::to_string).collect();
    let text = text.join("; ");
    // Events that differ in nothing but their note are counted as one, with the first one's note: which
    // object, which fields and who is said in the reference too.
    let related = ObjectReference {
        api_version: Some(id.kind.api_version()),
        kind: Some(id.kind.info().kind.into()),
        namespace: Some(id.namespace.clone()).filter(|namespace| !namespace.is_empty()),
        name: Some(id.name.clone()),
        field_path: Some(text.clone()),
        ..ObjectReference::default()
    };
    let event = Event {
        type_: EventType::Warning,
        reason: reasons::DRIFT_HEALED.into(),
        note: Some(format!("{id}: {text}")),
        action: "Heal".into(),
        secondary: Some(related),
    };
    let reference = tenant.object_ref(&());
    let publish = ctx.recorder.publish(&event, &reference);
    match tokio::time::timeout(DEADLINE, publish).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "event not published"),
        Err(_) => debug!("event not published in time"),
    }
}
