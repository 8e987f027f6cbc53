//! The plan of a change: empty where nothing changes, the same as what apply then decides, and a brake that
//! more effects never release.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;
use tenantry::api::brake::{Brake, EffectKind, EffectLimit};
use tenantry::api::tenant::Lifecycle;
use tenantry::apply::plan::{Why, plan};
use tenantry::apply::{manifest::Manifest, order};
use tenantry::desired;
use tenantry::plan::tenant::{Side, compare, fresh, untouched};
use tenantry::plan::{Change, Effect, Plan, TenantPlan, Verb, brake::judge};
use tenantry::validate::offline::{Ruler, inputs};
use tenantry::validate::{platform, tenant, tenant::ValidatedTenant};

use crate::generate::{Case, case};
use crate::many;
use crate::plan::applied;

/// A Tenant and its Platform, checked, as the files of one revision give them.
fn checked(case: &Case) -> (ValidatedTenant, Ruler) {
    let rules = platform::validate(&case.platform).expect("a generated Platform is valid");
    let tenant = tenant::validate(&case.tenant, &rules).expect("a generated Tenant is valid");
    (tenant, Ruler { platform: case.platform.clone(), rules })
}

/// What apply would be given.
fn list((tenant, ruler): &(ValidatedTenant, Ruler)) -> Vec<Manifest> {
    let inputs = inputs(&ruler.platform);
    let plan = desired::Plan { tenant, platform: &ruler.rules, inputs: &inputs };
    order::list(desired::objects(plan)).manifests
}

/// `Create Deployment acme/web`, in order.
fn planned(plan: Option<&TenantPlan>) -> Vec<String> {
    let objects = plan.map(|plan| plan.objects.as_slice()).unwrap_or_default();
    objects.iter().map(|one| format!("{:?} {}", one.verb, one.id())).collect()
}

/// The same of what apply decides.
fn decided(old: &[Manifest], new: Vec<Manifest>) -> Vec<String> {
    let (inventory, live) = applied(old);
    let plan = plan(new, &inventory, &live, &[]);
    let verb = |why| match why {
        Why::New | Why::Gone => Verb::Create,
        Why::Changed => Verb::Change,
        Why::Drifted => unreachable!("nobody touched anything"),
    };
    let writes = plan.writes.iter().map(|write| format!("{:?} {}", verb(write.why), write.manifest.id));
    let prune = plan
        .prune
        .iter()
        .map(|entry| format!("{:?} {} {}/{}", Verb::Delete, entry.kind, entry.namespace, entry.name));
    writes.chain(prune).collect()
}

fn effect_kind() -> impl Strategy<Value = EffectKind> {
    select(EffectKind::ALL.to_vec())
}

fn effect() -> impl Strategy<Value = Effect> {
    (effect_kind(), 0..12u8, 0..3u8).prop_map(|(kind, tenant, detail)| Effect {
        kind,
        tenant: format!("t{tenant}"),
        detail: detail.to_string(),
    })
}

fn brake() -> impl Strategy<Value = Brake> {
    let limit = (effect_kind(), prop::option::of(0..6u32), prop::option::of(0..=100u32));
    (0..20u32, 0..=100u32, prop::collection::vec(limit, 0..4)).prop_map(
        |(max_effects, max_percent, limits)| {
            let limits: BTreeMap<EffectKind, _> =
                limits.into_iter().map(|(kind, n, x)| (kind, (n, x))).collect();
            let effects = limits
                .into_iter()
                .map(|(kind, (max_effects, max_percent))| EffectLimit { kind, max_effects, max_percent })
                .collect();
            Brake { max_effects, max_percent, effects }
        },
    )
}

/// A plan with these effects.
fn with(effects: &[Effect]) -> Plan {
    let names: BTreeSet<&String> = effects.iter().map(|effect| &effect.tenant).collect();
    let tenant = |name: &String| TenantPlan {
        platform: "shop".into(),
        effects: effects.iter().filter(|effect| effect.tenant == *name).cloned().collect(),
        ..untouched(name, Change::Changed)
    };
    Plan { tenants: names.into_iter().map(tenant).collect(), ..Plan::default() }
}

proptest! {
    #![proptest_config(many(200))]

    #[test]
    fn nothing_changes_between_a_tenant_and_itself(case in case("acme")) {
        let (tenant, ruler) = checked(&case);
        prop_assert_eq!(compare(&Side::of(&tenant, &ruler), &Side::of(&tenant, &ruler)), None);
    }

    #[test]
    fn a_plan_is_what_apply_then_does(before in case("acme"), after in case("acme")) {
        let (old, new) = (checked(&before), checked(&after));
        let (was, is) = (Side::of(&old.0, &old.1), Side::of(&new.0, &new.1));
        prop_assert_eq!(planned(compare(&was, &is).as_ref()), decided(&list(&old), list(&new)));
        // The pass ends before it decides anything: there is no namespace to cancel the Tenant in.
        let made = if new.0.lifecycle == Lifecycle::Cancelled { Vec::new() } else { list(&new) };
        prop_assert_eq!(planned(Some(&fresh(&is, Change::Added))), decided(&[], made));
    }

    /// Whatever changes in an object is told by at least one field; and the other way round.
    #[test]
    fn what_changes_has_a_field(before in case("acme"), after in case("acme")) {
        let (old, new) = (checked(&before), checked(&after));
        let change = compare(&Side::of(&old.0, &old.1), &Side::of(&new.0, &new.1));
        for object in change.iter().flat_map(|change| &change.objects) {
            prop_assert_eq!(object.verb == Verb::Change || object.replaces.is_some(), !object.fields.is_empty(), "{}", object.id());
        }
        let stopped = change.iter().flat_map(|change| &change.stops).count();
        prop_assert!(stopped <= old.0.services.len());
    }

    #[test]
    fn more_effects_never_release_the_brake(
        effects in prop::collection::vec(effect(), 0..30), more in effect(), brake in brake(), total in 0..20usize
    ) {
        let held = |effects: &[Effect]| judge(&with(effects), "shop", &brake, total).is_err();
        let mut longer = effects.clone();
        longer.push(more);
        prop_assert!(!held(&effects) || held(&longer));
        prop_assert!(!held(&[]), "nothing is never held");
        let count = effects.iter().filter(|one| one.kind != EffectKind::TenantTouched).count();
        let plain = Brake { effects: Vec::new(), max_percent: 100, ..brake };
        // Without a total no share is judged.
        let most = usize::try_from(plain.max_effects).expect("it is small");
        prop_assert_eq!(judge(&with(&effects), "shop", &plain, 0).is_err(), count > most);
    }
}
