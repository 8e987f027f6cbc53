//! Where a store is. Pure.

use serde::{Deserialize, Serialize};

/// Where a store is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreAddress {
    /// `https://…`; AWS' own for the region when absent.
    pub endpoint: Option<String>,
    /// The region.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// Account that must own the bucket, asked on each request.
    pub expected_owner: Option<String>,
    /// Addresses as `endpoint/bucket` rather than `bucket.endpoint`.
    pub path_style: bool,
    /// Certificate authority in PEM, besides the system's.
    pub ca: Option<String>,
    /// Object Lock of each object that is written through this address.
    pub lock: Option<Lock>,
    /// Where people write all this.
    #[serde(default)]
    pub written: Written,
}

/// Retention of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lock {
    /// `COMPLIANCE` or `GOVERNANCE`.
    pub mode: String,
    /// Days.
    pub days: u32,
}

/// Where people write where a store is: errors say what to correct.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Written {
    /// `spec.backups.store` of a Platform.
    #[default]
    Platform,
    /// Flags of a command.
    Flags,
}

impl Written {
    /// How people know a field: `bucket` is `spec.backups.store.bucket` or `--bucket`.
    #[must_use]
    pub fn field(self, name: &str) -> String {
        match self {
            Self::Platform => format!("spec.backups.store.{name}"),
            Self::Flags => format!("--{name}"),
        }
    }
}
