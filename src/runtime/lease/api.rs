//! The Lease as the election sees it, and the three calls that it makes.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::runtime::call::CallError;

/// The field manager of our Lease writes.
const MANAGER: &str = "tenantry";

/// What the Lease says. The timestamps are somebody's clock: they are compared
/// for equality only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Who leads; `None` when it was released.
    pub holder: Option<String>,
    /// For how long the record holds after each change; `None` when not said.
    pub duration: Option<Duration>,
    /// When the holder took it.
    pub acquired: Option<Timestamp>,
    /// When the holder renewed it last.
    pub renewed: Option<Timestamp>,
    /// How often it changed hands: the term.
    pub transitions: i32,
}

/// A record and the resourceVersion that it was read at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What it says.
    pub record: Record,
    /// The version that a write must be based on.
    pub version: String,
}

/// The calls of an election. Deadlines are the caller's; implementations do not retry.
pub trait LeaseApi: Send + Sync {
    /// Reads the Lease; `None` when there is none.
    fn get(&self) -> impl Future<Output = Result<Option<Stored>, CallError>> + Send;

    /// Creates the Lease; [`CallError::AlreadyExists`] when somebody else did.
    fn create(&self, record: &Record) -> impl Future<Output = Result<Stored, CallError>> + Send;

    /// Writes the record if the Lease is still at `version`, else
    /// [`CallError::Conflict`]; [`CallError::NotFound`] when it is gone.
    fn update(
        &self,
        record: &Record,
        version: &str,
    ) -> impl Future<Output = Result<Stored, CallError>> + Send;
}

/// The Lease in a cluster. Needs the verbs get, create and patch.
#[derive(Clone, Debug)]
pub struct KubeLease {
    api: Api<Lease>,
    name: String,
}

impl KubeLease {
    /// The Lease `namespace/name`. The client must not retry by itself
    /// (`api_client` builds it so): a retried write would outlive its moment.
    #[must_use]
    pub fn new(client: kube::Client, namespace: &str, name: impl Into<String>) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.into() }
    }
}

impl LeaseApi for KubeLease {
    async fn get(&self) -> Result<Option<Stored>, CallError> {
        Ok(self.api.get_opt(&self.name).await?.map(stored))
    }

    async fn create(&self, record: &Record) -> Result<Stored, CallError> {
        let lease = Lease {
            metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
            spec: Some(to_spec(record)),
        };
        let params = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
        Ok(stored(self.api.create(&params, &lease).await?))
    }

    /// A merge patch with the resourceVersion in its body: conditional like an
    /// update, and it keeps labels and fields that are not ours.
    async fn update(&self, record: &Record, version: &str) -> Result<Stored, CallError> {
        if version.is_empty() {
            // An empty one would make the write unconditional.
            return Err(CallError::Conflict("the Lease has no resourceVersion".into()));
        }
        let spec = to_spec(record);
        let patch = json!({
            "metadata": { "resourceVersion": version },
            "spec": {
                "holderIdentity": spec.holder_identity, // null removes it
                "leaseDurationSeconds": spec.lease_duration_seconds,
                "acquireTime": spec.acquire_time,
                "renewTime": spec.renew_time,
                "leaseTransitions": spec.lease_transitions,
            },
        });
        let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        Ok(stored(self.api.patch(&self.name, &params, &Patch::Merge(patch)).await?))
    }
}

fn to_spec(record: &Record) -> LeaseSpec {
    LeaseSpec {
        holder_identity: record.holder.clone(),
        lease_duration_seconds: record.duration.map(|d| i32::try_from(d.as_secs()).unwrap_or(i32::MAX)),
        acquire_time: record.acquired.map(MicroTime),
        renew_time: record.renewed.map(MicroTime),
        lease_transitions: Some(record.transitions),
        ..LeaseSpec::default()
    }
}

fn stored(lease: Lease) -> Stored {
    let spec = lease.spec.unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0);
    Stored {
        record: Record {
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            duration: seconds.map(Duration::from_secs),
            acquired: spec.acquire_time.map(|time| time.0),
            renewed: spec.renew_time.map(|time| time.0),
            transitions: spec.lease_transitions.unwrap_or(0),
        },
        version: lease.metadata.resource_version.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_the_way_to_the_cluster_and_back() {
        let record = Record {
            holder: Some("me".into()),
            duration: Some(Duration::from_secs(15)),
            acquired: Some("2026-11-22T01:02:03.000004Z".parse().unwrap()),
            renewed: Some("2026-11-22T01:02:05.5Z".parse().unwrap()),
            transitions: 7,
        };
        let text = serde_json::to_string(&Lease {
            metadata: ObjectMeta { resource_version: Some("42".into()), ..ObjectMeta::default() },
            spec: Some(to_spec(&record)),
        });
        let back = stored(serde_json::from_str(&text.unwrap()).unwrap());
        assert_eq!(back, Stored { record, version: "42".into() });
    }

    #[test]
    fn a_lease_with_odd_or_missing_fields_is_a_free_one() {
        let spec = LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(-3),
            ..LeaseSpec::default()
        };
        let lease = Lease { spec: Some(spec), ..Lease::default() };
        assert_eq!(stored(lease).record, Record::default());
        assert_eq!(stored(Lease::default()).record, Record::default());
    }
}
