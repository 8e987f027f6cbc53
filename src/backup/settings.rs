//! What a checked Platform and Tenant say of backups, as decisions need it. Pure.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{backup::Backups, data, quantity::Quantity, tenant::Lifecycle},
    validate::tenant::ValidatedTenant,
};

use super::{
    known::{Database, Settings},
    schedule::{Schedule, ScheduleError, Seed},
    task::SqlCheck,
    volumes::key,
};

/// When a part of each repository is read, and when space is given back: after the drills, before the night.
const CHECK: &str = "H H(18-23) * * *";
const PRUNE: &str = "H H(18-23) * * H";
/// Room of a drill where nobody says anything.
const ROOM: u64 = 10 << 30;

/// Files of a volume whose contents a run checksums, in turn.
const SAMPLED_FILES: u32 = 20;

/// What isn't in the spec.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    /// The Platform's uid: two Platforms have other minutes for tenants of the same name.
    pub platform_uid: &'a str,
    /// Whether somebody stopped writes.
    pub paused: bool,
    /// The value of the annotation [`super::hold::ACCEPT_DELETIONS`].
    pub accepted_deletions: Option<Timestamp>,
}

/// The settings of one Tenant.
///
/// # Errors
/// A line that can't be read: none that was checked.
pub fn settings(
    backups: &Backups,
    tenant: &ValidatedTenant,
    beside: Beside<'_>,
) -> Result<Settings, ScheduleError> {
    let line = |text: &str, what: &str, of: &str| {
        let seed = Seed::of(&[beside.platform_uid, &tenant.name, what, of]);
        Schedule::parse(text, &backups.time_zone, &seed)
    };
    // What databases and volumes have alike.
    let one = |name: String, schedule: Option<&String>, scratch: Option<&Quantity>| {
        Ok::<_, ScheduleError>(Database {
            claim: None,
            unsupported: None,
            schedule: line(schedule.unwrap_or(&backups.schedule), "backup", &name)?,
            drills: line(&backups.drills.schedule, "drill", &name)?,
            old_points: line(&backups.drills.old_points, "olddrill", &name)?,
            seed: Seed::of(&[beside.platform_uid, &tenant.name, "pick", &name]),
            least_percent: backups.least_percent,
            sampled_tables: backups.postgresql.sampled_tables,
            sentinel: false,
            accept_shrunken: None,
            checks: Vec::new(),
            room_bytes: room(scratch.or(backups.postgresql.scratch.as_ref())),
            rpo_limit_seconds: backups.drills.rpo.whole_seconds().unsigned_abs(),
            name,
        })
    };
    let mut databases = Vec::new();
    for database in &tenant.databases {
        databases.push(Database {
            sentinel: database.sentinel,
            accept_shrunken: database.accept_shrunken.clone(),
            checks: database.checks.iter().map(check).collect(),
            ..one(database.name.clone(), database.schedule.as_ref(), database.scratch.as_ref())?
        });
    }
    for volume in &tenant.volumes {
        databases.push(Database {
            claim: Some(volume.claim.clone()),
            sampled_tables: SAMPLED_FILES,
            accept_shrunken: volume.accept_shrunken.clone(),
            ..one(key(&volume.name), volume.schedule.as_ref(), volume.scratch.as_ref())?
        });
    }
    Ok(Settings {
        tenant: tenant.name.clone(),
        active: tenant.lifecycle == Lifecycle::Active && !beside.paused,
        databases,
        starting_deadline: SignedDuration::from_secs(backups.starting_deadline.whole_seconds()),
        retention_days: backups.retention_days,
        locked: backups.store.object_lock.is_some(),
        max_deletions_per_hour: backups.max_deletions_per_hour,
        accepted_deletions: beside.accepted_deletions,
        check: line(CHECK, "check", "")?,
        prune: line(PRUNE, "prune", "")?,
    })
}

fn check(check: &data::Check) -> SqlCheck {
    SqlCheck { name: check.name.clone(), sql: check.sql.clone() }
}

fn room(size: Option<&Quantity>) -> u64 {
    let bytes = size.and_then(|size| size.milli().ok()).map(|milli| milli.0 / 1000);
    bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(ROOM)
}
