//! Whether a failed run is tried again in the same slot, and when. Pure.

use jiff::{SignedDuration, Timestamp};

use super::{known::Past, record::reasons};

/// What comes after failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// When.
    pub at: Timestamp,
    /// How many times the memory that the spec names.
    pub memory_times: u32,
}

/// Most tries where only time helps.
const MOST: usize = 3;
/// First wait; it doubles with each failure.
const WAIT: SignedDuration = SignedDuration::from_mins(5);
/// Longest wait.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// When to try again after these failures of one slot, which may be in any order; `None` when only a person, or the next
/// slot, helps.
#[must_use]
pub fn again(failures: &[Past]) -> Option<Again> {
    let last = failures.iter().max_by_key(|past| past.ended)?;
    let many = |reason: &str| failures.iter().filter(|past| past.reason == reason).count();
    let memory_times = if many(reasons::OUT_OF_MEMORY) > 0 { 2 } else { 1 };
    let most = match last.reason.as_str() {
        // The source, the key or the data is what's wrong: the same again would find the same.
        reasons::EMPTY_SOURCE
        | reasons::SHRUNKEN
        | reasons::KEY_MISMATCH
        | reasons::REPOSITORY_MISSING
        | reasons::ENGINE_VERSION_MISMATCH
        | reasons::TARGET_TOO_SMALL
        | reasons::TARGET_EXISTS
        | reasons::CHECK_FAILED
        | reasons::RPO_EXCEEDED
        | reasons::DAMAGED
        | reasons::KEY_NOT_ALONE
        | reasons::CREDENTIALS_TOO_WIDE => return None,
        // It ends by itself, or when somebody mends it; then the run should go on.
        reasons::CREDENTIALS_EXPIRED
        | reasons::STORE_UNREACHABLE
        | reasons::LOCK_HELD
        | reasons::CLOCK_SKEW => usize::MAX,
        // Once, with twice the memory, or with an empty cache.
        reasons::OUT_OF_MEMORY | reasons::NO_SPACE => (many(&last.reason) <= 1).then_some(failures.len())?,
        _ => MOST,
    };
    if failures.len() > most {
        return None;
    }
    let doubled = u32::try_from(failures.len() - 1).unwrap_or(u32::MAX).min(8);
    let wait = WAIT.checked_mul(1 << doubled).unwrap_or(LONGEST).min(LONGEST);
    Some(Again { at: last.ended.saturating_add(wait).ok()?, memory_times })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::known::Kind;

    fn failures(list: &[&str]) -> Vec<Past> {
        let start: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
        let one = |(index, reason): (usize, &&str)| {
            let started = start + SignedDuration::from_hours(i64::try_from(index).unwrap());
            Past {
                id: format!("backup-app-x-{index}"),
                kind: Kind::Backup,
                database: "app".into(),
                slot: Some(start),
                generation: 1,
                started,
                ended: started + SignedDuration::from_mins(1),
                succeeded: false,
                reason: (*reason).into(),
                removed: 0,
                details: None,
            }
        };
        list.iter().enumerate().map(one).collect()
    }

    fn minutes(list: &[&str]) -> Option<i64> {
        let failures = failures(list);
        let last = failures.last().unwrap().ended;
        again(&failures).map(|again| again.at.duration_since(last).as_mins())
    }

    #[test]
    fn waits_double_and_end() {
        assert_eq!(minutes(&[reasons::DUMP_FAILED]), Some(5));
        assert_eq!(minutes(&[reasons::DUMP_FAILED, reasons::INTERRUPTED]), Some(10));
        assert_eq!(minutes(&[reasons::DUMP_FAILED; 3]), Some(20));
        assert_eq!(minutes(&[reasons::DUMP_FAILED; 4]), None);
    }

    #[test]
    fn b3_out_of_memory_gets_twice_the_memory_once() {
        let once = again(&failures(&[reasons::OUT_OF_MEMORY])).unwrap();
        assert_eq!(once.memory_times, 2);
        assert_eq!(again(&failures(&[reasons::OUT_OF_MEMORY; 2])), None);
        let other = again(&failures(&[reasons::OUT_OF_MEMORY, reasons::INTERRUPTED])).unwrap();
        assert_eq!(other.memory_times, 2, "what it needed then it needs now");
    }

    #[test]
    fn what_only_people_mend_is_not_tried_again() {
        assert_eq!(minutes(&[reasons::EMPTY_SOURCE]), None);
        assert_eq!(minutes(&[reasons::KEY_MISMATCH]), None);
    }

    #[test]
    fn expired_credentials_are_tried_for_ever_within_an_hour() {
        assert_eq!(minutes(&[reasons::CREDENTIALS_EXPIRED; 40]), Some(60));
        assert_eq!(minutes(&[reasons::LOCK_HELD; 5]), Some(60));
    }
}
