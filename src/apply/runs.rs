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
    backup::volumes::{GIVEN_UP, SAID, objects::Thing},
    runtime::call::CallError,
};

use super::writer::{Deleted, METADATA, OnlyMeta, Writer, deletion};

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

    /// Makes something that a run of a volume needs, unless there is one of its name.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn make_for_volume(&self, thing: Thing, object: &Value) -> Result<(), CallError> {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        match self.send::<Value>(Method::POST, &thing.path(namespace), "application/json", object).await {
            // Whose it is shows the next look.
            Ok(_) | Err(CallError::AlreadyExists(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes what a run of a volume made: the object there with this uid, and no other.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn remove_of_volume(&self, path: &str, uid: &str) -> Result<Deleted, CallError> {
        deletion(self.send::<Value>(Method::DELETE, path, "application/json", &Deleted::options(uid)).await)
    }

    /// Gives a run up whose pod could not begin: its Job fails, and says why.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn give_up(
        &self,
        job: (&str, &str, &str),
        reason: &str,
        message: &str,
    ) -> Result<(), CallError> {
        let said = json!({GIVEN_UP: format!("{reason}\n{message}")});
        self.patch_job(job, json!({"metadata": {"annotations": said}, "spec": {"activeDeadlineSeconds": 1}}))
            .await
    }

    /// Notes on an ended Job what its pod said, before the pod goes.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn note_said(&self, job: (&str, &str, &str), said: &str) -> Result<(), CallError> {
        self.patch_job(job, json!({"metadata": {"annotations": {SAID: said}}})).await
    }

    async fn patch_job(
        &self,
        (namespace, name, uid): (&str, &str, &str),
        mut patch: Value,
    ) -> Result<(), CallError> {
        let uri = format!("/apis/batch/v1/namespaces/{namespace}/jobs/{name}");
        // Another Job of its name is none of ours: the API server refuses to change a uid.
        patch["metadata"]["uid"] = json!(uid);
        self.send::<Value>(Method::PATCH, &uri, "application/merge-patch+json", &patch).await.map(drop)
    }
}
