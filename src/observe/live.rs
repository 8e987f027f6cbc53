//! What is kept of a child: enough to see drift, and nothing more. Pure.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};

use crate::api::{kinds::Kind, marks};

use super::fields::{self, Path};

/// A child as the cluster has it: about 300 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// Its uid.
    pub uid: Box<str>,
    /// Its resource version, as a number: the API server's own are comparable since 1.35, and were before.
    pub version: u64,
    /// The desired hash in its annotation.
    pub hash: Box<str>,
    /// Digest of our own Apply entry in its managed fields; empty when there is none.
    pub digest: Box<str>,
    /// The Tenant that its label names.
    pub tenant: Box<str>,
    /// The Platform that its label names; namespaces have it.
    pub platform: Box<str>,
    /// The installation that its annotation names.
    pub install_id: Box<str>,
    /// Its deletion has begun.
    pub terminating: bool,
    /// What others added, where additions count.
    pub additions: Option<Box<[Addition]>>,
}

/// Fields that somebody else put into a child of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// The field manager who did it.
    pub manager: String,
    /// The fields.
    pub paths: Vec<Path>,
}

impl Live {
    /// Reads an object's metadata.
    pub fn read(kind: Kind, meta: &ObjectMeta) -> Self {
        let label = |key: &str| meta.labels.as_ref().and_then(|map| map.get(key)).map_or("", String::as_str);
        let annotation =
            |key: &str| meta.annotations.as_ref().and_then(|map| map.get(key)).map_or("", String::as_str);
        let entries = meta.managed_fields.as_deref().unwrap_or_default();
        let own = entries.iter().find(|entry| is_ours(entry));
        let own_fields = own.and_then(|entry| entry.fields_v1.as_ref());
        Self {
            uid: meta.uid.as_deref().unwrap_or_default().into(),
            version: meta.resource_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or_default(),
            hash: annotation(marks::HASH).into(),
            digest: own_fields.map(|fields| fields::digest(&fields.0)).unwrap_or_default().into(),
            tenant: label(marks::TENANT).into(),
            platform: label(marks::PLATFORM).into(),
            install_id: annotation(marks::INSTALL_ID).into(),
            terminating: meta.deletion_timestamp.is_some(),
            additions: additions(kind, entries),
        }
    }

    /// What others added and may not, given the managers that may.
    pub fn unwelcome<'a>(&'a self, injectors: &'a [String]) -> impl Iterator<Item = &'a Addition> {
        let all = self.additions.as_deref().unwrap_or_default();
        all.iter().filter(|addition| !injectors.contains(&addition.manager))
    }
}

fn is_ours(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(marks::MANAGER_CHILDREN)
        && entry.operation.as_deref() == Some("Apply")
        && entry.subresource.as_deref().unwrap_or_default().is_empty()
}

/// The part of a kind where fields of others count: where they could widen access, change what runs,
/// or lower a limit's meaning.
fn guarded(kind: Kind) -> &'static [&'static [&'static str]] {
    match kind {
        Kind::NetworkPolicy | Kind::ResourceQuota | Kind::LimitRange => &[&["spec"]],
        Kind::RoleBinding => &[&["subjects"], &["roleRef"]],
        Kind::Deployment | Kind::StatefulSet => &[&["spec", "template"]],
        _ => &[],
    }
}

fn additions(kind: Kind, entries: &[ManagedFieldsEntry]) -> Option<Box<[Addition]>> {
    let guarded = guarded(kind);
    let foreign = |entry: &&ManagedFieldsEntry| {
        !is_ours(entry) && entry.subresource.as_deref().unwrap_or_default().is_empty()
    };
    if guarded.is_empty() || !entries.iter().any(|entry| foreign(&entry)) {
        return None;
    }
    let leaves = |entry: &ManagedFieldsEntry| {
        entry.fields_v1.as_ref().map(|fields| fields::leaves(&fields.0)).unwrap_or_default()
    };
    let own: BTreeSet<Path> = entries.iter().filter(|entry| is_ours(entry)).flat_map(leaves).collect();
    let found: Vec<Addition> = entries
        .iter()
        .filter(foreign)
        .filter_map(|entry| {
            let counts = |path: &Path| {
                guarded.iter().any(|part| path.below(part)) && !own.contains(path) && !is_allowed(path)
            };
            let paths: Vec<Path> = leaves(entry).into_iter().filter(counts).collect();
            let manager = entry.manager.clone().unwrap_or_default();
            (!paths.is_empty()).then_some(Addition { manager, paths })
        })
        .collect();
    (!found.is_empty()).then(|| found.into_boxed_slice())
}

/// Additions that people make by design: `kubectl rollout restart`.
fn is_allowed(path: &Path) -> bool {
    use super::fields::Step::Field;
    let annotation = path.below(&["spec", "template", "metadata", "annotations"]);
    annotation && matches!(path.0.last(), Some(Field(name)) if name == marks::KUBECTL_RESTARTED_AT)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::FieldsV1;
    use serde_json::{Value, json};

    use super::*;

    fn entry(manager: &str, operation: &str, subresource: Option<&str>, fields: Value) -> ManagedFieldsEntry {
        ManagedFieldsEntry {
            manager: Some(manager.into()),
            operation: Some(operation.into()),
            subresource: subresource.map(Into::into),
            fields_v1: Some(FieldsV1(fields)),
            ..ManagedFieldsEntry::default()
        }
    }

    fn deployment(entries: Vec<ManagedFieldsEntry>) -> Live {
        Live::read(Kind::Deployment, &ObjectMeta { managed_fields: Some(entries), ..ObjectMeta::default() })
    }

    fn ours() -> ManagedFieldsEntry {
        entry("tenantry", "Apply", None, json!({"f:spec": {"f:template": {"f:spec": {"f:a": {}}}}}))
    }

    #[test]
    fn status_scale_and_restart_are_not_additions() {
        let restart = json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/restartedAt": {}}}}}});
        let live = deployment(vec![
            ours(),
            entry(
                "kube-controller-manager",
                "Update",
                Some("status"),
                json!({"f:status": {"f:replicas": {}}}),
            ),
            entry("kubectl", "Update", Some("scale"), json!({"f:spec": {"f:replicas": {}}})),
            entry("kubectl-rollout", "Update", None, restart),
            entry(
                "kube-controller-manager",
                "Update",
                None,
                json!({"f:metadata": {"f:annotations": {"f:deployment.kubernetes.io/revision": {}}}}),
            ),
        ]);
        assert_eq!(live.additions, None);
    }

    #[test]
    fn what_others_put_into_the_pod_template_is_an_addition() {
        let added = json!({"f:spec": {"f:template": {"f:spec": {"f:a": {}, "f:hostNetwork": {}}}}});
        let live = deployment(vec![ours(), entry("kubectl-edit", "Update", None, added)]);
        let found: Vec<_> = live.unwelcome(&[]).collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].paths[0].to_string(), "spec.template.spec.hostNetwork");
        assert_eq!(live.unwelcome(&["kubectl-edit".to_owned()]).count(), 0);
    }
}
