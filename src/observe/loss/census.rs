//! Pods and nodes, counted: what is asked for, and what is free where. Pure.
//!
//! A page of pods is folded in and dropped, so that the memory this takes grows with the kinds of pods, not with
//! their number.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    api::{
        marks,
        quantity::{Milli, Quantity},
    },
    observe::slim::is_true,
};

use super::objects::{Node, Pod};

/// Resources that are counted. A pod that asks for any other is one that we can't judge.
pub const COUNTED: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// An amount of each counted resource, in thousandths, and of pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount {
    /// As in [`COUNTED`], in thousandths of the unit.
    pub resources: [i128; 3],
    /// Pods.
    pub pods: i128,
}

impl Amount {
    /// The sum with another amount, `times` over.
    #[must_use]
    pub fn plus(mut self, other: Self, times: i128) -> Self {
        for (mine, more) in self.resources.iter_mut().zip(other.resources) {
            *mine = mine.saturating_add(more.saturating_mul(times));
        }
        self.pods = self.pods.saturating_add(other.pods.saturating_mul(times));
        self
    }

    /// The first resource of which there is too little here, if any: its name, asked for, there.
    pub fn lacks(&self, asked: &Self) -> Option<(&'static str, Milli, Milli)> {
        let pairs = COUNTED.iter().zip(asked.resources.iter().zip(self.resources));
        let mut short = pairs.filter(|(_, (asked, there))| **asked > *there && **asked > 0);
        let found = short.next().map(|(name, (asked, there))| (*name, Milli(*asked), Milli(there.max(0))));
        let pods = || ("pods", Milli(asked.pods * 1000), Milli(self.pods.max(0) * 1000));
        found.or_else(|| (asked.pods > self.pods).then(pods))
    }

    /// The amount, or nothing where another resource is asked for.
    pub fn of(quantities: &BTreeMap<String, Quantity>) -> Option<Self> {
        let mut amount = Self::default();
        for (name, quantity) in quantities {
            let thousandths = quantity.milli().ok()?.0;
            match COUNTED.iter().position(|one| one == name) {
                Some(index) => amount.resources[index] = thousandths,
                None if name == "pods" => amount.pods = thousandths / 1000,
                None if thousandths == 0 => {}
                None => return None,
            }
        }
        Some(amount)
    }

    /// The most of each resource.
    #[must_use]
    pub fn max(mut self, other: Self) -> Self {
        for (mine, more) in self.resources.iter_mut().zip(other.resources) {
            *mine = (*mine).max(more);
        }
        self
    }
}

/// A node, as far as pods that look for a place care.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What no pod has asked for.
    pub free: Amount,
    /// Whether pods without tolerations may come: ready, schedulable, without taints.
    pub open: bool,
}

/// Pods that are alike for the scheduler.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The Tenant, by the pods' label and namespace; empty for other people's pods.
    pub namespace: String,
    /// The Tenant's service; empty for other people's pods.
    pub service: String,
    /// What each asks for.
    pub asks: Amount,
    /// The only nodes for it, by label and its values.
    pub only: Option<(String, Vec<String>)>,
    /// Largest difference between zones, with the label that names them.
    pub skew: Option<(String, i128)>,
    /// What about it can't be judged here; empty when everything can.
    pub beyond: String,
}

impl Group {
    /// Whether these are a service's pods whose zones this label names.
    pub fn spreads_over(&self, key: &str) -> bool {
        !self.service.is_empty() && self.skew.as_ref().is_some_and(|(label, _)| label == key)
    }

    /// Whether the labels of a node let these pods on it.
    pub fn may_run_on(&self, labels: &BTreeMap<String, String>) -> bool {
        self.only
            .as_ref()
            .is_none_or(|(label, values)| labels.get(label).is_some_and(|one| values.contains(one)))
    }
}

/// Everything that runs, and where.
#[derive(Clone, Debug, Default)]
pub struct Census {
    places: BTreeMap<String, Place>,
    /// Pods that would come back elsewhere, by kind and node.
    groups: BTreeMap<Group, BTreeMap<String, i128>>,
}

