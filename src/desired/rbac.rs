//! Who may do what in the namespace.

use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};

use crate::api::{
    marks,
    tenant::{MemberKind, Role},
};

use super::{Plan, meta};

/// One RoleBinding a role that has members; named like the ClusterRole that it binds.
pub fn bindings(plan: Plan<'_>) -> Vec<RoleBinding> {
    [(Role::Viewer, marks::ROLE_VIEWER), (Role::Editor, marks::ROLE_EDITOR)]
        .into_iter()
        .filter_map(|(role, name)| binding(plan, role, name))
        .collect()
}

fn binding(plan: Plan<'_>, role: Role, name: &str) -> Option<RoleBinding> {
    let subjects: Vec<Subject> = plan
        .tenant
        .members
        .iter()
        .filter(|member| member.role == role)
        .map(|member| Subject {
            kind: match member.kind {
                MemberKind::User => "User".into(),
                MemberKind::Group => "Group".into(),
            },
            name: member.name.clone(),
            api_group: Some("rbac.authorization.k8s.io".into()),
            namespace: None,
        })
        .collect();
    let role_ref = RoleRef {
        api_group: "rbac.authorization.k8s.io".into(),
        kind: "ClusterRole".into(),
        name: name.into(),
    };
    (!subjects.is_empty()).then(|| RoleBinding {
        metadata: meta::namespaced(plan, name),
        role_ref,
        subjects: Some(subjects),
    })
}
