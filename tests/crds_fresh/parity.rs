//! Schema and rules, offline and in a real API server: the same verdict on every resource of the other
//! tests, on generated ones, and on generated ones with one value spoiled. What a Platform forbids is not
//! the API server's to find: the offline check of the schema is compared, not the whole of validate.

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use http::{Method, Request};
use kube::Client;
use proptest::{prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};
use tenantry::{
    cli::crds::definitions,
    validate::{
        manifest::{self, ManifestKind, Schemas},
        names::is_dns_label,
        place::Place,
        yaml::Spans,
    },
};
use tenantry_testbed::{Cluster, programs};

use crate::{generate::case, top};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

static SCHEMAS: LazyLock<Schemas> = LazyLock::new(|| {
    let [tenant, platform, ..] =
        definitions().map(|(_, crd)| serde_json::to_value(crd).expect("a CRD is JSON"));
    let (tenant, platform) =
        if tenant["spec"]["names"]["kind"] == "Tenant" { (tenant, platform) } else { (platform, tenant) };
    Schemas::new(&tenant, &platform)
});

/// An API server with our definitions; `None` when the test must be skipped.
async fn server() -> Outcome<Option<Client>> {
    if programs::skip() {
        return Ok(None);
    }
    let cluster = Cluster::shared_api().await?;
    for (_, definition) in definitions() {
        cluster.apply_yaml(&serde_json::to_string(&definition)?).await?;
    }
    Ok(Some(cluster.client()))
}

/// Why the API server would not create this; `None` when it would.
async fn online(client: &Client, kind: ManifestKind, value: &Value) -> Outcome<Option<String>> {
    let plural = if kind == ManifestKind::Tenant { "tenants" } else { "platforms" };
    let path = format!("/apis/tenantry.dev/v1alpha1/{plural}?dryRun=All&fieldValidation=Strict");
    let request =
        Request::builder().method(Method::POST).uri(path).header("content-type", "application/json");
    match client.request::<Value>(request.body(value.to_string().into_bytes())?).await {
        Ok(_) => Ok(None),
        Err(kube::Error::Api(status)) if matches!(status.code, 400 | 422) => Ok(Some(status.message.clone())),
        Err(error) => Err(format!("{value}: {error}").into()),
    }
}

/// What the schema and its rules say offline. `None` where they leave something to the API server.
fn offline(kind: ManifestKind, value: &Value) -> Option<Vec<String>> {
    let place = Place { file: "", spans: &Spans::default() };
    let (_, checked) = SCHEMAS.of(kind).check(value, None, place);
    let name = value["metadata"]["name"].as_str().filter(|name| is_dns_label(name));
    if name.is_none() {
        return Some(vec!["its name is none".to_owned()]);
    }
    checked.unchecked.is_empty().then(|| {
        checked
            .findings
            .iter()
            .map(|one| format!("{}: {}", one.field.as_deref().unwrap_or_default(), one.message))
            .collect()
    })
}

/// Compares the verdicts; returns whether the resource is right, and adds to `wrong` where they differ.
async fn compare(
    client: &Client,
    (kind, name, value): (ManifestKind, &str, &Value),
    wrong: &mut Vec<String>,
) -> Outcome<bool> {
    let said = online(client, kind, value).await?;
    let Some(findings) = offline(kind, value) else { return Ok(said.is_none()) };
    if findings.is_empty() != said.is_none() {
        wrong.push(format!("{name}\n  offline: {findings:?}\n  API server: {said:?}\n  {value}"));
    }
    Ok(said.is_none())
}

/// Every Tenant and Platform in the files below a folder: file, kind, what it says.
fn resources(folder: &Path) -> Vec<(String, ManifestKind, Value)> {
    let mut all = Vec::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("the folder can be read").path();
            let ends = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
            if path.is_dir() {
                folders.push(path);
            } else if ["yaml", "yml", "json"].contains(&ends) && !path.ends_with("expected.yaml") {
                let name = path.strip_prefix(top("tests")).unwrap_or(&path).display().to_string();
                let bytes = std::fs::read(&path).expect("the file can be read");
                let found = manifest::read(&name, &bytes, &SCHEMAS);
                let found = found.tenants.into_iter().chain(found.platforms);
                all.extend(found.map(|one| (name.clone(), one.kind, one.given.value())));
            }
        }
    }
    all
}

