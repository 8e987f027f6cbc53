//! A node's kubelet and its kube-proxy.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::place::Place;
use super::space::Space;
use crate::certs::{Authority, write_kubeconfig, write_private};
use crate::error::Result;
use crate::process::Process;
use crate::registry::Run;

/// The address of the cluster's name service.
pub(crate) const DNS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
/// The cluster's own domain.
pub(crate) const DOMAIN: &str = "cluster.local";

/// A node, as its programs are told of it.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) name: String,
    pub(crate) zone: String,
    pub(crate) region: String,
    pub(crate) number: u8,
    pub(crate) place: Place,
}

impl Facts {
    /// The cgroup of its pods, below that of the run.
    pub(crate) fn cgroup(&self) -> String {
        format!("{}/{}", self.place.name(), self.name)
    }
}

/// Writes the configuration of both, and who they are.
pub(crate) fn configure(folder: &Path, facts: &Facts, authority: &Authority, url: &str) -> Result<()> {
    let ca = authority.path("ca.crt");
    let user = format!("system:node:{}", facts.name);
    let node = authority.client(&user, &["system:nodes"])?;
    write_kubeconfig(&folder.join("kubelet.kubeconfig"), url, &ca, Some(&node))?;
    let proxy = authority.client("system:kube-proxy", &[])?;
    write_kubeconfig(&folder.join("kube-proxy.kubeconfig"), url, &ca, Some(&proxy))?;
    write_private(&folder.join("resolv.conf"), "")?;
    write_private(&folder.join("kubelet.json"), &kubelet(folder, facts, &ca).to_string())?;
    write_private(&folder.join("kube-proxy.json"), &kube_proxy(folder, facts).to_string())
}

fn kubelet(folder: &Path, facts: &Facts, ca: &Path) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false}, "webhook": {"enabled": true}, "x509": {"clientCAFile": ca},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs", "cgroupRoot": format!("/{}", facts.cgroup()),
        "failCgroupV1": false, "failSwapOn": false, "makeIPTablesUtilChains": false,
        "clusterDNS": [DNS], "clusterDomain": DOMAIN, "resolvConf": folder.join("resolv.conf"),
        // A node that is lost is missed soon: see the flags of the controller manager.
        "nodeStatusUpdateFrequency": "3s", "nodeLeaseDurationSeconds": 12,
        // A machine that is short of disk is no concern of these nodes; images come from no registry.
        "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99,
    })
}

fn kube_proxy(folder: &Path, facts: &Facts) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
        "mode": "nftables", "clusterCIDR": facts.place.all(), "hostnameOverride": facts.name,
        "clientConnection": {"kubeconfig": folder.join("kube-proxy.kubeconfig")},
        "bindAddress": facts.place.node(facts.number), "healthzBindAddress": "127.0.0.1:10256",
        // Limits of the whole machine are not ours to set.
        "conntrack": {
            "maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s",
        },
    })
}

/// Starts the kubelet.
pub(crate) fn start(
    run: &Arc<Run>,
    node: &Space,
    program: &Path,
    folder: &Path,
    facts: &Facts,
) -> Result<Process> {
    let file = |name: &str| folder.join(name).display().to_string();
    let labels =
        format!("topology.kubernetes.io/zone={},topology.kubernetes.io/region={}", facts.zone, facts.region);
    let words = [
        program.display().to_string(),
        "kubelet".into(),
        format!("--config={}", file("kubelet.json")),
        format!("--kubeconfig={}", file("kubelet.kubeconfig")),
        format!("--hostname-override={}", facts.name),
        format!("--node-ip={}", facts.place.node(facts.number)),
        format!("--node-labels={labels}"),
        "--v=2".into(),
    ];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    node.process(run, &format!("kubelet-{}", facts.name), &words)
}

/// Starts kube-proxy.
pub(crate) fn start_proxy(
    run: &Arc<Run>,
    node: &Space,
    program: &Path,
    folder: &Path,
    facts: &Facts,
) -> Result<Process> {
    let config = format!("--config={}", folder.join("kube-proxy.json").display());
    let words = [&program.display().to_string(), "kube-proxy", &config];
    node.process(run, &format!("kube-proxy-{}", facts.name), &words)
}
