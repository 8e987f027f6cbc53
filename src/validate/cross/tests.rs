#![allow(clippy::unwrap_used)] // a panic is a failed test

use kube::CustomResourceExt;

use super::super::manifest::{Schemas, manifests};
use super::super::platform;
use super::super::set::set;
use super::super::yaml::{Limits, parse};
use super::*;

fn tenant(name: &str, extra: &str) -> String {
    format!(
        "---\napiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata:\n  name: {name}\nspec:\n  \
         platformRef: {{name: prod}}\n{extra}"
    )
}

/// What these files mean where these Tenants are in the cluster, each with its source.
fn judge(files: &[(&str, String)], cluster: &[(&str, Option<&str>)]) -> Decision {
    judge_under(files, cluster, "")
}

/// The same under a Platform that says this, too.
fn judge_under(files: &[(&str, String)], cluster: &[(&str, Option<&str>)], more: &str) -> Decision {
    let json = |crd| serde_json::to_value(crd).unwrap();
    let schemas = Schemas::new(&json(Tenant::crd()), &json(Platform::crd()));
    let parsed = files.iter().map(|(file, text)| parse(file, text.as_bytes(), &Limits::default()));
    let set = set(parsed.map(|parsed| manifests(parsed, &schemas)).collect());
    let source = "{\"git\": {\"url\": \"https://git.example.com/config.git\"}}";
    let spec = format!("{{\"source\": {source}, \"limits\": {{\"replicas\": 5}}{more}}}");
    let prod = Platform::new("prod", serde_json::from_str(&spec).unwrap());
    let rules = platform::validate(&prod).unwrap();
    let owner = |name: &str, source: &Option<&str>| Owner {
        source: source.map(str::to_owned),
        namespace: if name == "zoo" { "shared".into() } else { name.into() },
    };
    let owners = cluster.iter().map(|(name, source)| ((*name).to_owned(), owner(name, source))).collect();
    decide(set, &prod, &rules, &owners)
}

fn reason(decision: &Decision, name: &str) -> Option<&'static str> {
    decision.behind.get(name).map(|behind| behind.reason)
}

fn wanted(decision: &Decision) -> Vec<&str> {
    decision.wanted.keys().map(String::as_str).collect()
}

#[test]
fn a_good_file_is_wanted_and_the_others_do_not_matter_to_it() {
    let files = [("a.yaml", tenant("acme", "")), ("b.yaml", tenant("bad", "  nope: 1\n"))];
    let decision = judge(&files, &[("bad", Some("prod/b.yaml"))]);
    assert_eq!(wanted(&decision), ["acme"]);
    assert_eq!(reason(&decision, "bad"), Some(reasons::INVALID_FILE));
    assert_eq!(decision.findings.len(), 1);
    let new = judge(&files, &[]);
    assert_eq!(reason(&new, "bad"), None, "what never was in the cluster has no status to say it on");
}

#[test]
fn what_two_files_name_keeps_what_it_has_and_says_why() {
    let files = [("a.yaml", tenant("acme", "")), ("b.yaml", tenant("acme", ""))];
    let decision = judge(&files, &[("acme", Some("prod/a.yaml"))]);
    assert_eq!((wanted(&decision).len(), decision.findings.len()), (0, 2));
    assert_eq!(reason(&decision, "acme"), Some(reasons::DUPLICATE));
}

#[test]
fn a_file_that_is_gone_deletes_nothing() {
    let cluster = [("acme", Some("prod/a.yaml")), ("other", Some("staging/o.yaml")), ("hand", None)];
    let decision = judge(&[], &cluster);
    assert_eq!(reason(&decision, "acme"), Some(reasons::MISSING_FROM_SOURCE));
    assert_eq!((reason(&decision, "other"), reason(&decision, "hand")), (None, None));
    // A file that can't be read may well hold it.
    let decision = judge(&[("a.yaml", "a: [".to_owned())], &cluster);
    assert_eq!(reason(&decision, "acme"), Some(reasons::INVALID_FILE));
}

#[test]
fn nobodys_tenant_is_taken_over_by_another_door() {
    let files = [("a.yaml", tenant("acme", ""))];
    for source in [None, Some("staging/a.yaml"), Some("production/a.yaml")] {
        let decision = judge(&files, &[("acme", source)]);
        assert_eq!((wanted(&decision).len(), reason(&decision, "acme")), (0, Some(reasons::OWNED_ELSEWHERE)));
    }
    for source in ["prod", "prod/a.yaml", "prod/moved.yaml"] {
        assert_eq!(wanted(&judge(&files, &[("acme", Some(source))])), ["acme"], "{source}");
    }
}

#[test]
fn a_source_writes_tenants_of_its_own_platform_only() {
    let text = tenant("acme", "").replace("prod", "staging");
    let decision = judge(&[("a.yaml", text)], &[]);
    assert!(wanted(&decision).is_empty());
    assert_eq!(decision.findings[0].field.as_deref(), Some("spec.platformRef.name"));
}

