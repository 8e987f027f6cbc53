//! The operator's rights and the members': enough, and no more.

use std::collections::BTreeSet;

use serde_json::Value;
use tenantry::api::{conditions::reasons, kinds::Kind, marks};
use tenantry::desired::pull_secret;
use tenantry::prove::stage;

use crate::documents;

/// One right: a verb on a resource of a group, perhaps of some names only.
#[derive(Clone, Debug)]
struct Right {
    group: String,
    resource: String,
    verb: String,
    names: BTreeSet<String>,
}

/// Every right of a ClusterRole or Role.
fn rights(role: &Value) -> Vec<Right> {
    let texts = |value: &Value| -> Vec<String> {
        let list = value.as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut all = Vec::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        let names: BTreeSet<String> = texts(&rule["resourceNames"]).into_iter().collect();
        assert!(rule.get("nonResourceURLs").is_none(), "no rights on paths");
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    let (group, resource, names) = (group.clone(), resource.clone(), names.clone());
                    all.push(Right { group, resource, verb, names });
                }
            }
        }
    }
    all
}

fn role(kind: &str, name: &str) -> Value {
    role_in("manifests/install", kind, name)
}

fn role_in(folder: &str, kind: &str, name: &str) -> Value {
    let found = documents(folder).into_iter().map(|(_, document)| document);
    let mut found = found.filter(|one| one["kind"] == kind && one["metadata"]["name"] == name);
    found.next().unwrap_or_else(|| panic!("no {kind} {name} in {folder}"))
}

/// What a role may have that no role of ours may.
fn excess(rights: &[Right]) -> Vec<String> {
    let mut wrong = Vec::new();
    for right in rights {
        let parts = [&right.group, &right.resource, &right.verb];
        let any = parts.iter().any(|part| part.contains('*'));
        let taking = matches!(right.verb.as_str(), "escalate" | "impersonate" | "deletecollection");
        let unnamed = right.names.is_empty() && (right.resource == "secrets" || right.verb == "bind");
        let token = right.resource == "serviceaccounts/token";
        if any || taking || unnamed || token {
            wrong.push(format!("{} {} in \"{}\"", right.verb, right.resource, right.group));
        }
    }
    wrong
}

#[test]
fn the_operator_may_do_what_it_does() {
    let rights = rights(&role("ClusterRole", "tenantry"));
    let may = |group: &str, resource: &str, verb: &str| {
        rights.iter().any(|one| {
            (one.group.as_str(), one.resource.as_str(), one.verb.as_str()) == (group, resource, verb)
        })
    };
    for kind in Kind::ALL {
        let info = kind.info();
        for verb in ["get", "list", "watch", "create", "patch", "delete"] {
            // A namespace holds data: it never goes by a prune.
            let wanted = !(kind == Kind::Namespace && verb == "delete");
            assert_eq!(may(info.group, info.plural, verb), wanted, "{verb} {}", info.plural);
        }
    }
    for verb in ["list", "watch"] {
        assert!(may("apiextensions.k8s.io", "customresourcedefinitions", verb), "{verb} CRDs");
    }
    assert!(may("apps", "deployments/scale", "patch") && may("apps", "statefulsets/scale", "patch"));
    let data = rights.iter().filter(|one| one.resource.starts_with("persistentvolume"));
    let data: Vec<_> = data.map(|one| (one.resource.as_str(), one.verb.as_str())).collect();
    let claims = "persistentvolumeclaims";
    assert_eq!(
        data,
        [(claims, "list"), (claims, "watch")],
        "claims are the tenant's data: names are all it needs"
    );
    assert!(may(marks::GROUP, "tenants/status", "patch") && may(marks::GROUP, "platforms/status", "patch"));
    assert!(!may(marks::GROUP, "tenants", "delete") && !may(marks::GROUP, "platforms", "delete"));
}

