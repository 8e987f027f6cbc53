//! Conditions: their types, their reasons, and how one is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One observation about an object, in the form of `metav1.Condition`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which observation.
    #[serde(rename = "type")]
    #[schemars(length(max = 64))]
    pub type_: String,
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// Generation of the spec that it speaks of.
    #[serde(default)]
    pub observed_generation: i64,
    /// RFC 3339 time of the last change of `status`.
    #[schemars(length(max = 40))]
    pub last_transition_time: String,
    /// Why, as a PascalCase constant.
    #[schemars(length(max = 128))]
    pub reason: String,
    /// Why, for people: names the object and the next step.
    #[schemars(length(max = 4096))]
    pub message: String,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // the names say it, and variant docs would turn the schema's enum into oneOf
pub enum ConditionStatus {
    True,
    False,
    #[default]
    Unknown,
}

impl ConditionStatus {
    /// The word that Kubernetes writes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// The observation that a condition makes. kstatus gives the first three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// The spec is applied, nothing waits to be pruned, declared services are available.
    Ready,
    /// Work is going on.
    Reconciling,
    /// Only a human can go on.
    Stalled,
    /// Writes to children are stopped by `tenantry.dev/paused-until`.
    Paused,
    /// Every promise that the spec asks for is kept.
    PromisesKept,
    /// The configuration in Git is what the cluster runs.
    SourceSynced,
    /// The plans of open pull requests are on the forge.
    PlansPosted,
    /// The store of backups is there, and is what was asked for.
    StoreReady,
    /// The audit log is complete, and in its archive.
    AuditComplete,
    /// Nothing weakens the tenant's isolation.
    Isolated,
    /// Every service has the pods that it asked for.
    WorkloadsAvailable,
    /// Every service is ready in as many zones as the Platform asks for.
    ZoneSpread,
    /// What the Tenant keeps is backed up, as often and for as long as the Platform says.
    BackupsCurrent,
    /// Restore points stay as long as the Platform says, and no longer.
    RetentionExact,
    /// Its restore points were restored and looked into, lately.
    RestoreVerified,
}

impl ConditionType {
    /// The name as it stands in `status.conditions[].type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::Paused => "Paused",
            Self::PromisesKept => "PromisesKept",
            Self::SourceSynced => "SourceSynced",
            Self::PlansPosted => "PlansPosted",
            Self::StoreReady => "StoreReady",
            Self::AuditComplete => "AuditComplete",
            Self::Isolated => "Isolated",
            Self::WorkloadsAvailable => "WorkloadsAvailable",
            Self::ZoneSpread => "ZoneSpread",
            Self::BackupsCurrent => "BackupsCurrent",
            Self::RetentionExact => "RetentionExact",
            Self::RestoreVerified => "RestoreVerified",
        }
    }
}

/// Finds a condition by type.
pub fn find(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == type_.as_str())
}

