//! The set as a list, in kind order. Pure.

use crate::{
    api::kinds::Kind,
    desired::{Objects, Prepared, Scale},
};

use super::manifest::Manifest;

/// A set as it is written: made once a pass, since hashing it is most of a pass that writes nothing.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The set.
    pub(super) objects: Objects<Prepared>,
    /// Every object in the order of [`Kind::ALL`].
    pub manifests: Vec<Manifest>,
    /// How many pods each Deployment and StatefulSet should have.
    pub scales: Vec<Scale>,
}

/// Every object in the order of [`Kind::ALL`], and the scales.
pub fn list(objects: Objects<Prepared>) -> Listed {
    let (manifests, scales) = manifests(&objects);
    Listed { objects, manifests, scales }
}

/// The set is taken apart without `..`: a new kind that nobody applies does not compile.
fn manifests(objects: &Objects<Prepared>) -> (Vec<Manifest>, Vec<Scale>) {
    let Objects {
        namespaces,
        quotas,
        limit_ranges,
        network_policies,
        role_bindings,
        secrets,
        service_accounts,
        config_maps,
        services,
        disruption_budgets,
        deployments,
        stateful_sets,
        autoscalers,
        scales,
        state: _,
    } = objects;
    let mut list = Vec::new();
    list.extend(namespaces.iter().map(|one| Manifest::new(Kind::Namespace, one)));
    list.extend(quotas.iter().map(|one| Manifest::new(Kind::ResourceQuota, one)));
    list.extend(limit_ranges.iter().map(|one| Manifest::new(Kind::LimitRange, one)));
    list.extend(network_policies.iter().map(|one| Manifest::new(Kind::NetworkPolicy, one)));
    list.extend(role_bindings.iter().map(|one| Manifest::new(Kind::RoleBinding, one)));
    list.extend(secrets.iter().map(|one| Manifest::new(Kind::Secret, one)));
    list.extend(service_accounts.iter().map(|one| Manifest::new(Kind::ServiceAccount, one)));
    list.extend(config_maps.iter().map(|one| Manifest::new(Kind::ConfigMap, one)));
    list.extend(services.iter().map(|one| Manifest::new(Kind::Service, one)));
    list.extend(disruption_budgets.iter().map(|one| Manifest::new(Kind::PodDisruptionBudget, one)));
    list.extend(deployments.iter().map(|one| Manifest::new(Kind::Deployment, one)));
    list.extend(stateful_sets.iter().map(|one| Manifest::new(Kind::StatefulSet, one)));
    list.extend(autoscalers.iter().map(|one| Manifest::new(Kind::HorizontalPodAutoscaler, one)));
    (list, scales.clone())
}

/// The proof that every object of a set is in the cluster as it should be. Only [`super::pass`] makes it.
pub(super) fn applied(objects: Objects<Prepared>) -> Objects<crate::desired::Applied> {
    Objects {
        namespaces: objects.namespaces,
        quotas: objects.quotas,
        limit_ranges: objects.limit_ranges,
        network_policies: objects.network_policies,
        role_bindings: objects.role_bindings,
        secrets: objects.secrets,
        service_accounts: objects.service_accounts,
        config_maps: objects.config_maps,
        services: objects.services,
        disruption_budgets: objects.disruption_budgets,
        deployments: objects.deployments,
        stateful_sets: objects.stateful_sets,
        autoscalers: objects.autoscalers,
        scales: objects.scales,
        state: std::marker::PhantomData,
    }
}

#[cfg(test)]
mod tests {
    use crate::api::kinds::Kind;

    #[test]
    fn isolation_comes_before_workloads() {
        let place = |kind| Kind::ALL.iter().position(|one| *one == kind);
        assert!(place(Kind::NetworkPolicy) < place(Kind::Deployment));
        assert!(place(Kind::ResourceQuota) < place(Kind::Deployment));
        assert!(place(Kind::PodDisruptionBudget) < place(Kind::Deployment));
        assert!(place(Kind::NetworkPolicy) < place(Kind::StatefulSet));
        assert_eq!(place(Kind::Namespace), Some(0));
    }
}
