use serde_json::json;

use super::super::yaml::{Limits, parse};
use super::*;

fn schema() -> Schema {
    Schema::compile(&json!({
        "type": "object",
        "required": ["spec"],
        "properties": {
            "spec": {
                "type": "object",
                "required": ["image"],
                "properties": {
                    "image": {"type": "string", "minLength": 3, "maxLength": 10, "pattern": "^[a-z:]+$"},
                    "replicas": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 9, "default": 2},
                    "ratio": {"type": "number", "minimum": 0, "exclusiveMinimum": true, "multipleOf": 0.5},
                    "paused": {"type": "boolean"},
                    "mode": {"type": "string", "enum": ["Enforce", "Observe"], "default": "Enforce"},
                    "note": {"type": "string", "nullable": true, "maxLength": 5},
                    "size": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}],
                        "pattern": "^[0-9]+Mi$"},
                    "since": {"type": "string", "format": "date-time"},
                    "config": {"type": "object", "maxProperties": 2, "minProperties": 1,
                        "additionalProperties": {"type": "string", "default": "x"}},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    "hosts": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                    "ports": {"type": "array", "maxItems": 3, "minItems": 1, "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name", "protocol"],
                        "items": {"type": "object", "required": ["name"], "properties": {
                            "name": {"type": "string"},
                            "protocol": {"type": "string", "default": "TCP"}}}},
                    "probe": {"type": "object", "default": {}, "properties": {"period": {"type": "integer", "default": 10}}},
                    "embedded": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {}},
                    "either": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                        "oneOf": [{"required": ["a"]}, {"required": ["b"]}], "not": {"required": ["c"]}}
                }
            },
            "status": {"type": "object"}
        }
    }))
}

/// What is wrong with a spec, as `line:column field: message (hint)`.
fn check(text: &str) -> Vec<String> {
    let parsed = parse("t.yaml", text.as_bytes(), &Limits::default());
    assert!(parsed.findings().is_empty(), "{:?}", parsed.findings());
    let document = &parsed.documents[0];
    let (schema, mut value) = (schema(), document.value.clone());
    schema.default(&mut value);
    let found = schema.check(&value, document.place());
    found
        .into_iter()
        .map(|f| {
            let hint = f.hint.map_or(String::new(), |hint| format!(" ({hint})"));
            format!("{}:{} {}: {}{hint}", f.line, f.column, f.field.unwrap_or_default(), f.message)
        })
        .collect()
}

#[test]
fn a_sound_resource_has_no_findings() {
    let text = "apiVersion: v1\nkind: X\nmetadata: {name: a, labels: {a.b/c: d-e, f: ''}, annotations: {x: 'a b'}}\n\
        spec:\n  image: a:b\n  replicas: 3.0\n  ratio: 1.5\n  size: 5Mi\n  note: äöüßé\n  since: 2026-01-01T00:00:00Z\n  \
        config: {a: b}\n  free: {any: [1]}\n  hosts: [a, b]\n  ports: [{name: a}, {name: a, protocol: UDP}]\n  \
        embedded: {apiVersion: v1, kind: P, metadata: {}}\n  either: {a: x}\n";
    assert_eq!(check(text), Vec::<String>::new());
}

