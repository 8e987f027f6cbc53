//! The one table of promises. Conditions, alerts, README, `why` and reports are fed from it.

use crate::audit::complete::judge;
use crate::backup::{hold::reasons as held, record::reasons as runs};

use super::conditions::{ConditionType, reasons};

/// Something that a security page says, and the condition that says whether it is true.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    /// Short name, as reports use it.
    pub id: &'static str,
    /// The sentence on the security page.
    pub sentence: &'static str,
    /// The condition; absent where it isn't built yet.
    pub condition: Option<ConditionType>,
    /// Every reason that makes the condition not True.
    pub reasons: &'static [&'static str],
    /// Name of the alert.
    pub alert: &'static str,
    /// What proves it.
    pub evidence: &'static str,
}

/// Every promise, in the order in which reports list them.
pub const TABLE: &[Promise] = &[
    Promise {
        id: "isolation",
        sentence: "tenants are kept apart: network, quota, roles and Pod Security",
        condition: Some(ConditionType::Isolated),
        reasons: &[
            reasons::FOREIGN_POLICY,
            reasons::FOREIGN_BINDING,
            reasons::ACCESS_TOO_WIDE,
            reasons::POD_SECURITY_NOT_ENFORCED,
            reasons::GUARDS_MISSING,
            reasons::NETWORK_POLICY_NOT_ENFORCED,
            reasons::REVIEW_FAILED,
            reasons::TRIAL_FAILED,
            reasons::NOT_APPLIED,
            reasons::NOT_PROBED,
        ],
        alert: "TenantryTenantNotIsolated",
        evidence: "access reviews of every member, dry runs that must be refused, a probe of the network; none older than 12 h",
    },
    Promise {
        id: "config-as-code",
        sentence: "configuration is code: what runs is what the repository says",
        condition: Some(ConditionType::SourceSynced),
        reasons: &[
            reasons::MISSING_FROM_SOURCE,
            reasons::INVALID_FILE,
            reasons::DUPLICATE,
            reasons::OWNED_ELSEWHERE,
        ],
        alert: "TenantrySourceNotSynced",
        evidence: "commit id on every Tenant",
    },
    Promise {
        id: "availability",
        sentence: "declared services run, and heal when somebody touches them",
        condition: Some(ConditionType::WorkloadsAvailable),
        reasons: &[reasons::UNAVAILABLE, reasons::NOT_APPLIED],
        alert: "TenantryWorkloadsUnavailable",
        evidence: "available pods of each service",
    },
    Promise {
        id: "zone-spread",
        sentence: "services run over several zones",
        condition: Some(ConditionType::ZoneSpread),
        reasons: &[
            reasons::ZONE_SHORT,
            reasons::TOO_FEW_ZONES,
            reasons::ZONE_LOSS_BREAKS,
            reasons::ZONE_LOSS_NO_ROOM,
            reasons::NOT_APPLIED,
        ],
        alert: "TenantryZoneSpreadLost",
        evidence: "ready pods by zone, measured; the loss of each zone, played through",
    },
    Promise {
        id: "backups",
        sentence: "databases are backed up daily and kept 30 days",
        condition: Some(ConditionType::BackupsCurrent),
        reasons: &[
            reasons::UNCOVERED,
            reasons::BACKUP_OVERDUE,
            reasons::NO_BACKUP_YET,
            reasons::BACKUP_FAILED,
            reasons::VOLUME_NOT_SUPPORTED,
            reasons::SNAPSHOTS_LEFT,
            reasons::BUCKETS_NOT_VERIFIED,
            reasons::NOT_APPLIED,
            held::STORE_UNKNOWN,
            runs::CLOCK_SKEW,
            runs::INTERRUPTED,
            runs::DEADLINE_EXCEEDED,
            runs::OUT_OF_MEMORY,
            runs::LOCK_HELD,
            runs::PARTIAL_READ,
            runs::EMPTY_SOURCE,
            runs::SHRUNKEN,
            runs::SOURCE_UNREACHABLE,
            runs::DUMP_FAILED,
            runs::SNAPSHOT_FAILED,
            runs::STORE_UNREACHABLE,
            runs::CREDENTIALS_EXPIRED,
            runs::KEY_MISMATCH,
            runs::REPOSITORY_MISSING,
            runs::DAMAGED,
            runs::NO_SPACE,
            runs::NOT_DURABLE,
            runs::ENGINE_VERSION_MISMATCH,
        ],
        alert: "TenantryBackupsNotCurrent",
        evidence: "restore points in the store, by its own clock, looked at every few minutes; none believed that is older than 15 min",
    },
    Promise {
        id: "retention",
        sentence: "backups stay as long as is promised, and no longer",
        condition: Some(ConditionType::RetentionExact),
        reasons: &[
            reasons::RETENTION_NOT_EXACT,
            reasons::NO_BACKUP_YET,
            reasons::NOT_APPLIED,
            held::STORE_UNKNOWN,
            held::MASS_DELETION_HELD,
        ],
        alert: "TenantryRetentionNotExact",
        evidence: "restore points in the store by its own clock: none gone early, none overdue; read back every few minutes",
    },
    Promise {
        id: "restores",
        sentence: "restores are tested",
        condition: Some(ConditionType::RestoreVerified),
        reasons: &[
            reasons::DRILL_TOO_OLD,
            reasons::DRILL_LEAK,
            reasons::DRILL_FAILED,
            reasons::NEVER_DRILLED,
            reasons::NOT_DRILLED_YET,
            reasons::NOT_APPLIED,
            held::STORE_UNKNOWN,
            runs::CHECK_FAILED,
            runs::RPO_EXCEEDED,
            runs::KEY_NOT_ALONE,
            runs::CREDENTIALS_TOO_WIDE,
            runs::RESTORE_FAILED,
            runs::TARGET_TOO_SMALL,
            runs::ENGINE_VERSION_MISMATCH,
            runs::DAMAGED,
            runs::KEY_MISMATCH,
            runs::REPOSITORY_MISSING,
            runs::DEADLINE_EXCEEDED,
            runs::OUT_OF_MEMORY,
            runs::STORE_UNREACHABLE,
        ],
        alert: "TenantryRestoreNotVerified",
        evidence: "records of drills: a restore point restored into an engine of its own, counts and checksums as in its manifest",
    },
    Promise {
        id: "audit",
        sentence: "audit logs go to a separate account and are complete",
        condition: Some(ConditionType::AuditComplete),
        reasons: judge::REASONS,
        alert: "TenantryAuditIncomplete",
        evidence: "the archive itself: tenantry audit verify, with two public keys and no cluster",
    },
    later("erasure", "data is gone within 30 days of cancellation", "TenantryErasureOverdue"),
    later("access", "access is least-privilege and expires", "TenantryAccessExpired"),
];

/// A promise that isn't built yet: no condition says it.
const fn later(id: &'static str, sentence: &'static str, alert: &'static str) -> Promise {
    Promise { id, sentence, condition: None, reasons: &[], alert, evidence: "" }
}
