//! What is proven of isolation.

use std::ops::Bound::{Excluded, Unbounded};

use jiff::{SignedDuration, Timestamp};

use super::{Signal, World};
use crate::{
    api::{
        Tenant,
        conditions::{ConditionType, find, reasons},
        kinds::Kind,
        tenant::Mode,
        tenant_status::ProofStatus,
    },
    prove::{
        doors::Doors,
        judge,
        questions::{Questions, subject},
        schedule,
    },
};

impl World {
    /// Something was found out about a Tenant; its status should say it.
    pub fn proved(&mut self, tenant: &str, proof: ProofStatus) -> Vec<Signal> {
        let Self { proofs, tenants, .. } = self;
        proofs.retain(|name, _| tenants.contains_key(name));
        let said = self.tenants.get(tenant).and_then(|one| one.status.as_ref()?.proof.as_ref());
        let news = said != Some(&proof);
        self.proofs.insert(tenant.to_owned(), proof);
        if news { vec![Signal::TenantSoon(tenant.to_owned())] } else { Vec::new() }
    }

    /// What was found out about a Tenant last, by this process or by another.
    pub fn proof<'a>(&'a self, tenant: &'a Tenant) -> Option<&'a ProofStatus> {
        let own = self.proofs.get(tenant.metadata.name.as_deref()?);
        own.or_else(|| tenant.status.as_ref()?.proof.as_ref())
    }

    /// About whom to ask next, if about anybody, and whom the evidence will speak of.
    pub fn to_prove(&self, period: SignedDuration, now: Timestamp) -> Option<(Questions, String)> {
        // Among equals who was asked about longest ago: a budget that is too small starves nobody.
        let mut best: Option<((u8, String), Questions, String)> = None;
        for tenant in self.tenants.values().filter(|tenant| is_provable(tenant)) {
            let (proof, subject) = (self.proof(tenant), subject(tenant));
            let questions = self.questions(tenant);
            let asked = questions.asked();
            let uid = tenant.metadata.uid.as_deref().unwrap_or_default();
            let Some(urgency) = schedule::urgency(proof, (uid, &subject, &asked), period, now) else {
                continue;
            };
            let rank = (urgency, proof.map(|proof| proof.at.clone()).unwrap_or_default());
            if best.as_ref().is_none_or(|(other, ..)| rank < *other) {
                best = Some((rank, questions, subject));
            }
            if urgency == 0 {
                break;
            }
        }
        best.map(|(_, questions, subject)| (questions, subject))
    }

    /// Everything that is to be asked about a Tenant.
    fn questions(&self, tenant: &Tenant) -> Questions {
        let name = tenant.metadata.name.as_deref().unwrap_or_default();
        let others = self
            .tenants
            .range::<str, _>((Excluded(name), Unbounded))
            .chain(self.tenants.range::<str, _>((Unbounded, Excluded(name))));
        let others = others.map(|(_, other)| other.as_ref()).filter(|other| has_namespace(other));
        Questions::new(tenant, others, |namespace| {
            let foreign = self.foreign(namespace).into_iter().filter(|id| id.kind == Kind::RoleBinding);
            foreign.map(|id| id.to_string()).collect()
        })
    }

    /// Tenants whose evidence has grown too old since they last spoke: their status says True, and nothing else
    /// would make them look.
    pub fn outlived(&self, now: Timestamp) -> Vec<Signal> {
        let old = self.tenants.values().filter(|tenant| {
            let said = tenant.status.iter().flat_map(|status| &status.conditions);
            let proof = tenant.status.as_ref().and_then(|status| status.proof.as_ref());
            let expired = proof.is_some_and(|proof| !judge::is_valid(proof, &subject(tenant), now));
            let mut said = said.filter(|one| one.type_ == ConditionType::Isolated.as_str());
            expired && said.any(|one| one.reason == reasons::SUCCEEDED)
        });
        old.filter_map(|tenant| tenant.metadata.name.clone()).map(Signal::TenantSoon).collect()
    }

    /// The network was probed, or can't be.
    pub fn knocked(&mut self, doors: Doors, now: Timestamp) -> Vec<Signal> {
        let before = std::mem::replace(&mut self.doors, doors).now(now);
        let same = match (&before, &self.doors.now(now)) {
            (Doors::Closed { .. }, Doors::Closed { .. }) => true,
            (Doors::Open { door, .. }, Doors::Open { door: other, .. }) => door == other,
            (before, after) => before == after,
        };
        if same { Vec::new() } else { vec![Signal::AllTenants] }
    }

    /// Whether the network keeps tenants apart, by the last probe.
    pub fn doors(&self) -> &Doors {
        &self.doors
    }
}

