//! Waves: which Tenants a change that none of them asked for may reach now.
//!
//! What has to outlive a restart is in the Tenants' own statuses (`status.applied.rollingOut`, written before a
//! Tenant is touched); what is kept here only saves the next wave from beginning before the one under way has
//! come to where it shows there.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    api::{
        Tenant,
        conditions::{Condition, ConditionStatus, ConditionType, find, reasons},
        kinds::Kind,
        tenant_status::AppliedStatus,
    },
    desired::meta::short_hash,
    validate::{
        cidr::Cidr,
        ground::Inputs,
        platform::{PeerEnd, ValidatedPlatform},
        tenant::ValidatedTenant,
    },
};

/// Whether a change of objects of these kinds has to wait for its turn. It doesn't where the Tenant's own spec has
/// changed since it was last applied, nor where it is what new nodes or a new pull Secret bring (`inputs`).
pub fn must_ask(tenant: &Tenant, kinds: &BTreeSet<Kind>, inputs: &str) -> bool {
    let known = applied(tenant).map(|applied| applied.inputs.as_str()).unwrap_or_default();
    let given = |kind: &Kind| matches!(kind, Kind::NetworkPolicy | Kind::Secret);
    is_applied(tenant) && !kinds.is_empty() && (known == inputs || !kinds.iter().all(given))
}

/// Digest of what the cluster gives to a Tenant's children: the addresses of nodes and API servers that its ranges
/// leave out, and the version of its pull Secret.
pub fn given(tenant: &ValidatedTenant, platform: &ValidatedPlatform, inputs: &Inputs) -> String {
    let shared = platform.shared_egress.iter().filter_map(|peer| match &peer.end {
        PeerEnd::Range(range) => Some(*range),
        PeerEnd::Pods { .. } => None,
    });
    let ranges: Vec<Cidr> = tenant.egress.iter().map(|rule| rule.cidr).chain(shared).collect();
    let concerned = inputs.denied.iter().filter(|one| ranges.iter().any(|range| range.contains(**one)));
    let mut denied: Vec<String> = concerned.map(ToString::to_string).collect();
    denied.sort();
    let version = inputs.pull_secret.as_ref().map(|secret| secret.version.as_str());
    short_hash(json!([denied, version]).to_string().as_bytes(), 16)
}

/// Whether the present spec was applied as a whole. A status of an older version doesn't say so; being Ready does.
pub fn is_applied(tenant: &Tenant) -> bool {
    let was_ready = |one: &&Condition| one.status == ConditionStatus::True || silenced(tenant);
    let ready = || find_ready(tenant).filter(was_ready).map(|ready| ready.observed_generation);
    let generation = applied(tenant).map(|applied| applied.generation).or_else(ready);
    generation.is_some() && generation == tenant.metadata.generation
}

/// Whether a change of the Platform or of the operator took the Tenant's services away, and they aren't back.
pub fn is_out(tenant: &Tenant) -> bool {
    applied(tenant).is_some_and(|applied| applied.rolling_out)
}

fn applied(tenant: &Tenant) -> Option<&AppliedStatus> {
    tenant.status.as_ref()?.applied.as_ref()
}

/// Whether the Tenant has anything to lose.
pub fn is_ready(tenant: &Tenant) -> bool {
    find_ready(tenant).is_some_and(|ready| ready.status == ConditionStatus::True)
}

/// Whether the status doesn't say any more what the Tenant has to lose, because a watchdog found no operator.
pub fn silenced(tenant: &Tenant) -> bool {
    find_ready(tenant).is_some_and(|ready| ready.reason == reasons::OPERATOR_NOT_RUNNING)
}

fn find_ready(tenant: &Tenant) -> Option<&Condition> {
    find(&tenant.status.as_ref()?.conditions, ConditionType::Ready)
}

/// Most Tenants of a wave.
pub fn size(tenants: usize, percent: u32) -> usize {
    (tenants * usize::try_from(percent.min(100)).unwrap_or(100) / 100).max(1)
}

/// How long a Tenant is watched after a change has reached it: what falls over then may have been felled by that.
const WATCHED: Duration = Duration::from_secs(600);

/// The wave of one Platform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waves {
    /// Tenants of the wave under way, whether they are back or not.
    joined: BTreeSet<String>,
    /// Those of them whose pass hasn't ended yet, or that aren't back.
    out: BTreeSet<String>,
    /// Tenants that asked and may not go yet.
    waiting: BTreeSet<String>,
    /// Tenants that a change has reached, and when they went.
    moved: BTreeMap<String, Instant>,
    /// Those of them that were back and fell: while there are any, nobody else goes.
    fallen: BTreeSet<String>,
}

