//! Limits of the namespace.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{LimitRange, LimitRangeItem, LimitRangeSpec, ResourceQuota, ResourceQuotaSpec},
    apimachinery::pkg::api::resource::Quantity as ApiQuantity,
};

use crate::api::quantity::Quantity;

use super::{Plan, meta};

/// Name of the ResourceQuota and of the LimitRange.
pub const NAME: &str = "tenantry";

/// What the namespace may use in all.
pub fn resource_quota(plan: Plan<'_>) -> ResourceQuota {
    let spec =
        ResourceQuotaSpec { hard: Some(quantities(&plan.tenant.quota)), ..ResourceQuotaSpec::default() };
    ResourceQuota { metadata: meta::namespaced(plan, NAME), spec: Some(spec), status: None }
}

/// What a container gets that says nothing: without it a quota would refuse pods that members start by hand.
pub fn limit_range(plan: Plan<'_>) -> LimitRange {
    let defaults = &plan.platform.default_resources;
    let some = |map: &BTreeMap<String, Quantity>| (!map.is_empty()).then(|| quantities(map));
    let item = LimitRangeItem {
        type_: "Container".into(),
        default: some(&defaults.limits),
        default_request: some(&defaults.requests),
        ..LimitRangeItem::default()
    };
    LimitRange { metadata: meta::namespaced(plan, NAME), spec: Some(LimitRangeSpec { limits: vec![item] }) }
}

/// Quantities in the API's own type.
pub fn quantities(map: &BTreeMap<String, Quantity>) -> BTreeMap<String, ApiQuantity> {
    map.iter().map(|(key, value)| (key.clone(), ApiQuantity(value.0.clone()))).collect()
}
