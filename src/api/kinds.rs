//! The kinds of object that Tenantry creates: one table for apply, prune, watches and permissions.

/// A kind of child, in the order in which children are written; pruning goes backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the names say it
pub enum Kind {
    Namespace,
    ResourceQuota,
    LimitRange,
    NetworkPolicy,
    RoleBinding,
    Secret,
    ServiceAccount,
    ConfigMap,
    Service,
    PodDisruptionBudget,
    Deployment,
    StatefulSet,
    HorizontalPodAutoscaler,
}

/// Where the API server serves a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindInfo {
    /// The kind's name.
    pub kind: &'static str,
    /// API group; empty for the core group.
    pub group: &'static str,
    /// API version inside the group.
    pub version: &'static str,
    /// Plural, as in URLs and RBAC rules.
    pub plural: &'static str,
}

impl Kind {
    /// Every kind, in the order in which children are written. A budget comes before its pods,
    /// so that no drain finds pods without one.
    pub const ALL: [Self; 13] = [
        Self::Namespace,
        Self::ResourceQuota,
        Self::LimitRange,
        Self::NetworkPolicy,
        Self::RoleBinding,
        Self::Secret,
        Self::ServiceAccount,
        Self::ConfigMap,
        Self::Service,
        Self::PodDisruptionBudget,
        Self::Deployment,
        Self::StatefulSet,
        Self::HorizontalPodAutoscaler,
    ];

    /// Where the API server serves it.
    pub const fn info(self) -> KindInfo {
        let (kind, group, version, plural) = match self {
            Self::Namespace => ("Namespace", "", "v1", "namespaces"),
            Self::ResourceQuota => ("ResourceQuota", "", "v1", "resourcequotas"),
            Self::LimitRange => ("LimitRange", "", "v1", "limitranges"),
            Self::NetworkPolicy => ("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies"),
            Self::RoleBinding => ("RoleBinding", "rbac.authorization.k8s.io", "v1", "rolebindings"),
            Self::Secret => ("Secret", "", "v1", "secrets"),
            Self::ServiceAccount => ("ServiceAccount", "", "v1", "serviceaccounts"),
            Self::ConfigMap => ("ConfigMap", "", "v1", "configmaps"),
            Self::Service => ("Service", "", "v1", "services"),
            Self::PodDisruptionBudget => ("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets"),
            Self::Deployment => ("Deployment", "apps", "v1", "deployments"),
            Self::StatefulSet => ("StatefulSet", "apps", "v1", "statefulsets"),
            Self::HorizontalPodAutoscaler => {
                ("HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers")
            }
        };
        KindInfo { kind, group, version, plural }
    }

    /// The kind of a recorded group and name; `None` for what a newer version recorded.
    pub fn find(group: &str, kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.info().group == group && one.info().kind == kind)
    }

    /// `apiVersion`.
    pub fn api_version(self) -> String {
        let info = self.info();
        if info.group.is_empty() {
            info.version.to_owned()
        } else {
            format!("{}/{}", info.group, info.version)
        }
    }

    /// Whether its objects have pods, as many as their `/scale` says.
    pub const fn has_pods(self) -> bool {
        matches!(self, Self::Deployment | Self::StatefulSet)
    }

    /// Whether its objects live in a namespace.
    pub const fn namespaced(self) -> bool {
        !matches!(self, Self::Namespace)
    }
}

/// An object by kind, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; empty for cluster-scoped kinds.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for ObjectId {
    /// `Kind namespace/name`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = self.kind.info().kind;
        match self.namespace.as_str() {
            "" => write!(f, "{kind} {}", self.name),
            namespace => write!(f, "{kind} {namespace}/{}", self.name),
        }
    }
}
