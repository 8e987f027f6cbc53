//! One object under watch, opened before the change, so that its healing is seen when it happens.

use std::time::{Duration, Instant};

use futures::{StreamExt, pin_mut};
use kube::api::{DynamicObject, WatchEvent, WatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;
use tenantry::api::kinds::Kind;
use tenantry::observe::watch::resource;
use tokio::task::JoinHandle;

use crate::Outcome;

/// The objects of a kind in a namespace.
pub fn api(client: &Client, kind: Kind, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &resource(kind))
}

/// What is waited for.
#[derive(Debug, Clone)]
pub enum Until {
    /// The value is there.
    Is(String, Value),
    /// Another object has the name.
    Replaced(String),
}

impl Until {
    fn holds(&self, object: &DynamicObject) -> bool {
        match self {
            Self::Is(pointer, value) => object.data.pointer(pointer) == Some(value),
            Self::Replaced(uid) => object.uid().is_some_and(|now| now != *uid),
        }
    }
}

/// Watches `object`, from any state of it that the API server has at hand: from the object's own version on, it
/// may be too old for the server. The task ends with the moment at which an event first showed
/// what is waited for; where it is so already, after one that showed it broken.
pub async fn watch(
    api: &Api<DynamicObject>,
    object: &DynamicObject,
    until: Until,
) -> Outcome<JoinHandle<Outcome<Instant>>> {
    let params = WatchParams::default().fields(&format!("metadata.name={}", object.name_any()));
    let stream = api.watch(&params, "0").await?;
    let name = object.name_any();
    let held = until.holds(object);
    Ok(tokio::spawn(async move {
        pin_mut!(stream);
        // What holds already must be broken first: before that it says nothing.
        let mut changed = !held;
        while let Some(event) = stream.next().await {
            if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event? {
                let now = Instant::now();
                let holds = until.holds(&object);
                if holds && changed {
                    return Ok(now);
                }
                changed |= !holds;
            }
        }
        Err(format!("the watch of {name} ended").into())
    }))
}

/// The time from `start` to the moment that the watch saw.
pub async fn took(watch: JoinHandle<Outcome<Instant>>, start: Instant, what: &str) -> Outcome<Duration> {
    let seen = tokio::time::timeout(Duration::from_secs(60), watch).await;
    let seen = seen.map_err(|_| format!("{what}: not seen in 60 s"))???;
    Ok(seen.saturating_duration_since(start))
}
