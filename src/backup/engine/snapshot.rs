//! What restic says in JSON, and what its objects are. Pure.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::trail::record::hash;

/// restic's last line of a backup.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Summary {
    /// Full id.
    pub snapshot_id: String,
    /// Bytes read.
    #[serde(default)]
    pub total_bytes_processed: u64,
    /// Bytes added to the store, as they lie there.
    #[serde(default)]
    pub data_added_packed: u64,
}

/// The summary among restic's lines.
#[must_use]
pub fn summary(out: &str) -> Option<Summary> {
    let is_summary = |line: &&str| line.contains(r#""message_type":"summary""#);
    let line = out.lines().rev().find(is_summary)?;
    let summary: Summary = serde_json::from_str(line).ok()?;
    is_id(&summary.snapshot_id).then_some(summary)
}

/// Whether a text is a full id: what goes to `forget` and into keys is nothing else.
#[must_use]
pub fn is_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A lock, as it lies in the repository.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Lock {
    /// When it was made or renewed.
    pub time: Timestamp,
    /// Whether nobody else may be in the repository.
    #[serde(default)]
    pub exclusive: bool,
    /// Name of the host: our Jobs' are names of pods.
    #[serde(default)]
    pub hostname: String,
    /// The user there.
    #[serde(default)]
    pub username: String,
    /// The process there.
    #[serde(default)]
    pub pid: i64,
}

impl Lock {
    /// Who holds it, and since when, for people.
    #[must_use]
    pub fn words(&self, id: &str, now: Timestamp) -> String {
        let age = now.duration_since(self.time).max(SignedDuration::ZERO);
        let (kind, seconds) = (if self.exclusive { "exclusive " } else { "" }, age.as_secs());
        let Self { username, hostname, pid, .. } = self;
        let owner = format!("{username}@{hostname} (process {pid})");
        format!("{kind}lock {} of {owner}, {seconds} s old", id.get(..8).unwrap_or(id))
    }

    /// Whether it keeps a run out; `alone` when the run itself lets nobody else in.
    #[must_use]
    pub fn keeps_out(&self, alone: bool) -> bool {
        self.exclusive || alone
    }
}

/// A file of the index: which packs there are. Nothing else of it is asked.
#[derive(Debug, Deserialize)]
pub struct Index {
    /// The packs.
    #[serde(default)]
    pub packs: Vec<Pack>,
}

/// A pack.
#[derive(Debug, Deserialize)]
pub struct Pack {
    /// Its id.
    pub id: String,
}

/// Whether an object is what its name says: restic names objects after their SHA-256.
#[must_use]
pub fn is_named_after(id: &str, content: &[u8]) -> bool {
    hash(content) == id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_found_among_the_lines() {
        let id = "ab".repeat(32);
        let out = format!(
            "{{\"message_type\":\"status\",\"percent_done\":0}}\n{{\"message_type\":\"summary\",\"data_added_packed\":7,\
             \"total_bytes_processed\":9,\"snapshot_id\":\"{id}\"}}\n"
        );
        let found = summary(&out).unwrap();
        assert_eq!(found, Summary { snapshot_id: id, total_bytes_processed: 9, data_added_packed: 7 });
        assert_eq!(summary("{\"message_type\":\"summary\",\"snapshot_id\":\"short\"}"), None);
        assert_eq!(summary(""), None);
    }

    #[test]
    fn only_a_full_id_is_one() {
        assert!(is_id(&"0f".repeat(32)));
        assert!(!is_id("latest") && !is_id(&"0F".repeat(32)) && !is_id(&"0f".repeat(31)));
    }

    #[test]
    fn a_lock_names_its_owner_and_age() {
        let text = r#"{"time":"2026-11-22T03:00:00.5Z","exclusive":false,"hostname":"pod-1","username":"pg","pid":7}"#;
        let lock: Lock = serde_json::from_str(text).unwrap();
        let now = "2026-11-22T03:01:00Z".parse().unwrap();
        assert_eq!(lock.words("0123456789", now), "lock 01234567 of pg@pod-1 (process 7), 59 s old");
        assert!(!lock.keeps_out(false) && lock.keeps_out(true));
    }

    #[test]
    fn an_object_is_named_after_its_content() {
        let id = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert!(is_named_after(id, b"hello") && !is_named_after(id, b"hell"));
    }
}