/// Reasons, as they stand in `status.conditions[].reason`. They are API.
pub mod reasons {
    /// All is as it should be.
    pub const SUCCEEDED: &str = "Succeeded";
    /// The spec is wrong; the message says where.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// `platformRef` names a Platform that isn't there.
    pub const PLATFORM_NOT_FOUND: &str = "PlatformNotFound";
    /// `tenantRef` names a Tenant that isn't there.
    pub const TENANT_NOT_FOUND: &str = "TenantNotFound";
    /// The Platform has no `spec.backups`.
    pub const NO_BACKUPS: &str = "NoBackups";
    /// No restore point is as old as was asked for.
    pub const NO_SUCH_POINT: &str = "NoSuchPoint";
    /// The namespace belongs to somebody else.
    pub const NAMESPACE_NOT_OURS: &str = "NamespaceNotOurs";
    /// Another Tenant has the namespace.
    pub const NAMESPACE_TAKEN: &str = "NamespaceTaken";
    /// The namespace has another uid than the one we made.
    pub const NAMESPACE_REPLACED: &str = "NamespaceReplaced";
    /// The namespace is being deleted.
    pub const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";
    /// A Platform limit refuses the spec.
    pub const LIMIT_EXCEEDED: &str = "LimitExceeded";
    /// The API server refused an object.
    pub const APPLY_REFUSED: &str = "ApplyRefused";
    /// The API server doesn't answer, or asks to wait.
    pub const APPLY_FAILED: &str = "ApplyFailed";
    /// Something that the pass needs can't be read.
    pub const INPUT_UNREADABLE: &str = "InputUnreadable";
    /// Pods are on their way.
    pub const PROGRESSING: &str = "Progressing";
    /// A roll-out has made no progress for as long as `Platform.spec.rollout.progressDeadline`.
    pub const PROGRESS_DEADLINE_EXCEEDED: &str = "ProgressDeadlineExceeded";
    /// Fewer pods are available than asked for.
    pub const UNAVAILABLE: &str = "Unavailable";
    /// Objects wait for their deletion.
    pub const PRUNING: &str = "Pruning";
    /// `lifecycle: Suspended`.
    pub const SUSPENDED: &str = "Suspended";
    /// `lifecycle: Cancelled`.
    pub const CANCELLED: &str = "Cancelled";
    /// `mode: Observe`: what would be done is in the message.
    pub const OBSERVING: &str = "Observing";
    /// `tenantry.dev/paused-until` holds.
    pub const PAUSED: &str = "Paused";
    /// Somebody changed a child; it is healed.
    pub const DRIFT_HEALED: &str = "DriftHealed";
    /// A zone has fewer ready pods than the rule asks for.
    pub const ZONE_SHORT: &str = "ZoneShort";
    /// The cluster has fewer zones than the Platform asks for.
    pub const TOO_FEW_ZONES: &str = "TooFewZones";
    /// Without one of its zones a service would fall below the pods that it must keep.
    pub const ZONE_LOSS_BREAKS: &str = "ZoneLossBreaks";
    /// Without one of its zones a service's pods would find no room elsewhere.
    pub const ZONE_LOSS_NO_ROOM: &str = "ZoneLossNoRoom";
    /// A NetworkPolicy that isn't ours is in the namespace.
    pub const FOREIGN_POLICY: &str = "ForeignPolicy";
    /// A RoleBinding that isn't ours is in the namespace.
    pub const FOREIGN_BINDING: &str = "ForeignBinding";
    /// The isolation objects are in place; nobody has tried them yet.
    pub const NOT_PROBED: &str = "NotProbed";
    /// A member, or a pod, can do what its Tenant must not be able to.
    pub const ACCESS_TOO_WIDE: &str = "AccessTooWide";
    /// A privileged pod would run in the namespace.
    pub const POD_SECURITY_NOT_ENFORCED: &str = "PodSecurityNotEnforced";
    /// Nothing in the API server keeps the marks on the namespace.
    pub const GUARDS_MISSING: &str = "GuardsMissing";
    /// Pods of one Tenant reach those of another: the network plugin doesn't enforce policies.
    pub const NETWORK_POLICY_NOT_ENFORCED: &str = "NetworkPolicyNotEnforced";
    /// What members may do can't be asked, or the answers prove nothing.
    pub const REVIEW_FAILED: &str = "ReviewFailed";
    /// What must be refused can't be tried.
    pub const TRIAL_FAILED: &str = "TrialFailed";
    /// Something holds data, and is neither backed up nor left out with a reason.
    pub const UNCOVERED: &str = "Uncovered";
    /// The newest restore point is older than it may be.
    pub const BACKUP_OVERDUE: &str = "BackupOverdue";
    /// There is no restore point yet, and there needn't be one.
    pub const NO_BACKUP_YET: &str = "NoBackupYet";
    /// A backup failed, for a reason that no other word is for.
    pub const BACKUP_FAILED: &str = "BackupFailed";
    /// Restore points are there that should be gone.
    pub const RETENTION_NOT_EXACT: &str = "RetentionNotExact";
    /// The claim can't be backed up.
    pub const VOLUME_NOT_SUPPORTED: &str = "VolumeNotSupported";
    /// What runs of volumes made for themselves is still there.
    pub const SNAPSHOTS_LEFT: &str = "SnapshotsLeft";
    /// Nobody has looked at the buckets.
    pub const BUCKETS_NOT_VERIFIED: &str = "BucketsNotVerified";
    /// The newest drill that passed is older than it may be.
    pub const DRILL_TOO_OLD: &str = "DrillTooOld";
    /// What a drill began is still there long after it had to end.
    pub const DRILL_LEAK: &str = "DrillLeak";
    /// A drill failed, for a reason that no other word is for.
    pub const DRILL_FAILED: &str = "DrillFailed";
    /// No restore point was ever restored.
    pub const NEVER_DRILLED: &str = "NeverDrilled";
    /// No restore point was restored yet, and none needed to be.
    pub const NOT_DRILLED_YET: &str = "NotDrilledYet";
    /// Isolation objects are missing.
    pub const NOT_APPLIED: &str = "NotApplied";
    /// The file is gone from the repository; the Tenant stays.
    pub const MISSING_FROM_SOURCE: &str = "MissingFromSource";
    /// The file in the repository is wrong; the last good content stays.
    pub const INVALID_FILE: &str = "InvalidFile";
    /// Another door owns the Tenant.
    pub const OWNED_ELSEWHERE: &str = "OwnedElsewhere";
    /// Two files name the Tenant.
    pub const DUPLICATE: &str = "Duplicate";
    /// The commit changes the Platform's trust root.
    pub const TRUST_ROOT_CHANGE: &str = "TrustRootChange";
    /// A commit isn't signed as the Platform asks; the last accepted revision stays.
    pub const UNVERIFIED_COMMIT: &str = "UnverifiedCommit";
    /// A change isn't approved as the Platform asks; the last accepted revision stays.
    pub const APPROVALS_MISSING: &str = "ApprovalsMissing";
    /// The list of signers can't be read; the last accepted revision stays.
    pub const INVALID_SIGNERS: &str = "InvalidSigners";
    /// The branch doesn't continue what was accepted; the last accepted revision stays.
    pub const HISTORY_REWRITTEN: &str = "HistoryRewritten";
    /// Commits between the accepted revision and the head can't be had; the last accepted revision stays.
    pub const HISTORY_INCOMPLETE: &str = "HistoryIncomplete";
    /// The commit does more at once than the brake lets pass.
    pub const BRAKE_APPLIED: &str = "BrakeApplied";
    /// `tenantry.dev/plan-only`: plans are made, and nothing is applied.
    pub const PLAN_ONLY: &str = "PlanOnly";
    /// The forge refuses what is asked or posted.
    pub const FORGE_REFUSED: &str = "ForgeRefused";
    /// The forge doesn't answer, or asks to wait.
    pub const FORGE_UNREACHABLE: &str = "ForgeUnreachable";
    /// The Platform's rules or the operator changed, and other Tenants go first.
    pub const WAITING_FOR_WAVE: &str = "WaitingForWave";
    /// A change of the rules or of the operator goes from Tenant to Tenant.
    pub const ROLLING_OUT: &str = "RollingOut";
    /// No operator renews its Lease, so that nothing keeps the status true; the watchdog says so.
    pub const OPERATOR_NOT_RUNNING: &str = "OperatorNotRunning";
    /// The CRD in the cluster isn't the one that this operator knows.
    pub const CRD_VERSION_SKEW: &str = "CRDVersionSkew";
    /// A promise isn't kept; `PromisesKept`'s message names it.
    pub const PROMISE_BROKEN: &str = "PromiseBroken";
    /// A promise can't be judged yet.
    pub const PROMISE_UNKNOWN: &str = "PromiseUnknown";
    /// Tenants refer to the Platform, which is being deleted.
    pub const IN_USE: &str = "InUse";
    /// Some Tenants of the Platform aren't Ready.
    pub const TENANTS_NOT_READY: &str = "TenantsNotReady";
    /// The repository has files that are wrong.
    pub const FINDINGS: &str = "Findings";
    /// The store of backups doesn't answer, or not as a store does.
    pub const STORE_UNREACHABLE: &str = "StoreUnreachable";
    /// The store of backups doesn't know the credentials, or they are over.
    pub const CREDENTIALS_REFUSED: &str = "CredentialsRefused";
    /// The credentials may not do what the store of backups is asked for.
    pub const ACCESS_DENIED: &str = "AccessDenied";
    /// There is no such bucket.
    pub const BUCKET_MISSING: &str = "BucketMissing";
    /// The bucket belongs to another account.
    pub const WRONG_OWNER: &str = "WrongOwner";
    /// The bucket keeps no versions.
    pub const NOT_VERSIONED: &str = "NotVersioned";
    /// Nothing keeps objects from being removed.
    pub const NOT_IMMUTABLE: &str = "NotImmutable";
    /// The bucket's lock is shorter than asked for.
    pub const LOCK_TOO_SHORT: &str = "LockTooShort";
    /// The bucket's lock is longer than restore points may stay.
    pub const LOCK_TOO_LONG: &str = "LockTooLong";
    /// The store overwrites where it was told not to.
    pub const NO_CONDITIONAL_PUT: &str = "NoConditionalPut";
    /// The store's clock and ours are too far apart.
    pub const CLOCK_SKEW: &str = "ClockSkew";
    /// The store said that something was written, and gives something else back.
    pub const NOT_DURABLE: &str = "NotDurable";
    /// A bucket isn't encrypted at rest.
    pub const NOT_ENCRYPTED: &str = "NotEncrypted";
    /// A bucket can be opened to the public.
    pub const PUBLIC_ACCESS: &str = "PublicAccess";
    /// The archive of the audit log refuses what is written.
    pub const SINK_DENIED: &str = "SinkDenied";
    /// The archive's bucket isn't there.
    pub const SINK_MISSING: &str = "SinkMissing";
    /// The archive doesn't answer, or not in time.
    pub const SINK_FAILING: &str = "SinkFailing";
    /// The archive holds something else under this log's name: somebody else writes it.
    pub const FORK_DETECTED: &str = "ForkDetected";
    /// What the witness' checkpoint says isn't this log.
    pub const REMOTE_MISMATCH: &str = "RemoteMismatch";
    /// No witness has spoken for ten minutes.
    pub const WITNESS_STALE: &str = "WitnessStale";
    /// The witness found that history was rewritten, or that a part is missing.
    pub const WITNESS_REFUSED: &str = "WitnessRefused";
    /// The spool of an audit agent has no room.
    pub const SPOOL_FULL: &str = "SpoolFull";
    /// The spool's disk fails.
    pub const SPOOL_FAILING: &str = "SpoolFailing";
    /// No agent says anything of its log, or none gets events from an API server.
    pub const AGENT_MISSING: &str = "AgentMissing";
    /// A request of ours didn't show up in the verified archive.
    pub const CANARY_MISSING: &str = "CanaryMissing";
    /// Records that were acknowledged are lost.
    pub const EVENTS_LOST: &str = "EventsLost";
    /// An API server made events that never arrived.
    pub const SOURCE_DROPPED: &str = "SourceDropped";
    /// Records have been waiting for too long to be in the verified archive.
    pub const UNVERIFIED: &str = "Unverified";
    /// The spool has files that can't be read.
    pub const SPOOL_DAMAGED: &str = "SpoolDamaged";
    /// The archive's bucket belongs to the account that it should be apart from.
    pub const SAME_ACCOUNT: &str = "SameAccount";
    /// Who writes to the archive can read it as well.
    pub const WRITER_CAN_READ: &str = "WriterCanRead";
    /// Who writes to the archive can remove from it as well.
    pub const WRITER_CAN_DELETE: &str = "WriterCanDelete";
    /// All runs have the Platform's own credentials: tenants' backups are kept apart by their keys alone.
    pub const SHARED_CREDENTIALS: &str = "SharedCredentials";
}
