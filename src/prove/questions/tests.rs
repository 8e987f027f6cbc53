use std::collections::BTreeSet;

use serde_json::json;

use super::*;

fn tenant(name: &str, members: serde_json::Value) -> Tenant {
    serde_json::from_value(json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name, "uid": format!("uid-{name}")},
        "spec": {"platformRef": {"name": "p"}, "namespace": format!("{name}-ns"), "members": members},
    }))
    .unwrap()
}

fn member(kind: &str, name: &str, role: &str) -> serde_json::Value {
    json!({"kind": kind, "name": name, "role": role})
}

fn about(tenant: &Tenant, others: &[Tenant]) -> Questions {
    Questions::new(tenant, others.iter(), |_| Vec::new())
}

fn asked(questions: &Questions, who: usize, namespace: &str, wanted: bool) -> BTreeSet<String> {
    let all = questions.all().into_iter();
    let of = all.filter(|one| one.who == who && one.namespace == namespace && one.wanted == wanted);
    of.map(|one| one.words()).collect()
}

#[test]
fn each_role_has_its_questions() {
    let acme = tenant("acme", json!([member("User", "ann", "Viewer"), member("Group", "dev", "Editor")]));
    let questions = about(&acme, &[tenant("globex", json!([]))]);
    // By kind and name: the Group, the User, the pods.
    let (dev, ann, pods) = (0, 1, 2);
    assert_eq!(
        asked(&questions, dev, "acme-ns", true),
        ["create deployments.apps in acme-ns".to_owned()].into()
    );
    assert_eq!(asked(&questions, ann, "acme-ns", true), ["get pods in acme-ns".to_owned()].into());
    assert!(asked(&questions, pods, "acme-ns", true).is_empty());
    for who in [dev, ann, pods] {
        let not = asked(&questions, who, "acme-ns", false);
        for never in [
            "create rolebindings.rbac.authorization.k8s.io",
            "create serviceaccounts/token",
            "impersonate serviceaccounts",
            "patch resourcequotas",
            "delete networkpolicies.networking.k8s.io",
        ] {
            assert!(not.contains(&format!("{never} in acme-ns")), "{never}: {not:?}");
        }
        assert_eq!(not.contains("get secrets in acme-ns"), who != dev, "secrets as the roles say");
        assert_eq!(not.contains("create pods/exec in acme-ns"), who != dev);
        assert!(
            asked(&questions, who, "", false).contains("patch tenants.tenantry.dev in the whole cluster")
        );
        assert_eq!(asked(&questions, who, "globex-ns", false).len(), ELSEWHERE.len());
        assert!(asked(&questions, who, "globex-ns", true).is_empty());
    }
    assert_eq!(questions.who[ann].identity(), ("ann".into(), vec!["system:authenticated".into()]));
    let (user, groups) = questions.who[dev].identity();
    assert_eq!((user.as_str(), groups), (ANYBODY, vec!["dev".into(), "system:authenticated".into()]));
    assert_eq!(questions.who[pods].identity().0, "system:serviceaccount:acme-ns:default");
}

#[test]
fn the_canary_is_a_tenant_where_nobody_is_at_home() {
    let acme = tenant("acme", json!([member("User", "ann", "Viewer"), member("User", "bob", "Viewer")]));
    let globex = tenant("globex", json!([member("User", "ann", "Editor")]));
    let open = tenant("initech", json!([member("Group", "system:authenticated", "Viewer")]));
    let last = tenant("zeta", json!([]));
    let questions = about(&acme, &[globex.clone(), open.clone(), last]);
    let place = |name: &str| Some(format!("{name}-ns"));
    // ann is a member of globex, and everyone of initech.
    assert_eq!(questions.canaries, [place("zeta"), place("globex"), place("globex")]);
    let alone = about(&acme, &[open]);
    assert_eq!(alone.canaries, [None, None, None]);
    assert!(!alone.all().iter().any(|one| one.namespace == "initech-ns"));
}

#[test]
fn what_changes_the_answers_changes_the_digest() {
    let acme = tenant("acme", json!([member("User", "ann", "Viewer")]));
    let others = [tenant("globex", json!([]))];
    let before = about(&acme, &others);
    assert_eq!(before.asked(), about(&acme, &others).asked());
    let promoted = tenant("acme", json!([member("User", "ann", "Editor")]));
    assert_ne!(subject(&acme), subject(&promoted));
    assert_ne!(before.asked(), about(&promoted, &others).asked());
    let bound = Questions::new(&acme, others.iter(), |place| vec![format!("RoleBinding {place}/eve")]);
    assert_eq!(bound.bindings, ["RoleBinding acme-ns/eve", "RoleBinding globex-ns/eve"]);
    assert_ne!(before.asked(), bound.asked());
    let mut gone = acme.clone();
    gone.spec.lifecycle = Lifecycle::Cancelled;
    assert_eq!(about(&gone, &others).who.len(), 1, "a Tenant that leaves has no members any more");
}

#[test]
fn nobody_reaches_where_backups_are_made() {
    let mut acme = tenant("acme", json!([member("Group", "dev", "Editor")]));
    let before = about(&acme, &[]);
    assert!(before.beside.is_empty());
    acme.status = serde_json::from_value(json!({"namespaces": [
        {"purpose": "Workload", "name": "acme-ns", "uid": "u"},
        {"purpose": "Backup", "name": "acme-ns-backup", "uid": "u"},
        {"purpose": "Drill", "name": "acme-ns-drill", "uid": "u"},
    ]}))
    .unwrap();
    let seen = Questions::new(&acme, std::iter::empty(), |place| vec![format!("RoleBinding {place}/x")]);
    for who in [0, 1] {
        for place in ["acme-ns-backup", "acme-ns-drill"] {
            let not = asked(&seen, who, place, false);
            assert!(not.contains(&format!("get secrets in {place}")), "{not:?}");
            assert!(not.contains(&format!("create jobs.batch in {place}")), "{not:?}");
            assert!(asked(&seen, who, place, true).is_empty());
        }
    }
    assert!(seen.bindings.contains(&"RoleBinding acme-ns-backup/x".to_owned()), "{:?}", seen.bindings);
    assert_ne!(before.asked(), seen.asked(), "they are asked anew once the namespaces are there");
}
