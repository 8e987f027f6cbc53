//! The guards in the API server: what they refuse, tried offline.

use std::collections::BTreeSet;

use kube::core::cel::{VapEvaluator, VapExpression};
use serde_json::{Value, json};
use tenantry::api::{kinds::Kind, marks};

use crate::documents;

/// A policy by its name.
fn policy(name: &str) -> Value {
    let found = documents("manifests/install").into_iter().map(|(_, document)| document);
    let mut found =
        found.filter(|one| one["kind"] == "ValidatingAdmissionPolicy" && one["metadata"]["name"] == name);
    found.next().unwrap_or_else(|| panic!("no policy {name} in manifests/install"))
}

/// Whether a policy refuses this deletion: its conditions match, and a validation doesn't hold.
fn refuses(name: &str, old: &Value) -> bool {
    let policy = policy(name);
    let evaluator = VapEvaluator::builder().old_object(old.clone()).build();
    let holds = |list: &Value| {
        let expressions: Vec<VapExpression> = list
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| VapExpression {
                expression: escaped(one["expression"].as_str().unwrap_or_default()),
                message: Some("refused".to_owned()),
                message_expression: None,
            })
            .collect();
        let results = evaluator.evaluate(&expressions);
        for result in &results {
            let plain = result.passed || result.message.as_deref() == Some("refused");
            assert!(plain, "{name}: {:?}", result.message);
        }
        results.iter().all(|result| result.passed)
    };
    let spec = &policy["spec"];
    assert!(spec["validations"].as_array().is_some_and(|list| !list.is_empty()), "{name}");
    holds(&spec["matchConditions"]) && !holds(&spec["validations"])
}

/// kube-cel escapes the keys of maps as if they were fields, which the API server doesn't.
fn escaped(expression: &str) -> String {
    [marks::TENANT, marks::ALLOW_DELETE, marks::MANAGED_BY].into_iter().fold(
        expression.to_owned(),
        |text, key| {
            let plain = key.replace('.', "__dot__").replace('/', "__slash__").replace('-', "__dash__");
            text.replace(&format!("'{key}'"), &format!("'{plain}'"))
        },
    )
}

fn allowed(mut object: Value) -> Value {
    object["metadata"]["annotations"]["tenantry.dev/allow-delete"] = json!("yes");
    object
}

#[test]
fn a_tenant_leaves_through_its_lifecycle() {
    let tenant = |lifecycle: &str| json!({"metadata": {"name": "a"}, "spec": {"lifecycle": lifecycle}});
    assert!(refuses("tenantry-keep-tenants", &tenant("Active")));
    assert!(refuses("tenantry-keep-tenants", &tenant("Suspended")));
    assert!(refuses("tenantry-keep-tenants", &json!({"metadata": {"name": "a"}, "spec": {}})));
    assert!(!refuses("tenantry-keep-tenants", &tenant("Cancelled")));
    assert!(!refuses("tenantry-keep-tenants", &allowed(tenant("Active"))));
}

#[test]
fn a_tenants_namespace_stays() {
    let labels = |tenant: bool| match tenant {
        true => json!({"tenantry.dev/tenant": "a", "app.kubernetes.io/managed-by": "tenantry"}),
        false => json!({"app.kubernetes.io/managed-by": "helm"}),
    };
    let namespace = |tenant| json!({"metadata": {"name": "a", "labels": labels(tenant)}});
    assert!(refuses("tenantry-keep-namespaces", &namespace(true)));
    assert!(!refuses("tenantry-keep-namespaces", &allowed(namespace(true))));
    assert!(!refuses("tenantry-keep-namespaces", &namespace(false)), "nobody else's is held");
    assert!(!refuses("tenantry-keep-namespaces", &json!({"metadata": {"name": "bare"}})));
}

#[test]
fn a_platform_stays_while_tenants_refer_to_it() {
    let platform =
        |tenants: &str| json!({"metadata": {"name": "a"}, "status": {"summary": {"tenants": tenants}}});
    assert!(refuses("tenantry-keep-platforms", &platform("3/3")));
    assert!(refuses("tenantry-keep-platforms", &platform("0/10")));
    assert!(!refuses("tenantry-keep-platforms", &platform("0/0")));
    assert!(!refuses("tenantry-keep-platforms", &allowed(platform("3/3"))));
    assert!(!refuses("tenantry-keep-platforms", &json!({"metadata": {"name": "new"}})));
}

