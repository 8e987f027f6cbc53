#![allow(clippy::unwrap_used)] // a panic is a failed test

use kube::CustomResourceExt;

use super::super::manifest::{Schemas, manifests};
use super::super::yaml::{Limits, parse};
use super::*;

const PLATFORM: &str = "---\napiVersion: tenantry.dev/v1alpha1\nkind: Platform\nmetadata:\n  name: prod\nspec:\n  \
                        images: {registries: [registry.example.com]}\n  limits: {egress: [203.0.113.0/24]}\n";

fn tenant(name: &str, extra: &str) -> String {
    format!(
        "---\napiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata:\n  name: {name}\nspec:\n  \
         platformRef:\n    name: prod\n{extra}"
    )
}

fn look(files: &[(&str, String)], strict: bool) -> Review {
    let json = |crd| serde_json::to_value(crd).unwrap();
    let schemas = Schemas::new(&json(Tenant::crd()), &json(Platform::crd()));
    let parsed = files.iter().map(|(file, text)| parse(file, text.as_bytes(), &Limits::default()));
    review(parsed.map(|parsed| manifests(parsed, &schemas)).collect(), strict)
}

fn said(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

const FOREIGN_IMAGE: &str = "  services:\n    - name: web\n      image: evil.example.com/web:1\n";

#[test]
fn a_platform_among_the_files_rules_its_tenants() {
    let review = look(&[("p.yaml", PLATFORM.into()), ("t.yaml", tenant("acme", FOREIGN_IMAGE))], false);
    assert_eq!(
        said(&review.findings),
        [
            "t.yaml:11:14: image \"evil.example.com/web:1\" is from a registry that Platform prod does not allow"
        ]
    );
    assert!(review.sound.is_empty() && review.notes.is_empty());
}

#[test]
fn without_a_platform_its_rules_are_a_note_once() {
    let egress = "  egress: [{name: all, cidr: 198.51.100.0/24}]\n";
    let small = "  quota: {hard: {requests.cpu: \"0.1\"}}\n";
    let files = [
        ("a.yaml", tenant("acme", FOREIGN_IMAGE)),
        ("b.yaml", tenant("beta", egress)),
        ("c.yaml", tenant("gamma", &format!("{small}{FOREIGN_IMAGE}"))),
    ];
    let review = look(&files, false);
    assert_eq!(said(&review.findings), [""; 0]);
    assert_eq!(
        said(&review.notes),
        [
            "a.yaml:8:11: Platform \"prod\" is not among the files: its limits, images, egress and quota are not checked for 3 Tenants"
        ]
    );
    assert_eq!((review.unruled.len(), review.sound.len()), (3, 0));
}

#[test]
fn rules_that_need_no_platform_hold_without_one() {
    let files = [
        ("a.yaml", tenant("acme", "  namespace: kube-system\n")),
        ("b.yaml", tenant("beta", "  placement: Pooled\n")),
        ("c.yaml", tenant("gamma", "  namespace: shared\n")),
        ("d.yaml", tenant("shared", "")),
    ];
    assert_eq!(
        said(&look(&files, false).findings),
        [
            "a.yaml:9:14: namespace \"kube-system\" belongs to the cluster or the operator",
            "b.yaml:9:14: Pooled is reserved and does not work yet",
            "d.yaml:5:9: namespace \"shared\" is Tenant gamma's",
        ]
    );
}

#[test]
fn with_a_given_platform_tenants_of_another_are_wrong() {
    let other = tenant("acme", "").replace("prod", "test");
    let files = [("p.yaml", PLATFORM.to_owned()), ("t.yaml", other)];
    assert_eq!(
        said(&look(&files, true).findings),
        ["t.yaml:8:11: Platform \"test\" is not the one that was given"]
    );
    let review = look(&files, false);
    assert_eq!((review.findings.len(), review.notes.len()), (0, 1));
}

#[test]
fn a_platform_that_is_wrong_itself_rules_nobody() {
    let wrong = PLATFORM.replace("203.0.113.0/24", "203.0.113.0/99");
    let review = look(&[("p.yaml", wrong), ("t.yaml", tenant("acme", FOREIGN_IMAGE))], true);
    assert_eq!(review.findings.len(), 1, "{:?}", said(&review.findings));
    assert!(review.notes[0].message.contains("has findings itself"), "{:?}", review.notes);
    assert!(review.sound.is_empty());
}

#[test]
fn a_field_that_the_file_does_not_set_is_found_at_what_would_hold_it() {
    let many =
        "  services:\n    - name: web\n      image: registry.example.com/web:1\n      replicas: {min: 90}\n";
    let review = look(&[("p.yaml", PLATFORM.into()), ("t.yaml", tenant("acme", many))], false);
    // The base quota has 100 pods.
    assert_eq!(
        said(&review.findings),
        ["t.yaml:6:1: the services need 113 with roll-outs, and the quota is 100"]
    );
    assert_eq!(review.findings[0].field.as_deref(), Some("spec.quota.hard.pods"));
}

#[test]
fn both_kinds_are_counted_once() {
    let files = [
        ("p.yaml", PLATFORM.to_owned()),
        ("a.yaml", tenant("acme", "") + &tenant("bad", "  nope: 1\n")),
        ("b.yaml", tenant("acme", "")),
    ];
    let review = look(&files, false);
    assert_eq!((review.tenants_named, review.platforms_named), (2, 1));
}