impl Waves {
    /// Whether a Tenant may go. `tenants` are all of the Platform, each with whether its status says that it is
    /// on its way; `available` says whether the Tenant has anything to lose: who lies down already is not waited
    /// for.
    pub fn ask(
        &mut self,
        tenant: &str,
        available: bool,
        tenants: &BTreeMap<String, bool>,
        percent: u32,
        now: Instant,
    ) -> bool {
        let rolling = tenants.iter().filter(|(_, rolling)| **rolling).map(|(name, _)| name.clone());
        self.out.retain(|name| tenants.contains_key(name));
        self.fallen.retain(|name| tenants.contains_key(name));
        self.moved.retain(|name, went| tenants.contains_key(name) && is_watched(*went, now));
        self.out.extend(rolling);
        self.joined.extend(self.out.iter().cloned());
        if self.out.is_empty() {
            self.joined.clear();
        }
        let room = self.fallen.is_empty() && self.joined.len() < size(tenants.len(), percent);
        let may = self.joined.contains(tenant) || room;
        if may {
            self.joined.insert(tenant.to_owned());
            self.waiting.remove(tenant);
            if available {
                self.out.insert(tenant.to_owned());
                self.moved.insert(tenant.to_owned(), now);
            }
        } else {
            self.waiting.insert(tenant.to_owned());
        }
        may
    }

    /// A pass has ended, and the Tenant has its services, be it that it is back or that it waits. Returns who may
    /// ask again.
    pub fn back(&mut self, tenant: &str) -> BTreeSet<String> {
        self.out.remove(tenant);
        self.fallen.remove(tenant);
        if self.out.is_empty() { std::mem::take(&mut self.waiting) } else { BTreeSet::new() }
    }

    /// Whether a change reached the Tenant not long ago.
    pub fn has_moved(&self, tenant: &str, now: Instant) -> bool {
        self.moved.get(tenant).is_some_and(|went| is_watched(*went, now))
    }

    /// A pass has ended, and the Tenant is out: if it was back before, it fell.
    pub fn fell(&mut self, tenant: &str, now: Instant) {
        if self.has_moved(tenant, now) && self.out.insert(tenant.to_owned()) {
            self.fallen.insert(tenant.to_owned());
        }
    }

    /// Tenants that the next wave waits for.
    pub fn out(&self) -> &BTreeSet<String> {
        &self.out
    }
}

