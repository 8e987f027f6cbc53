//! What is there of a run's objects, as far as the next step depends on it.

use jiff::Timestamp;
use serde_json::Value;

use super::RUN_UID;

/// Everything that a run's next step depends on; `None` is what isn't there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The tenant's claim.
    pub claim: Option<Claim>,
    /// The snapshot of it.
    pub taken: Option<Snapshot>,
    /// That snapshot's content.
    pub content: Option<Content>,
    /// Our content in the other namespace's name.
    pub bridge: Option<Content>,
    /// The snapshot there.
    pub copy: Option<Snapshot>,
    /// The claim there.
    pub volume: Option<Claim>,
    /// Whether the run has its Secret.
    pub told: bool,
}

/// What every object has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The uid of the Job that it was made for; empty where it is nobody's.
    pub run: String,
}

/// A PersistentVolumeClaim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// What every object has.
    pub meta: Meta,
    /// Whether it has its volume.
    pub bound: bool,
    /// Its StorageClass; empty for none.
    pub class: String,
    /// The driver that made its volume; empty where nobody noted one.
    pub driver: String,
    /// How much it holds, as a quantity.
    pub capacity: String,
    /// Whether it is a bare device, without files.
    pub block: bool,
}

/// A VolumeSnapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// What every object has.
    pub meta: Meta,
    /// Whether volumes can be made of it.
    pub ready: bool,
    /// Its content's name; empty before it has one.
    pub content: String,
    /// When it was taken.
    pub taken: Option<Timestamp>,
    /// How big a volume of it has to be, as a quantity; empty where the driver doesn't say.
    pub size: String,
    /// What went wrong, and when.
    pub error: Option<(String, Option<Timestamp>)>,
}

/// A VolumeSnapshotContent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// What every object has.
    pub meta: Meta,
    /// The driver.
    pub driver: String,
    /// What the driver calls the snapshot; empty before there is one.
    pub handle: String,
}

/// A text in an object; empty where there is none.
pub(super) fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn time(object: &Value, pointer: &str) -> Option<Timestamp> {
    text(object, pointer).parse().ok()
}

/// An annotation; its key has slashes, so that no pointer leads there.
pub(super) fn annotation(object: &Value, key: &str) -> String {
    object["metadata"]["annotations"][key].as_str().unwrap_or_default().to_owned()
}

impl Meta {
    /// From any object.
    #[must_use]
    pub fn read(object: &Value) -> Self {
        Self {
            name: text(object, "/metadata/name"),
            uid: text(object, "/metadata/uid"),
            run: annotation(object, RUN_UID),
        }
    }
}

impl Claim {
    /// From what the API server has.
    #[must_use]
    pub fn read(object: &Value) -> Self {
        let drivers =
            ["volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner"];
        let found = drivers.map(|key| annotation(object, key));
        Self {
            meta: Meta::read(object),
            bound: text(object, "/status/phase") == "Bound",
            class: text(object, "/spec/storageClassName"),
            driver: found.into_iter().find(|driver| !driver.is_empty()).unwrap_or_default(),
            capacity: text(object, "/status/capacity/storage"),
            block: text(object, "/spec/volumeMode") == "Block",
        }
    }
}

impl Snapshot {
    /// From what the API server has.
    #[must_use]
    pub fn read(object: &Value) -> Self {
        let error = object.pointer("/status/error/message").and_then(Value::as_str);
        Self {
            meta: Meta::read(object),
            ready: object.pointer("/status/readyToUse").and_then(Value::as_bool).unwrap_or_default(),
            content: text(object, "/status/boundVolumeSnapshotContentName"),
            taken: time(object, "/status/creationTime"),
            size: text(object, "/status/restoreSize"),
            error: error.map(|said| (said.to_owned(), time(object, "/status/error/time"))),
        }
    }
}

impl Content {
    /// From what the API server has.
    #[must_use]
    pub fn read(object: &Value) -> Self {
        Self {
            meta: Meta::read(object),
            driver: text(object, "/spec/driver"),
            handle: text(object, "/status/snapshotHandle"),
        }
    }
}
