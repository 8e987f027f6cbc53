use serde_json::{Value, json};

use super::*;
use crate::{
    api::{Platform, Tenant, conditions::ConditionStatus},
    validate::{platform, tenant},
};

fn given(service: &Value) -> (ValidatedPlatform, ValidatedTenant) {
    let platform: Platform = serde_json::from_value(json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Platform", "metadata": {"name": "shop"},
        "spec": {"environment": "test", "images": {"registries": ["registry.example"]}},
    }))
    .expect("a Platform");
    let mut web = json!({"name": "web", "image": "registry.example/web:1"});
    for (key, value) in service.as_object().expect("an object") {
        web[key] = value.clone();
    }
    let tenant: Tenant = serde_json::from_value(json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": "acme"},
        "spec": {"platformRef": {"name": "shop"}, "services": [web]},
    }))
    .expect("a Tenant");
    let platform = platform::validate(&platform).expect("a right Platform");
    let tenant = tenant::validate(&tenant, &platform).expect("a right Tenant");
    (platform, tenant)
}

fn judged(service: &Value, ready: [i32; 3], fit: Option<Fit>) -> Option<ZoneLossStatus> {
    let (platform, tenant) = given(service);
    let zones = ["a", "b", "c"].map(str::to_owned).into_iter().zip(ready);
    let seen =
        ObservedService { name: "web".into(), ready: zones.collect(), fit, ..ObservedService::default() };
    judge(&platform, &tenant.services[0], &seen, None)
}

fn answer(service: &Value, ready: [i32; 3]) -> Option<ZoneLoss> {
    judged(service, ready, Some(Fit::Yes)).map(|loss| loss.answer)
}

#[test]
fn an_even_spread_survives_and_a_heap_does_not() {
    let six = json!({"replicas": {"min": 6}});
    assert_eq!(answer(&six, [2, 2, 2]), Some(ZoneLoss::Survives));
    assert_eq!(answer(&six, [4, 1, 1]), Some(ZoneLoss::Breaks));
    assert_eq!(answer(&json!({"replicas": {"min": 3}}), [1, 1, 1]), Some(ZoneLoss::Survives));
    assert_eq!(answer(&json!({"replicas": {"min": 2}}), [1, 1, 0]), Some(ZoneLoss::Survives));
}

#[test]
fn what_the_author_asks_for_goes_first() {
    let five = json!({"replicas": {"min": 6}, "minAvailable": 5});
    let loss = judged(&five, [2, 2, 2], Some(Fit::Yes)).expect("it is judged");
    assert_eq!(loss.answer, ZoneLoss::Breaks);
    assert!(
        loss.message.contains("4 of 6 ready pods would be left, and at least 5 must be"),
        "{}",
        loss.message
    );
    assert_eq!(
        answer(&json!({"replicas": {"min": 6}, "minAvailable": 1}), [4, 1, 1]),
        Some(ZoneLoss::Survives)
    );
}

#[test]
fn one_pod_is_not_asked_to_outlive_its_zone() {
    assert_eq!(judged(&json!({"replicas": {"min": 1}}), [1, 0, 0], Some(Fit::No("x".into()))), None);
}

#[test]
fn what_is_not_counted_yet_is_not_said() {
    let three = json!({"replicas": {"min": 3}});
    assert_eq!(judged(&three, [1, 1, 1], None), None);
    let (platform, tenant) = given(&three);
    let before = ZoneLossStatus { answer: ZoneLoss::NoRoom, message: "full".into() };
    let zones = ["a", "b", "c"].map(|zone| (zone.to_owned(), 1));
    let seen = ObservedService { name: "web".into(), ready: zones.into(), ..ObservedService::default() };
    assert_eq!(
        judge(&platform, &tenant.services[0], &seen, Some(&before)),
        Some(before),
        "kept over a restart"
    );
}

#[test]
fn the_verdict_names_service_zone_and_next_step() {
    let (_, tenant) = given(&json!({"replicas": {"min": 3}}));
    let services = |answer: ZoneLoss, message: &str| {
        let zone_loss = Some(ZoneLossStatus { answer, message: message.to_owned() });
        [ServiceStatus { name: "web".into(), zone_loss, ..ServiceStatus::default() }]
    };
    let broken = verdict(&tenant, &services(ZoneLoss::Breaks, "without zone a 1 of 3")).expect_err("broken");
    assert_eq!((broken.status, broken.reason), (ConditionStatus::False, reasons::ZONE_LOSS_BREAKS));
    assert_eq!(
        broken.message,
        "web: without zone a 1 of 3; raise replicas, or lower minAvailable, of Tenant acme"
    );
    let roomless = verdict(&tenant, &services(ZoneLoss::NoRoom, "full")).expect_err("no room");
    assert_eq!(roomless.reason, reasons::ZONE_LOSS_NO_ROOM);
    let open = verdict(&tenant, &services(ZoneLoss::Unknown, "volumes")).expect("not broken");
    assert_eq!(open, "; the loss of a zone: web: volumes");
    assert_eq!(verdict(&tenant, &[]).as_deref(), Ok(""));
}
