#![allow(clippy::unwrap_used)] // a panic is a failed test

use kube::CustomResourceExt;

use super::super::manifest::{Schemas, manifests};
use super::super::yaml::{Limits, parse};
use super::*;
use crate::api::{Platform, Tenant};

fn tenant(name: &str, extra: &str) -> String {
    format!(
        "---\napiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata:\n  name: {name}\nspec:\n  \
         platformRef: {{name: prod}}\n{extra}"
    )
}

fn read(files: &[(&str, String)]) -> Set {
    let json = |crd| serde_json::to_value(crd).unwrap();
    let schemas = Schemas::new(&json(Tenant::crd()), &json(Platform::crd()));
    let parsed = files.iter().map(|(file, text)| parse(file, text.as_bytes(), &Limits::default()));
    set(parsed.map(|parsed| manifests(parsed, &schemas)).collect())
}

fn names(set: &Set) -> Vec<&str> {
    set.tenants.iter().map(|tenant| tenant.name.as_str()).collect()
}

fn refused(set: &Set) -> Vec<&str> {
    set.refused.iter().map(|(_, name)| name.as_str()).collect()
}

#[test]
fn one_bad_tenant_does_not_stop_the_others() {
    let set = read(&[
        ("b.yaml", tenant("beta", "") + &tenant("bad", "  nope: 1\n") + &tenant("gamma", "")),
        ("a.yaml", tenant("acme", "")),
        ("broken.yaml", "a: [".to_owned()),
    ]);
    assert_eq!(names(&set), ["acme", "beta", "gamma"]);
    assert_eq!(refused(&set), ["bad"]);
    assert_eq!(set.incomplete.iter().collect::<Vec<_>>(), ["broken.yaml"]);
    let shown: Vec<String> = set.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "b.yaml:15:3: unknown field `nope`",
            "broken.yaml:1:4: not valid YAML: a bracket that is never closed"
        ]
    );
}

#[test]
fn a_tenant_in_two_places_is_taken_from_neither() {
    let mut files = vec![
        ("b.yaml", tenant("acme", "") + &tenant("beta", "")),
        ("a.yaml", tenant("acme", "")),
        ("c.yaml", tenant("gamma", "") + &tenant("gamma", "  nope: 1\n")),
    ];
    let set = read(&files);
    assert_eq!(names(&set), ["beta"]);
    assert_eq!(refused(&set), ["acme", "gamma"]);
    let shown: Vec<String> = set.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "a.yaml:5:9: Tenant `acme` is also declared at b.yaml:5",
            "b.yaml:5:9: Tenant `acme` is also declared at a.yaml:5",
            "c.yaml:5:9: Tenant `gamma` is also declared at c.yaml:12",
            "c.yaml:12:9: Tenant `gamma` is also declared at c.yaml:5",
            "c.yaml:15:3: unknown field `nope`",
        ]
    );
    files.reverse();
    assert_eq!(read(&files).findings, set.findings, "the order of the files decides nothing");
}

#[test]
fn many_places_are_counted() {
    let files: Vec<_> = ["a.yaml", "b.yaml", "c.yaml"].map(|file| (file, tenant("acme", ""))).into();
    let set = read(&files);
    assert_eq!(set.findings[0].message, "Tenant `acme` is declared 3 times, also at b.yaml:5");
    assert_eq!(set.findings[2].message, "Tenant `acme` is declared 3 times, also at a.yaml:5");
}
