use super::super::GOOD;
use super::*;

fn policy(text: &str) -> Policy {
    serde_saphyr::from_str(text).unwrap()
}

fn said(text: &str, flags: &Flags) -> Vec<String> {
    let head = "apiVersion: audit.k8s.io/v1\nkind: Policy\n";
    lint(&policy(&format!("{head}{text}")), flags).into_iter().map(|one| one.at).collect()
}

#[test]
fn ours_is_good() {
    let strict = Flags { webhook_mode: Some("blocking-strict".into()), ..Flags::default() };
    assert_eq!(lint(&policy(GOOD), &strict), []);
    let lease = |user, groups, verb| Request {
        user,
        groups,
        verb,
        group: "coordination.k8s.io",
        resource: Some("leases"),
        namespace: "kube-node-lease",
        name: "n",
        path: "",
    };
    let nodes: &[&str] = &["system:nodes"];
    assert_eq!(policy(GOOD).level(&lease("system:node:n", nodes, "update")), Level::None);
    assert_eq!(policy(GOOD).level(&lease("system:node:n", nodes, "delete")), Level::Metadata);
    assert_eq!(policy(GOOD).level(&lease("eve", &[], "update")), Level::Metadata);
}

#[test]
fn what_protects_nothing_is_refused() {
    let strict = Flags { webhook_mode: Some("blocking-strict".into()), ..Flags::default() };
    let none = Flags::default();
    assert_eq!(said("omitStages: [RequestReceived]\nrules: [{level: Metadata}]", &strict), ["omitStages"]);
    assert_eq!(said("omitStages: [RequestReceived]\nrules: [{level: Metadata}]", &none), [""; 0]);
    assert_eq!(
        said("rules: [{level: Metadata, omitStages: [RequestReceived]}]", &strict),
        ["rules[0].omitStages"]
    );
    let all = ["rules[0]", "rules[0]", "rules[0]", "rules[0]"];
    assert_eq!(said("rules: [{level: RequestResponse}]", &none), all);
    assert_eq!(said("rules: [{level: Metadata, resources: [{group: ''}]}]", &none), ["rules", "rules"]);
    let masters = "rules: [{level: None, userGroups: ['system:masters']}, {level: Metadata}]";
    assert_eq!(said(masters, &none).len(), MUST.len());
    let away = Flags { webhook_server: Some("https://audit.example".into()), ..Flags::default() };
    assert_eq!(said("rules: [{level: Metadata}]", &away), ["--audit-webhook-config-file"]);
    let here = Flags { webhook_server: Some("http://127.0.0.1:9".into()), ..Flags::default() };
    assert_eq!(said("rules: [{level: Metadata}]", &here), [""; 0]);
}

#[test]
fn what_flags_lose_and_narrow_rules_is_seen() {
    let none = Flags::default();
    let stdout = Flags {
        webhook_server: Some("https://audit.example".into()),
        log_path: Some("-".into()),
        ..Flags::default()
    };
    assert_eq!(said("rules: [{level: Metadata}]", &stdout), ["--audit-webhook-config-file"]);
    let strict = Flags { log_mode: Some("blocking-strict".into()), ..none.clone() };
    assert_eq!(said("omitStages: [RequestReceived]\nrules: [{level: Metadata}]", &strict), ["omitStages"]);
    let batch = Flags { log_path: Some("/a".into()), log_mode: Some("batch".into()), ..none.clone() };
    assert_eq!(said("rules: [{level: Metadata}]", &batch), ["--audit-log-mode"]);
    // One verb, and one name, are enough; and no more than is there.
    let made = "resources: [{group: '', resources: [secrets]}], verbs: [create]";
    assert_eq!(
        said(&format!("rules: [{{level: Request, {made}}}, {{level: Metadata}}]"), &none),
        ["rules[0]"]
    );
    let other = "resources: [{group: '', resources: [secrets], resourceNames: [other]}]";
    assert_eq!(said(&format!("rules: [{{level: None, {other}}}, {{level: Metadata}}]"), &none), [""; 0]);
    let here = Flags { webhook_server: Some("http://127.0.0.1:9".into()), ..Flags::default() };
    let bodies = "rules: [{level: Request, resources: [{group: apps}]}, {level: Metadata}]";
    assert_eq!(said(bodies, &here), ["--audit-webhook-truncate-enabled"]);
    assert_eq!(said(bodies, &Flags { webhook_truncate: true, ..here }), [""; 0]);
}

#[test]
fn rules_fit_as_the_api_server_has_them_fit() {
    let text = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n\
                - {level: None, resources: [{group: '', resources: ['pods/*', '*/scale']}], namespaces: [a, '']}\n\
                - {level: Request, nonResourceURLs: ['/api*']}\n\
                - {level: Metadata, users: [eve]}\n";
    let policy = policy(text);
    let on = |resource, namespace| Request { resource: Some(resource), namespace, ..Request::default() };
    assert_eq!(policy.rule(&on("pods/log", "a")).map(|(number, _)| number), Some(0));
    assert_eq!(policy.rule(&on("things/scale", "")).map(|(number, _)| number), Some(0));
    assert_eq!(policy.rule(&on("pods", "a")).map(|(number, _)| number), None);
    assert_eq!(policy.rule(&on("pods/log", "b")).map(|(number, _)| number), None);
    let path = Request { path: "/apis", ..Request::default() };
    assert_eq!(policy.level(&path), Level::Request);
    assert_eq!(policy.level(&Request { user: "eve", path: "/x", ..Request::default() }), Level::Metadata);
    assert_eq!(policy.level(&Request { user: "eve", ..on("pods", "a") }), Level::Metadata);
}