#[test]
fn the_definitions_stay() {
    let definition = json!({"metadata": {"name": "tenants.tenantry.dev", "annotations": {"other": "x"}}});
    assert!(refuses("tenantry-keep-definitions", &definition));
    assert!(!refuses("tenantry-keep-definitions", &allowed(definition)));
}

/// A policy that nothing binds refuses nothing.
#[test]
fn every_policy_is_bound_and_fails_closed() {
    let all = documents("manifests/install");
    let policies = all.iter().filter(|(_, one)| one["kind"] == "ValidatingAdmissionPolicy");
    // The number doesn't grow with tenants or Platforms; each costs time in every request that it matches.
    assert_eq!(policies.clone().count(), 11);
    for (_, policy) in policies {
        let name = &policy["metadata"]["name"];
        assert_eq!(policy["spec"]["failurePolicy"], "Fail", "{name}");
        assert!(policy["spec"].get("paramKind").is_none(), "{name} needs nothing that can be gone");
        let bound = all.iter().any(|(_, one)| {
            one["kind"] == "ValidatingAdmissionPolicyBinding"
                && one["spec"]["policyName"] == *name
                && one["spec"]["validationActions"] == json!(["Deny"])
        });
        assert!(bound, "{name} is bound");
    }
}

/// Who only tries what the operator does is told apart by the dry run, and exactly where the operator is.
#[test]
fn the_planner_passes_where_the_operator_does_and_only_with_dry_runs() {
    let mut passes = 0;
    for (_, one) in documents("manifests/install") {
        let conditions = one["spec"]["matchConditions"].as_array().cloned().unwrap_or_default();
        let says = |name: &str| {
            conditions.iter().find(|one| one["name"] == name).map(|one| one["expression"].to_string())
        };
        let (operator, planner) = (says("not-the-operator"), says("not-the-planner"));
        // Nobody but the operator writes a status, and no plan does.
        let status = one["metadata"]["name"] == "tenantry-status";
        assert_eq!(planner.is_some(), operator.is_some() && !status, "{}", one["metadata"]["name"]);
        if let Some(planner) = planner {
            passes += 1;
            assert!(planner.contains(":tenantry-planner' && request.?dryRun.orValue(false))"), "{planner}");
        }
    }
    assert_eq!(passes, 3);
}

/// Every kind that the operator makes, and every way past the guards is the same one.
#[test]
fn marks_are_guarded_on_every_kind_of_child() {
    let rules = policy("tenantry-marks")["spec"]["matchConstraints"]["resourceRules"].clone();
    let has =
        |list: &Value, text: &str| list.as_array().is_some_and(|list| list.iter().any(|one| one == text));
    for info in Kind::ALL.map(Kind::info) {
        let guarded = rules.as_array().into_iter().flatten().any(|rule| {
            has(&rule["apiGroups"], info.group)
                && has(&rule["resources"], info.plural)
                && rule["operations"] == json!(["CREATE", "UPDATE"])
        });
        assert!(guarded, "{}", info.plural);
    }
    let all = documents("manifests/install");
    let named = |one: &Value| {
        let name = one["metadata"]["name"].to_string();
        // The prober's leash holds one user, whom no people are in.
        one["kind"] == "ValidatingAdmissionPolicy" && !name.contains("keep") && !name.contains("prober")
    };
    let glass: BTreeSet<String> = all
        .iter()
        .filter(|(_, one)| named(one))
        .map(|(_, one)| {
            let conditions = one["spec"]["matchConditions"].as_array().into_iter().flatten();
            let mut glass = conditions.filter(|one| one["name"] == "not-past-the-guards");
            glass.next().map(|one| one["expression"].to_string()).unwrap_or_default()
        })
        .collect();
    assert_eq!(glass.len(), 1, "{glass:#?}");
    assert!(
        glass.iter().all(|one| one.contains(marks::BREAK_GLASS) && one.contains("check('update')")),
        "{glass:?}"
    );
}
