//! What a plan says. Everything in it is plain data: the same two revisions give the same bytes.

use serde::Serialize;
use serde_json::Value;

use crate::{
    api::{
        brake::EffectKind,
        finding::Finding,
        kinds::{Kind, ObjectId},
        tenant::{Lifecycle, Mode},
    },
    desired::meta::short_hash,
};

/// What becomes of the cluster when one revision follows another.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The Platforms, by name.
    pub platforms: Vec<PlatformPlan>,
    /// The Tenants to which something happens, by name.
    pub tenants: Vec<TenantPlan>,
    /// Tenants to which nothing happens.
    pub unchanged: usize,
    /// What is wrong now and was not before.
    pub findings: Vec<Finding>,
    /// What was wrong before already.
    pub known: Vec<Finding>,
    /// What can't be decided from files.
    pub notes: Vec<Finding>,
}

/// A Platform before and after.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlatformPlan {
    /// Its name.
    pub name: String,
    /// Tenants that it had before.
    pub tenants: usize,
    /// The fields of its spec that change.
    pub fields: Vec<FieldChange>,
}

/// What happens to a Tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Change {
    /// It is new.
    Added,
    /// It, or the rules that it lives under, changes.
    Changed,
    /// Its file was wrong and is right now; what it has in the cluster is not known here.
    Mended,
    /// No file names it any more. It stays as it is.
    Missing,
    /// Its file is wrong. It stays as it is.
    Refused,
}

/// A Tenant before and after.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantPlan {
    /// Its name.
    pub name: String,
    /// Its Platform; empty where that isn't known.
    pub platform: String,
    /// Its namespace; empty where that isn't known.
    pub namespace: String,
    /// What happens.
    pub change: Change,
    /// Why it is refused, as a reason constant.
    pub reason: Option<&'static str>,
    /// What a reader has to know besides.
    pub message: Option<String>,
    /// Its lifecycle, where that changes.
    pub lifecycle: Option<Step<Lifecycle>>,
    /// Its mode, where that changes.
    pub mode: Option<Step<Mode>>,
    /// Its children that are written or deleted, in the order in which apply does it.
    pub objects: Vec<ObjectChange>,
    /// Its services whose number of pods changes.
    pub scales: Vec<ScaleChange>,
    /// Services that roll out: their pod template changes while they run.
    pub restarts: Vec<String>,
    /// Services that stop.
    pub stops: Vec<Stop>,
    /// Services that start.
    pub starts: Vec<String>,
    /// Its services afterwards.
    pub services: Vec<ServiceAfter>,
    /// Its quota afterwards.
    pub quota: Vec<QuotaAfter>,
    /// What the brake counts.
    pub effects: Vec<Effect>,
}

/// A value that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Step<T> {
    /// Before.
    pub from: T,
    /// After.
    pub to: T,
}

/// What is done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Verb {
    /// It is made.
    Create,
    /// It is changed.
    Change,
    /// It is deleted.
    Delete,
}

/// One child that is written or deleted.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectChange {
    /// What is done.
    pub verb: Verb,
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace; empty for cluster-scoped kinds.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Hash of what it becomes, without a Secret's data; empty for one that goes.
    pub hash: String,
    /// The object whose place it takes: a ConfigMap's name is its content.
    pub replaces: Option<String>,
    /// The fields that change; none of a new object, unless it takes another's place.
    pub fields: Vec<FieldChange>,
}

/// One field that changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldChange {
    /// Its path.
    pub path: String,
    /// Before; absent when it was not there, or is hidden.
    pub old: Option<Value>,
    /// After; absent when it is not there, or is hidden.
    pub new: Option<Value>,
    /// Whether the values must not be shown.
    pub hidden: bool,
}

/// How many pods a service gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScaleChange {
    /// The Deployment or StatefulSet.
    pub deployment: String,
    /// Before: `3`, or `3 to 6` with an autoscaler.
    pub from: String,
    /// After.
    pub to: String,
}

/// A service that stops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stop {
    /// The Deployment or StatefulSet.
    pub deployment: String,
    /// Why.
    pub why: StopReason,
}

/// Why a service stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // the names say it
pub enum StopReason {
    Removed,
    Suspended,
    Cancelled,
}

/// A service afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAfter {
    /// Its name.
    pub name: String,
    /// Its pods: `3`, or `3 to 6` with an autoscaler.
    pub pods: String,
    /// Pods that drains and roll-outs leave.
    pub min_available: i32,
    /// Zones that it must be ready in.
    pub zones: u32,
    /// Volumes that each pod has: `data 10Gi (class fast) at /var/lib/db`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub storage: Vec<String>,
}

/// One line of a quota afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuotaAfter {
    /// The resource.
    pub resource: String,
    /// What the declared services take of it, roll-outs included.
    pub used: String,
    /// The quota.
    pub hard: String,
}

/// One thing that a commit does to what runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Effect {
    /// What.
    pub kind: EffectKind,
    /// To which Tenant.
    pub tenant: String,
    /// To what of it.
    pub detail: String,
}

impl Plan {
    /// Whether the second revision changes nothing, and adds nothing that is wrong.
    pub fn is_empty(&self) -> bool {
        self.tenants.is_empty()
            && self.findings.is_empty()
            && self.platforms.iter().all(|platform| platform.fields.is_empty())
    }

    /// SHA-256 of the plan's canonical JSON, as hexadecimal digits: whoever looked at a plan can say which,
    /// and a plan that became another one has another hash. It says nothing of commits: the same changes
    /// on top of another commit are the same plan.
    pub fn hash(&self) -> String {
        // Strings, numbers, lists and maps with string keys: nothing that JSON can't say.
        let mut value = serde_json::to_value(self).unwrap_or_default();
        value.sort_all_objects();
        short_hash(value.to_string().as_bytes(), 64)
    }

    /// Every effect on the Tenants of one Platform.
    pub fn effects(&self, platform: &str) -> Vec<Effect> {
        let own = self.tenants.iter().filter(|tenant| tenant.platform == platform);
        let mut effects: Vec<Effect> = own.flat_map(|tenant| tenant.effects.iter().cloned()).collect();
        effects.sort();
        effects
    }

    /// How many Tenants have this change.
    pub fn count(&self, change: Change) -> usize {
        self.tenants.iter().filter(|tenant| tenant.change == change).count()
    }
}

impl ObjectChange {
    /// `Deployment acme/web`.
    pub fn id(&self) -> String {
        match self.namespace.as_str() {
            "" => format!("{} {}", self.kind, self.name),
            namespace => format!("{} {namespace}/{}", self.kind, self.name),
        }
    }

    /// Which object it is; `None` of a kind that this version doesn't make.
    pub(super) fn object(&self) -> Option<ObjectId> {
        let kind = Kind::ALL.into_iter().find(|kind| kind.info().kind == self.kind)?;
        Some(ObjectId { kind, namespace: self.namespace.clone(), name: self.name.clone() })
    }

    pub(super) fn new(verb: Verb, id: &ObjectId, hash: &str) -> Self {
        Self {
            verb,
            kind: id.kind.info().kind,
            namespace: id.namespace.clone(),
            name: id.name.clone(),
            hash: hash.to_owned(),
            replaces: None,
            fields: Vec::new(),
        }
    }
}
