//! Volumes for claims: folders on nodes.

use std::path::PathBuf;

use super::{Recipe, find_or_build};
use crate::error::Result;

const LOCAL_PATH: Recipe = Recipe {
    name: "local-path",
    sources: "local-path",
    tags: "",
    label: "local-path-provisioner v0.0.30 (volumes)",
    package: "github.com/rancher/local-path-provisioner",
    ldflags: "-s -w",
    links: &[],
};

/// Rancher's provisioner, which makes a claim's volume a folder on the node of its first pod.
///
/// # Errors
/// Go is missing, or the build fails.
pub(crate) fn local_path() -> Result<PathBuf> {
    find_or_build(&LOCAL_PATH)
}
