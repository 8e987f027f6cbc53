//! What is asked about each Tenant: the fixed table of what a member must and must not be able to do. Pure.

use serde::Serialize;

use crate::{
    api::{
        Tenant,
        tenant::{Lifecycle, Member, MemberKind, Role},
    },
    desired::meta::short_hash,
};

/// Everyone who has logged in is in it, and so is every member.
const EVERYONE: &str = "system:authenticated";
/// A user for questions about a group: the API server wants one, and nobody is called that.
const ANYBODY: &str = "tenantry:somebody";

/// Somebody of the Tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Who {
    /// A member, as the Tenant lists it.
    Member {
        /// A user or a group.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Whether it may also change workloads.
        editor: bool,
    },
    /// What runs in its pods, under the ServiceAccount that a pod gets without asking.
    Pods {
        /// The namespace.
        namespace: String,
    },
}

impl Who {
    fn of(member: &Member) -> Self {
        let kind = match member.kind {
            MemberKind::User => "User",
            MemberKind::Group => "Group",
        };
        Self::Member { kind, name: member.name.clone(), editor: member.role == Role::Editor }
    }

    /// The user and the groups that the API server is asked about.
    pub fn identity(&self) -> (String, Vec<String>) {
        let everyone = EVERYONE.to_owned();
        match self {
            Self::Member { kind: "User", name, .. } => (name.clone(), vec![everyone]),
            Self::Member { name, .. } => (ANYBODY.to_owned(), vec![name.clone(), everyone]),
            Self::Pods { namespace } => (
                format!("system:serviceaccount:{namespace}:default"),
                vec![
                    "system:serviceaccounts".to_owned(),
                    format!("system:serviceaccounts:{namespace}"),
                    everyone,
                ],
            ),
        }
    }
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Member { kind, name, .. } => write!(f, "{kind} {name}"),
            Self::Pods { .. } => write!(f, "ServiceAccount default of its pods"),
        }
    }
}

/// Something that can be done: verb, API group, resource, subresource.
type Deed = (&'static str, &'static str, &'static str, &'static str);

/// What a role is there for. Asked first: where that is denied, the other answers don't speak of the role.
const VIEWERS_MUST: Deed = ("get", "", "pods", "");
const EDITORS_MUST: Deed = ("create", "apps", "deployments", "");

/// What nobody of a Tenant may do in its own namespace: weaken what keeps it apart, or become somebody else.
const NEVER: [Deed; 11] = [
    ("create", "networking.k8s.io", "networkpolicies", ""),
    ("patch", "networking.k8s.io", "networkpolicies", ""),
    ("delete", "networking.k8s.io", "networkpolicies", ""),
    ("patch", "", "resourcequotas", ""),
    ("patch", "", "limitranges", ""),
    ("create", "rbac.authorization.k8s.io", "rolebindings", ""),
    ("create", "rbac.authorization.k8s.io", "roles", ""),
    ("create", "", "serviceaccounts", "token"),
    ("impersonate", "", "serviceaccounts", ""),
    ("patch", "", "namespaces", ""),
    ("patch", "", "pods", "ephemeralcontainers"),
];

/// What only an Editor may do in its own namespace.
const EDITORS_ONLY: [Deed; 5] = [
    ("get", "", "secrets", ""),
    ("create", "", "pods", ""),
    ("create", "", "pods", "exec"),
    ("create", "", "pods", "portforward"),
    ("patch", "apps", "deployments", ""),
];

/// What nobody of a Tenant may do in the cluster as a whole.
const CLUSTER: [Deed; 11] = [
    ("list", "", "secrets", ""),
    ("create", "", "pods", ""),
    ("create", "", "pods", "exec"),
    ("patch", "", "nodes", ""),
    ("get", "", "nodes", "proxy"),
    ("impersonate", "", "users", ""),
    ("impersonate", "", "groups", ""),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings", ""),
    ("patch", "admissionregistration.k8s.io", "validatingadmissionpolicies", ""),
    ("patch", "tenantry.dev", "tenants", ""),
    ("patch", "tenantry.dev", "platforms", ""),
];

/// What nobody of a Tenant may do in another Tenant's namespace: anything; these stand for it.
const ELSEWHERE: [Deed; 10] = [
    ("get", "", "pods", ""),
    ("get", "", "pods", "log"),
    ("get", "", "configmaps", ""),
    ("get", "", "secrets", ""),
    ("create", "", "pods", ""),
    ("create", "", "pods", "exec"),
    ("create", "", "services", ""),
    ("patch", "apps", "deployments", ""),
    ("delete", "", "persistentvolumeclaims", ""),
    ("create", "rbac.authorization.k8s.io", "rolebindings", ""),
];

/// What nobody of a Tenant may do where its backups are made and tried: its key, its credentials for the store and what
/// was restored are there while a run goes on.
const BESIDE: [Deed; 6] = [
    ("get", "", "secrets", ""),
    ("get", "", "pods", "log"),
    ("create", "", "pods", ""),
    ("create", "", "pods", "exec"),
    ("create", "batch", "jobs", ""),
    ("create", "rbac.authorization.k8s.io", "rolebindings", ""),
];