#[tokio::test]
async fn the_resources_of_other_tests_get_the_same_verdict() -> Outcome {
    let Some(client) = server().await? else { return Ok(()) };
    let (mut wrong, mut counts) = (Vec::new(), [0, 0]);
    for folder in ["tests/golden", "tests/cli", "tests/fixtures/yaml", "manifests/samples"] {
        for (name, kind, value) in resources(&top(folder)) {
            let right = compare(&client, (kind, &name, &value), &mut wrong).await?;
            counts[usize::from(right)] += 1;
            let accepted = name.starts_with("golden/") && !name.contains("/rejected/");
            if accepted && !right {
                wrong.push(format!("{name} is accepted offline, and the API server refuses it"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    assert!(counts[0] > 10 && counts[1] > 100, "wrong and right: {counts:?}");
    Ok(())
}

/// Where each value of a resource is.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, below)| {
            let key = key.replace('~', "~0").replace('/', "~1");
            pointers(below, &format!("{at}/{key}"), all);
        }),
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, below)| pointers(below, &format!("{at}/{index}"), all));
        }
        _ => {}
    }
}

/// Values that are wrong in most places, and right in some.
fn spoils() -> impl Strategy<Value = Value> {
    select(vec![
        json!(null),
        json!(null),
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1),
        json!(1.5),
        json!(65536),
        json!(4_294_967_296_u64),
        json!(""),
        json!("x"),
        json!("a b"),
        json!("1"),
        json!("ü".repeat(40)),
        json!("x".repeat(300)),
        json!("system:x"),
        json!("10m"),
        json!("1h30m"),
        json!("10.0.0.0/8"),
        json!("/a"),
        json!("2026-01-01T00:00:00Z"),
        json!([]),
        json!([null]),
        json!(["a", "a"]),
        json!([{}]),
        json!({}),
        json!({"a": "b"}),
        json!({"name": "x"}),
    ])
}

fn one<S: Strategy>(strategy: &S, runner: &mut TestRunner) -> S::Value {
    strategy.new_tree(runner).expect("nothing is filtered out").current()
}

/// Generated resources, each also with some of its values spoiled, taken away, or beside a stranger.
#[tokio::test]
async fn generated_resources_get_the_same_verdict() -> Outcome {
    let Some(client) = server().await? else { return Ok(()) };
    let mut runner = TestRunner::deterministic();
    let (mut wrong, mut counts) = (Vec::new(), [0, 0]);
    for round in 0..48 {
        let case = one(&case("acme"), &mut runner);
        for (kind, mut value) in [
            (ManifestKind::Tenant, serde_json::to_value(&case.tenant)?),
            (ManifestKind::Platform, serde_json::to_value(&case.platform)?),
        ] {
            // What only the API server writes.
            value["metadata"] = json!({"name": "acme"});
            let name = format!("round {round}");
            if !compare(&client, (kind, &name, &value), &mut wrong).await? {
                wrong.push(format!("{name} is not valid: {:?}", offline(kind, &value)));
            }
            let mut places = Vec::new();
            pointers(&value["spec"], "/spec", &mut places);
            for _ in 0..12 {
                let place = one(&select(places.clone()), &mut runner);
                let spoilt = one(&spoils(), &mut runner);
                let mut other = value.clone();
                *other.pointer_mut(&place).ok_or("no such place")? = spoilt.clone();
                let name = format!("round {round}: {place} is {spoilt}");
                counts[usize::from(compare(&client, (kind, &name, &other), &mut wrong).await?)] += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    assert!(counts.iter().all(|count| *count > 50), "wrong and right: {counts:?}");
    Ok(())
}