impl Census {
    /// Takes a node.
    pub fn node(&mut self, node: &Node) {
        let open = !node.spec.unschedulable
            && is_true(&node.status.conditions, "Ready")
            && node.spec.taints.iter().all(|taint| taint.effect == "PreferNoSchedule");
        // Devices and the like: only pods that we can't judge ask for them.
        let counted = node.status.allocatable.iter();
        let counted = counted.filter(|(name, _)| COUNTED.contains(&name.as_str()) || *name == "pods");
        let counted = counted.map(|(name, quantity)| (name.clone(), quantity.clone())).collect();
        let free = Amount::of(&counted).unwrap_or_default();
        let place = Place { labels: node.metadata.labels.clone(), free, open };
        self.places.insert(node.metadata.name.clone(), place);
    }

    /// Takes a pod; its node must have been taken before, or it counts for nothing.
    pub fn pod(&mut self, pod: &Pod) {
        let ended = matches!(pod.status.phase.as_str(), "Succeeded" | "Failed");
        let Some(place) = self.places.get_mut(&pod.spec.node_name).filter(|_| !ended) else { return };
        let (asks, counted) = pod.spec.asks();
        place.free = place.free.plus(asks, -1);
        if pod.metadata.deletion_timestamp.is_some() || !pod.metadata.comes_back() {
            return;
        }
        let group = pod.group(asks, counted);
        *self.groups.entry(group).or_default().entry(pod.spec.node_name.clone()).or_default() += 1;
    }

    /// The nodes, by name.
    pub fn places(&self) -> &BTreeMap<String, Place> {
        &self.places
    }

    /// The pods, and on which nodes how many of them are.
    pub fn groups(&self) -> impl Iterator<Item = (&Group, &BTreeMap<String, i128>)> {
        self.groups.iter()
    }

    /// The values that a label has on the nodes.
    pub fn values(&self, key: &str) -> BTreeSet<String> {
        self.places.values().filter_map(|place| place.labels.get(key).cloned()).collect()
    }
}

impl Pod {
    fn group(&self, asks: Amount, counted: bool) -> Group {
        let label = |key: &str| self.metadata.labels.get(key).cloned();
        let ours = label(marks::TENANT).and(label(marks::SERVICE));
        let (only, affinity) = only(&self.spec.affinity);
        let mut hard = self
            .spec
            .topology_spread_constraints
            .iter()
            .filter(|one| one.when_unsatisfiable == "DoNotSchedule");
        let skew = hard.next().map(|one| (one.topology_key.clone(), one.max_skew));
        let beyond = match self.spec.beyond(counted) {
            "" if !affinity => "affinity",
            "" if hard.next().is_some() => "topologySpreadConstraints",
            other => other,
        };
        Group {
            namespace: if ours.is_some() { self.metadata.namespace.clone() } else { String::new() },
            service: ours.unwrap_or_default(),
            asks,
            only,
            skew,
            beyond: beyond.to_owned(),
        }
    }
}

/// The nodes that an affinity asks for, where it asks for nothing else: one label, one of some values. The second
/// says whether that is all that it asks for.
fn only(affinity: &Value) -> (Option<(String, Vec<String>)>, bool) {
    if affinity.as_object().is_none_or(serde_json::Map::is_empty) {
        return (None, true);
    }
    let terms =
        &affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
    let one = |value: &Value| value.as_array().filter(|all| all.len() == 1).map(|all| all[0].clone());
    let lone = affinity.as_object().is_some_and(|all| all.len() == 1)
        && affinity["nodeAffinity"].as_object().is_some_and(|all| all.len() == 1);
    let term = one(terms).filter(|term| lone && term.as_object().is_some_and(|all| all.len() == 1));
    let expression =
        term.and_then(|term| one(&term["matchExpressions"])).filter(|one| one["operator"] == "In");
    let found = expression.and_then(|one| {
        let values = one["values"].as_array()?.iter().filter_map(|value| value.as_str().map(str::to_owned));
        Some((one["key"].as_str()?.to_owned(), values.collect()))
    });
    let whole = found.is_some();
    (found, whole)
}

#[cfg(test)]
mod tests;
