//! What comes and goes with a run: its Job, and the Secret that belongs to the Job. Both are made once and never changed;
//! Kubernetes removes them when the Job has had its time.

use http::Method;
use serde_json::{Value, json};

use crate::{
    api::{RestoreDrill, marks},
    backup::volumes::{GIVEN_UP, SAID, objects::Thing},
    runtime::call::CallError,
};

use super::writer::{Deleted, Writer, deletion};

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
