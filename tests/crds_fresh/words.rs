//! The words that users read: promises, conditions, reasons.

use std::collections::BTreeSet;

use tenantry::api::promises::TABLE;

use crate::{read, top};

/// Reasons and condition types are API: a constant that nothing says is a lie in the documentation.
#[test]
fn every_reason_is_said_somewhere() {
    let source = read(&top("src/api/conditions.rs"));
    let constants: Vec<(&str, &str)> = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub const "))
        .filter_map(|line| Some((line.split(':').next()?, line.split('"').nth(1)?)))
        .collect();
    assert!(constants.len() > 20);
    let mut product = String::new();
    let mut folders = vec![top("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the source can be read") {
            let path = entry.expect("the source can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("api/conditions.rs") && !path.ends_with("api/promises.rs") {
                product.push_str(&read(&path));
            }
        }
    }
    for (constant, text) in constants {
        let pascal =
            text.chars().next().is_some_and(char::is_uppercase) && text.chars().all(char::is_alphanumeric);
        assert!(pascal, "{text} is PascalCase");
        assert!(product.contains(&format!("reasons::{constant}")), "nothing says {constant}");
    }
}

#[test]
fn every_promise_is_told_apart() {
    let unique = |texts: Vec<&str>, what: &str| {
        let set: BTreeSet<&str> = texts.iter().copied().collect();
        assert_eq!(set.len(), TABLE.len(), "{what}s are unique");
    };
    unique(TABLE.iter().map(|promise| promise.id).collect(), "id");
    unique(TABLE.iter().map(|promise| promise.sentence).collect(), "sentence");
    unique(TABLE.iter().map(|promise| promise.alert).collect(), "alert");
    for promise in TABLE {
        assert_eq!(promise.condition.is_some(), !promise.reasons.is_empty(), "{}", promise.id);
        assert_eq!(promise.condition.is_some(), !promise.evidence.is_empty(), "{}", promise.id);
    }
}

#[test]
fn the_readme_lists_every_promise() {
    let text = read(&top("README.md"));
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    for promise in TABLE {
        let row = rows.iter().find(|row| row[0] == promise.id);
        let row = row.unwrap_or_else(|| panic!("README.md has no row for promise {}", promise.id));
        assert_eq!(row.get(1), Some(&promise.sentence), "{}", promise.id);
        let condition = promise.condition.map(|one| format!("`{}`", one.as_str())).unwrap_or_default();
        assert_eq!(row.get(2), Some(&condition.as_str()), "{}", promise.id);
    }
}
