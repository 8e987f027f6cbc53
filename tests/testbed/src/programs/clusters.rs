//! What some of the tests need beside Kubernetes itself.

use std::path::PathBuf;

use super::{Recipe, find_or_build, small};
use crate::error::Result;

const ETCD_COPY: Recipe = small("etcd", "etcd's tool for copies");

const METRICS_SERVER: Recipe = Recipe {
    name: "metrics-server",
    sources: "metrics-server",
    tags: "",
    label: "metrics-server v0.9.0",
    package: "sigs.k8s.io/metrics-server/cmd/metrics-server",
    ldflags: "-s -w",
    links: &[],
};

const LOCAL_PATH: Recipe = Recipe {
    name: "local-path",
    sources: "local-path",
    tags: "",
    label: "local-path-provisioner v0.0.30 (volumes)",
    package: "github.com/rancher/local-path-provisioner",
    ldflags: "-s -w",
    links: &[],
};

const CYCLONUS: Recipe = small("cyclonus", "cyclonus (what network policies mean)");

const FSCK: Recipe = small("fsck", "Tessera v1.0.4 (what a transparency log is)");

/// Checks a transparency log by the code of those who made its format: `tests/programs/fsck`.
///
/// # Errors
/// Go is missing, or the build fails.
pub fn fsck() -> Result<PathBuf> {
    find_or_build(&FSCK)
}

/// Saves and restores copies of an etcd: `tests/programs/etcd`.
///
/// # Errors
/// Go is missing, or the build fails.
pub(crate) fn etcd_copy() -> Result<PathBuf> {
    find_or_build(&ETCD_COPY)
}

/// What tells autoscalers how much CPU pods take.
///
/// # Errors
/// Go is missing, or the build fails.
pub(crate) fn metrics_server() -> Result<PathBuf> {
    find_or_build(&METRICS_SERVER)
}

/// Rancher's provisioner, which makes a claim's volume a folder on the node of its first pod.
///
/// # Errors
/// Go is missing, or the build fails.
pub(crate) fn local_path() -> Result<PathBuf> {
    find_or_build(&LOCAL_PATH)
}

/// Which traffic NetworkPolicies let through, by cyclonus' own code: `tests/programs/cyclonus`.
///
/// # Errors
/// Go is missing, or the build fails.
pub fn cyclonus() -> Result<PathBuf> {
    find_or_build(&CYCLONUS)
}
