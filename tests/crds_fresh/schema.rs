//! The CRDs: fresh, small, bounded, documented, and with rules that compile.

use kube::core::cel::compile_schema;
use serde_json::{Value, json};
use tenantry::cli::crds::definitions;

use crate::{read, top};

/// Largest definition: `kubectl apply` keeps a copy in an annotation, which takes 256 KiB.
const LARGEST: usize = 250_000;

/// Lists of objects that are no maps, and why.
const ATOMIC: [(&str, &str); 3] = [
    ("ports", "a network rule's ports have no name"),
    ("inventory", "four fields name an entry, and only the operator writes it"),
    ("findings", "a file may have the same finding twice"),
];

#[test]
fn the_committed_definitions_are_what_the_types_say() {
    for (name, definition) in definitions() {
        let wanted = serde_saphyr::to_string(&definition).expect("a definition is YAML");
        let committed = read(&top("crds").join(name));
        assert!(
            committed == wanted,
            "crds/{name} is stale; mend it with: cargo run --bin tenantry -- crds --write crds"
        );
        assert!(wanted.len() < LARGEST, "crds/{name} has {} bytes", wanted.len());
    }
    let files = std::fs::read_dir(top("crds")).expect("the folder is there").count();
    assert_eq!(files, definitions().len(), "crds/ holds the definitions and nothing else");
}

/// The schema of each kind, by file name.
fn schemas() -> Vec<(&'static str, Value)> {
    let schema = |definition| {
        let definition = serde_json::to_value(definition).expect("a definition is JSON");
        definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
    };
    definitions().map(|(name, definition)| (name, schema(definition))).into()
}

#[test]
fn every_field_is_bounded_and_documented() {
    for (name, schema) in schemas() {
        let mut wrong = Vec::new();
        bounds(&schema["properties"]["spec"], "spec", &mut wrong);
        bounds(&schema["properties"]["status"], "status", &mut wrong);
        assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
    }
}

#[test]
fn what_is_not_bounded_is_noticed() {
    let schema = json!({"type": "object", "description": "x", "properties": {
        "text": {"type": "string", "description": "x"},
        "list": {"type": "array", "description": "x", "items": {"type": "object", "properties": {}}},
        "set": {"type": "array", "description": "x", "maxItems": 1, "x-kubernetes-list-type": "set",
            "items": {"type": "string"}},
        "map": {"type": "object", "description": "x", "additionalProperties": {"type": "string", "maxLength": 1}},
        "mute": {"type": "integer"},
        "open": {"type": "object", "description": "x", "x-kubernetes-preserve-unknown-fields": true},
    }});
    let mut wrong = Vec::new();
    bounds(&schema, "spec", &mut wrong);
    let expected = [
        "spec.list: no maxItems",
        "spec.list: a list of objects without keys",
        "spec.map: no maxProperties",
        "spec.mute: no description",
        "spec.open: takes unknown fields",
        "spec.set[]: no maxLength",
        "spec.text: no maxLength",
    ];
    assert_eq!(wrong, expected);
}

/// What a schema leaves open: each would cost CEL budget, or let somebody fill etcd.
fn bounds(schema: &Value, at: &str, wrong: &mut Vec<String>) {
    if schema.get("x-kubernetes-preserve-unknown-fields").is_some() {
        wrong.push(format!("{at}: takes unknown fields"));
    }
    let text = schema["type"] == "string" || schema.get("x-kubernetes-int-or-string").is_some();
    if text && schema.get("enum").is_none() && schema.get("maxLength").is_none() {
        wrong.push(format!("{at}: no maxLength"));
    }
    if let Some(items) = schema.get("items") {
        if schema.get("maxItems").is_none() {
            wrong.push(format!("{at}: no maxItems"));
        }
        let keyed =
            schema["x-kubernetes-list-type"] == "map" && schema["x-kubernetes-list-map-keys"].is_array();
        let last = at.rsplit('.').next().unwrap_or(at);
        let atomic = schema["x-kubernetes-list-type"] == "atomic";
        if items["type"] == "object" && !keyed && !(atomic && ATOMIC.iter().any(|(name, _)| *name == last)) {
            wrong.push(format!("{at}: a list of objects without keys"));
        }
        if schema.get("x-kubernetes-list-type").is_none() && items["type"] != "object" {
            wrong.push(format!("{at}: no list type"));
        }
        bounds(items, &format!("{at}[]"), wrong);
    }
    if let Some(entries) = schema.get("additionalProperties") {
        if schema.get("maxProperties").is_none() {
            wrong.push(format!("{at}: no maxProperties"));
        }
        bounds(entries, &format!("{at}{{}}"), wrong);
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let at = format!("{at}.{name}");
        if field["description"].as_str().is_none_or(str::is_empty) {
            wrong.push(format!("{at}: no description"));
        }
        bounds(field, &at, wrong);
    }
}

#[test]
fn every_rule_compiles() {
    for (name, schema) in schemas() {
        let mut rules = 0;
        each_rule(&schema, name, &mut |node, at| {
            let compiled = compile_schema(node);
            assert!(!compiled.has_errors(), "{at}: {:?}", compiled.compilation_errors());
            rules += 1;
        });
        assert!(rules > 1, "{name} has rules");
    }
    let broken = json!({"type": "object", "x-kubernetes-validations": [{"rule": "self.(", "message": "x"}]});
    assert!(compile_schema(&broken).has_errors(), "a broken rule is noticed");
}

fn each_rule(schema: &Value, at: &str, see: &mut impl FnMut(&Value, &str)) {
    if schema.get("x-kubernetes-validations").is_some() {
        see(schema, at);
    }
    let below = schema["properties"].as_object().into_iter().flatten();
    let below = below.map(|(name, field)| (name.as_str(), field));
    let inner =
        ["items", "additionalProperties"].into_iter().filter_map(|name| Some((name, schema.get(name)?)));
    for (name, field) in below.chain(inner) {
        each_rule(field, &format!("{at}.{name}"), see);
    }
}

/// Changes are additive, and no webhook converts: one version is served and stored.
#[test]
fn there_is_one_version_and_no_conversion() {
    for (name, definition) in definitions() {
        let definition = serde_json::to_value(definition).expect("a definition is JSON");
        let versions = definition["spec"]["versions"].as_array().expect("versions");
        assert_eq!(versions.len(), 1, "{name}");
        assert_eq!((&versions[0]["served"], &versions[0]["storage"]), (&json!(true), &json!(true)), "{name}");
        assert_eq!(versions[0]["subresources"]["status"], json!({}), "{name}");
        assert!(definition["spec"].get("conversion").is_none(), "{name}");
        assert_eq!(definition["metadata"]["annotations"]["helm.sh/resource-policy"], "keep", "{name}");
    }
}
