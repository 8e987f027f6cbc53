//! How much CPU and memory pods take: metrics-server on this machine, behind the API server.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::place::Place;
use crate::certs::{Authority, write_kubeconfig, write_private};
use crate::cluster::Cluster;
use crate::error::Result;
use crate::process::Process;
use crate::programs;

/// Who the API server is to servers behind it.
const FRONT: &str = "front-proxy-client";

/// Flags for an API server with others behind it. It has to go to them by itself: this machine has no
/// kube-proxy.
pub(super) fn aggregation(authority: &Authority) -> Result<Vec<String>> {
    let identity = authority.client(FRONT, &[])?;
    let (cert, key) = (authority.path("front-proxy.crt"), authority.path("front-proxy.key"));
    write_private(&cert, &identity.cert)?;
    write_private(&key, &identity.key)?;
    Ok(vec![
        "--enable-aggregator-routing=true".into(),
        format!("--requestheader-client-ca-file={}", authority.path("ca.crt").display()),
        format!("--requestheader-allowed-names={FRONT}"),
        "--requestheader-username-headers=X-Remote-User".into(),
        "--requestheader-group-headers=X-Remote-Group".into(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".into(),
        format!("--proxy-client-cert-file={}", cert.display()),
        format!("--proxy-client-key-file={}", key.display()),
    ])
}

impl Cluster {
    /// Starts metrics-server, which asks the real kubelets every 10 s; nothing if it runs.
    ///
    /// # Errors
    /// The nodes are not ours, or not real; Go is missing, or the build fails.
    pub async fn start_metrics(&self) -> Result<()> {
        let (fleet, (authority, url)) = (self.fleet()?, self.authority()?);
        if fleet.metrics.get().is_some() {
            return Ok(());
        }
        let run = self.run();
        let (folder, port) = (run.folder("metrics-server")?, run.port()?);
        let kubeconfig = folder.join("kubeconfig");
        let identity = authority.client("metrics-server", &["system:masters"])?;
        write_kubeconfig(&kubeconfig, &url, &authority.path("ca.crt"), Some(&identity))?;
        let program = tokio::task::spawn_blocking(programs::metrics_server).await;
        let mut command = Command::new(program.map_err(|error| crate::Error::Invalid(error.to_string()))??);
        for kind in ["", "authentication-", "authorization-"] {
            command.arg(format!("--{kind}kubeconfig={}", kubeconfig.display()));
        }
        command.arg(format!("--bind-address={}", fleet.address())).arg(format!("--secure-port={port}"));
        command.arg(format!("--cert-dir={}", folder.display()));
        command.args(["--kubelet-insecure-tls", "--kubelet-preferred-address-types=InternalIP"]);
        command.args(["--metric-resolution=10s", "--kubelet-request-timeout=5s"]);
        let process = Process::start(run, "metrics-server", command)?;
        let process = fleet.metrics.get_or_init(|| process);
        let address = format!("{}:{port}", fleet.address());
        process.answers(&address, "metrics-server to answer", Duration::from_secs(60)).await?;
        // Not before it answers: where a registered API doesn't, no namespace can be deleted.
        self.apply_yaml(&service(fleet.place, port)).await
    }
}

/// Where the API server finds it.
fn service(place: Place, port: u16) -> String {
    let name = json!({"name": "metrics-server", "namespace": "kube-system"});
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": name,
        "spec": {"ports": [{"name": "https", "port": 443, "targetPort": port}]},
    });
    let mut slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": name,
        "addressType": "IPv4", "ports": [{"name": "https", "protocol": "TCP", "port": port}],
        "endpoints": [{"addresses": [place.host()], "conditions": {"ready": true}}],
    });
    slice["metadata"]["labels"] = json!({"kubernetes.io/service-name": "metrics-server"});
    let registration = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v1beta1.metrics.k8s.io"},
        "spec": {
            "group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "insecureSkipTLSVerify": true, "service": {"name": "metrics-server", "namespace": "kube-system"},
        },
    });
    format!("{service}\n---\n{slice}\n---\n{registration}")
}
