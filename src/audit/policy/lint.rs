//! What a policy, and the flags of the API server beside it, don't protect. Pure.
//!
//! A policy is asked what it says of requests that an audit log is for; nothing is concluded from how it is written.

use super::{Level, Policy, Request, Stage};

/// `--audit-*` flags of kube-apiserver that matter here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--audit-webhook-mode`: `batch` by default.
    pub webhook_mode: Option<String>,
    /// The server in the kubeconfig of `--audit-webhook-config-file`.
    pub webhook_server: Option<String>,
    /// `--audit-webhook-truncate-enabled`.
    pub webhook_truncate: bool,
    /// `--audit-log-path`; `-` is standard output.
    pub log_path: Option<String>,
    /// `--audit-log-mode`: `blocking` by default.
    pub log_mode: Option<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Events are lost, or secrets kept: refused.
    Error,
    /// Worth knowing.
    Warning,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// Field of the policy or flag of the API server.
    pub at: String,
    /// What, why it matters, and what to do.
    pub message: String,
}

fn error(at: impl Into<String>, message: impl Into<String>) -> Finding {
    Finding { severity: Severity::Error, at: at.into(), message: message.into() }
}

fn warning(at: impl Into<String>, message: impl Into<String>) -> Finding {
    Finding { severity: Severity::Warning, at: at.into(), message: message.into() }
}

/// All that is wrong, errors first.
#[must_use]
pub fn lint(policy: &Policy, flags: &Flags) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(kind(policy));
    found.extend(strict(policy, flags));
    found.extend(catch_all(policy));
    found.extend(unlogged(policy));
    found.extend(bodies(policy));
    found.extend(transport(policy, flags));
    found.sort_by_key(|finding| finding.severity == Severity::Warning);
    found
}

fn kind(policy: &Policy) -> Option<Finding> {
    let right = policy.api_version == "audit.k8s.io/v1" && policy.kind == "Policy";
    (!right).then(|| {
        error(
            "apiVersion",
            format!(
                "{} {} is no audit policy: write audit.k8s.io/v1 Policy",
                policy.api_version, policy.kind
            ),
        )
    })
}

/// `blocking-strict` refuses a request whose event can't be written, and does so at `RequestReceived` alone: without
/// that stage it protects nothing, silently.
fn strict(policy: &Policy, flags: &Flags) -> Vec<Finding> {
    let flags = [("--audit-webhook-mode", &flags.webhook_mode), ("--audit-log-mode", &flags.log_mode)];
    let Some((flag, _)) = flags.into_iter().find(|(_, mode)| mode.as_deref() == Some("blocking-strict"))
    else {
        return Vec::new();
    };
    let says = |at: String| {
        error(
            at,
            format!(
                "{flag}=blocking-strict refuses requests at the stage RequestReceived alone, and this leaves that stage out: \
                 requests are let through whose events are lost. Take RequestReceived out of omitStages, or the mode back to blocking"
            ),
        )
    };
    let whole = policy.omit_stages.contains(&Stage::RequestReceived).then(|| says("omitStages".into()));
    let logged = |(_, rule): &(usize, &super::Rule)| rule.level > Level::None;
    let rules = policy.rules.iter().enumerate().filter(logged);
    let rules = rules.filter(|(_, rule)| rule.omit_stages.contains(&Stage::RequestReceived));
    whole.into_iter().chain(rules.map(|(number, _)| says(format!("rules[{number}].omitStages")))).collect()
}

/// Nobody that a policy knows of, and nothing that it could have thought of.
const STRANGER: Request<'_> = Request {
    user: "lint:stranger",
    groups: &["system:authenticated"],
    verb: "create",
    group: "lint.tenantry.dev",
    resource: Some("unheardof"),
    namespace: "lint-unheard-of",
    name: "x",
    path: "",
};

fn catch_all(policy: &Policy) -> Vec<Finding> {
    let path =
        Request { resource: None, group: "", namespace: "", name: "", path: "/unheard-of", ..STRANGER };
    let mut found = Vec::new();
    for (request, what) in [(STRANGER, "resources"), (path, "paths")] {
        let says = match policy.rule(&request) {
            None => (
                "rules".to_owned(),
                format!(
                    "no rule fits {what} that no other rule names, so that requests to them aren't logged"
                ),
            ),
            Some((number, rule)) if rule.level == Level::None => (
                format!("rules[{number}]"),
                format!("requests to {what} that no other rule names are left out"),
            ),
            Some(_) => continue,
        };
        found.push(error(says.0, format!("{}: end with a rule `- level: Metadata`", says.1)));
    }
    found
}

