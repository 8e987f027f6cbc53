//! Where everything lies in the archive. Pure.
//!
//! ```text
//! <prefix>/<cluster>/<agent>/<epoch>/
//!   segments/<first>-<last>.zst    records, compressed
//!   tile/…                         the tree and its leaves: c2sp.org/tlog-tiles
//!   checkpoints/<size>             signed by the agent; written once, and locked
//!   edges/<size>                   the tree before the first segment of a day: what is left of the tiles that expire
//!   checkpoint                     the newest one that the witness found right, with its cosignature
//! ```
//!
//! Everything but `checkpoint` is written once. Numbers have 20 digits, so that listings are in order.

use std::fmt;

/// A log: what one agent wrote since it had a spool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stream {
    /// The cluster's name.
    pub cluster: String,
    /// The agent's name: of its node.
    pub agent: String,
    /// Which spool.
    pub epoch: String,
}

/// What all origins begin with.
const ORIGIN: &str = "tenantry.dev/audit";

impl Stream {
    /// The folder in the archive, without a slash at its end.
    #[must_use]
    pub fn folder(&self, prefix: &str) -> String {
        let prefix = prefix.trim_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        format!("{prefix}{slash}{self}")
    }

    /// The origin of its checkpoints, which is also the name that its key signs under.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{ORIGIN}/{self}")
    }
}

/// The name of an agent's key: that of its epochs is one part longer.
#[must_use]
pub fn key_name(cluster: &str, agent: &str) -> String {
    format!("{ORIGIN}/{cluster}/{agent}")
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.cluster, self.agent, self.epoch)
    }
}

/// Where a stream's segments lie.
pub const SEGMENTS: &str = "segments/";
/// Where its checkpoints lie.
pub const CHECKPOINTS: &str = "checkpoints/";
/// Where the edges of its tree lie.
pub const EDGES: &str = "edges/";
/// The witness' copy.
pub const CHECKPOINT: &str = "checkpoint";

/// The path of a segment below the stream's folder.
#[must_use]
pub fn segment(first: u64, last: u64) -> String {
    format!("{SEGMENTS}{first:020}-{last:020}.zst")
}

/// First and last record of the segment at a path; `None` when it is none of ours.
#[must_use]
pub fn segment_of(path: &str) -> Option<(u64, u64)> {
    let (first, last) = path.strip_prefix(SEGMENTS)?.strip_suffix(".zst")?.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

/// The path of the checkpoint of a size below the stream's folder.
#[must_use]
pub fn checkpoint(size: u64) -> String {
    format!("{CHECKPOINTS}{size:020}")
}

/// The size of the checkpoint at a path; `None` when it is none of ours.
#[must_use]
pub fn checkpoint_of(path: &str) -> Option<u64> {
    number(path.strip_prefix(CHECKPOINTS)?)
}

/// The path of the edge of the tree of a size below the stream's folder.
#[must_use]
pub fn edge(size: u64) -> String {
    format!("{EDGES}{size:020}")
}

/// The size of the tree whose edge lies at a path; `None` when it is none of ours.
#[must_use]
pub fn edge_of(path: &str) -> Option<u64> {
    number(path.strip_prefix(EDGES)?)
}

/// Twenty digits.
pub(super) fn number(text: &str) -> Option<u64> {
    let plain = text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_again() {
        assert_eq!(segment_of(&segment(3, 40)), Some((3, 40)));
        assert_eq!(checkpoint_of(&checkpoint(u64::MAX)), Some(u64::MAX));
        assert_eq!((edge_of(&edge(7)), edge_of(&checkpoint(7))), (Some(7), None));
        for path in [
            "segments/3-4.zst",
            "segments/00000000000000000004-00000000000000000003.zst",
            "checkpoints/+0000000000000000003",
        ] {
            assert_eq!((segment_of(path), checkpoint_of(path)), (None, None), "{path}");
        }
        let stream = Stream { cluster: "eu".into(), agent: "cp-1".into(), epoch: "e1".into() };
        assert_eq!(stream.folder(""), "eu/cp-1/e1");
        assert_eq!(stream.folder("/a/"), "a/eu/cp-1/e1");
        assert_eq!(stream.origin(), format!("{}/e1", key_name("eu", "cp-1")));
    }
}
