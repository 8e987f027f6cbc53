//! The charts: linted, rendered, taken by the API server, installed, upgraded and taken away by the real Helm.
//!
//! `UPDATE_GOLDEN=1 cargo test --test charts` writes anew what is generated for them.

#![allow(missing_docs, reason = "the names of tests are their documentation")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod alerts;
mod audit;
mod image;
mod live;
mod render;
mod schema;
#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;

use serde_json::{Value, json};
use tenantry_testbed::{Cluster, Options, programs};
use tokio::sync::OnceCell;

use support::{Outcome, helm::helm};

/// A path from the top of the repository.
fn top(path: &str) -> PathBuf {
    programs::repository_root().join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(top(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Renders a chart with these values.
fn template(chart: &str, values: &Value) -> Outcome<Result<String, String>> {
    let home = tempfile::tempdir()?;
    let file = home.path().join("values.json");
    std::fs::write(&file, values.to_string())?;
    let (chart, file) = (format!("charts/{chart}"), file.display().to_string());
    helm(home.path(), &["template", "tenantry", &chart, "--values", &file])
}

/// What the operator's chart gives with these values.
fn render(values: &Value) -> Outcome<Vec<Value>> {
    let text = template("tenantry", values)??;
    let all: Vec<Value> = serde_saphyr::from_multiple(&text)?;
    Ok(all.into_iter().filter(|object| !object.is_null()).collect())
}

fn digest() -> String {
    format!("sha256:{}", "0123456789abcdef".repeat(4))
}

/// The least that has to be said.
fn least() -> Value {
    json!({"image": {"repository": "registry.example.com/tenantry", "digest": digest()}})
}

/// Every option, each other than its default.
fn all_options() -> Value {
    let peer = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}});
    let expression = json!({"key": "a", "operator": "In", "values": ["b"]});
    json!({
        "image": {"repository": "registry.example.com:5000/a/tenantry", "allowTag": true, "tag": "v1", "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "registry"}],
        "replicas": 3,
        "podDisruptionBudget": {"enabled": true},
        "topologySpread": {"zone": "DoNotSchedule", "host": "DoNotSchedule"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "system", "effect": "NoSchedule"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [expression]}]}}},
        "priorityClassName": "system-cluster-critical",
        "resources": {"requests": {"cpu": "1", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        "log": {"filter": "info,tenantry::apply=debug", "format": "text"},
        "cache": {"sizeLimit": "10Gi"},
        "hooks": {"enabled": true, "service": {"type": "LoadBalancer", "port": 8443, "annotations": {"example.com/a": "b"}}},
        "extraCA": {"configMap": "company-ca", "key": "root.pem"},
        "isolation": {"proofInterval": "1h30m", "probeNetwork": true},
        "platformSecrets": ["git", "registry"],
        "networkPolicy": {
            "enabled": true,
            "apiServer": {"cidrs": ["192.0.2.1/32", "2001:db8::/64"], "ports": [6443]},
            "git": {"cidrs": ["198.51.100.0/24"], "ports": [8443]},
            "metricsFrom": [peer], "hooksFrom": [{"ipBlock": {"cidr": "203.0.113.0/24"}}],
        },
        "serviceMonitor": {"enabled": true, "interval": "1m", "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": true, "labels": {"release": "prometheus"}},
        "audit": audit::options(),
        "watchdog": {"enabled": true, "schedule": "*/2 * * * *", "silentFor": 90, "resources": {"limits": {"memory": "64Mi"}}},
    })
}

/// One cluster for all tests of this binary, with the operator's namespace as the README makes it; `None` when
/// tests must be skipped.
async fn cluster() -> Outcome<Option<&'static Cluster>> {
    static SHARED: OnceCell<Cluster> = OnceCell::const_new();
    if programs::skip() {
        return Ok(None);
    }
    let start = || async {
        let cluster = Cluster::start(Options::default()).await.map_err(|error| error.to_string())?;
        let namespace = top("manifests/install/namespace.yaml");
        cluster.apply_path(namespace).await.map_err(|error| error.to_string())?;
        Ok::<_, String>(cluster)
    };
    Ok(Some(SHARED.get_or_try_init(start).await?))
}
