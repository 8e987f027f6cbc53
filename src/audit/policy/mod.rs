//! Audit policies of kube-apiserver: what they say of a request, and what is wrong with them. Pure.
//!
//! - here: a policy as it is written, and the rule that decides a request
//! - [`lint`]: what a policy doesn't protect
//!
//! Matching is that of `k8s.io/apiserver/pkg/audit/policy/checker.go`: the first rule that fits decides, and a request
//! that none fits isn't logged.

pub mod lint;

use serde::Deserialize;

/// The policy that `tenantry audit policy` prints.
pub const GOOD: &str = include_str!("../../../manifests/audit/policy.yaml");

/// How much of a request is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Level {
    /// Nothing.
    None,
    /// Who, what, when.
    Metadata,
    /// And the body that was sent.
    Request,
    /// And the body of the answer.
    RequestResponse,
}

/// When an event is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Stage {
    /// Before anything was done.
    RequestReceived,
    /// A watch begins to answer.
    ResponseStarted,
    /// The answer is sent.
    ResponseComplete,
    /// The API server panicked.
    Panic,
}

/// An `audit.k8s.io/v1` Policy.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// `audit.k8s.io/v1`.
    pub api_version: String,
    /// `Policy`.
    pub kind: String,
    /// A name, for people.
    #[serde(default)]
    pub metadata: Option<serde_json::Value>,
    /// The first that fits decides.
    pub rules: Vec<Rule>,
    /// Stages that no request has.
    #[serde(default)]
    pub omit_stages: Vec<Stage>,
    /// Whether bodies come without `managedFields`.
    #[serde(default)]
    pub omit_managed_fields: bool,
}

/// A rule; what is empty fits all.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// What is logged.
    pub level: Level,
    /// By whom.
    #[serde(default)]
    pub users: Vec<String>,
    /// By members of these.
    #[serde(default)]
    pub user_groups: Vec<String>,
    /// What is done.
    #[serde(default)]
    pub verbs: Vec<String>,
    /// To what.
    #[serde(default)]
    pub resources: Vec<Resources>,
    /// Where; an empty name is what has no namespace.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// Paths that are no resources.
    #[serde(default, rename = "nonResourceURLs")]
    pub non_resource_urls: Vec<String>,
    /// Stages that these requests don't have, besides the policy's.
    #[serde(default)]
    pub omit_stages: Vec<Stage>,
    /// As in the policy.
    #[serde(default)]
    pub omit_managed_fields: Option<bool>,
}

/// Resources of a group.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    /// Empty for the core group.
    #[serde(default)]
    pub group: String,
    /// `pods`, `pods/log`, `*`, `*/scale`, `pods/*`; all when empty.
    #[serde(default)]
    pub resources: Vec<String>,
    /// All when empty.
    #[serde(default)]
    pub resource_names: Vec<String>,
}

/// A request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// By whom.
    pub user: &'a str,
    /// Who is in these.
    pub groups: &'a [&'a str],
    /// What is done.
    pub verb: &'a str,
    /// Of a resource.
    pub group: &'a str,
    /// `pods` or `pods/exec`; none for a path.
    pub resource: Option<&'a str>,
    /// Empty when it has none.
    pub namespace: &'a str,
    /// Empty for lists.
    pub name: &'a str,
    /// For what is no resource.
    pub path: &'a str,
}

impl Policy {
    /// The rule that decides, with its number from zero.
    #[must_use]
    pub fn rule(&self, request: &Request<'_>) -> Option<(usize, &Rule)> {
        self.rules.iter().enumerate().find(|(_, rule)| rule.fits(request))
    }

    /// What is logged of it.
    #[must_use]
    pub fn level(&self, request: &Request<'_>) -> Level {
        self.rule(request).map_or(Level::None, |(_, rule)| rule.level)
    }
}

impl Rule {
    fn fits(&self, request: &Request<'_>) -> bool {
        let has = |list: &[String], word: &str| list.iter().any(|one| one == word);
        if !self.users.is_empty() && !has(&self.users, request.user) {
            return false;
        }
        let member = || request.groups.iter().any(|group| has(&self.user_groups, group));
        if !self.user_groups.is_empty() && !member() {
            return false;
        }
        if !self.verbs.is_empty() && !has(&self.verbs, request.verb) {
            return false;
        }
        let by_resource = !self.namespaces.is_empty() || !self.resources.is_empty();
        match request.resource {
            Some(_) if by_resource => self.fits_resource(request),
            Some(_) => self.non_resource_urls.is_empty(),
            None if !self.non_resource_urls.is_empty() => {
                self.non_resource_urls.iter().any(|path| path_fits(path, request.path))
            }
            None => !by_resource,
        }
    }

    fn fits_resource(&self, request: &Request<'_>) -> bool {
        let in_namespace =
            self.namespaces.is_empty() || self.namespaces.iter().any(|one| one == request.namespace);
        let resource = request.resource.unwrap_or_default();
        let is_one = |one: &Resources| {
            one.group == request.group
                && (one.resources.is_empty()
                    || one.resources.iter().any(|name| resource_fits(name, resource)))
                && (one.resource_names.is_empty()
                    || one.resource_names.iter().any(|name| name == request.name))
        };
        in_namespace && (self.resources.is_empty() || self.resources.iter().any(is_one))
    }
}

fn path_fits(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        _ if pattern == "*" => true,
        Some(prefix) => path.starts_with(prefix),
        None => pattern == path,
    }
}

fn resource_fits(pattern: &str, resource: &str) -> bool {
    if pattern == "*" || pattern == resource {
        return true;
    }
    let Some((plain, sub)) = resource.split_once('/') else { return false };
    pattern.strip_prefix("*/").is_some_and(|wanted| wanted == sub)
        || pattern.strip_suffix("/*").is_some_and(|wanted| wanted == plain)
}