fn is_watched(went: Instant, now: Instant) -> bool {
    now.saturating_duration_since(went) < WATCHED
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Waves {
        fn asks(&mut self, tenant: &str, available: bool, tenants: &BTreeMap<String, bool>) -> bool {
            self.ask(tenant, available, tenants, 10, Instant::now())
        }
    }

    fn tenants(rolling: &[&str]) -> BTreeMap<String, bool> {
        (0..20)
            .map(|index| format!("t{index:02}"))
            .map(|name| (name.clone(), rolling.contains(&&*name)))
            .collect()
    }

    fn tenant(status: serde_json::Value) -> Tenant {
        let whole = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": "acme", "generation": 3},
            "spec": {"platformRef": {"name": "prod"}}, "status": status,
        });
        serde_json::from_value(whole).expect("it is a Tenant")
    }

    #[test]
    fn only_what_neither_the_tenant_nor_the_cluster_asked_for_waits() {
        let applied = |generation: i64| tenant(json!({"applied": {"generation": generation, "inputs": "i"}}));
        let all: BTreeSet<Kind> = [Kind::NetworkPolicy, Kind::Deployment].into();
        let policies: BTreeSet<Kind> = [Kind::NetworkPolicy].into();
        assert!(must_ask(&applied(3), &all, "i") && must_ask(&applied(3), &policies, "i"));
        assert!(!must_ask(&applied(3), &BTreeSet::new(), "other"), "nothing changes");
        assert!(!must_ask(&applied(2), &all, "i"), "its own spec changed");
        assert!(!must_ask(&applied(3), &policies, "other"), "a new node must be denied at once");
        assert!(must_ask(&applied(3), &all, "other"));
        assert!(!must_ask(&tenant(json!({})), &all, "i"), "it is new");
        // Of a version that wrote no such record.
        let ready = |generation: i64| {
            tenant(json!({"conditions": [{
                "type": "Ready", "status": "True", "observedGeneration": generation, "reason": "Succeeded",
                "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
            }]}))
        };
        assert!(must_ask(&ready(3), &all, "i") && !must_ask(&ready(2), &all, "i"));
        assert!(is_ready(&ready(3)) && !silenced(&ready(3)));
        // What a watchdog has written over it is no reason to let all go at once.
        let mut quiet = ready(3);
        let said = &mut quiet.status.as_mut().expect("it has one").conditions[0];
        said.status = ConditionStatus::Unknown;
        assert!(!must_ask(&quiet, &all, "i"), "it may lie down");
        quiet.status.as_mut().expect("it has one").conditions[0].reason =
            reasons::OPERATOR_NOT_RUNNING.into();
        assert!(must_ask(&quiet, &all, "i") && silenced(&quiet));
    }

    #[test]
    fn a_wave_is_a_share_and_never_nobody() {
        assert_eq!([size(0, 10), size(9, 10), size(19, 10), size(20, 10), size(20, 100)], [1, 1, 1, 2, 20]);
    }

    #[test]
    fn the_next_wave_begins_when_the_last_one_is_back() {
        let mut waves = Waves::default();
        let all = tenants(&[]);
        assert!(waves.asks("t00", true, &all) && waves.asks("t01", true, &all));
        assert!(!waves.asks("t02", true, &all));
        assert_eq!(waves.back("t02"), BTreeSet::new(), "its pass has ended, and it waits");
        assert!(waves.asks("t00", true, &all), "who is in it may go on");
        assert_eq!(waves.back("t00"), BTreeSet::new());
        assert!(!waves.asks("t02", true, &all), "a wave isn't filled up again");
        assert_eq!(waves.back("t01"), ["t02".to_owned()].into());
        assert!(waves.asks("t02", true, &all));
    }

    #[test]
    fn after_a_restart_the_statuses_say_who_is_out() {
        let mut waves = Waves::default();
        let all = tenants(&["t00", "t01"]);
        assert!(!waves.asks("t02", true, &all));
        assert!(waves.asks("t01", true, &all));
        assert_eq!(waves.back("t00"), BTreeSet::new());
        assert_eq!(waves.back("t01"), ["t02".to_owned()].into());
        assert!(waves.asks("t02", true, &tenants(&[])));
    }

    #[test]
    fn who_lies_down_already_or_is_gone_is_not_waited_for() {
        let mut waves = Waves::default();
        let mut all = tenants(&[]);
        for index in 0..20 {
            assert!(waves.asks(&format!("t{index:02}"), false, &all));
        }
        assert!(waves.asks("t00", true, &all) && waves.asks("t01", true, &all));
        assert!(!waves.asks("t02", true, &all));
        all.remove("t00");
        all.remove("t01");
        assert!(waves.asks("t02", true, &all));
    }

    /// A service that comes up and then falls over: what felled it must not go further.
    #[test]
    fn who_falls_after_it_was_back_stops_the_waves() {
        let (mut waves, start) = (Waves::default(), Instant::now());
        let all = tenants(&[]);
        assert!(
            waves.asks("t00", true, &all) && waves.asks("t01", true, &all) && !waves.asks("t02", true, &all)
        );
        waves.fell("t00", start);
        assert_eq!(waves.back("t00"), BTreeSet::new(), "it was not back before: that is no fall");
        assert_eq!(waves.back("t01"), ["t02".to_owned()].into());
        assert!(waves.asks("t02", true, &all));
        // Of the first wave, while the second is under way with room for one more.
        waves.fell("t00", start);
        waves.fell("t09", start);
        assert!(!waves.asks("t03", true, &tenants(&["t00", "t02"])), "t09 was never reached, t00 was");
        assert!(waves.asks("t02", true, &tenants(&["t00", "t02"])), "who is in the wave may go on");
        assert_eq!(waves.back("t02"), BTreeSet::new());
        assert!(!waves.asks("t03", true, &tenants(&["t00"])));
        assert_eq!(waves.back("t00"), ["t03".to_owned()].into());
        assert!(waves.asks("t03", true, &all));
        // Long after: that has other reasons.
        let later = start + 2 * WATCHED;
        assert!(waves.has_moved("t00", start) && !waves.has_moved("t00", later));
        assert_eq!(waves.back("t03"), BTreeSet::new());
        waves.fell("t00", later);
        assert!(waves.asks("t04", true, &all));
    }
}
