//! Status: the same state says the same, whatever the clock shows.

use std::marker::PhantomData;

use jiff::Timestamp;
use proptest::prelude::*;
use tenantry::api::{
    Tenant,
    conditions::{ConditionStatus, ConditionType, find},
    kinds::{Kind, ObjectId},
    marks,
    promises::TABLE,
    tenant_status::{DriftStatus, TenantStatus, ZoneLoss},
};
use tenantry::desired::{Applied, Objects};
use tenantry::observe::loss::Fit;
use tenantry::observe::slim::DeploymentStatus;
use tenantry::observe::trouble::Unready;
use tenantry::observe::workloads::{Observed, ObservedService};
use tenantry::observe::world::Workload;
use tenantry::status::promises::SourceState;
use tenantry::status::tenant::{Facts, Outcome, ReadOnly, Work, status};
use tenantry::validate::ground::Held;
use tenantry::validate::problem::Problem;

use crate::generate::{Case, Checked, case};
use crate::many;

/// How a pass went, and what was seen.
#[derive(Clone, Debug)]
struct Story {
    outcome: usize,
    seen: bool,
    pods: Vec<(i32, i32, i32, bool)>,
    fit: usize,
    foreign: bool,
    source: usize,
    drift: bool,
}

fn story() -> impl Strategy<Value = Story> {
    let pods = proptest::collection::vec((0..6i32, 0..6i32, 0..3i32, any::<bool>()), 5);
    (0..10usize, any::<bool>(), pods, any::<bool>(), 0..3usize, any::<bool>(), 0..4usize).prop_map(
        |(outcome, seen, pods, foreign, source, drift, fit)| Story {
            outcome,
            seen,
            pods,
            fit,
            foreign,
            source,
            drift,
        },
    )
}

fn observed(checked: &Checked, story: &Story) -> Observed {
    let services = checked.tenant.services.iter().zip(&story.pods).map(
        |(service, (replicas, available, zone, known))| {
            let status = DeploymentStatus {
                observed_generation: 1,
                replicas: *replicas,
                updated_replicas: *replicas,
                ready_replicas: *available,
                available_replicas: *available,
                conditions: Vec::new(),
            };
            let workload = Workload { replicas: *replicas, generation: 1, version: 9, status };
            let ready = [("a", *available), ("b", *zone), ("c", 0)];
            ObservedService {
                name: service.spec.name.clone(),
                workload: known.then_some(workload),
                current: *known,
                ready: ready.map(|(zone, pods)| (zone.to_owned(), pods)).into(),
                unready: known.then(|| ("pod".to_owned(), Unready::default())).into_iter().collect(),
                fit: [
                    None,
                    Some(Fit::Yes),
                    Some(Fit::Unknown("volumes".into())),
                    Some(Fit::No("full".into())),
                ][story.fit]
                    .clone(),
            }
        },
    );
    let policy = ObjectId { kind: Kind::NetworkPolicy, namespace: "acme".into(), name: "open".into() };
    Observed {
        services: services.collect(),
        unzoned: vec!["n1".to_owned()],
        empty: story.foreign.then(|| "c".to_owned()).into_iter().collect(),
        zones: ["a", "b", "c"].map(str::to_owned).into(),
        foreign: story.foreign.then_some(policy).into_iter().collect(),
        ..Observed::default()
    }
}

/// The status after a pass at this second of the day.
fn tell(case: &Case, tenant: &Tenant, story: &Story, second: i64, healed: bool) -> TenantStatus {
    let checked = case.check();
    let observed = observed(&checked, story);
    let objects: Objects<Applied> = proof(&checked);
    let problems = [Problem::new("/spec", "is wrong")];
    let held = Held { reason: "NamespaceTaken", message: "is taken".into(), may_pass: story.foreign };
    let outcome = match story.outcome {
        0 => Outcome::Rejected(&problems),
        1 => Outcome::NoPlatform("there is none".into()),
        2 => Outcome::Held(&held),
        3 => Outcome::Unreadable("no answer".into()),
        4 => Outcome::Failed { reason: "ApplyFailed", message: "no".into(), stalled: story.foreign },
        5 => Outcome::ReadOnly { why: ReadOnly::Observe, would: vec!["create it".into()] },
        6 => Outcome::ReadOnly { why: ReadOnly::Paused("2026-01-01T00:00:00Z".into()), would: Vec::new() },
        7 => Outcome::Waiting("others go first".into()),
        8 => Outcome::Exceeds(&problems),
        _ => Outcome::Applied { objects: &objects, pending: Vec::new() },
    };
    let seen = story.seen || story.outcome >= 5;
    let drift = DriftStatus { object: "Service acme/web".into(), change: "someone changed it".into() };
    status(Facts {
        tenant,
        outcome,
        seen: seen.then_some((&checked.tenant, &checked.platform, &observed)),
        inventory: None,
        drift: (story.drift && healed).then_some(drift),
        work: (story.outcome >= 7).then(|| Work { inputs: "1".into(), in_wave: story.foreign }),
        source: match story.source {
            0 => None,
            1 => Some(SourceState::Synced { origin: "a.yaml at 12345678".into() }),
            _ => Some(SourceState::Behind { reason: "MissingFromSource", message: "it is gone".into() }),
        },
        backups: None,
        now: Timestamp::from_second(1_767_225_600 + second).expect("a time"),
    })
}

fn proof(checked: &Checked) -> Objects<Applied> {
    let objects = checked.objects();
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
        state: PhantomData,
    }
}

