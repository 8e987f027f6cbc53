//! What a request is, so that requests can be counted by what they do.

/// A request's verb and resource, as in RBAC rules: `list` of `deployments`, `apply` of
/// `tenants/status`. Outside the Kubernetes API the verb is the HTTP method and the
/// resource the path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestKind {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `apply`, `delete`, `deletecollection`.
    pub verb: String,
    /// The plural resource, with its subresource if any.
    pub resource: String,
}

impl RequestKind {
    /// Reads it from a request.
    pub(crate) fn of(method: &str, path: &str, query: &str, content_type: &str) -> Self {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let rest = match parts.as_slice() {
            ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] if !rest.is_empty() => rest,
            _ => return Self { verb: method.to_ascii_lowercase(), resource: path.to_string() },
        };
        let rest = match rest {
            ["namespaces", _, "status" | "finalize"] => rest,
            ["namespaces", _, resource @ ..] if !resource.is_empty() => resource,
            _ => rest,
        };
        let (resource, name, sub) = (rest[0], rest.get(1), rest.get(2));
        let watch = query.split('&').any(|pair| pair == "watch=true" || pair == "watch=1");
        let verb = match (method, name) {
            ("GET", None) if watch => "watch",
            ("GET", None) => "list",
            ("GET", Some(_)) => "get",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) if content_type.starts_with("application/apply-patch") => "apply",
            ("PATCH", _) => "patch",
            ("DELETE", None) => "deletecollection",
            ("DELETE", Some(_)) => "delete",
            _ => method,
        };
        let resource = sub.map_or_else(|| resource.to_string(), |sub| format!("{resource}/{sub}"));
        Self { verb: verb.to_ascii_lowercase(), resource }
    }
}

#[cfg(test)]
mod tests {
    use super::RequestKind;

    #[track_caller]
    fn check(method: &str, path: &str, query: &str, verb: &str, resource: &str) {
        let content_type = if verb == "apply" { "application/apply-patch+yaml" } else { "" };
        let kind = RequestKind::of(method, path, query, content_type);
        assert_eq!((kind.verb.as_str(), kind.resource.as_str()), (verb, resource));
    }

    #[test]
    fn requests_are_named_as_in_rbac() {
        check("GET", "/api/v1/namespaces", "", "list", "namespaces");
        check("GET", "/api/v1/namespaces/acme", "", "get", "namespaces");
        check("PUT", "/api/v1/namespaces/acme/finalize", "", "update", "namespaces/finalize");
        check("GET", "/api/v1/pods", "watch=true&labelSelector=a", "watch", "pods");
        check("PATCH", "/apis/apps/v1/namespaces/acme/deployments/web", "", "apply", "deployments");
        check(
            "PATCH",
            "/apis/apps/v1/namespaces/acme/deployments/web/scale",
            "",
            "patch",
            "deployments/scale",
        );
        check("PATCH", "/apis/tenantry.dev/v1alpha1/tenants/acme/status", "", "apply", "tenants/status");
        check("DELETE", "/api/v1/namespaces/acme/secrets", "", "deletecollection", "secrets");
        check("GET", "/readyz", "", "get", "/readyz");
        check("GET", "/apis/apps/v1", "", "get", "/apis/apps/v1");
        check("POST", "/config.git/git-upload-pack", "", "post", "/config.git/git-upload-pack");
    }
}
