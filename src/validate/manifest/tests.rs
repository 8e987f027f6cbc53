#![allow(clippy::unwrap_used)] // a panic is a failed test

use std::sync::LazyLock;

use kube::CustomResourceExt;
use serde_json::json;

use super::super::yaml::{Limits, parse};
use super::*;
use crate::api::{Platform, Tenant};

static SCHEMAS: LazyLock<Schemas> = LazyLock::new(|| {
    let json = |crd| serde_json::to_value(crd).unwrap();
    Schemas::new(&json(Tenant::crd()), &json(Platform::crd()))
});

fn read(text: &str) -> Manifests {
    manifests(parse("a.yaml", text.as_bytes(), &Limits::default()), &SCHEMAS)
}

fn found(manifests: &Manifests) -> Vec<String> {
    manifests.findings.iter().map(|f| format!("{}:{} {}", f.line, f.column, f.message)).collect()
}

const HEAD: &str = "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata:\n  name: acme\n";
const SPEC: &str =
    "spec:\n  platformRef:\n    name: prod\n  services:\n  - name: web\n    image: r.example/web@sha256:0\n";

#[test]
fn a_sound_tenant_and_platform() {
    let text = format!(
        "{HEAD}{SPEC}---\napiVersion: tenantry.dev/v1alpha1\nkind: Platform\nmetadata: {{name: prod}}\nspec: {{}}\n"
    );
    let read = read(&text);
    assert_eq!(found(&read), Vec::<String>::new());
    assert!(read.complete);
    let (tenant, platform) = (&read.tenants[0], &read.platforms[0]);
    assert_eq!((tenant.name.as_str(), tenant.line, tenant.valid), ("acme", 4, true));
    assert_eq!((platform.name.as_str(), platform.line, platform.valid), ("prod", 14, true));
    assert!(tenant.unchecked.is_empty() && platform.unchecked.is_empty());
    assert_eq!(tenant.given.value().pointer("/spec/lifecycle"), None);
    assert_eq!(tenant.value.value().pointer("/spec/lifecycle"), Some(&json!("Active")));
    assert_eq!(tenant.value.value().pointer("/spec/services/0/replicas/min"), Some(&json!(3)));
}

#[test]
fn the_real_schemas_can_be_checked_whole() {
    for kind in [ManifestKind::Tenant, ManifestKind::Platform] {
        assert_eq!(SCHEMAS.of(kind).schema.unchecked(), []);
    }
}

#[test]
fn mistakes_in_a_tenant_are_found_and_it_is_not_taken() {
    for (text, finding) in [
        (format!("{HEAD}{SPEC}    replcas: 1\n"), "11:5 unknown field `replcas`"),
        (format!("{HEAD}spec: {{}}\n"), "5:1 required field `platformRef` is missing"),
        (HEAD.to_owned(), "1:1 required field `spec` is missing"),
        (format!("{HEAD}{SPEC}    replicas: {{min: 5, max: 3}}\n"), "11:5 max is below min"),
        (
            format!("{}{SPEC}", HEAD.replace("acme", "Acme_1")),
            "4:9 invalid value \"Acme_1\": not an RFC 1123 label",
        ),
        (
            format!("{}{SPEC}", HEAD.replace("acme", &"a".repeat(41))),
            "4:9 too long: 41 characters, at most 40 are allowed",
        ),
        (
            format!("{HEAD}{SPEC}    runAsUser: 0755\n"),
            "11:16 `0755` must be quoted: kubectl reads it as the number 493",
        ),
    ] {
        let read = read(&text);
        let found = found(&read);
        assert_eq!(found.len(), 1, "{found:?}");
        let expected = finding.split_once(' ').unwrap();
        assert!(found[0].starts_with(expected.0), "{found:?} is not at {finding}");
        if !finding.contains("max is below") {
            assert_eq!(found[0], finding);
        }
        assert_eq!(read.complete, !found[0].starts_with("4:9"), "is it known which resource is wrong");
        assert_eq!(read.tenants.iter().filter(|tenant| tenant.valid).count(), 0);
    }
}

