use serde_json::json;

use super::super::yaml::{Limits, parse};
use super::*;

fn rules() -> Rules {
    Rules::compile(&json!({
        "type": "object",
        "x-kubernetes-validations": [{"rule": "size(self.metadata.name) <= 5", "message": "Name too long."}],
        "properties": {"spec": {
            "type": "object",
            "x-kubernetes-validations": [
                {"rule": "self.min <= self.max", "messageExpression": "'min ' + string(self.min) + ' is more than max'",
                 "fieldPath": ".min"},
                {"rule": "!has(self.ref) || !has(self.labels)", "message": "either ref or labels"},
                {"rule": "!has(self.free) || self.free.sortBy(x, x) == self.free", "message": "must be sorted"}
            ],
            "properties": {
                "min": {"type": "integer"}, "max": {"type": "integer"},
                "free": {"type": "array", "items": {"type": "integer"}},
                "ref": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "is immutable"}]},
                "labels": {"type": "object", "additionalProperties": {"type": "string",
                    "x-kubernetes-validations": [{"rule": "self != 'bad'", "message": "must not be bad"}]}},
                "volumes": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                    "items": {"type": "object",
                        "x-kubernetes-validations": [{"rule": "self.size >= oldSelf.size", "message": "cannot shrink"}],
                        "properties": {"name": {"type": "string"}, "size": {"type": "integer"}}}},
                "args": {"type": "array", "items": {"type": "string",
                    "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "never asked"}]}}
            }
        }}
    }))
}

fn check(text: &str, old: Option<Value>) -> (Vec<String>, Vec<Unchecked>) {
    let parsed = parse("t.yaml", text.as_bytes(), &Limits::default());
    assert!(parsed.findings().is_empty(), "{:?}", parsed.findings());
    let document = &parsed.documents[0];
    let checked = rules().check(&document.value, old.as_ref(), document.place());
    let found = checked.findings.into_iter();
    let found =
        found.map(|f| format!("{}:{} {}: {}", f.line, f.column, f.field.unwrap_or_default(), f.message));
    (found.collect(), checked.unchecked)
}

#[test]
fn broken_rules_are_found_at_their_place() {
    for (spec, finding) in [
        ("{min: 1, max: 2}", None),
        ("{min: 3, max: 2}", Some("2:8 spec.min: min 3 is more than max")),
        ("{min: 1, max: 1, ref: any}", None),
        ("{min: 1, max: 1, ref: any, labels: {}}", Some("2:1 spec: either ref or labels")),
        ("{min: 1, max: 1, ref: any, labels: null}", None),
        ("{min: 1, max: 1, labels: {a.b/c: bad}}", Some("2:33 spec.labels[a.b/c]: must not be bad")),
    ] {
        let (found, unchecked) = check(&format!("metadata: {{name: a}}\nspec: {spec}\n"), None);
        assert_eq!(found.first().map(String::as_str), finding, "{spec}");
        assert!(found.len() <= 1 && unchecked.is_empty(), "{spec}: {found:?} {unchecked:?}");
    }
    let (found, _) = check("metadata: {name: abcdef}\n", None);
    assert_eq!(found, ["1:1 : Name too long"]);
}

#[test]
fn rules_about_change_meet_the_old_state() {
    let old = json!({"metadata": {"name": "a"}, "spec": {"min": 1, "max": 1, "ref": "x", "args": ["a"],
        "volumes": [{"name": "a", "size": 5}, {"name": "b", "size": 1}]}});
    for (spec, finding) in [
        ("ref: x", None),
        ("ref: z", Some("2:26 spec.ref: is immutable")),
        ("args: [b]", None),
        // By key, not by place: b grew from 1, a stays, c is new.
        ("volumes: [{name: b, size: 2}, {name: a, size: 5}, {name: c, size: 0}]", None),
        ("volumes: [{name: c, size: 9}, {name: a, size: 4}]", Some("2:56 spec.volumes[1]: cannot shrink")),
    ] {
        let text = format!("metadata: {{name: a}}\nspec: {{min: 1, max: 1,   {spec}}}\n");
        let (found, unchecked) = check(&text, Some(old.clone()));
        assert_eq!(found.first().map(String::as_str), finding, "{spec}");
        assert!(found.len() <= 1 && unchecked.is_empty(), "{spec}: {found:?} {unchecked:?}");
    }
}

#[test]
fn what_cannot_be_decided_here_is_not_taken_for_sound() {
    let (found, unchecked) = check("metadata: {name: a}\nspec: {min: 1, max: 1, free: [2, 1]}\n", None);
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(unchecked.len(), 1);
    assert_eq!(unchecked[0].field, "spec");
    assert!(unchecked[0].reason.contains("cannot be evaluated client-side"), "{unchecked:?}");
}

#[test]
fn a_rule_that_does_not_compile_is_said() {
    let rules =
        Rules::compile(&json!({"type": "object", "x-kubernetes-validations": [{"rule": "self.x >="}]}));
    let checked = rules.check(&json!({"x": 1}), None, Place { file: "x", spans: &Default::default() });
    assert_eq!((checked.findings.len(), checked.unchecked.len()), (0, 1));
}

#[test]
fn field_paths_become_pointers() {
    for (path, pointer) in [
        ("", ""),
        (".spec.name", "/spec/name"),
        (".labels['a.b/c'].x", "/labels/a.b~1c/x"),
        (".items[0].x", "/items/0/x"),
        ("name", "/name"),
        ("['x", "/x"),
    ] {
        assert_eq!(relative(path), pointer, "{path}");
    }
}
