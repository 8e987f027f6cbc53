//! Volumes with snapshots on real nodes: a driver of ours on the first node (`tests/programs/csi`), and around it what
//! clusters have: csi-provisioner, csi-snapshotter, snapshot-controller and their definitions.

use std::process::Command;

use serde_json::json;

use crate::certs::write_kubeconfig;
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::process::Process;
use crate::programs::{Csi, snapshot_crds};

/// The driver's name.
pub const CSI_DRIVER: &str = "csi.testbed.example.com";
/// Its StorageClass, and its VolumeSnapshotClass, which is its driver's default.
pub const CSI_CLASS: &str = "testbed-csi";

/// The programs while they run.
#[derive(Debug)]
pub(super) struct Snapshots(Vec<Process>);

impl Snapshots {
    /// Whether all of them do: those on a node end with it.
    fn run(&self) -> bool {
        self.0.iter().all(|process| process.ended().is_none())
    }
}

impl Cluster {
    /// Lets claims of the class [`CSI_CLASS`] have volumes that snapshots can be taken of; again after their node was
    /// off.
    ///
    /// # Errors
    /// The nodes are not ours, or not real; a program can't be built or started; the API server refuses an object.
    pub async fn provide_snapshots(&self) -> Result<()> {
        let (fleet, (authority, url)) = (self.fleet()?, self.authority()?);
        let running = || fleet.snapshots.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if running().as_ref().is_some_and(Snapshots::run) {
            return Ok(());
        }
        let found = tokio::task::spawn_blocking(Csi::find).await;
        let programs = found.map_err(|error| Error::Invalid(error.to_string()))??;
        self.define_snapshots().await?;
        self.apply_yaml(&objects()).await?;
        let folder = self.run().folder("csi")?;
        let kubeconfig = folder.join("kubeconfig");
        let identity = authority.client("csi-sidecars", &["system:masters"])?;
        write_kubeconfig(&kubeconfig, &url, &authority.path("ca.crt"), Some(&identity))?;
        let node = fleet.nodes.first().ok_or_else(|| Error::Invalid("there is no node".into()))?;
        let name = &node.facts.name;
        let socket = format!("/var/lib/kubelet/plugins/{CSI_DRIVER}/csi.sock");
        let text = |path: &std::path::Path| path.display().to_string();
        let kubeconfig = format!("--kubeconfig={}", text(&kubeconfig));
        let driver = [
            text(&programs.driver),
            format!("-name={CSI_DRIVER}"),
            format!("-node={name}"),
            format!("-data={}", text(&self.run().folder("csi-data")?)),
            format!("-endpoint={socket}"),
            format!("-registry=/var/lib/kubelet/plugins_registry/{CSI_DRIVER}-reg.sock"),
        ];
        let address = format!("--csi-address={socket}");
        let sidecar = |program| [text(program), address.clone(), kubeconfig.clone()];
        let start = |name: &str, words: &[String]| {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            node.process(self.run(), name, &words)
        };
        let mut controller = Command::new(&programs.controller);
        controller.arg(&kubeconfig).arg("--http-endpoint=");
        let all = vec![
            start("csi-driver", &driver)?,
            start("csi-provisioner", &sidecar(&programs.provisioner))?,
            start("csi-snapshotter", &sidecar(&programs.snapshotter))?,
            Process::start(self.run(), "snapshot-controller", controller)?,
        ];
        *running() = Some(Snapshots(all));
        Ok(())
    }

    /// Lets the API server know snapshots; nobody takes any.
    ///
    /// # Errors
    /// The definitions can't be found; the API server refuses them.
    pub async fn define_snapshots(&self) -> Result<()> {
        let found = tokio::task::spawn_blocking(snapshot_crds).await;
        for crd in found.map_err(|error| Error::Invalid(error.to_string()))?? {
            self.apply_path(crd).await?;
        }
        Ok(())
    }
}

fn objects() -> String {
    let driver = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": CSI_DRIVER},
        "spec": {"attachRequired": false, "podInfoOnMount": false, "fsGroupPolicy": "None"},
    });
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": CSI_CLASS},
        "provisioner": CSI_DRIVER, "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate",
    });
    let default = "snapshot.storage.kubernetes.io/is-default-class";
    let snapshots = json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
        "metadata": {"name": CSI_CLASS, "annotations": {default: "true"}},
        "driver": CSI_DRIVER, "deletionPolicy": "Delete",
    });
    format!("{driver}\n---\n{class}\n---\n{snapshots}")
}