#[test]
fn only_our_kinds_are_taken() {
    for (head, finding, hint, complete) in [
        (
            "apiVersion: v1\nkind: Namespace",
            "`Namespace` (\"v1\") is not accepted: only tenantry.dev kinds are",
            "operator creates it",
            true,
        ),
        (
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole",
            "`ClusterRole` (",
            "cluster-scoped",
            true,
        ),
        ("apiVersion: v1\nkind: Secret", "`Secret` (", "secretRefs", true),
        ("apiVersion: v1\nkind: List\nitems: []", "`List` (", "document of its own", true),
        ("apiVersion: example.com/v1\nkind: Widget", "`Widget` (", "folder", true),
        ("apiVersion: tenantry.dev.evil.com/v1\nkind: Tenant", "`Tenant` (", "folder", true),
        ("apiVersion: tenantry.dev/v1\nkind: Tenant", "unknown version", "v1alpha1", false),
        ("apiVersion: tenantry.dev\nkind: Tenant", "unknown version", "v1alpha1", false),
        ("apiVersion: tenantry.dev/v1alpha1\nkind: tenants", "unknown kind", "did you mean `Tenant`?", false),
        (
            "apiVersion: tenantry.dev/v1alpha1\nkind: TenantList",
            "unknown kind",
            "`Tenant` or `Platform`",
            false,
        ),
        ("kind: Tenant", "required field `apiVersion` is missing", "start with", false),
        ("apiVersion: tenantry.dev/v1alpha1", "required field `kind` is missing", "start with", false),
        (
            "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant",
            "required field `name` is missing",
            "a name",
            false,
        ),
        (
            "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {name: 5}",
            "required field `name` is missing",
            "a name",
            false,
        ),
        (
            "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata:\n  namespace: x",
            "required field `name` is missing",
            "a name",
            false,
        ),
        ("- a", "a resource must be a map", "crds", false),
        ("text", "a resource must be a map", "crds", false),
    ] {
        let read = read(head);
        assert_eq!(read.findings.len(), 1, "{head}: {:?}", found(&read));
        let it = &read.findings[0];
        assert!(it.message.starts_with(finding), "{head}: {}", it.message);
        assert!(it.hint.as_ref().is_some_and(|text| text.contains(hint)), "{head}: {:?}", it.hint);
        assert!(it.line >= 1);
        assert_eq!((read.complete, read.tenants.len()), (complete, 0), "{head}");
    }
}

#[test]
fn a_change_of_what_cannot_change_is_found() {
    let read = read(&format!("{HEAD}{SPEC}"));
    let tenant = &read.tenants[0];
    let shape = SCHEMAS.of(ManifestKind::Tenant);
    let check = |old: &Value| {
        let (_, checked) = shape.check(&tenant.given.value(), Some(old), tenant.place());
        assert_eq!(checked.unchecked, []);
        checked.findings.iter().map(|f| format!("{}:{} {}", f.line, f.column, f.message)).collect::<Vec<_>>()
    };
    let mut old = tenant.value.value();
    old["metadata"]["uid"] = json!("from the cluster");
    assert_eq!(check(&old), Vec::<String>::new());
    old["spec"]["platformRef"]["name"] = json!("other");
    assert_eq!(check(&old), ["6:3 platformRef can't change: make a new Tenant and cancel this one"]);
    old["spec"]["platformRef"]["name"] = json!("prod");
    old["spec"]["namespace"] = json!("other");
    assert_eq!(check(&old), ["5:1 namespace can't change: make a new Tenant and cancel this one"]);
}

#[test]
fn a_broken_document_leaves_the_file_incomplete() {
    let read = read(&format!("{HEAD}{SPEC}---\na: [\n---\n{}{SPEC}", HEAD.replace("acme", "beta")));
    assert_eq!(
        read.tenants.iter().map(|t| (t.name.as_str(), t.valid)).collect::<Vec<_>>(),
        [("acme", true), ("beta", true)]
    );
    assert!(!read.complete);
    assert_eq!(read.findings.len(), 1);
}

#[test]
fn a_crd_without_our_version_allows_nothing() {
    let schemas = Schemas::new(&json!({}), &json!({}));
    let read = manifests(parse("a.yaml", format!("{HEAD}{SPEC}").as_bytes(), &Limits::default()), &schemas);
    assert_eq!(found(&read), ["5:1 unknown field `spec`"]);
    assert!(!read.tenants[0].valid);
}

#[test]
fn findings_of_text_and_shape_are_bounded_together() {
    let wrong: String = (0..80).map(|i| format!("  a{i}: 0755\n  b{i}: c\n")).collect();
    let read = read(&format!("{HEAD}spec:\n  platformRef: {{name: prod}}\n{wrong}"));
    assert_eq!(read.findings.len(), 101);
    assert_eq!(read.findings[100].message, "140 more findings in this file are not shown");
}