/// A spec that is wrong, and the finding.
const MISTAKES: &[(&str, &str)] = &[
    ("note: äöüßéè", "3:9 spec.note: too long: 6 characters, at most 5 are allowed"),
    ("replicas: 1", "1:1 spec.image: required field `image` is missing"),
    (
        "image: 1",
        "2:10 spec.image: invalid value 1: must be of type string, found integer (put the value in quotes)",
    ),
    ("image: ab", "2:10 spec.image: too short: 2 characters, at least 3 are needed"),
    ("image: abcdefghijkl", "2:10 spec.image: too long: 12 characters, at most 10 are allowed"),
    ("image: ABC", "2:10 spec.image: invalid value \"ABC\": must match \"^[a-z:]+$\""),
    ("image: [abc]", "2:10 spec.image: must be of type string, found list"),
    ("replicas: 0", "3:13 spec.replicas: invalid value 0: must be greater than or equal to 1"),
    ("replicas: 10", "3:13 spec.replicas: invalid value 10: must be less than or equal to 9"),
    (
        "replicas: '3'",
        "3:13 spec.replicas: invalid value \"3\": must be of type integer, found string (remove the quotes)",
    ),
    ("replicas: 1.5", "3:13 spec.replicas: invalid value 1.5: must be of type integer, found number"),
    ("ratio: 0", "3:10 spec.ratio: invalid value 0: must be greater than 0"),
    ("ratio: 0.7", "3:10 spec.ratio: invalid value 0.7: must be a multiple of 0.5"),
    (
        "paused: 'true'",
        "3:11 spec.paused: invalid value \"true\": must be of type boolean, found string (remove the quotes)",
    ),
    (
        "mode: observe",
        "3:9 spec.mode: unsupported value \"observe\": supported values are \"Enforce\", \"Observe\" (did you mean \"Observe\"?)",
    ),
    ("size: true", "3:9 spec.size: must be an integer or a string, found boolean"),
    ("size: 5Gi", "3:9 spec.size: invalid value \"5Gi\": must match \"^[0-9]+Mi$\""),
    (
        "since: yesterday",
        "3:10 spec.since: invalid value \"yesterday\": must be a date and time as in RFC 3339 (write it like 2026-11-22T08:30:00Z)",
    ),
    ("config: {}", "3:11 spec.config: too few: 0 fields, at least 1 are needed"),
    ("config: {a: x, b: x, c: x}", "3:11 spec.config: too many: 3 fields, at most 2 are allowed"),
    (
        "config: {a.b/c: 1}",
        "3:19 spec.config[a.b/c]: invalid value 1: must be of type string, found integer (put the value in quotes)",
    ),
    ("hosts: [a, b, a]", "3:17 spec.hosts[2]: duplicate value \"a\": first set on line 3 (keep one of them)"),
    (
        "hosts: a",
        "3:10 spec.hosts: invalid value \"a\": must be of type list, found string (start each item on a line of its own with `- `)",
    ),
    (
        "ports:\n  - name: a\n  - {name: a, protocol: TCP}",
        "5:5 spec.ports[1]: duplicate item `name: \"a\", protocol: \"TCP\"`: first set on line 4 (keep one of them)",
    ),
    ("ports: [{}]", "3:11 spec.ports[0].name: required field `name` is missing"),
    ("ports: []", "3:10 spec.ports: too few: 0 items, at least 1 are needed"),
    (
        "ports: [a]",
        "3:11 spec.ports[0]: invalid value \"a\": must be of type map, found string (write fields (`name: value`), indented, on the lines below)",
    ),
    (
        "hosts: [~]",
        "3:11 spec.hosts[0]: must be of type string, found nothing (null) (put the value in quotes)",
    ),
    (
        "embedded: {x: 1}",
        "3:14 spec.embedded.x: unknown field `x` (known fields: apiVersion, kind, metadata)",
    ),
    ("either: {}", "3:3 spec.either.a: required field `a` is missing"),
    ("either: {a: x, b: z}", "3:11 spec.either: must be valid in exactly one way, but fits 2"),
    ("replica: 1", "3:3 spec.replica: unknown field `replica` (did you mean `replicas`?)"),
    ("probe: {}\nsepc: 1", "4:1 sepc: unknown field `sepc` (did you mean `spec`?)"),
    ("probe: {}\nstatus: {}", "4:1 status: `status` is written by the operator, not by people (remove it)"),
    (
        "probe: {}\nkind: 1",
        "4:7 kind: invalid value 1: must be of type string, found integer (put the value in quotes)",
    ),
    (
        "probe: {}\nmetadata: {namespace: x}",
        "4:12 metadata.namespace: `namespace` is not accepted from a file (remove it: the resource is cluster-scoped)",
    ),
    (
        "probe: {}\nmetadata: {finalizers: []}",
        "4:12 metadata.finalizers: `finalizers` is not accepted from a file (remove it: nothing may hold up a deletion)",
    ),
    (
        "probe: {}\nmetadata: {lables: {}}",
        "4:12 metadata.lables: unknown field `lables` (did you mean `labels`?)",
    ),
    (
        "probe: {}\nmetadata: {name: 5}",
        "4:18 metadata.name: invalid value 5: must be of type string, found integer (put the value in quotes)",
    ),
    (
        "probe: {}\nmetadata: {labels: {a: 5}}",
        "4:24 metadata.labels.a: invalid value 5: must be of type string, found integer (put the value in quotes)",
    ),
    (
        "probe: {}\nmetadata: {labels: {a: 'b c'}}",
        "4:24 metadata.labels.a: invalid value \"b c\": a label consists of letters, digits, `-`, `_` and `.`, and begins and ends with a letter or digit",
    ),
    (
        "probe: {}\nmetadata: {labels: {A/b: c}}",
        "4:21 metadata.labels[A/b]: invalid key \"A/b\": what stands before `/` must be a lower-case domain name",
    ),
    (
        "probe: {}\nmetadata: {annotations: {/b: c}}",
        "4:26 metadata.annotations[/b]: invalid key \"/b\": what stands before `/` must be a lower-case domain name",
    ),
    ("probe: {}\nmetadata: []", "4:11 metadata: must be of type map, found list"),
];

#[test]
fn each_mistake_is_found_at_its_place() {
    for (spec, finding) in MISTAKES {
        let image = if spec.starts_with("image") || *spec == "replicas: 1" { "" } else { "  image: abc\n" };
        assert_eq!(check(&format!("spec:\n{image}  {spec}\n")), [*finding], "{spec}");
    }
    assert_eq!(
        check("- a\n"),
        ["1:1 : must be of type map, found list (write fields (`name: value`), without `- `)"]
    );
}

#[test]
fn defaults_are_those_of_the_api_server() {
    let mut value = json!({"spec": {
        "image": null, "note": null, "replicas": null, "config": {"a": null, "b": "c"},
        "ports": [{"name": "a"}, {"name": "b", "protocol": null}], "hosts": ["x", null], "free": {"y": null}
    }});
    schema().default(&mut value);
    assert_eq!(
        value,
        json!({"spec": {
            "note": null, "replicas": 2, "mode": "Enforce", "config": {"a": "x", "b": "c"},
            "ports": [{"name": "a", "protocol": "TCP"}, {"name": "b", "protocol": "TCP"}],
            "hosts": ["x", null], "free": {"y": null}, "probe": {"period": 10}
        }})
    );
}

#[test]
fn what_cannot_be_checked_is_said() {
    let schema = Schema::compile(&json!({"properties": {"spec": {"type": "object", "properties": {
        "a": {"type": "string", "pattern": "(?<=x)y"}, "b": {"type": "string", "format": "isbn"}}}}}));
    let said: Vec<_> = schema.unchecked().iter().map(|u| (u.field.as_str(), u.rule.as_str())).collect();
    assert_eq!(said, [("spec.a", "pattern (?<=x)y"), ("spec.b", "format isbn")]);
}

#[test]
fn a_value_from_no_file_has_no_position() {
    let place = Place { file: "Tenant/acme", spans: &Default::default() };
    let found = schema().check(&json!({"spec": {"image": "abc", "x": 1}}), place);
    assert_eq!(found[0].to_string(), "Tenant/acme: unknown field `x`");
    assert_eq!(found[0].field.as_deref(), Some("spec.x"));
}
