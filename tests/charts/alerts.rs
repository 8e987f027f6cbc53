//! Alerts: one a promise, from the table of promises, and two that fire from outside when there is no operator.

use std::{
    collections::BTreeSet,
    io::Write,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tenantry::{
    api::promises::{Promise, TABLE},
    runtime::lease,
};
use tenantry_testbed::programs;

use crate::{
    read,
    support::{Outcome, world::SYSTEM},
    top,
};

const FILE: &str = "charts/tenantry/files/alerts.yaml";
const HEAD: &str =
    "# Generated from src/api/promises.rs; mend it with: UPDATE_GOLDEN=1 cargo test --test charts\n";

/// What the rules ask of others than the operator: kube-state-metrics.
const OTHERS: [&str; 1] = ["kube_lease_renew_time"];

/// The rules, as a PrometheusRule has them.
fn rules() -> Value {
    let promises: Vec<Value> = TABLE.iter().filter_map(rule).collect();
    json!({"groups": [
        {"name": "tenantry-operator", "rules": outside()},
        {"name": "tenantry-promises", "rules": promises},
    ]})
}

/// A promise that isn't built yet has no condition, and nothing to alert on.
fn rule(promise: &Promise) -> Option<Value> {
    let condition = promise.condition?.as_str();
    let id = promise.id;
    Some(json!({
        "alert": promise.alert,
        // All replicas see the same statuses.
        "expr": format!("max(tenantry_promises{{promise=\"{id}\",status=\"false\"}}) > 0"),
        "for": "5m",
        "labels": {"severity": "warning", "promise": id},
        "annotations": {
            "summary": format!("Not kept: {}", promise.sentence),
            "description": format!(
                "{{{{ $value }}}} Tenants or Platforms say {condition}=False. Which, and why: tenantry status, then tenantry why TENANT."
            ),
        },
    }))
}

/// Nothing that has died can say so itself.
fn outside() -> Value {
    let name = lease::NAME;
    let step = format!("See kubectl -n {SYSTEM} get pods,lease and the operator's log.");
    json!([
        {
            "alert": "TenantryOperatorDown",
            "expr": "absent(tenantry_leader == 1)",
            "for": "2m",
            "labels": {"severity": "critical"},
            "annotations": {
                "summary": "No operator works: drift is not healed, and nothing in a status can be relied on",
                "description": format!("No replica says that it leads, or none can be scraped. {step}"),
            },
        },
        {
            "alert": "TenantryLeaseStale",
            "expr": format!("time() - max(kube_lease_renew_time{{namespace=\"{SYSTEM}\",lease=\"{name}\"}}) > 60"),
            "for": "1m",
            "labels": {"severity": "critical"},
            "annotations": {
                "summary": "Nobody renews the operator's Lease",
                "description": format!("The last renewal of Lease {SYSTEM}/{name} was {{{{ $value | humanizeDuration }}}} ago. {step}"),
            },
        },
    ])
}

#[test]
fn the_alerts_are_what_the_promises_say() {
    let wanted = HEAD.to_owned() + &serde_saphyr::to_string(&rules()).expect("rules are YAML");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(top(FILE), &wanted).expect("the file can be written");
    }
    assert!(read(FILE) == wanted, "{FILE} is stale; mend it with: UPDATE_GOLDEN=1 cargo test --test charts");
    let parsed: Value = serde_saphyr::from_str(&wanted).expect("rules are YAML");
    assert_eq!(parsed, rules(), "nothing is lost on the way");
}

#[test]
fn every_promise_that_is_built_has_an_alert() {
    let rules = rules();
    let named: Vec<&str> = all(&rules).filter_map(|rule| rule["alert"].as_str()).collect();
    for promise in TABLE {
        assert_eq!(named.contains(&promise.alert), promise.condition.is_some(), "{}", promise.alert);
    }
    let unique: BTreeSet<&&str> = named.iter().collect();
    assert_eq!(unique.len(), named.len());
}

fn all(rules: &Value) -> impl Iterator<Item = &Value> {
    let groups = rules["groups"].as_array().into_iter().flatten();
    groups.flat_map(|group| group["rules"].as_array().into_iter().flatten())
}

/// Metrics that the rules ask the operator for.
pub(crate) fn asked() -> BTreeSet<String> {
    let rules = rules();
    let expressions = all(&rules).filter_map(|rule| rule["expr"].as_str());
    let words = expressions.flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    let metrics = words.filter(|word| word.starts_with("tenantry_")).map(str::to_owned);
    metrics.collect()
}

#[test]
fn what_the_rules_ask_for_is_known() {
    let rules = rules();
    let text: String = all(&rules).filter_map(|rule| rule["expr"].as_str()).collect::<Vec<_>>().join("\n");
    assert!(OTHERS.iter().all(|name| text.contains(name)));
    assert_eq!(asked(), ["tenantry_leader".to_owned(), "tenantry_promises".to_owned()].into());
}

/// Which alerts hold, as Prometheus sees it at second 1000.
fn holding(series: &[(Value, f64)]) -> Outcome<BTreeSet<String>> {
    let series: Vec<Value> =
        series.iter().map(|(labels, value)| json!({"labels": labels, "value": value})).collect();
    let state = json!({"now": 1000, "series": series}).to_string();
    let mut command = Command::new(programs::rules()?);
    let command = command.arg(top(FILE)).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    child.stdin.take().ok_or("no input")?.write_all(state.as_bytes())?;
    let output = child.wait_with_output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "Prometheus refuses {FILE}: {complaint}");
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

fn leader(replica: &str, leads: f64) -> (Value, f64) {
    (json!({"__name__": "tenantry_leader", "instance": replica}), leads)
}

fn broken(promise: &str, count: f64) -> (Value, f64) {
    (json!({"__name__": "tenantry_promises", "instance": "a", "promise": promise, "status": "false"}), count)
}

fn renewed(second: f64) -> (Value, f64) {
    (json!({"__name__": "kube_lease_renew_time", "namespace": SYSTEM, "lease": lease::NAME}), second)
}

#[test]
fn alerts_hold_when_they_should_and_only_then() -> Outcome {
    if programs::skip() {
        return Ok(());
    }
    let names = |names: &[&str]| -> BTreeSet<String> { names.iter().map(ToString::to_string).collect() };
    let built = || TABLE.iter().filter(|promise| promise.condition.is_some());
    let mut well = vec![leader("a", 1.0), leader("b", 0.0), renewed(998.0)];
    well.extend(built().map(|promise| broken(promise.id, 0.0)));
    assert_eq!(holding(&well)?, names(&[]), "all is well");
    assert_eq!(
        holding(&[renewed(700.0)])?,
        names(&["TenantryLeaseStale", "TenantryOperatorDown"]),
        "all are dead"
    );
    assert_eq!(holding(&[])?, names(&["TenantryOperatorDown"]), "and nobody watches Leases");
    let standbys = [leader("a", 0.0), leader("b", 0.0), renewed(998.0)];
    assert_eq!(holding(&standbys)?, names(&["TenantryOperatorDown"]), "nobody leads");
    for promise in built() {
        let one = [leader("a", 1.0), renewed(998.0), broken(promise.id, 2.0)];
        assert_eq!(holding(&one)?, names(&[promise.alert]), "{}", promise.id);
    }
    Ok(())
}
