//! Objects: deterministic, marked, in their own namespace, and never open.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::Value;
use tenantry::api::{
    kinds::{Kind, ObjectId},
    marks,
    tenant::Lifecycle,
};
use tenantry::desired::workload::is_config_map_of;

use crate::generate::{Case, case};
use crate::many;

proptest! {
    #![proptest_config(many(150))]

    #[test]
    fn the_same_tenant_gives_the_same_bytes(case in case("acme")) {
        let text = |case: &Case| {
            let list = case.check().list();
            list.iter().map(|one| one.body.to_string()).collect::<Vec<_>>()
        };
        prop_assert_eq!(text(&case), text(&case.clone()));
    }

    /// Lists that have keys have no order: writing them in another one must not roll out anything.
    #[test]
    fn the_order_of_keyed_lists_means_nothing(case in case("acme")) {
        let mut other = case.clone();
        other.tenant.spec.services.reverse();
        other.tenant.spec.members.reverse();
        other.tenant.spec.egress.reverse();
        other.platform.spec.network.ingress_from.reverse();
        other.platform.spec.network.shared_egress.reverse();
        other.platform.spec.network.dns.peers.reverse();
        other.platform.spec.topology.zones.reverse();
        other.inputs.denied.reverse();
        let hashes = |case: &Case| {
            let list = case.check().list();
            list.into_iter().map(|one| (one.id, one.hash)).collect::<BTreeMap<ObjectId, String>>()
        };
        prop_assert_eq!(hashes(&case), hashes(&other));
    }

    #[test]
    fn every_object_says_whose_it_is(case in case("acme")) {
        for one in case.check().list() {
            let meta = &one.body["metadata"];
            prop_assert_eq!(&meta["labels"][marks::MANAGED_BY], marks::MANAGED_BY_VALUE, "{}", one.id);
            prop_assert_eq!(&meta["labels"][marks::TENANT], "acme", "{}", one.id);
            prop_assert_eq!(&meta["annotations"][marks::TENANT_UID], "uid-acme", "{}", one.id);
            prop_assert_eq!(&meta["annotations"][marks::INSTALL_ID], "install-1", "{}", one.id);
            prop_assert_eq!(meta["annotations"][marks::HASH].as_str(), Some(one.hash.as_str()), "{}", one.id);
            prop_assert!(meta.get("ownerReferences").is_none() && meta.get("finalizers").is_none(), "{}", one.id);
        }
    }

    #[test]
    fn objects_stay_in_the_namespace_and_have_names_that_fit(case in case("acme")) {
        let list = case.check().list();
        let ids: BTreeSet<&ObjectId> = list.iter().map(|one| &one.id).collect();
        prop_assert_eq!(ids.len(), list.len(), "no object twice");
        for one in &list {
            prop_assert_eq!(&one.id.namespace, if one.id.kind == Kind::Namespace { "" } else { "acme" });
            prop_assert!((1..=63).contains(&one.id.name.len()), "{}", one.id);
            let service = one.body["metadata"]["labels"][marks::SERVICE].as_str().unwrap_or_default();
            let config = one.id.kind == Kind::ConfigMap;
            prop_assert_eq!(is_config_map_of(service, &one.id.name), config, "{}", one.id);
        }
        prop_assert!(list.is_sorted_by_key(|one| one.id.kind), "in the order in which they are written");
    }

    #[test]
    fn two_tenants_share_no_object(a in case("acme"), b in case("globex")) {
        let ids = |case: &Case| case.check().list().into_iter().map(|one| one.id).collect::<BTreeSet<_>>();
        prop_assert!(ids(&a).is_disjoint(&ids(&b)));
    }

    #[test]
    fn isolation_is_always_there(case in case("acme")) {
        let checked = case.check();
        let objects = checked.objects();
        let deny = objects.network_policies.iter().filter(|one| one.metadata.name.as_deref() == Some("tenantry-deny-all"));
        let specs: Vec<_> = deny.filter_map(|one| one.spec.as_ref()).collect();
        prop_assert_eq!(specs.len(), 1);
        prop_assert!(specs[0].ingress.is_none() && specs[0].egress.is_none());
        prop_assert_eq!(specs[0].pod_selector.as_ref(), Some(&Default::default()));
        prop_assert_eq!(specs[0].policy_types.as_ref().map(Vec::len), Some(2));
        prop_assert_eq!((objects.quotas.len(), objects.limit_ranges.len()), (1, 1));
        if checked.tenant.lifecycle == Lifecycle::Cancelled {
            prop_assert_eq!(objects.network_policies.len(), 1);
            prop_assert!(objects.deployments.is_empty() && objects.stateful_sets.is_empty() && objects.services.is_empty());
            prop_assert!(objects.role_bindings.is_empty());
        }
    }

    /// To Kubernetes an empty list of peers means everyone.
    #[test]
    fn no_policy_is_open_to_everyone(case in case("acme")) {
        for policy in case.check().objects().network_policies {
            let spec = serde_json::to_value(&policy.spec).expect("a policy is JSON");
            for (rules, peers) in [("ingress", "from"), ("egress", "to")] {
                for rule in spec[rules].as_array().into_iter().flatten() {
                    let peers = rule[peers].as_array();
                    prop_assert!(peers.is_some_and(|peers| !peers.is_empty()), "{rule}");
                    for peer in peers.into_iter().flatten() {
                        prop_assert!(peer.as_object().is_some_and(|peer| !peer.is_empty()), "{rule}");
                    }
                }
            }
            if policy.metadata.name.as_deref() != Some("tenantry-dns") {
                prop_assert!(metadata_is_out(&spec["egress"]), "{}", spec["egress"]);
            }
        }
    }

    #[test]
    fn pods_are_restricted_and_carry_no_replicas(case in case("acme")) {
        let checked = case.check();
        let objects = checked.objects();
        prop_assert_eq!(objects.deployments.len() + objects.stateful_sets.len(), objects.scales.len());
        let specs = objects.deployments.iter().filter_map(|one| one.spec.as_ref());
        let mut specs: Vec<_> = specs.map(|spec| (spec.replicas, &spec.template)).collect();
        let stateful = objects.stateful_sets.iter().filter_map(|one| one.spec.as_ref());
        specs.extend(stateful.map(|spec| (spec.replicas, &spec.template)));
        prop_assert_eq!(specs.len(), objects.scales.len());
        for (replicas, template) in specs {
            prop_assert_eq!(replicas, None);
            let pod = serde_json::to_value(&template.spec).expect("a pod is JSON");
            let container = &pod["containers"][0]["securityContext"];
            prop_assert_eq!(&pod["automountServiceAccountToken"], false);
            prop_assert_eq!(&pod["securityContext"]["runAsNonRoot"], true);
            prop_assert_eq!(&pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
            prop_assert_eq!(&container["allowPrivilegeEscalation"], false);
            prop_assert_eq!(&container["readOnlyRootFilesystem"], true);
            prop_assert_eq!(&container["capabilities"]["drop"][0], "ALL");
            let constraints = pod["topologySpreadConstraints"].as_array().map(Vec::len);
            prop_assert_eq!(constraints, Some(2));
            prop_assert!(!pod.to_string().contains("minDomains"));
        }
        // Whatever takes a StatefulSet or its pods away leaves their claims, and those carry no marks of what is ours to
        // delete.
        for one in &objects.stateful_sets {
            let spec = serde_json::to_value(&one.spec).expect("a spec is JSON");
            let keep = serde_json::json!({"whenDeleted": "Retain", "whenScaled": "Retain"});
            prop_assert_eq!(&spec["persistentVolumeClaimRetentionPolicy"], &keep);
            prop_assert!(!spec["volumeClaimTemplates"].to_string().contains("managed-by"));
            prop_assert!(spec["template"]["spec"]["securityContext"]["fsGroup"].is_i64());
        }
        for (budget, service) in objects.disruption_budgets.iter().zip(&checked.tenant.services) {
            let least = service.min_available;
            prop_assert!(least <= service.spec.replicas.min - i32::from(service.spec.disruptable));
            let spec = serde_json::to_value(&budget.spec).expect("a budget is JSON");
            prop_assert_eq!(&spec["unhealthyPodEvictionPolicy"], "AlwaysAllow");
        }
    }
}

/// Every range of IPv4 that holds the metadata address leaves it out.
fn metadata_is_out(rules: &Value) -> bool {
    let peers =
        rules.as_array().into_iter().flatten().flat_map(|rule| rule["to"].as_array().into_iter().flatten());
    peers.filter_map(|peer| peer.get("ipBlock")).all(|block| match block["cidr"].as_str() {
        Some("0.0.0.0/0") => {
            block["except"].as_array().is_some_and(|list| list.iter().any(|one| one == "169.254.0.0/16"))
        }
        Some(cidr) => !cidr.starts_with("169.254."),
        None => false,
    })
}