/// The Tenant with this status, from Git or not.
fn with(case: &Case, git: bool, status: Option<TenantStatus>) -> Tenant {
    let mut tenant = case.tenant.clone();
    let source = git.then(|| (marks::SOURCE.to_owned(), "shop/a.yaml".to_owned()));
    tenant.metadata.annotations = Some(source.into_iter().collect());
    tenant.status = status;
    tenant
}

proptest! {
    #![proptest_config(many(300))]

    #[test]
    fn the_same_state_says_the_same_at_any_time(case in case("acme"), story in story(), git in any::<bool>(), later in 1..1_000_000i64) {
        let first = tell(&case, &with(&case, git, None), &story, 0, true);
        let again = tell(&case, &with(&case, git, Some(first.clone())), &story, later, false);
        prop_assert_eq!(&first, &again);
    }

    /// After any other state, too: times change with statuses only.
    #[test]
    fn a_time_changes_with_its_status_only(case in case("acme"), one in story(), two in story(), git in any::<bool>()) {
        let first = tell(&case, &with(&case, git, None), &one, 0, true);
        let second = tell(&case, &with(&case, git, Some(first.clone())), &two, 60, true);
        for after in &second.conditions {
            let before = first.conditions.iter().find(|before| before.type_ == after.type_);
            let same = before.is_some_and(|before| before.status == after.status);
            let kept = before.is_some_and(|before| before.last_transition_time == after.last_transition_time);
            prop_assert_eq!(same, kept, "{:?} after {:?}", after, before);
        }
        let third = tell(&case, &with(&case, git, Some(second.clone())), &two, 120, false);
        prop_assert_eq!(&second, &third);
    }

    #[test]
    fn conditions_are_whole_and_agree(case in case("acme"), story in story(), git in any::<bool>()) {
        let told = tell(&case, &with(&case, git, None), &story, 0, true);
        let types: Vec<&str> = told.conditions.iter().map(|one| one.type_.as_str()).collect();
        prop_assert!(types.is_sorted_by(|a, b| a < b), "each once, in one order: {types:?}");
        for one in &told.conditions {
            prop_assert_eq!(one.observed_generation, 7);
            prop_assert!(!one.reason.is_empty() && !one.message.is_empty(), "{one:?}");
        }
        let status = |type_| find(&told.conditions, type_).map(|one| one.status);
        let ready = status(ConditionType::Ready);
        prop_assert!(ready.is_some());
        // Who waits for a wave lacks nothing, and is on its way all the same.
        let on_its_way = status(ConditionType::Reconciling).is_some() && story.outcome != 7;
        if status(ConditionType::Stalled).is_some() || on_its_way {
            prop_assert!(ready != Some(ConditionStatus::True), "{:?}", told.conditions);
        }
        prop_assert!(!(status(ConditionType::Stalled).is_some() && status(ConditionType::Reconciling).is_some()));
        prop_assert_eq!(status(ConditionType::SourceSynced).is_some(), git && story.source > 0);
    }

    /// A service that would not outlive the loss of a zone makes the promise broken before the zone is lost.
    #[test]
    fn a_zone_spread_that_is_true_outlives_a_zone(case in case("acme"), story in story()) {
        let told = tell(&case, &with(&case, false, None), &story, 0, true);
        let spread = find(&told.conditions, ConditionType::ZoneSpread);
        let answers = || told.services.iter().filter_map(|one| one.zone_loss.as_ref()).map(|loss| loss.answer);
        if spread.is_some_and(|one| one.status == ConditionStatus::True) {
            prop_assert!(answers().all(|one| matches!(one, ZoneLoss::Survives | ZoneLoss::Unknown)), "{:?}", told);
        }
        if !story.seen && story.outcome < 5 {
            prop_assert_eq!(answers().count(), 0, "nothing was measured");
        }
        for one in told.services.iter().filter(|one| one.zone_loss.is_some()) {
            let zones = one.zones.iter().map(|zone| zone.ready);
            let left = zones.clone().sum::<i32>() - zones.max().unwrap_or_default();
            let survives = one.zone_loss.as_ref().is_some_and(|loss| loss.answer != ZoneLoss::Breaks);
            prop_assert!(!survives || left >= 1, "{:?}", one);
        }
    }

    #[test]
    fn the_sum_of_promises_is_their_sum(case in case("acme"), story in story(), git in any::<bool>()) {
        let told = tell(&case, &with(&case, git, None), &story, 0, true);
        let asked: Vec<_> = TABLE
            .iter()
            .filter_map(|promise| Some((promise, find(&told.conditions, promise.condition?)?)))
            .collect();
        let count = |status| asked.iter().filter(|(_, one)| one.status == status).count();
        let (kept, broken) = (count(ConditionStatus::True), count(ConditionStatus::False));
        let sum = find(&told.conditions, ConditionType::PromisesKept).map(|one| one.status);
        let expected = match asked.len() {
            0 => None,
            all if kept == all => Some(ConditionStatus::True),
            _ if broken > 0 => Some(ConditionStatus::False),
            _ => Some(ConditionStatus::Unknown),
        };
        prop_assert_eq!(sum, expected);
        prop_assert_eq!(&told.summary.promises, &format!("{kept}/{}", asked.len()));
        for (promise, one) in asked.iter().filter(|(_, one)| one.status != ConditionStatus::True) {
            prop_assert!(promise.reasons.contains(&one.reason.as_str()), "{} is not said of {}", one.reason, promise.id);
        }
        // Nothing was measured: nothing is claimed.
        if !story.seen && story.outcome < 5 {
            prop_assert_eq!(kept, usize::from(git && story.source == 1));
        }
    }
}
