//! What the API server posts, against an independent reader of JSON.

use proptest::prelude::*;
use serde_json::{Value, json};
use tenantry::audit::events::events;

use super::parsers::webhook;
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
        webhook(&changed(body.into_bytes(), &changes));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        webhook(&bytes);
    }
}
