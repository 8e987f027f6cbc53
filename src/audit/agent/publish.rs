//! What the agent says of itself, in a ConfigMap of its own: the operator reads it by name.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio::sync::watch;
use tracing::warn;

use crate::audit::complete::state::{Agent, COMPONENT, KEY, LABEL, PREFIX};
use crate::runtime::call::{READ_DEADLINE, deadline, report};
use crate::runtime::shutdown::Shutdown;

/// Time between two words: a third of what the operator takes for silence.
const EVERY: Duration = Duration::from_secs(30);
/// Field manager.
const MANAGER: &str = "tenantry-audit";

/// Publishes until the stop is asked for.
pub async fn run(client: Client, namespace: String, state: watch::Receiver<Agent>, shutdown: Shutdown) {
    let api: Api<ConfigMap> = Api::namespaced(client, &namespace);
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.unless_requested(ticks.tick()).await.is_some() {
        let now = state.borrow().clone();
        if now.at.is_none() {
            // Nothing was found yet; soon.
            ticks.reset_after(Duration::from_secs(1));
            continue;
        }
        let name = format!("{PREFIX}{}", now.agent);
        let text = serde_json::to_string(&now).unwrap_or_default();
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "labels": {LABEL: COMPONENT, "app.kubernetes.io/name": "tenantry"}},
            "data": {KEY: text},
        });
        let params = PatchParams::apply(MANAGER).force();
        let patch = Patch::Apply(&object);
        let written = deadline(READ_DEADLINE, api.patch(&name, &params, &patch)).await;
        if let Err(error) = written {
            warn!(name, error = report(&error), "what the agent says of itself can't be written");
        }
    }
}
