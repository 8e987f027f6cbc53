//! The cluster's name service: CoreDNS, on this machine, behind the usual Service.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::json;

use super::kubelet::{DNS, DOMAIN};
use super::place::Place;
use crate::certs::{Authority, write_kubeconfig, write_private};
use crate::error::Result;
use crate::process::Process;
use crate::registry::Run;

/// Starts CoreDNS on a port of its own; returns it with that port.
pub(crate) fn start(
    run: &Arc<Run>,
    program: &Path,
    place: Place,
    authority: &Authority,
    url: &str,
) -> Result<(Process, u16)> {
    let (folder, port) = (run.folder("coredns")?, run.port()?);
    let kubeconfig = folder.join("kubeconfig");
    let identity = authority.client("coredns", &["system:masters"])?;
    write_kubeconfig(&kubeconfig, url, &authority.path("ca.crt"), Some(&identity))?;
    let corefile = folder.join("Corefile");
    let text = format!(
        ".:{port} {{\n  bind {}\n  errors\n  kubernetes {DOMAIN} in-addr.arpa {{\n    \
         kubeconfig {} testbed\n    ttl 5\n  }}\n  cache 5\n}}\n",
        place.host(),
        kubeconfig.display()
    );
    write_private(&corefile, &text)?;
    let mut command = Command::new(program);
    command.arg("-conf").arg(&corefile);
    Ok((Process::start(run, "coredns", command)?, port))
}

/// The Service by which pods know it.
pub(crate) fn service(place: Place, port: u16) -> String {
    let names = [("dns", "UDP"), ("dns-tcp", "TCP")];
    let ports = names
        .map(|(name, protocol)| json!({"name": name, "protocol": protocol, "port": 53, "targetPort": port}));
    let targets = names.map(|(name, protocol)| json!({"name": name, "protocol": protocol, "port": port}));
    let name =
        |name: &str| json!({"name": name, "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}});
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": name("kube-dns"),
        "spec": {"clusterIP": DNS, "ports": ports},
    });
    let mut slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": name("kube-dns-testbed"),
        "addressType": "IPv4", "ports": targets,
        "endpoints": [{"addresses": [place.host()], "conditions": {"ready": true}}],
    });
    slice["metadata"]["labels"]["kubernetes.io/service-name"] = "kube-dns".into();
    format!("{service}\n---\n{slice}")
}
