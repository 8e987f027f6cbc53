//! All of them, for whoever wants to have them before they are needed.

use super::clusters::{
    CSI_DRIVER, CSI_PROVISIONER, CSI_SNAPSHOTTER, CYCLONUS, ETCD_COPY, FSCK, GITEA, LOCAL_PATH,
    METRICS_SERVER, SNAPSHOT_CONTROLLER,
};
use super::stores::{RESTIC, VERSITYGW, ministack};
use super::{COREDNS, GIT_SSH, HELM, KUBERNETES, KWOK, NODES, RULES, Recipe, WEB, find_or_build};
use crate::error::Result;

/// In the order in which tests need them.
const ALL: [&Recipe; 20] = [
    &KUBERNETES,
    &VERSITYGW,
    &FSCK,
    &RESTIC,
    &HELM,
    &RULES,
    &KWOK,
    &GITEA,
    &GIT_SSH,
    &ETCD_COPY,
    &CYCLONUS,
    &NODES,
    &COREDNS,
    &WEB,
    &METRICS_SERVER,
    &LOCAL_PATH,
    &CSI_DRIVER,
    &CSI_PROVISIONER,
    &CSI_SNAPSHOTTER,
    &SNAPSHOT_CONTROLLER,
];

/// Builds what is missing.
///
/// # Errors
/// Go or Python is missing, or a build fails: then the others are built all the same, and the first error is told.
pub fn every() -> Result<()> {
    let built = ALL.iter().map(|recipe| find_or_build(recipe).map(drop));
    let all: Vec<_> = built.chain(std::iter::once_with(|| ministack().map(drop))).collect();
    all.into_iter().collect()
}
