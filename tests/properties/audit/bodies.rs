//! What the API server posts, against an independent reader of JSON.

use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tenantry::audit::events::{EventsError, events};

use super::{changed, changes};
use crate::many;

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[\\[\\]{},:\"\\\\/ \n\t]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map("(items|kind|[a-z\"\\\\]{0,4})", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn body() -> impl Strategy<Value = (Vec<Value>, String)> {
    let event = prop::collection::hash_map("[a-zA-Z]{1,8}", value(), 0..5)
        .prop_map(|map| Value::Object(map.into_iter().collect()));
    (prop::collection::vec(event, 0..6), any::<bool>(), value()).prop_map(|(items, pretty, metadata)| {
        let list =
            json!({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": metadata, "items": items});
        (items, if pretty { format!("{list:#}") } else { list.to_string() })
    })
}

proptest! {
    #![proptest_config(many(1500))]

    #[test]
    fn each_item_is_what_another_reader_finds((items, body) in body()) {
        let ranges = events(body.as_bytes()).unwrap();
        let found: Vec<Value> =
            ranges.into_iter().map(|range| serde_json::from_str(&body[range]).unwrap()).collect();
        // Read again: the other reader doesn't give each number back as it was made.
        let theirs: Value = serde_json::from_str(&body).unwrap();
        prop_assert_eq!(found.len(), items.len());
        prop_assert_eq!(Value::from(found), theirs["items"].clone());
    }

    /// What one takes for JSON, the other does, too; and nothing makes it panic.
    #[test]
    fn rubbish_is_rubbish_to_both((_, body) in body(), changes in changes(6)) {
        let bytes = changed(body.into_bytes(), &changes);
        let ours = events(&bytes);
        if std::str::from_utf8(&bytes).is_err() {
            return Ok(());
        }
        let theirs = serde_json::from_slice::<IgnoredAny>(&bytes);
        let is_json = !matches!(ours, Err(EventsError::Syntax(_) | EventsError::Deep(_)));
        // A list that isn't one is told before its end is read.
        if !matches!(ours, Err(EventsError::NoList)) {
            prop_assert_eq!(is_json, theirs.is_ok(), "{:?} {:?}", ours, theirs);
        }
        if let (Ok(ranges), Ok(value)) = (&ours, serde_json::from_slice::<Value>(&bytes)) {
            let found = ranges.iter().map(|range| serde_json::from_slice(&bytes[range.clone()]));
            let found: Vec<Value> = found.collect::<Result<_, _>>().unwrap();
            // Of two lists the other reader keeps the last one only.
            let theirs = value["items"].as_array().cloned().unwrap_or_default();
            prop_assert!(found.ends_with(&theirs) || found.len() >= theirs.len(), "{:?} {:?}", found, theirs);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = events(&bytes);
    }
}
