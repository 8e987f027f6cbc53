use serde_json::{Value, json};

use crate::{
    api::{Platform, Tenant},
    validate::{platform, tenant},
};

/// A Platform whose backups are right, with some fields changed: pointer below `spec`, value.
fn platform_with(changes: &[(&str, Value)]) -> Platform {
    let mut value = json!({
        "apiVersion": "tenantry.dev/v1alpha1",
        "kind": "Platform",
        "metadata": {"name": "shop"},
        "spec": {
            "environment": "production",
            "limits": {"egress": ["203.0.113.0/24"]},
            "backups": {
                "store": {
                    "endpoint": "https://s3.example.com", "region": "eu-1", "bucket": "backups",
                    "credentials": {"name": "store"}, "objectLock": {"days": 14},
                },
                "key": {"secret": {"name": "key"}},
                "postgresql": {"image": "postgres:17"},
            },
        },
    });
    changes.iter().for_each(|(pointer, new)| set(&mut value, pointer, new));
    serde_json::from_value(value).unwrap()
}

fn tenant_with(changes: &[(&str, Value)]) -> Tenant {
    let mut value = json!({
        "apiVersion": "tenantry.dev/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": "acme"},
        "spec": {
            "platformRef": {"name": "shop"},
            "databases": [{
                "name": "app",
                "connectionSecretRef": {"name": "app-db"},
                "server": {"podSelector": {"matchLabels": {"app": "db"}}, "port": 5432},
            }],
        },
    });
    changes.iter().for_each(|(pointer, new)| set(&mut value, pointer, new));
    serde_json::from_value(value).unwrap()
}

/// Sets a field below `spec`; the last part may be new.
fn set(value: &mut Value, pointer: &str, new: &Value) {
    let (parent, last) = pointer.rsplit_once('/').unwrap_or(("", pointer));
    let place = if parent.is_empty() { "/spec".to_owned() } else { format!("/spec/{parent}") };
    let place = value.pointer_mut(&place).unwrap_or_else(|| panic!("no {place}"));
    place[last] = new.clone();
}

fn platform_problems(changes: &[(&str, Value)]) -> Vec<String> {
    let found = platform::validate(&platform_with(changes)).err().unwrap_or_default();
    found.iter().map(ToString::to_string).collect()
}