/// A newcomer whose name comes first in the alphabet must not take the namespace of one that is there.
#[test]
fn who_has_a_namespace_keeps_it() {
    let shared = "  namespace: shared\n";
    let files = [("a.yaml", tenant("aaa", shared)), ("z.yaml", tenant("zoo", shared))];
    let decision = judge(&files, &[("zoo", Some("prod/z.yaml"))]);
    assert_eq!(wanted(&decision), ["zoo"]);
    assert!(decision.findings[0].message.contains("is Tenant zoo's"), "{:?}", decision.findings);
    let by_hand = judge(&files[..1], &[("zoo", None)]);
    assert!(wanted(&by_hand).is_empty(), "also when it came through another door");
    assert_eq!(wanted(&judge(&files, &[])), ["aaa"], "where neither is there, the first by name");
}

#[test]
fn the_platforms_limits_hold_for_files() {
    let many = "  services:\n    - name: a\n      image: x\n      replicas: {min: 6}\n";
    let decision = judge(&[("a.yaml", tenant("acme", many))], &[("acme", Some("prod/a.yaml"))]);
    assert_eq!(reason(&decision, "acme"), Some(reasons::INVALID_FILE));
    assert!(decision.findings[0].message.contains("more than the 5"), "{:?}", decision.findings);
}

#[test]
fn a_repository_cannot_change_its_trust_root() {
    let file = |name: &str, url: &str| {
        format!(
            "apiVersion: tenantry.dev/v1alpha1\nkind: Platform\nmetadata:\n  name: {name}\nspec:\n  source:\n    git:\n      url: {url}\n"
        )
    };
    let found = |text: String| judge(&[("p.yaml", text)], &[]).findings.len();
    assert_eq!(found(file("prod", "https://git.example.com/config.git")), 0, "the same as in the cluster");
    assert_eq!(found(file("prod", "https://evil.example/config.git")), 1);
    assert_eq!(found(file("staging", "https://git.example.com/config.git")), 1);
}

const BACKUPS: &str = r#"{"store": {"region": "eu-1", "bucket": "vault", "credentials": {"name": "keys"}, "role": null},
    "key": {"secret": {"name": "key"}}, "retentionDays": 30, "maxDeletionsPerHour": 20}"#;

fn rules_of(backups: Option<&str>, live: bool) -> Decision {
    let backups = backups.map(|text| format!(", \"backups\": {text}")).unwrap_or_default();
    let file = format!(
        "{{\"apiVersion\": \"tenantry.dev/v1alpha1\", \"kind\": \"Platform\", \"metadata\": {{\"name\": \"prod\"}}, \
         \"spec\": {{\"environment\": \"test\"{backups}}}}}"
    );
    let more = if live { format!(", \"backups\": {BACKUPS}") } else { String::new() };
    judge_under(
        &[("p.yaml", file.replace(", \"role\": null", ""))],
        &[],
        &more.replace(", \"role\": null", ""),
    )
}

#[test]
fn a_repository_cannot_say_where_its_backups_go() {
    let said = |backups: &str, live: bool| {
        let decision = rules_of(Some(backups), live);
        assert_eq!(decision.rules.is_some(), decision.findings.is_empty(), "held as a whole");
        let all: Vec<_> = decision.findings.iter().filter_map(|one| one.field.clone()).collect();
        all.join(" ")
    };
    let with = |from: &str, to: &str| said(&BACKUPS.replace(from, to), true);
    assert_eq!(said(BACKUPS, true), "", "the same as in the cluster");
    assert_eq!(said(BACKUPS, false), "spec.backups", "never the first word");
    for (from, to) in [
        ("\"vault\"", "\"evil\""),
        ("\"keys\"", "\"others\""),
        ("\"eu-1\"", "\"eu-1\", \"endpoint\": \"https://evil.example\""),
    ] {
        assert_eq!(with(from, to), "spec.backups.store", "{to}");
    }
    let role = r#""role": {"arn": "arn:aws:iam::222222222222:role/evil"}"#;
    assert_eq!(with("\"role\": null", role), "spec.backups.store");
    assert_eq!(with("\"key\"}}", "\"known\"}}"), "spec.backups.key");
    assert_eq!(with("Days\": 30", "Days\": 29"), "spec.backups.retentionDays");
    assert_eq!(
        with("Hour\": 20", "Hour\": 21, \"leastPercent\": 1"),
        "spec.backups.maxDeletionsPerHour spec.backups.leastPercent"
    );
    assert_eq!(
        with("Days\": 30", "Days\": 31, \"schedule\": \"0 4 * * *\", \"timeZone\": \"Europe/Berlin\""),
        ""
    );
    assert_eq!(with("Hour\": 20", "Hour\": 5"), "");
}

#[test]
fn a_file_that_is_silent_about_backups_ends_none() {
    let rules = rules_of(None, true).rules.unwrap();
    assert_eq!(rules["backups"]["store"]["bucket"], "vault");
    assert!(rules_of(None, false).rules.unwrap().get("backups").is_none());
}
