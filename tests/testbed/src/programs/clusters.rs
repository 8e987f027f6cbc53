//! What some of the tests need beside Kubernetes itself.

use std::path::PathBuf;

use super::{Recipe, find_or_build, module_folder, small};
use crate::error::Result;

pub(super) const ETCD_COPY: Recipe = small("etcd", "etcd's tool for copies");

pub(super) const METRICS_SERVER: Recipe = Recipe {
    name: "metrics-server",
    sources: "metrics-server",
    tags: "",
    label: "metrics-server v0.9.0",
    package: "sigs.k8s.io/metrics-server/cmd/metrics-server",
    ldflags: "-s -w",
    links: &[],
};

pub(super) const LOCAL_PATH: Recipe = Recipe {
    name: "local-path",
    sources: "local-path",
    tags: "",
    label: "local-path-provisioner v0.0.30 (volumes)",
    package: "github.com/rancher/local-path-provisioner",
    ldflags: "-s -w",
    links: &[],
};

pub(super) const GITEA: Recipe = Recipe {
    name: "gitea",
    sources: "gitea",
    tags: "",
    label: "gitea v1.27.3 (a forge)",
    package: "gitea.dev",
    ldflags: "-s -w -X main.Version=1.27.3",
    links: &[],
};

// Not `csi`: old binaries are found by the beginning of their folder's name, and its companions' begin so.
pub(super) const CSI_DRIVER: Recipe = Recipe { name: "folders-csi", ..small("csi", "CSI driver of folders") };

pub(super) const CSI_SNAPSHOTTER: Recipe = Recipe {
    name: "csi-snapshotter",
    label: "csi-snapshotter v8.7.0",
    package: "github.com/kubernetes-csi/external-snapshotter/v8/cmd/csi-snapshotter",
    ..CSI_DRIVER
};

pub(super) const SNAPSHOT_CONTROLLER: Recipe = Recipe {
    name: "snapshot-controller",
    label: "snapshot-controller v8.7.0",
    package: "github.com/kubernetes-csi/external-snapshotter/v8/cmd/snapshot-controller",
    ..CSI_DRIVER
};

pub(super) const CSI_PROVISIONER: Recipe = Recipe {
    name: "csi-provisioner",
    sources: "csi-provisioner",
    label: "csi-provisioner v6.3.0",
    package: "github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner",
    ..CSI_DRIVER
};

pub(super) const CYCLONUS: Recipe = small("cyclonus", "cyclonus (what network policies mean)");

pub(super) const FSCK: Recipe = small("fsck", "Tessera v1.0.4 (what a transparency log is)");

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

/// Gitea, a real forge, without its web pages.
///
/// # Errors
/// Go is missing, or the build fails.
pub fn gitea() -> Result<PathBuf> {
    find_or_build(&GITEA)
}

/// The folder of Gitea's sources: it reads templates and options from there.
///
/// # Errors
/// Go is missing, or doesn't have them.
pub fn gitea_sources() -> Result<PathBuf> {
    module_folder("gitea", "gitea.dev")
}

/// What volumes with snapshots need: a driver of ours, and everything else as clusters have it.
#[derive(Debug)]
pub(crate) struct Csi {
    pub(crate) driver: PathBuf,
    pub(crate) provisioner: PathBuf,
    pub(crate) snapshotter: PathBuf,
    pub(crate) controller: PathBuf,
}

impl Csi {
    /// Builds what is missing.
    ///
    /// # Errors
    /// Go is missing, or a build fails.
    pub(crate) fn find() -> Result<Self> {
        Ok(Self {
            driver: find_or_build(&CSI_DRIVER)?,
            provisioner: find_or_build(&CSI_PROVISIONER)?,
            snapshotter: find_or_build(&CSI_SNAPSHOTTER)?,
            controller: find_or_build(&SNAPSHOT_CONTROLLER)?,
        })
    }
}

/// The definitions of `VolumeSnapshot` and its like.
///
/// # Errors
/// Go is missing, or doesn't have them.
pub(crate) fn snapshot_crds() -> Result<[PathBuf; 3]> {
    let folder = module_folder("csi", "github.com/kubernetes-csi/external-snapshotter/client/v8")?;
    let file = |kind: &str| folder.join(format!("config/crd/snapshot.storage.k8s.io_{kind}.yaml"));
    Ok(["volumesnapshots", "volumesnapshotcontents", "volumesnapshotclasses"].map(file))
}
