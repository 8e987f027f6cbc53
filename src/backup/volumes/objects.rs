//! What a run makes beside its Job.

use serde_json::{Value, json};

use crate::api::marks;

use super::{RUN_UID, seen::Claim};

/// `apiVersion` of snapshots and all that belongs to them.
pub const SNAPSHOTS: &str = "snapshot.storage.k8s.io/v1";

/// A run, as its objects know it.
#[derive(Clone, Copy, Debug)]
pub struct Bridge<'a> {
    /// Name of the Job.
    pub job: &'a str,
    /// Its uid.
    pub uid: &'a str,
    /// The Tenant.
    pub tenant: &'a str,
    /// Its uid.
    pub tenant_uid: &'a str,
    /// The installation.
    pub install_id: &'a str,
    /// The tenant's namespace.
    pub from: &'a str,
    /// The tenant's claim.
    pub claim: &'a str,
    /// The Job's namespace.
    pub to: &'a str,
    /// The VolumeSnapshotClass; empty where none is known.
    pub class: &'a str,
}

/// A kind of object that runs make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// A VolumeSnapshot.
    Snapshot,
    /// A VolumeSnapshotContent.
    Content,
    /// A PersistentVolumeClaim.
    Claim,
}

impl Thing {
    /// Its kind's name.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Snapshot => "VolumeSnapshot",
            Self::Content => "VolumeSnapshotContent",
            Self::Claim => "PersistentVolumeClaim",
        }
    }

    /// Where the API server has those of a namespace.
    #[must_use]
    pub fn path(self, namespace: &str) -> String {
        match self {
            Self::Snapshot => format!("/apis/{SNAPSHOTS}/namespaces/{namespace}/volumesnapshots"),
            Self::Content => format!("/apis/{SNAPSHOTS}/volumesnapshotcontents"),
            Self::Claim => format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims"),
        }
    }
}

/// What everything is called that the run of a Job makes in a namespace; its claim is one of them.
#[must_use]
pub fn name(job: &str) -> String {
    format!("{}{job}", marks::OWN_PREFIX)
}

impl Bridge<'_> {
    /// Name of all that is in a namespace.
    #[must_use]
    pub fn name(&self) -> String {
        name(self.job)
    }

    /// Name of the content: no namespace keeps it from others.
    #[must_use]
    pub fn content_name(&self) -> String {
        format!("{}{}", marks::OWN_PREFIX, self.uid)
    }

    fn meta(&self, name: &str, namespace: Option<&str>) -> Value {
        let mut meta = json!({
            "name": name,
            "labels": {marks::MANAGED_BY: marks::MANAGED_BY_VALUE, marks::TENANT: self.tenant},
            "annotations": {
                marks::TENANT_UID: self.tenant_uid, marks::INSTALL_ID: self.install_id, RUN_UID: self.uid,
            },
        });
        if let Some(namespace) = namespace {
            meta["namespace"] = json!(namespace);
        }
        if namespace == Some(self.to) {
            // Should nobody else take it away, it goes with its Job.
            meta["ownerReferences"] =
                json!([{"apiVersion": "batch/v1", "kind": "Job", "name": self.job, "uid": self.uid}]);
        }
        meta
    }

    /// The snapshot of the tenant's volume.
    #[must_use]
    pub fn taken(&self, class: &str) -> Value {
        json!({
            "apiVersion": SNAPSHOTS, "kind": "VolumeSnapshot", "metadata": self.meta(&self.name(), Some(self.from)),
            "spec": {
                "volumeSnapshotClassName": class, "source": {"persistentVolumeClaimName": self.claim},
            },
        })
    }

    /// The same snapshot under a content that another namespace may have. It stays when this goes.
    #[must_use]
    pub fn content(&self, driver: &str, handle: &str) -> Value {
        json!({
            "apiVersion": SNAPSHOTS, "kind": "VolumeSnapshotContent", "metadata": self.meta(&self.content_name(), None),
            "spec": {
                "driver": driver, "deletionPolicy": "Retain", "source": {"snapshotHandle": handle},
                "sourceVolumeMode": "Filesystem",
                "volumeSnapshotRef": {
                    "apiVersion": SNAPSHOTS, "kind": "VolumeSnapshot", "name": self.name(), "namespace": self.to,
                },
            },
        })
    }

    /// The snapshot in the Job's namespace.
    #[must_use]
    pub fn copy(&self) -> Value {
        json!({
            "apiVersion": SNAPSHOTS, "kind": "VolumeSnapshot", "metadata": self.meta(&self.name(), Some(self.to)),
            "spec": {"source": {"volumeSnapshotContentName": self.content_name()}},
        })
    }

    /// The claim that the Job's pod has, of the class that the tenant's has. Read and written once, as every class can;
    /// the pod mounts it read only.
    #[must_use]
    pub fn volume(&self, claim: &Claim, size: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": self.meta(&self.name(), Some(self.to)),
            "spec": {
                "storageClassName": claim.class, "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": size}},
                "dataSource": {
                    "apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": self.name(),
                },
            },
        })
    }
}