#[test]
fn the_operator_may_do_no_more() {
    let rights = rights(&role("ClusterRole", "tenantry"));
    assert_eq!(excess(&rights), Vec::<String>::new());
    for right in rights.iter().filter(|right| right.resource == "secrets" && !right.names.is_empty()) {
        assert_eq!(right.names, [pull_secret::NAME.to_owned()].into(), "{right:?}");
    }
    let bound = rights.iter().filter(|right| right.verb == "bind");
    let bound: BTreeSet<String> = bound.flat_map(|right| right.names.clone()).collect();
    let (reader, runs) = (marks::ROLE_SECRET_READER, marks::ROLE_RUN_SECRETS);
    let volumes = [marks::ROLE_VOLUME_SOURCE, marks::ROLE_VOLUME_COPIES];
    let roles = [marks::ROLE_EDITOR, marks::ROLE_VIEWER, reader, runs, volumes[0], volumes[1]];
    assert_eq!(bound, roles.map(str::to_owned).into());
    let runs = self::rights(&role("ClusterRole", runs));
    let runs: Vec<_> = runs.iter().map(|one| (one.resource.as_str(), one.verb.as_str())).collect();
    // No list: whose name it doesn't know it can't find.
    assert_eq!(runs, ["get", "create", "patch", "delete"].map(|verb| ("secrets", verb)));
    let reader = self::rights(&role("ClusterRole", marks::ROLE_SECRET_READER));
    let reader: Vec<_> = reader.iter().map(|one| (one.resource.as_str(), one.verb.as_str())).collect();
    assert_eq!(reader, [("secrets", "get")]);
    let verbs = |role: &str, resource: &str| -> Vec<String> {
        let rights = self::rights(&self::role("ClusterRole", role));
        rights.into_iter().filter(|one| one.resource == resource).map(|one| one.verb).collect()
    };
    assert_eq!(verbs(volumes[0], "persistentvolumeclaims"), ["get"], "a tenant's claim is never changed");
    assert_eq!(verbs(volumes[0], "volumesnapshots"), ["get", "create", "delete"]);
    assert_eq!(verbs(volumes[1], "persistentvolumeclaims"), ["get", "create", "delete"], "copies of one run");
    assert_eq!(
        (verbs(volumes[1], "jobs"), verbs(volumes[1], "pods")),
        (vec!["patch".into()], vec!["delete".into()])
    );
    assert_eq!(verbs("tenantry", "volumesnapshotcontents"), ["get", "create", "delete"]);
    assert_eq!(verbs("tenantry", "volumesnapshots"), Vec::<String>::new(), "nobody's but where it is bound");
    let roles = rights.iter().filter(|right| right.group == "rbac.authorization.k8s.io");
    assert!(
        roles.clone().all(|right| right.resource == "rolebindings" || right.verb == "bind"),
        "no role is written"
    );
    let own = self::rights(&role("Role", "tenantry"));
    for resource in ["secrets", "configmaps"] {
        let verbs = own.iter().filter(|right| right.resource == resource).map(|right| right.verb.as_str());
        assert_eq!(verbs.collect::<Vec<_>>(), ["get"], "in its own namespace it reads {resource} by name");
    }
}

/// What the operator writes it may try, but for Secrets; and a policy takes back all that is no dry run.
#[test]
fn the_planner_may_try_what_the_operator_does() {
    let rights = rights(&role_in("manifests/ci", "ClusterRole", "tenantry-planner"));
    assert_eq!(excess(&rights), Vec::<String>::new());
    let verbs = |group: &str, plural: &str| -> BTreeSet<&str> {
        let of = rights.iter().filter(|one| one.group == group && one.resource == plural);
        of.map(|one| one.verb.as_str()).collect()
    };
    for info in Kind::ALL.map(Kind::info) {
        let wanted: BTreeSet<&str> =
            if info.kind == "Secret" { BTreeSet::new() } else { ["create", "get", "patch"].into() };
        assert_eq!(verbs(info.group, info.plural), wanted, "{}", info.plural);
    }
    assert_eq!(verbs(marks::GROUP, "tenants"), ["create", "get", "patch"].into());
    assert!(rights.iter().all(|one| ["get", "list", "create", "patch", "bind"].contains(&one.verb.as_str())));
    let all = documents("manifests/ci");
    let place = |kind: &str| all.iter().position(|(_, one)| one["kind"] == kind);
    let policy = place("ValidatingAdmissionPolicy").expect("there is one");
    let bound = place("ValidatingAdmissionPolicyBinding").expect("it is bound");
    assert!(Some(bound.max(policy)) < place("ClusterRoleBinding"), "the leash before the dog");
    let spec = &all[policy].1["spec"];
    assert_eq!(spec["failurePolicy"], "Fail");
    let everything = serde_json::json!([
        {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]},
    ]);
    assert_eq!(spec["matchConstraints"]["resourceRules"], everything);
    assert_eq!(spec["validations"][0]["expression"], "request.?dryRun.orValue(false)");
    assert_eq!(all[bound].1["spec"]["validationActions"], serde_json::json!(["Deny"]));
}

