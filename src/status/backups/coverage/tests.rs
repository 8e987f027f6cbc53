use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::{
    api::conditions::ConditionStatus,
    backup::{
        known::{Details, Past},
        record::reasons as runs,
    },
    status::{
        backups::{
            Said, tell,
            tests::{NOW, TODAY, past, rules, store, tenant_of, time, verdict, view},
        },
        set::Verdict,
    },
};

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

/// What is said of a Tenant in whose namespace these claims are.
fn current(spec: Value, claims: &[&str], runs: Vec<Past>) -> Verdict {
    let tenant = tenant_of(spec);
    let view = view(&tenant, store(&[TODAY], runs), vec![]);
    let told = tell(Some(&view), (&tenant, &names(claims)), &rules(), &[], time(NOW));
    verdict(told.current)
}

#[test]
fn claims_that_nobody_backs_up_are_named() {
    let services = json!([{
        "name": "db", "image": "registry.example.com/db:1", "replicas": {"min": 1},
        "storage": [{"name": "data", "size": "1Gi", "path": "/data"}],
    }]);
    let with = |more: Value, claims: &[&str]| {
        let mut spec = json!({"services": services});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        current(spec, claims, vec![])
    };
    let open = with(json!({}), &[]);
    assert_eq!((open.status, open.reason), (ConditionStatus::False, reasons::UNCOVERED), "{open:?}");
    assert!(open.message.contains("claim data-db-0"), "{}", open.message);
    let excluded = json!([{"kind": "PersistentVolumeClaim", "name": "data-db-*", "reason": "a cache"}]);
    let kept = json!({"backupExclusions": excluded});
    assert_eq!(with(kept.clone(), &["data-db-0", "data-db-7"]).status, ConditionStatus::True);
    let foreign = with(kept, &["uploads", "data-db-0"]);
    assert!(foreign.message.starts_with("claim uploads: nothing backs it up"), "{}", foreign.message);

    let dumped = json!([{"name": "app", "connectionSecretRef": {"name": "s"}, "server": {"service": "db", "port": 5432}}]);
    let dumped = json!({"databases": dumped});
    let scaled_down = ["data-db-0", "data-db-3"];
    assert_eq!(with(dumped.clone(), &scaled_down).status, ConditionStatus::True, "what is in it is dumped");
    assert_eq!(with(dumped, &["data-db-backup"]).reason, reasons::UNCOVERED, "no pod of it has that claim");
    let listed = json!({"volumes": [{"name": "files", "claim": "data-db-0"}]});
    assert_eq!(with(listed, &["data-db-0"]).reason, reasons::NO_BACKUP_YET, "it is covered");
}

#[test]
fn many_claims_are_counted() {
    let many: Vec<String> = (0..9).map(|n| format!("c{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let open = current(json!({}), &many, vec![]);
    assert!(open.message.starts_with("claim c0, c1, c2, c3, c4 and 4 more: "), "{}", open.message);
}

/// The cluster alone says that a claim is there: no look into the store is waited for, and nothing else has to be listed.
#[test]
fn a_claim_is_uncovered_before_anybody_looked_into_the_store() {
    for databases in [
        json!([]),
        json!([{"name": "app", "connectionSecretRef": {"name": "s"}, "server": {"cidr": "10.0.0.1/32"}}]),
    ] {
        let tenant = tenant_of(json!({}));
        let listed = !databases.as_array().unwrap().is_empty();
        let tenant = if listed { tenant } else { tenant_of(json!({"databases": databases})) };
        let told = |claims: &[&str]| tell(None, (&tenant, &names(claims)), &rules(), &[], time(NOW));
        assert_eq!(verdict(told(&["uploads"]).current).reason, reasons::UNCOVERED);
        assert_eq!(told(&[]).current.is_some(), listed, "nothing listed, nothing there: nothing asked");
        assert_ne!(
            told(&[])
                .current
                .map(|said| matches!(said, Said::Is(verdict) if verdict.reason == reasons::UNCOVERED)),
            Some(true)
        );
    }
}

fn looked(database: &str, at: &str, own: &str, others: &[&str], more: usize) -> Past {
    let others = others.iter().map(ToString::to_string).collect();
    let neighbours = Neighbours { own: own.into(), others, more };
    let at: Timestamp = at.parse().unwrap();
    Past {
        id: format!("backup-{database}-{}", at.as_second()),
        database: database.into(),
        details: Some(Box::new(Details { neighbours: Some(neighbours), ..Details::default() })),
        ..past(crate::backup::known::Kind::Backup, &at.to_string(), runs::SUCCEEDED)
    }
}

#[test]
fn other_databases_of_a_listed_server_are_named() {
    let at = "2026-11-22T02:00:00Z";
    let said = |spec: Value, runs: Vec<Past>| current(spec, &[], runs);
    let open = said(json!({}), vec![looked("app", at, "appdb", &["shop", "wiki"], 0)]);
    assert_eq!((open.status, open.reason), (ConditionStatus::False, reasons::UNCOVERED), "{open:?}");
    assert!(open.message.starts_with("database shop, wiki on the server of app: "), "{}", open.message);

    // The newest look counts.
    let dropped =
        [looked("app", at, "appdb", &["shop"], 0), looked("app", "2026-11-22T02:30:00Z", "appdb", &[], 0)];
    assert_eq!(said(json!({}), dropped.into()).status, ConditionStatus::True);
    let excluded = json!([{"kind": "Database", "name": "shop", "reason": "a copy for tests"}]);
    let excluded = json!({"backupExclusions": excluded});
    assert_eq!(said(excluded, vec![looked("app", at, "appdb", &["shop"], 0)]).status, ConditionStatus::True);
    let unseen = said(json!({}), vec![looked("app", at, "appdb", &[], 40)]);
    assert_eq!(unseen.reason, reasons::UNCOVERED, "{unseen:?}");
    assert!(unseen.message.contains("more than a record names: 40"), "{}", unseen.message);
}

#[test]
fn a_database_that_is_listed_under_another_name_is_covered_on_its_own_server_only() {
    let at = "2026-11-22T02:00:00Z";
    let database = |name: &str, label: &str| json!({"name": name, "connectionSecretRef": {"name": name}, "server": {"podSelector": {"matchLabels": {"app": label}}}});
    let open = |other: &str, runs: Vec<Past>| {
        let tenant = tenant_of(json!({"databases": [database("app", "db"), database("orders", other)]}));
        let seen = store(&[TODAY], runs);
        uncovered(&tenant, &BTreeSet::new(), Some(&seen)).map(|verdict| verdict.message)
    };
    let both = || vec![looked("app", at, "appdb", &["shop"], 0), looked("orders", at, "shop", &["appdb"], 0)];
    assert_eq!(open("db", both()), None);
    let two = open("other", both()).unwrap();
    assert!(
        two.contains("database shop on the server of app")
            && two.contains("database appdb on the server of orders"),
        "{two}"
    );
    // Listed and not dumped yet: most are called as they are listed.
    assert_eq!(open("db", vec![looked("app", at, "appdb", &["orders"], 0)]), None);
    let once = open(
        "db",
        vec![looked("app", at, "appdb", &["wiki"], 0), looked("orders", at, "orders", &["appdb", "wiki"], 0)],
    );
    assert_eq!(once.unwrap().matches("wiki").count(), 1);
}
