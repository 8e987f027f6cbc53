//! What audit agents say of themselves, read by name in the operator's namespace.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};

use crate::audit::complete::state::{Agent, KEY, PREFIX};
use crate::runtime::call::{CallError, READ_DEADLINE, deadline};

/// What these agents say, in this order. One that never said anything has no time in it.
///
/// # Errors
/// A ConfigMap can't be read; nothing is said of any then.
pub async fn agents(client: &Client, namespace: &str, names: &[String]) -> Result<Vec<Agent>, CallError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let mut found = Vec::new();
    for name in names {
        let silent = Agent { agent: name.clone(), ..Agent::default() };
        let said = match deadline(READ_DEADLINE, api.get(&format!("{PREFIX}{name}"))).await {
            Ok(map) => map.data.and_then(|mut data| data.remove(KEY)),
            Err(CallError::NotFound(_)) => None,
            Err(error) => return Err(error),
        };
        let said = said.as_deref().and_then(Agent::parse);
        found.push(said.map_or(silent, |said| Agent { agent: name.clone(), ..said }));
    }
    Ok(found)
}
