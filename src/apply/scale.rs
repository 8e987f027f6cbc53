//! How many pods each Deployment has: written through `/scale`, and only where a rule is broken.

use serde_json::{Value, json};

use crate::{
    api::{
        kinds::{Kind, ObjectId},
        marks,
    },
    desired::{Scale, ScaleRule},
    observe::world::Scaled,
};

use super::{
    drift::{self, Change},
    pass::{Failure, Pass, Request},
    writer::Writer,
};

/// Who scales by design: we do, and autoscalers do.
const BY_DESIGN: [&str; 3] = [marks::MANAGER_REPLICAS, "kube-controller-manager", ""];

/// Corrects every Deployment that breaks its rule, and notes who broke it.
pub(super) async fn run(writer: &Writer, request: &Request<'_>, scales: &[Scale], pass: &mut Pass) {
    for scale in scales {
        let key = (scale.namespace.clone(), scale.deployment.clone());
        let id = ObjectId { kind: Kind::Deployment, namespace: key.0.clone(), name: key.1.clone() };
        if pass.failures.iter().any(|failure| failure.id == id) || pass.pending.contains(&id) {
            continue;
        }
        // A Deployment that was just made has one pod: the API server's default.
        let known = request.live.contains_key(&id).then(|| request.replicas.get(&key)).flatten();
        let Some(replicas) = scale.rule.correction(known.copied().unwrap_or(1)) else { continue };
        let changes = if known.is_some() && is_old(request.rules.get(&key), scale.rule) {
            foreign(writer, &id, replicas).await
        } else {
            Vec::new()
        };
        match writer.scale(&scale.namespace, &scale.deployment, replicas).await {
            Ok(version) => {
                let (namespace, deployment) = key;
                pass.scaled.push(Scaled { namespace, deployment, replicas, version });
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

/// Whether the rule held before this pass, as far as we know: a new one is broken by nobody.
fn is_old(before: Option<&ScaleRule>, rule: ScaleRule) -> bool {
    before.is_none_or(|before| *before == rule)
}

/// Who set another number. Only for the message: what can't be read is not told.
async fn foreign(writer: &Writer, id: &ObjectId, replicas: i32) -> Vec<Change> {
    let Ok(Some(whole)) = writer.read(id).await else { return Vec::new() };
    let desired: Value = json!({"spec": {"replicas": replicas}});
    let mut changes = drift::changes(&desired, &whole);
    changes.retain(|change| !BY_DESIGN.contains(&change.manager.as_str()));
    changes
}