/// Requests that an audit log is for.
const MUST: [(Request<'_>, &str); 9] = [
    (
        Request { resource: Some("secrets"), verb: "get", namespace: "acme", name: "db", ..STRANGER_CORE },
        "reading a Secret",
    ),
    (
        Request {
            resource: Some("pods/exec"),
            verb: "create",
            namespace: "acme",
            name: "p",
            ..STRANGER_CORE
        },
        "kubectl exec",
    ),
    (
        Request { resource: Some("pods/exec"), verb: "get", namespace: "acme", name: "p", ..STRANGER_CORE },
        "kubectl exec by websocket",
    ),
    (
        Request { resource: Some("namespaces"), verb: "delete", name: "acme", ..STRANGER_CORE },
        "deleting a namespace",
    ),
    (
        Request {
            resource: Some("serviceaccounts/token"),
            verb: "create",
            namespace: "acme",
            name: "s",
            ..STRANGER_CORE
        },
        "minting a token",
    ),
    (
        Request {
            group: "rbac.authorization.k8s.io",
            resource: Some("clusterrolebindings"),
            verb: "create",
            name: "b",
            ..STRANGER_CORE
        },
        "granting rights",
    ),
    (
        Request {
            group: "tenantry.dev",
            resource: Some("tenants"),
            verb: "patch",
            name: "acme",
            ..STRANGER_CORE
        },
        "changing a Tenant",
    ),
    (
        Request {
            group: "networking.k8s.io",
            resource: Some("networkpolicies"),
            verb: "delete",
            namespace: "acme",
            name: "n",
            ..STRANGER_CORE
        },
        "deleting a NetworkPolicy",
    ),
    // The request by which the agent finds out whether events arrive.
    (
        Request {
            resource: Some("configmaps"),
            verb: "get",
            namespace: "kube-system",
            name: "tenantry-audit-canary",
            ..STRANGER_CORE
        },
        "the agent's canary",
    ),
];

const STRANGER_CORE: Request<'_> = Request { group: "", resource: None, namespace: "", name: "", ..STRANGER };

/// Everybody's requests count: the rights of administrators are those that are stolen.
const ANYBODY: [(&str, &[&str]); 3] = [
    ("lint:stranger", &["system:authenticated"]),
    ("kubernetes-admin", &["system:masters", "system:authenticated"]),
    ("system:serviceaccount:tenantry-system:tenantry", &["system:serviceaccounts", "system:authenticated"]),
];

fn unlogged(policy: &Policy) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for (request, what) in MUST {
        for (user, groups) in ANYBODY {
            let Some((number, rule)) = policy.rule(&Request { user, groups, ..request }) else { continue };
            if rule.level == Level::None {
                let at = format!("rules[{number}]");
                let message = format!(
                    "{what} by {user} is left out: log it with level Metadata at least, by a rule before this one"
                );
                found.push(error(at, message));
                break;
            }
        }
    }
    found
}

/// What holds secrets in its body.
const SECRET: [(&str, &str, &str); 4] = [
    ("", "secrets", "Secrets"),
    ("", "configmaps", "ConfigMaps, which hold secrets more often than they should"),
    ("", "serviceaccounts/token", "tokens"),
    ("authentication.k8s.io", "tokenreviews", "tokens that are reviewed"),
];

fn bodies(policy: &Policy) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for (group, resource, what) in SECRET {
        let verbs = ["get", "list", "create", "update", "patch"];
        let users = ANYBODY.into_iter().flat_map(|user| verbs.map(|verb| (user, verb)));
        let mut rules = users.filter_map(|((user, groups), verb)| {
            let request = Request {
                user,
                groups,
                verb,
                group,
                resource: Some(resource),
                namespace: "acme",
                name: "x",
                path: "",
            };
            policy.rule(&request).filter(|(_, rule)| rule.level > Level::Metadata)
        });
        if let Some((number, rule)) = rules.next() {
            let message = format!(
                "level {:?} keeps the content of {what} in a log that nobody can delete from: put a rule with level Metadata for them before this one",
                rule.level
            );
            let at = format!("rules[{number}]");
            found.push(if resource == "configmaps" { warning(at, message) } else { error(at, message) });
        }
    }
    found
}

fn transport(policy: &Policy, flags: &Flags) -> Vec<Finding> {
    let mut found = Vec::new();
    let has_bodies = policy.rules.iter().any(|rule| rule.level > Level::Metadata);
    if flags.webhook_server.is_some() && has_bodies && !flags.webhook_truncate {
        found.push(warning(
            "--audit-webhook-truncate-enabled",
            "bodies are logged and not cut: one event of more than 10 MB can't be sent, and is lost with its batch. Switch truncation on",
        ));
    }
    let is_local = |server: &str| {
        let host = server.split("://").last().unwrap_or_default();
        ["127.0.0.1", "localhost", "[::1]"].iter().any(|local| host.starts_with(local))
    };
    let file = flags.log_path.as_deref().filter(|path| *path != "-");
    if let Some(server) = flags.webhook_server.as_deref().filter(|server| file.is_none() && !is_local(server))
    {
        found.push(error(
            "--audit-webhook-config-file",
            format!("{server} is another machine and there is no log file: after some 90 seconds without it events are thrown away. Set --audit-log-path as well"),
        ));
    }
    if file.is_some() && flags.log_mode.as_deref() == Some("batch") {
        found.push(warning(
            "--audit-log-mode",
            "batch keeps up to 10,000 events in memory, which a killed API server loses: take blocking",
        ));
    }
    found
}

#[cfg(test)]
mod tests;
