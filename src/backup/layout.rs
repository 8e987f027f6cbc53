//! Where everything lies in the store. Pure.
//!
//! ```text
//! <prefix>/<platform>/<tenant>/key.json                      the tenant's key, wrapped by the platform's
//! <prefix>/<platform>/<tenant>/g0001/…                       a restic repository: one generation
//! <prefix>/<platform>/<tenant>/records/<time>-<kind>-<id>.json   what a run left behind
//! ```
//!
//! No key is a folder of another: stores on file systems can't have both.

use serde::{Deserialize, Serialize};

/// A tenant's part of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// Key prefix, without a slash at its end: `<prefix>/<platform>/<tenant>`.
    pub prefix: String,
}

impl Place {
    /// The part of one tenant below the store's own prefix, which may be empty.
    #[must_use]
    pub fn of(prefix: &str, platform: &str, tenant: &str) -> Self {
        let parts = [prefix.trim_matches('/'), platform, tenant];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Self { prefix: parts.join("/") }
    }

    /// The wrapped key.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/key.json", self.prefix)
    }

    /// The folder of a generation's repository, without a slash at its end.
    #[must_use]
    pub fn repository(&self, generation: u32) -> String {
        format!("{}/g{generation:04}", self.prefix)
    }

    /// The folder of the objects that each stand for one snapshot; an object's name is the snapshot's id.
    #[must_use]
    pub fn snapshots(&self, generation: u32) -> String {
        format!("{}/snapshots/", self.repository(generation))
    }

    /// The generation that a key below the prefix belongs to.
    #[must_use]
    pub fn generation_of(&self, key: &str) -> Option<u32> {
        let rest = key.strip_prefix(&self.prefix)?.strip_prefix("/g")?;
        rest.split_once('/')?.0.parse().ok()
    }

    /// The folder of the records.
    #[must_use]
    pub fn records(&self) -> String {
        format!("{}/records/", self.prefix)
    }

    /// A record's key: in the order of their starts, one a run.
    #[must_use]
    pub fn record(&self, started: jiff::Timestamp, kind: &str, id: &str) -> String {
        format!("{}{}-{kind}-{id}.json", self.records(), started.strftime("%Y%m%dT%H%M%SZ"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_lies_below_the_tenants_prefix() {
        let place = Place::of("/backups/", "shop", "acme");
        assert_eq!(place.prefix, "backups/shop/acme");
        assert_eq!(Place::of("", "shop", "acme").prefix, "shop/acme");
        assert_eq!(place.snapshots(12), "backups/shop/acme/g0012/snapshots/");
        assert_eq!(place.generation_of("backups/shop/acme/g0012/snapshots/ab"), Some(12));
        assert_eq!(place.generation_of("backups/shop/acme2/g0012/snapshots/ab"), None);
        assert_eq!(place.generation_of(&place.key()), None);
        let at = "2026-11-22T03:04:05Z".parse().unwrap();
        let key = place.record(at, "backup", "app-1");
        assert_eq!(key, "backups/shop/acme/records/20261122T030405Z-backup-app-1.json");
    }
}