/// One question: may this one do that there?
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Question {
    /// Whom it is about: an index into [`Questions::who`].
    pub who: usize,
    /// The namespace; empty for the whole cluster.
    pub namespace: String,
    /// Verb, API group, resource, subresource.
    pub deed: Deed,
    /// The right answer.
    pub wanted: bool,
}

impl Question {
    /// `get pods/log in globex`.
    pub fn words(&self) -> String {
        let (verb, group, resource, subresource) = self.deed;
        let dot = if group.is_empty() { String::new() } else { format!(".{group}") };
        let slash = if subresource.is_empty() { String::new() } else { format!("/{subresource}") };
        let place = match self.namespace.as_str() {
            "" => "in the whole cluster".to_owned(),
            namespace => format!("in {namespace}"),
        };
        format!("{verb} {resource}{slash}{dot} {place}")
    }
}

/// Everything that is asked about one Tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Questions {
    /// The Tenant.
    pub tenant: String,
    /// Its namespace.
    pub namespace: String,
    /// Somebody of it.
    pub who: Vec<Who>,
    /// Another Tenant's namespace for each of them; none where there is no other.
    pub canaries: Vec<Option<String>>,
    /// Namespaces of its backups, where it has any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// RoleBindings of others that were seen in any of these namespaces.
    pub bindings: Vec<String>,
}

impl Questions {
    /// Whom to ask about, and where; `others` are the other Tenants that have a namespace, in their order from this
    /// one on, `bindings` what is foreign in a namespace.
    pub fn new<'a>(
        tenant: &Tenant,
        others: impl Iterator<Item = &'a Tenant> + Clone,
        bindings: impl Fn(&str) -> Vec<String>,
    ) -> Self {
        let namespace = tenant.namespace().to_owned();
        let who: Vec<Who> = people(tenant);
        let canary = |who: &Who| {
            let mut free = others.clone().filter(|other| !is_at_home(who, other));
            free.next().map(|other| other.namespace().to_owned())
        };
        let canaries: Vec<Option<String>> = who.iter().map(canary).collect();
        let beside: Vec<String> = tenant.namespaces_beside().map(str::to_owned).collect();
        let mut places: Vec<&String> = canaries.iter().flatten().chain([&namespace]).chain(&beside).collect();
        places.sort_unstable();
        places.dedup();
        let bindings = places.into_iter().flat_map(|place| bindings(place)).collect();
        let tenant = tenant.metadata.name.clone().unwrap_or_default();
        Self { tenant, namespace, who, canaries, beside, bindings }
    }

    /// The questions. What must be possible comes first.
    pub fn all(&self) -> Vec<Question> {
        let each = self.who.iter().zip(&self.canaries).enumerate();
        each.flat_map(|(index, (who, canary))| {
            let own = self.namespace.as_str();
            let must = match who {
                Who::Member { editor: true, .. } => Some(EDITORS_MUST),
                Who::Member { editor: false, .. } => Some(VIEWERS_MUST),
                Who::Pods { .. } => None,
            };
            let editor = matches!(who, Who::Member { editor: true, .. });
            let not: &[Deed] = if editor { &[] } else { &EDITORS_ONLY };
            let elsewhere = canary.iter().flat_map(|place| ELSEWHERE.map(|deed| (place.as_str(), deed)));
            let never = NEVER.iter().chain(not).map(|deed| (own, *deed));
            let beside = self.beside.iter().flat_map(|place| BESIDE.map(|deed| (place.as_str(), deed)));
            let never = never.chain(CLUSTER.map(|deed| ("", deed))).chain(elsewhere).chain(beside);
            let question = move |wanted: bool| {
                move |(place, deed): (&str, Deed)| Question {
                    who: index,
                    namespace: place.to_owned(),
                    deed,
                    wanted,
                }
            };
            must.map(|deed| (own, deed))
                .into_iter()
                .map(question(true))
                .chain(never.map(question(false)))
                .collect::<Vec<_>>()
        })
        .collect()
    }

    /// Digest of all that is asked: another one means that it is asked anew.
    pub fn asked(&self) -> String {
        short_hash(serde_json::json!(self).to_string().as_bytes(), 24)
    }
}

/// Who is asked about.
fn people(tenant: &Tenant) -> Vec<Who> {
    // A Tenant that leaves has no bindings any more.
    let members = if tenant.spec.lifecycle == Lifecycle::Cancelled { &[] } else { &*tenant.spec.members };
    let mut who: Vec<Who> = members.iter().map(Who::of).collect();
    who.sort_by_key(ToString::to_string);
    who.push(Who::Pods { namespace: tenant.namespace().to_owned() });
    who
}

/// Digest of whom evidence about a Tenant has to speak of.
pub fn subject(tenant: &Tenant) -> String {
    let text = serde_json::json!([tenant.metadata.uid, tenant.namespace(), people(tenant)]).to_string();
    short_hash(text.as_bytes(), 24)
}

/// Whether somebody may well do things in a Tenant's namespace: it is listed there, too.
fn is_at_home(who: &Who, tenant: &Tenant) -> bool {
    tenant.spec.members.iter().any(|member| match (Who::of(member), who) {
        (Who::Member { kind: "Group", name, .. }, _) if name == EVERYONE => true,
        (Who::Member { kind, name, .. }, Who::Member { kind: other, name: their, .. }) => {
            kind == *other && name == *their
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests;
