//! Does the cluster have the definitions that this version knows? Writing into another schema would
//! lose fields without a word.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, ResourceExt,
    api::{ObjectMeta, PartialObjectMeta},
    runtime::watcher::Event,
};
use tokio::{sync::watch as signal, task::JoinSet};
use tracing::{info, warn};

use crate::{
    api::{conditions::reasons, marks},
    runtime::health::Health,
};

use super::watch::{config, follow};

/// What readiness calls it.
const HEALTH: &str = "definitions";
/// The name of both watches; readiness knows it is synced by what it says of each definition.
const WATCH: &str = "customresourcedefinitions";

/// The cluster's definitions, held against those that this version knows; clones share it.
#[derive(Clone, Debug)]
pub struct Definitions(signal::Receiver<BTreeMap<String, String>>);

impl Definitions {
    /// Watches the definitions that this version knows, as long as the tasks live. Readiness says what is
    /// wrong with them.
    pub fn watch(
        client: &Client,
        known: impl IntoIterator<Item = CustomResourceDefinition>,
        health: &Health,
    ) -> (Self, JoinSet<()>) {
        let (problems, receiver) = signal::channel(BTreeMap::new());
        let problems = std::sync::Arc::new(problems);
        let beat = health.watch(WATCH);
        let mut tasks = JoinSet::new();
        for definition in known {
            let name = definition.name_any();
            let mut one = One { name: name.clone(), schema: digest(&definition.metadata), listed: false };
            let unread = format!("CRD {name} is not read yet; the log says why if that lasts");
            tell(&problems, health, &name, Err(unread));
            let api: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(client.clone());
            // By name: so it may be in a role.
            let config = config().fields(&format!("metadata.name={name}"));
            let (problems, health) = (std::sync::Arc::clone(&problems), health.clone());
            tasks.spawn(follow(WATCH, beat.clone(), api, config, move |event| {
                if let Some(verdict) = one.verdict(&event) {
                    tell(&problems, &health, &one.name, verdict);
                }
            }));
        }
        (Self(receiver), tasks)
    }

    /// Waits until the cluster has the definitions that this version knows.
    pub async fn right(&mut self) {
        self.until(BTreeMap::is_empty).await;
    }

    /// Waits until it doesn't.
    pub async fn wrong(&mut self) {
        self.until(|problems| !problems.is_empty()).await;
    }

    async fn until(&mut self, state: impl Fn(&BTreeMap<String, String>) -> bool) {
        // Without the watches nothing is ever known again.
        if self.0.wait_for(|problems| state(problems)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Takes a verdict over one definition to those who wait, to readiness and to the log.
fn tell(
    problems: &signal::Sender<BTreeMap<String, String>>,
    health: &Health,
    name: &str,
    verdict: Result<(), String>,
) {
    problems.send_if_modified(|problems| {
        let before = problems.remove(name);
        if let Err(problem) = &verdict {
            problems.insert(name.to_owned(), problem.clone());
        }
        match problems.values().next() {
            Some(problem) => health.block(HEALTH, problem.clone()),
            None => health.unblock(HEALTH),
        }
        let changed = before.as_ref() != verdict.as_ref().err();
        match &verdict {
            Err(problem) if changed => warn!(problem, "nothing is written"),
            Ok(()) if changed => info!(crd = name, "as this version knows it"),
            _ => {}
        }
        changed
    });
}

/// One definition, as its watch shows it.
struct One {
    name: String,
    /// Digest of the schema that this version knows.
    schema: String,
    /// The list under way has shown it.
    listed: bool,
}

impl One {
    /// What an event says of the definition; `None` when it says nothing.
    fn verdict(
        &mut self,
        event: &Event<PartialObjectMeta<CustomResourceDefinition>>,
    ) -> Option<Result<(), String>> {
        let name = &self.name;
        let missing = || {
            Err(format!(
                "the cluster has no CRD {name}; apply it: tenantry crds | kubectl apply --server-side -f -"
            ))
        };
        match event {
            Event::Init => {
                self.listed = false;
                None
            }
            Event::InitDone => (!self.listed).then(missing),
            Event::Delete(_) => Some(missing()),
            Event::InitApply(found) | Event::Apply(found) => {
                self.listed = true;
                Some(self.compare(&digest(&found.metadata)))
            }
        }
    }

    fn compare(&self, theirs: &str) -> Result<(), String> {
        let Self { name, schema: ours, .. } = self;
        if ours == theirs {
            return Ok(());
        }
        Err(format!(
            "{}: CRD {name} in the cluster has schema {theirs:?}, and this version knows {ours:?}; apply the CRDs of this version, or run the version of the CRDs",
            reasons::CRD_VERSION_SKEW
        ))
    }
}

/// The digest that a definition carries.
fn digest(meta: &ObjectMeta) -> String {
    meta.annotations.as_ref().and_then(|map| map.get(marks::SCHEMA)).cloned().unwrap_or_default()
}