/// It may take words back and look at one Lease: a stolen token of it can say that nobody knows, and no more.
#[test]
fn the_watchdog_may_do_no_more_than_it_does() {
    let all = |kind: &str| -> Vec<String> {
        let rights = rights(&role(kind, "tenantry-watchdog"));
        rights.iter().map(|one| format!("{} {} {:?}", one.verb, one.resource, one.names)).collect()
    };
    let cluster =
        ["list tenants {}", "list platforms {}", "patch tenants/status {}", "patch platforms/status {}"];
    assert_eq!(all("ClusterRole"), cluster);
    assert_eq!(all("Role"), [format!("get leases {{{:?}}}", tenantry::runtime::lease::NAME)]);
    let guard = documents("manifests/install").into_iter().map(|(_, document)| document);
    let mut guard = guard
        .filter(|one| one["metadata"]["name"] == "tenantry-status" && one["spec"]["validations"].is_array());
    let text = guard.next().expect("there is the guard on status").to_string();
    assert!(text.contains(&format!("one.reason == '{}'", reasons::OPERATOR_NOT_RUNNING)), "{text}");
}

/// The operator may become one other ServiceAccount, and that one may try what the operator may do, and little else.
#[test]
fn the_prober_is_weaker_than_who_asks_it() {
    let named = |name: &str| BTreeSet::from([name.to_owned()]);
    let own = rights(&role("Role", "tenantry"));
    let tokens: Vec<_> = own.iter().filter(|right| right.resource == "serviceaccounts/token").collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!((tokens[0].verb.as_str(), &tokens[0].names), ("create", &named(stage::PROBER)));
    let operator = rights(&role("ClusterRole", "tenantry"));
    let asks = operator.iter().filter(|right| right.group == "authorization.k8s.io");
    assert_eq!(asks.map(|one| one.resource.as_str()).collect::<Vec<_>>(), ["subjectaccessreviews"]);

    let all = rights(&role("ClusterRole", stage::PROBER));
    assert_eq!(excess(&all), Vec::<String>::new());
    let said: Vec<String> =
        all.iter().map(|one| format!("{} {} {:?}", one.verb, one.resource, one.names)).collect();
    let knock = format!("delete pods {:?}", named(stage::POD));
    assert_eq!(said, ["create pods {}", &knock, "patch namespaces {}"]);
    let all: Vec<Value> = documents("manifests/install").into_iter().map(|(_, document)| document).collect();
    let of = |kind: &str| {
        all.iter()
            .position(|one| one["kind"] == kind && one["metadata"]["name"] == stage::PROBER)
            .expect(kind)
    };
    let (policy, bound) = (of("ValidatingAdmissionPolicy"), of("ValidatingAdmissionPolicyBinding"));
    assert!(policy.max(bound) < of("ClusterRoleBinding"), "the leash before the dog");
    let spec = &all[policy]["spec"];
    assert_eq!(spec["failurePolicy"], "Fail");
    assert_eq!(spec["matchConstraints"]["resourceRules"][0]["resources"], serde_json::json!(["*/*"]));
    assert_eq!(all[bound]["spec"]["validationActions"], serde_json::json!(["Deny"]));
    let rule = spec["validations"][0]["expression"].as_str().expect("a rule");
    for part in ["request.?dryRun.orValue(false)", stage::TENANTS[0], stage::POD] {
        assert!(rule.contains(part), "{part}: {rule}");
    }
}

#[test]
fn members_cannot_weaken_their_isolation() {
    let reading = ["get", "list", "watch"];
    let guarded = [
        "networkpolicies",
        "resourcequotas",
        "limitranges",
        "serviceaccounts",
        "endpoints",
        "endpointslices",
    ];
    for name in [marks::ROLE_VIEWER, marks::ROLE_EDITOR] {
        let rights = rights(&role("ClusterRole", name));
        assert!(!rights.is_empty(), "{name}");
        for right in &rights {
            let text = format!("{name}: {right:?}");
            assert!(
                !right.verb.contains('*') && !right.resource.contains('*') && !right.group.contains('*'),
                "{text}"
            );
            assert!(
                !matches!(right.verb.as_str(), "escalate" | "bind" | "impersonate" | "deletecollection"),
                "{text}"
            );
            assert_ne!(right.group, "rbac.authorization.k8s.io", "{text}");
            assert_ne!(right.group, marks::GROUP, "{text}");
            assert!(
                !matches!(right.resource.as_str(), "serviceaccounts/token" | "namespaces" | "nodes"),
                "{text}"
            );
            assert!(!right.resource.ends_with("ephemeralcontainers"), "{text}");
            if guarded.contains(&right.resource.as_str()) || name == marks::ROLE_VIEWER {
                assert!(reading.contains(&right.verb.as_str()), "{text}");
            }
        }
    }
    let viewer = rights(&role("ClusterRole", marks::ROLE_VIEWER));
    assert!(viewer.iter().all(|right| right.resource != "secrets"), "a viewer reads no Secrets");
}

#[test]
fn too_many_rights_are_noticed() {
    let role = serde_json::json!({"rules": [
        {"apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["secrets", "serviceaccounts/token"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["tenantry-pull"]},
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["bind", "escalate"]},
    ]});
    assert_eq!(excess(&rights(&role)).len(), 6);
}
