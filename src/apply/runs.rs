//! What comes and goes with a run: its Job, and the Secret that belongs to the Job. The Job is made once and never changed,
//! and Kubernetes removes it when it has had its time. Of the Secret only credentials that end are renewed, and it goes as
//! soon as the run has ended.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::Method;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use crate::{
    api::{
        RestoreDrill,
        kinds::{Kind, ObjectId},
        marks,
    },
    runtime::call::CallError,
};

use super::writer::{METADATA, OnlyMeta, Writer};

/// A run's Job, for what belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct OfJob<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name, which its Secret has, too.
    pub name: &'a str,
    /// Its uid.
    pub uid: &'a str,
}

impl OfJob<'_> {
    fn secret(&self) -> ObjectId {
        let (namespace, name) = (self.namespace.to_owned(), self.name.to_owned());
        ObjectId { kind: Kind::Secret, namespace, name }
    }

    fn owns(&self, meta: &ObjectMeta) -> bool {
        let owners = meta.owner_references.iter().flatten();
        owners.into_iter().any(|owner| owner.kind == "Job" && owner.uid == self.uid)
    }
}

/// What came of making a run's Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// It is there now, with this uid.
    New(String),
    /// It was there before: the run is, or was, under way.
    Before,
}

impl Writer {
    /// Makes a run's Job, unless there is one of its name.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn make_job(&self, job: &Value) -> Result<Made, CallError> {
        let namespace = job["metadata"]["namespace"].as_str().unwrap_or_default();
        let uri = format!("/apis/batch/v1/namespaces/{namespace}/jobs");
        match self.send::<Value>(Method::POST, &uri, "application/json", job).await {
            Ok(made) => Ok(Made::New(made["metadata"]["uid"].as_str().unwrap_or_default().to_owned())),
            Err(CallError::AlreadyExists(_)) => Ok(Made::Before),
            Err(error) => Err(error),
        }
    }

    /// Makes the RestoreDrill that shows a database's last drill, unless there is one.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn make_drill(&self, drill: &RestoreDrill) -> Result<(), CallError> {
        let uri = format!("/apis/{}/restoredrills", marks::API_VERSION);
        match self.send::<Value>(Method::POST, &uri, "application/json", &json!(drill)).await {
            Ok(_) | Err(CallError::AlreadyExists(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes the Secret of a run, unless there is one.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn make_run_secret(&self, secret: &Value) -> Result<(), CallError> {
        let namespace = secret["metadata"]["namespace"].as_str().unwrap_or_default();
        let uri = format!("/api/v1/namespaces/{namespace}/secrets");
        match self.send::<Value>(Method::POST, &uri, "application/json", secret).await {
            Ok(_) | Err(CallError::AlreadyExists(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The uid of a run's Secret; `None` where there is none, or somebody else's. Its content stays where it is.
    async fn run_secret(&self, job: OfJob<'_>) -> Result<Option<String>, CallError> {
        let found: Option<OnlyMeta> = self.find(&job.secret(), Some(METADATA)).await?;
        Ok(found.map(|found| found.metadata).filter(|meta| job.owns(meta)).and_then(|meta| meta.uid))
    }

    /// Renews these keys of a run's Secret, and no others. Returns whether there is one.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn renew_run_secret(
        &self,
        job: OfJob<'_>,
        keys: &BTreeMap<String, String>,
    ) -> Result<bool, CallError> {
        let Some(uid) = self.run_secret(job).await? else { return Ok(false) };
        if keys.is_empty() {
            return Ok(true);
        }
        let mut patch = vec![json!({"op": "test", "path": "/metadata/uid", "value": uid})];
        patch.extend(keys.iter().map(
            |(key, text)| json!({"op": "add", "path": format!("/data/{key}"), "value": STANDARD.encode(text)}),
        ));
        self.patch(&job.secret(), &json!(patch)).await.map(|_| true)
    }

    /// Removes the Secret of a run that has ended, if it is still there.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn remove_run_secret(&self, job: OfJob<'_>) -> Result<(), CallError> {
        match self.run_secret(job).await? {
            Some(uid) => self.delete(&job.secret(), &uid).await.map(drop),
            None => Ok(()),
        }
    }
}
