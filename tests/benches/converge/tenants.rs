//! What a tenant of the benchmark asks for: two services, members, an egress rule.

use serde_json::{Value, json};

/// The Platform's name.
pub const PLATFORM: &str = "bench";

/// The Platform, with its repository. The interval is the shortest that production allows.
pub fn platform(url: &str) -> Value {
    json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Platform", "metadata": {"name": PLATFORM},
        "spec": {
            "environment": "production",
            "source": {"git": {"url": url, "branch": "main", "path": "tenants", "interval": "10s",
                "hook": {"secretRef": {"name": "hook"}}}},
            "topology": {"minZones": 3},
            "network": {
                "ingressFrom": [{"name": "ingress-controller", "namespaceSelector":
                    {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}],
            },
            "images": {"registries": ["registry.k8s.io"]},
            "limits": {"replicas": 20, "egress": ["0.0.0.0/0"]},
        },
    })
}

/// A tenant's name: of one length, so that both sides write the same bytes.
pub fn name(prefix: &str, index: usize) -> String {
    format!("{prefix}-{index:05}")
}

/// Where a tenant's file is.
pub fn path(name: &str) -> String {
    format!("tenants/{name}.yaml")
}

/// A Tenant; `version` is what a commit changes.
pub fn tenant(name: &str, version: &str) -> Value {
    json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name},
        "spec": {
            "platformRef": {"name": PLATFORM},
            "members": [
                {"kind": "Group", "name": format!("{name}-developers"), "role": "Editor"},
                {"kind": "User", "name": "auditor@example.com", "role": "Viewer"},
            ],
            "egress": [{"name": "payments", "cidr": "203.0.113.0/24", "ports": [{"port": 443}]}],
            "services": [
                {
                    "name": "web", "image": "registry.k8s.io/pause:3.10",
                    "ports": [{"name": "http", "containerPort": 8080}],
                    "env": [{"name": "VERSION", "value": version}],
                    "config": {"LOG_LEVEL": "info", "SHOP_NAME": name},
                    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "32Mi"}},
                    "replicas": {"min": 3, "max": 6},
                },
                {"name": "worker", "image": "registry.k8s.io/pause:3.10", "replicas": {"min": 3}},
            ],
        },
    })
}

/// A file of the repository.
pub fn file(name: &str, version: &str) -> String {
    // JSON is YAML; people write the latter, and parse costs are alike.
    serde_saphyr::to_string(&tenant(name, version)).unwrap_or_default()
}