fn tenant_problems(changes: &[(&str, Value)]) -> Vec<String> {
    let platform = platform::validate(&platform_with(&[])).unwrap();
    let found = tenant::validate(&tenant_with(changes), &platform).err().unwrap_or_default();
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_right_is_let_through() {
    assert_eq!(platform_problems(&[]), Vec::<String>::new());
    assert_eq!(tenant_problems(&[]), Vec::<String>::new());
}

#[test]
fn every_wrong_field_of_a_platform_is_named_with_the_next_step() {
    let cases = [
        ("backups/schedule", json!("H 25 * * *"), "spec.backups.schedule: column 3: hour: can't read \"25\""),
        ("backups/schedule", json!("H 3 * * 1"), "spec.backups.schedule: \"H 3 * * 1\" leaves out days"),
        ("backups/schedule", json!("*/5 * * * *"), "runs more often than every 15 minutes"),
        ("backups/timeZone", json!("Mars/Olympus"), "spec.backups.timeZone: there is no time zone"),
        ("backups/startingDeadline", json!("5m"), "spec.backups.startingDeadline: 5m0s is less than 10m0s"),
        ("backups/startingDeadline", json!("25h"), "spec.backups.startingDeadline: is more than a day"),
        ("backups/runDeadline", json!("1s"), "spec.backups.runDeadline: 1s is less than 10m0s"),
        ("backups/retentionDays", json!(3), "spec.backups.store.objectLock.days: 14 days of lock and 2"),
        (
            "backups/drills",
            json!({"schedule": "H 3 1 * *"}),
            "spec.backups.drills.maxAge: restore points are tried every",
        ),
        (
            "backups/drills",
            json!({"oldPoints": "never"}),
            "spec.backups.drills.oldPoints: column 1: 1 fields, not 5",
        ),
        ("backups/drills", json!({"rpo": "1m"}), "spec.backups.drills.rpo: 1m0s is less than 1h0m0s"),
        (
            "backups/erasure",
            json!({"undoGrace": "360h", "keyWait": "336h"}),
            "spec.backups.erasure: erasure takes 29 days and 2",
        ),
        (
            "backups/store/objectLock",
            json!({"days": 29}),
            "spec.backups.store.objectLock.days: erasure takes 29 days",
        ),
        (
            "backups/store/endpoint",
            json!("http://s3.example.com"),
            "spec.backups.store.endpoint: http:// sends",
        ),
        ("backups/store/credentials", json!(null), "spec.backups.store: has neither credentials nor a role"),
        ("backups/store/prefix", json!("a/../b"), "spec.backups.store.prefix: has . or .. in it"),
        (
            "backups/store/egress",
            json!([{"name": "all"}]),
            "spec.backups.store.egress[0]: has neither a cidr nor selectors",
        ),
        (
            "backups/postgresql/image",
            json!("postgres:"),
            "spec.backups.postgresql.image: \"postgres:\" is not an image",
        ),
        ("backups/postgresql/scratch", json!("1"), "spec.backups.postgresql.scratch: must be 1Mi or more"),
    ];
    for (pointer, value, expected) in cases {
        let found = platform_problems(&[(pointer, value.clone())]);
        assert!(found.iter().any(|one| one.contains(expected)), "{pointer}={value}: {found:?}");
        assert!(found.iter().all(|one| one.contains("; ")), "{pointer}: a next step in {found:?}");
    }
}

#[test]
fn only_a_test_environment_lifts_the_floors() {
    let short = [
        ("backups/schedule", json!("* * * * *")),
        ("backups/startingDeadline", json!("10s")),
        ("backups/runDeadline", json!("10s")),
        ("backups/retentionDays", json!(1)),
        ("backups/store/objectLock", json!(null)),
        ("backups/store/endpoint", json!("http://s3.example.com")),
        (
            "backups/drills",
            json!({"schedule": "* * * * *", "oldPoints": "* * * * *", "maxAge": "2m", "rpo": "1m"}),
        ),
        ("backups/erasure", json!({"undoGrace": "1m", "keyWait": "1m"})),
    ];
    assert!(platform_problems(&short).len() >= 8, "{:?}", platform_problems(&short));
    let test: Vec<(&str, Value)> = short.into_iter().chain([("environment", json!("test"))]).collect();
    assert_eq!(platform_problems(&test), Vec::<String>::new());
}

#[test]
fn every_wrong_field_of_a_database_is_named() {
    let server = |server: Value| server;
    let cases = [
        ("databases/0/schedule", json!("H 3 * *"), "spec.databases[0].schedule: column 1: 4 fields, not 5"),
        ("databases/0/schedule", json!("H 3 1 * *"), "leaves out days: backups are promised daily"),
        ("databases/0/image", json!("Postgres"), "spec.databases[0].image: \"Postgres\" is not an image"),
        ("databases/0/scratch", json!("0"), "spec.databases[0].scratch: must be 1Mi or more"),
        (
            "databases/0/server",
            server(json!({"port": 5432})),
            "names not exactly one of service, podSelector and cidr",
        ),
        (
            "databases/0/server",
            server(json!({"service": "db", "port": 5432})),
            "spec.databases[0].server.service: \"db\" is none of spec.services",
        ),
        (
            "databases/0/server",
            server(json!({"cidr": "10.0.0.1/32", "port": 5432})),
            "does not allow 10.0.0.1/32",
        ),
        (
            "databases/0/checks",
            json!([{"name": "a", "sql": "  "}]),
            "spec.databases[0].checks[0].sql: is empty",
        ),
        (
            "databases/0/checks",
            json!([{"name": "a", "sql": "select true"}, {"name": "a", "sql": "select true"}]),
            "checks[1].name: \"a\" is there already",
        ),
    ];
    hold(&cases);
}

#[test]
fn every_wrong_field_of_volumes_buckets_and_exclusions_is_named() {
    let cases = [
        (
            "volumes",
            json!([{"name": "a", "claim": "data"}, {"name": "b", "claim": "data"}]),
            "spec.volumes[1].claim: claim \"data\" is backed up already",
        ),
        (
            "buckets",
            json!([{"name": "a", "bucket": "backups", "endpoint": "https://s3.example.com", "region": "eu-1", "credentials": {"name": "c"}}]),
            "holds the Platform's restore points",
        ),
        (
            "buckets",
            json!([{"name": "a", "bucket": "files", "endpoint": "http://s3.example.com", "region": "eu-1", "credentials": {"name": "c"}}]),
            "spec.buckets[0].endpoint: http:// sends",
        ),
        (
            "backupExclusions",
            json!([{"kind": "Database", "name": "*", "reason": "because"}]),
            "leaves out everything of that kind",
        ),
        (
            "backupExclusions",
            json!([{"kind": "Database", "name": "a*b", "reason": "because"}]),
            "has * elsewhere than at its end",
        ),
        (
            "backupExclusions",
            json!([{"kind": "Database", "name": "a", "reason": "   "}]),
            "spec.backupExclusions[0].reason: says nothing",
        ),
    ];
    hold(&cases);
    let both = [
        ("volumes", json!([{"name": "a", "claim": "data-1"}])),
        (
            "backupExclusions",
            json!([{"kind": "PersistentVolumeClaim", "name": "data-*", "reason": "a cache"}]),
        ),
    ];
    assert!(tenant_problems(&both)[0].contains("leaves out claim \"data-1\", which spec.volumes backs up"));
}

/// Each change of the Tenant is said to be wrong in these words.
fn hold(cases: &[(&str, Value, &str)]) {
    for (pointer, value, expected) in cases {
        let found = tenant_problems(&[(pointer, value.clone())]);
        assert!(found.iter().any(|one| one.contains(expected)), "{pointer}={value}: {found:?}");
    }
}

#[test]
fn a_platform_without_backups_has_none_for_its_tenants() {
    let mut without = platform_with(&[]);
    without.spec.backups = None;
    let platform = platform::validate(&without).unwrap();
    let (checked, found) = tenant::examine(&tenant_with(&[]), &platform);
    assert!(checked.is_some(), "what runs goes on");
    assert!(found[0].to_string().contains("Platform shop has no backups"), "{found:?}");
}
