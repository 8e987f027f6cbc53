//! How many pods each Deployment and StatefulSet has: written through `/scale`, and only where a rule is broken.

use serde_json::{Value, json};
use tracing::debug;

use crate::{
    api::{kinds::ObjectId, marks},
    desired::Scale,
    observe::world::Scaled,
};

use super::{
    drift::{self, Change},
    pass::{Failure, Pass, Request},
    writer::Writer,
};

/// Who scales by design: we do, and autoscalers do.
const BY_DESIGN: [&str; 2] = [marks::MANAGER_REPLICAS, "kube-controller-manager"];

/// Corrects every one that breaks its rule, and notes who broke it.
pub(super) async fn run(writer: &Writer, request: &Request<'_>, scales: &[Scale], pass: &mut Pass) {
    for scale in scales {
        let id = scale.of.clone();
        if pass.failures.iter().any(|failure| failure.id == id) || pass.pending.contains(&id) {
            continue;
        }
        // One that was just made has one pod: the API server's default.
        let known = request.live.contains_key(&id).then(|| request.replicas.get(&id)).flatten();
        let Some(replicas) = scale.rule.correction(known.copied().unwrap_or(1)) else { continue };
        let before = request.rules.get(&id);
        let changes = match known {
            Some(_) if before.is_none_or(|before| *before == scale.rule) => {
                foreign(writer, &id, replicas, before.is_some()).await
            }
            // Just made, or a new rule: broken by nobody.
            _ => Vec::new(),
        };
        match writer.scale(&id, replicas).await {
            Ok(version) => {
                debug!(object = %id, replicas, was = known, "scaled");
                pass.scaled.push(Scaled { of: id.clone(), replicas, version });
            }
            Err(error) => {
                pass.failures.push(Failure { id, problem: error.into() });
                return;
            }
        }
        if !changes.is_empty() {
            pass.healed.push((id, changes));
        }
    }
}

/// Who set another number; nobody's name counts only when it is `certain` that the rule held before. Only
/// for the message: what can't be read is not told.
async fn foreign(writer: &Writer, id: &ObjectId, replicas: i32, certain: bool) -> Vec<Change> {
    let Ok(Some(whole)) = writer.read(id).await else { return Vec::new() };
    let desired: Value = json!({"spec": {"replicas": replicas}});
    let mut changes = drift::changes(&desired, &whole);
    changes.retain(|change| match change {
        Change::Fields { manager, .. } if manager.is_empty() => certain,
        Change::Fields { manager, .. } => !BY_DESIGN.contains(&manager.as_str()),
        Change::Deleted => false,
    });
    changes
}
