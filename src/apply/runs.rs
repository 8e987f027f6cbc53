//! What comes and goes with a run: its Job, and the Secret that belongs to the Job. Both are made once and never changed;
//! Kubernetes removes them when the Job has had its time.

use http::Method;
use serde_json::{Value, json};

use crate::{
    api::{RestoreDrill, marks},
    runtime::call::CallError,
};

use super::writer::Writer;

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
}
