//! What an agent says of itself: it stands in a ConfigMap in the operator's namespace, as JSON under [`KEY`]. Pure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The key in the ConfigMap.
pub const KEY: &str = "state";
/// The ConfigMap's name begins so; the agent's name follows.
pub const PREFIX: &str = "tenantry-audit-";
/// Its label, with [`COMPONENT`].
pub const LABEL: &str = "app.kubernetes.io/component";
/// See [`LABEL`].
pub const COMPONENT: &str = "audit-agent";

/// An agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Agent {
    /// The cluster's name in the archive.
    pub cluster: String,
    /// Its name: of its node.
    pub agent: String,
    /// Which spool.
    pub epoch: String,
    /// When it said so.
    pub at: Option<Timestamp>,
    /// Records that it acknowledged.
    pub records: u64,
    /// Records that are in the archive, under a signed checkpoint.
    pub shipped: u64,
    /// When the last checkpoint was put.
    pub checkpoint: Option<Timestamp>,
    /// Records that the witness vouches for.
    pub verified: u64,
    /// When it did, by its clock.
    pub witnessed: Option<Timestamp>,
    /// When the oldest record that isn't verified was received.
    pub oldest: Option<Timestamp>,
    /// Bytes in the spool.
    pub spool_bytes: u64,
    /// What is wrong; the worst first.
    pub troubles: Vec<Trouble>,
    /// Records that were acknowledged and are lost; the newest ones.
    pub gaps: Vec<Gap>,
    /// Parts of sources that were gone before they were read, in words; the newest ones.
    pub unread: Vec<String>,
    /// API servers that it gets events from.
    pub servers: Vec<Server>,
}

/// Something that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// Reason constant.
    pub reason: String,
    /// What, and the next step.
    pub message: String,
}

/// Records that are lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// An API server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Server {
    /// Its address, as the canary reaches it.
    pub address: String,
    /// Events that it made and nobody received, at least.
    pub dropped: u64,
    /// Events that it says it lost itself.
    pub failed: u64,
    /// When the newest canary was sent that is in the verified archive.
    pub canary: Option<Timestamp>,
    /// Why it can't be asked.
    pub unasked: Option<String>,
    /// Requests that began and never ended.
    pub unended: u64,
}

impl Agent {
    /// Reads a ConfigMap's text; `None` when it is none of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