fn has_namespace(tenant: &Tenant) -> bool {
    tenant.status.as_ref().is_some_and(|status| !status.namespaces.is_empty())
}

/// Whether everything that is asked about should be in place, for the spec as it is now.
fn is_provable(tenant: &Tenant) -> bool {
    let Some(status) = tenant.status.as_ref() else { return false };
    let isolated = find(&status.conditions, ConditionType::Isolated);
    has_namespace(tenant)
        && tenant.spec.mode == Mode::Enforce
        && status.observed_generation == tenant.metadata.generation
        && isolated.is_some_and(|one| one.reason != reasons::NOT_APPLIED)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    const PERIOD: SignedDuration = SignedDuration::from_hours(6);

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    /// A Tenant that is in place, with members, and evidence of so many hours ago.
    fn tenant(name: &str, members: &[&str], hours: Option<i64>) -> Tenant {
        let members: Vec<_> =
            members.iter().map(|one| json!({"kind": "User", "name": one, "role": "Viewer"})).collect();
        let mut tenant: Tenant = serde_json::from_value(json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant",
            "metadata": {"name": name, "uid": name, "generation": 1, "resourceVersion": "1"},
            "spec": {"platformRef": {"name": "p"}, "members": members},
            "status": {
                "observedGeneration": 1,
                "namespaces": [{"purpose": "Workload", "name": name, "uid": "u"}],
                "conditions": [{"type": "Isolated", "status": "Unknown", "reason": "NotProbed", "message": "", "lastTransitionTime": ""}],
            },
        }))
        .unwrap();
        let proof = hours.map(|hours| ProofStatus {
            at: (now() - SignedDuration::from_hours(hours)).to_string(),
            subject: subject(&tenant),
            outcome: crate::api::conditions::ConditionStatus::True,
            ..ProofStatus::default()
        });
        if let Some(status) = &mut tenant.status {
            status.proof = proof;
        }
        tenant
    }

    fn world(tenants: impl IntoIterator<Item = Tenant>) -> World {
        let mut world = World::default();
        for one in tenants {
            world.tenant_seen(Arc::new(one));
        }
        world
    }

    fn next(world: &World) -> Option<String> {
        world.to_prove(PERIOD, now()).map(|(questions, _)| questions.tenant)
    }

    /// Evidence about a Tenant as it is now.
    fn fresh(world: &World, tenant: &str) -> ProofStatus {
        let tenant = world.tenant(tenant).unwrap();
        ProofStatus {
            at: now().to_string(),
            subject: subject(&tenant),
            asked: world.questions(&tenant).asked(),
            outcome: crate::api::conditions::ConditionStatus::True,
            ..ProofStatus::default()
        }
    }

    #[test]
    fn everyone_has_a_turn_whoever_is_first_in_the_alphabet() {
        let mut world =
            world([tenant("a", &[], Some(7)), tenant("b", &[], Some(9)), tenant("c", &["ann"], None)]);
        for wanted in ["c", "b", "a"] {
            assert_eq!(next(&world).as_deref(), Some(wanted));
            let proof = fresh(&world, wanted);
            assert_eq!(world.proved(wanted, proof.clone()), [Signal::TenantSoon(wanted.into())]);
        }
        assert_eq!(next(&world), None);
        // One that isn't in place yet is nobody to ask about.
        let mut other = tenant("d", &[], None);
        other.status = None;
        world.tenant_seen(Arc::new(other));
        assert_eq!(next(&world), None);
    }

    #[test]
    fn a_binding_of_somebody_else_is_a_reason_to_ask_again() {
        let mut world = world([tenant("a", &["ann"], Some(0)), tenant("b", &[], Some(0))]);
        for one in ["a", "b"] {
            let proof = fresh(&world, one);
            world.proved(one, proof);
        }
        assert_eq!(next(&world), None);
        let meta: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta =
            serde_json::from_value(json!({"name": "eve", "namespace": "b"})).unwrap();
        world.child_seen(Kind::RoleBinding, &meta);
        // It is in the namespace of one, and in what is asked about the other.
        assert_eq!(next(&world).as_deref(), Some("a"));
        let proof = fresh(&world, "a");
        world.proved("a", proof);
        assert_eq!(next(&world).as_deref(), Some("b"));
    }

    #[test]
    fn doors_wake_everyone_only_when_they_say_something_else() {
        let mut world = World::default();
        let closed = |minutes| Doors::Closed { at: now() + SignedDuration::from_mins(minutes) };
        assert_eq!(world.knocked(closed(0), now()), [Signal::AllTenants]);
        assert_eq!(world.knocked(closed(1), now()), []);
        let open = Doors::Open { at: now(), door: "pod".into() };
        assert_eq!(world.knocked(open, now()), [Signal::AllTenants]);
    }
}
