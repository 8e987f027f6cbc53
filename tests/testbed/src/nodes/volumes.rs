//! Volumes on real nodes: the provisioner that makes them, on this machine, and its StorageClass.

use std::process::Command;

use serde_json::json;

use super::WEB_IMAGE;
use crate::certs::{write_kubeconfig, write_private};
use crate::cluster::Cluster;
use crate::error::Result;
use crate::process::Process;
use crate::programs::local_path;

/// The class that it makes volumes for; also of claims that name none.
const VOLUME_CLASS: &str = "local-path";
/// Where its helper pods run, and its account.
const NAMESPACE: &str = "local-path-storage";

impl Cluster {
    /// Lets claims have volumes: folders on the node of their first pod, which live as long as the run. On a cluster
    /// that is not ours its own default class has to do.
    ///
    /// # Errors
    /// The provisioner can't be built or started, or the API server refuses its objects.
    pub async fn provide_volumes(&self) -> Result<()> {
        let Ok(fleet) = self.fleet() else { return Ok(()) };
        if fleet.volumes.get().is_some() {
            return Ok(());
        }
        let program = local_path()?;
        self.apply_yaml(&objects()).await?;
        let (authority, url) = self.authority()?;
        let folder = self.run().folder("local-path")?;
        let (kubeconfig, config, pod) =
            (folder.join("kubeconfig"), folder.join("config.json"), folder.join("helper-pod.yaml"));
        let identity = authority.client("local-path-provisioner", &["system:masters"])?;
        write_kubeconfig(&kubeconfig, &url, &authority.path("ca.crt"), Some(&identity))?;
        let places = json!([{
            "node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": [self.run().folder("volumes")?],
        }]);
        // The image has no shell: its own program makes and removes a folder.
        let text = json!({"nodePathMap": places, "setupCommand": "/web", "teardownCommand": "/web"});
        write_private(&config, &text.to_string())?;
        write_private(&pod, &helper_pod())?;
        let mut command = Command::new(program);
        command.arg("start").arg("--kubeconfig").arg(&kubeconfig).arg("--config").arg(&config);
        command.arg("--helper-pod-file").arg(&pod).args(["--namespace", NAMESPACE]);
        command.args(["--helper-image", WEB_IMAGE, "--service-account-name", "default"]);
        let process = Process::start(self.run(), "local-path", command)?;
        fleet.volumes.get_or_init(|| process);
        Ok(())
    }
}

/// Its namespace, whose pods mount folders of nodes as root, and its class: a volume is made when a pod is there.
fn objects() -> String {
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE},
    });
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {
            "name": VOLUME_CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "rancher.io/local-path", "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Delete",
    });
    format!("{namespace}\n---\n{class}")
}

/// What makes a folder on a node; the provisioner says which.
fn helper_pod() -> String {
    let container = json!({
        "name": "helper", "image": WEB_IMAGE, "imagePullPolicy": "IfNotPresent",
        "securityContext": {"runAsUser": 0, "runAsGroup": 0},
    });
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "helper"}, "spec": {"containers": [container]},
    })
    .to_string()
}
