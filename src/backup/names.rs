//! Names of Jobs, from what they are for: a restart, or a second leader, that decides the same makes the same Job, and the
//! API server refuses it. Nothing is ever cut off a name: what is too long is hashed. Pure.

use jiff::Timestamp;

use crate::desired::meta::short_hash;

use super::{known::Kind, volumes};

/// Longest name of a Job: its pod's name, which is the host in restic's locks, has a dash and five letters more, and no
/// more than 63 letters.
const LONGEST: usize = 57;

/// The run that fills a slot: the same for each try.
#[must_use]
pub fn run(kind: Kind, of: &str, slot: Timestamp) -> String {
    fit(kind, of, &base36(slot.as_second().max(0).unsigned_abs() / 60))
}

/// The Job of one try, counted from 1.
#[must_use]
pub fn job(kind: Kind, of: &str, slot: Timestamp, try_: u32) -> String {
    let slot = base36(slot.as_second().max(0).unsigned_abs() / 60);
    if try_ <= 1 { fit(kind, of, &slot) } else { fit(kind, of, &format!("{slot}-{try_}")) }
}

/// The Job of what somebody asked for by an object of this name, made then: one that is made anew asks anew.
#[must_use]
pub fn asked(kind: Kind, object: &str, made: Timestamp) -> String {
    fit(kind, object, &base36(made.as_second().max(0).unsigned_abs()))
}

fn fit(kind: Kind, of: &str, end: &str) -> String {
    // Two dashes: no database's name begins with one, and pods' names are hosts', without dots.
    let shown = volumes::name_of(of).map_or_else(|| of.to_owned(), |volume| format!("-{volume}"));
    let whole = format!("{}-{shown}-{end}", kind.word());
    if whole.len() <= LONGEST {
        return whole;
    }
    format!("{}-{}-{end}", kind.word(), short_hash(of.as_bytes(), 24))
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.extend(char::from_digit(u32::try_from(number % 36).unwrap_or_default(), 36));
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_slot() {
        let slot: Timestamp = "2026-11-22T03:17:00Z".parse().unwrap();
        assert_eq!(run(Kind::Backup, "app", slot), "backup-app-htbxh");
        assert_eq!(job(Kind::Backup, "app", slot, 1), run(Kind::Backup, "app", slot));
        assert_eq!(job(Kind::Backup, "app", slot, 3), "backup-app-htbxh-3");
        assert_eq!(run(Kind::Backup, "volume.app", slot), "backup--app-htbxh", "no database's");
        let later = slot + jiff::SignedDuration::from_mins(1);
        assert_ne!(run(Kind::Backup, "app", slot), run(Kind::Backup, "app", later));
    }

    #[test]
    fn long_names_are_hashed_and_never_cut() {
        let slot: Timestamp = "2026-11-22T03:17:00Z".parse().unwrap();
        let long = "x".repeat(62);
        let names = [
            asked(Kind::AskedDrill, &format!("{long}a"), slot),
            asked(Kind::AskedDrill, &format!("{long}b"), slot),
            job(Kind::OldDrill, &"y".repeat(30), slot, 99),
        ];
        assert!(names.iter().all(|name| name.len() <= LONGEST), "{names:?}");
        assert_ne!(names[0], names[1]);
        let fine = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        assert!(names.iter().all(|name| name.chars().all(fine)), "{names:?}");
    }
}
