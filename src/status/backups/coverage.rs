//! What holds data and isn't backed up, though nobody said that this is right.

use std::collections::BTreeSet;

use crate::{
    api::{
        conditions::reasons,
        data::{DataKind, Database},
    },
    backup::{
        known::{Kind, Store},
        record::Neighbours,
    },
    status::set::Verdict,
    validate::{tenant::ValidatedTenant, text::sanitize},
};

/// Names that a message lists.
const LISTED: usize = 5;

/// Claims, and databases on listed servers, that nobody backs up and nobody left out. `claims` are those in the tenant's
/// namespace, whoever made them; `store` is a look that is young enough.
pub(super) fn uncovered(
    tenant: &ValidatedTenant,
    claims: &BTreeSet<String>,
    store: Option<&Store>,
) -> Option<Verdict> {
    let mut wrong = Vec::new();
    let claims = open_claims(tenant, claims);
    if !claims.is_empty() {
        wrong.push(format!(
            "claim {}: nothing backs it up; list it in spec.volumes, or the database that it holds in spec.databases, or leave it out in spec.backupExclusions with a reason",
            some(&claims, 0)
        ));
    }
    for database in store.iter().flat_map(|_| &tenant.databases) {
        let Some(found) = store.and_then(|store| neighbours(store, &database.name)) else { continue };
        let open = open_databases(tenant, database, store, found);
        // Two databases of one server see the same: it is said once.
        let first = tenant.databases.iter().find(|one| one.server == database.server);
        if open.is_empty() && found.more == 0 || first.is_some_and(|first| first.name != database.name) {
            continue;
        }
        wrong.push(format!(
            "database {} on the server of {}: nothing backs it up; list it in spec.databases, or leave it out in spec.backupExclusions with a reason",
            some(&open, found.more),
            database.name
        ));
    }
    (!wrong.is_empty()).then(|| Verdict::no(reasons::UNCOVERED, wrong.join("; ")))
}

/// Claims of services as the spec has them, and all others that are there.
fn open_claims(tenant: &ValidatedTenant, there: &BTreeSet<String>) -> Vec<String> {
    let dumped = |service: &str| {
        tenant.databases.iter().any(|database| database.server.service.as_deref() == Some(service))
    };
    let (mut all, mut whole) = (there.clone(), Vec::new());
    for service in &tenant.services {
        for storage in &service.spec.storage {
            let start = format!("{}-{}-", storage.name, service.spec.name);
            if dumped(&service.spec.name) {
                whole.push(start);
            } else {
                all.extend((0..service.spec.replicas.max()).map(|pod| format!("{start}{pod}")));
            }
        }
    }
    let is_dumped = |claim: &str| {
        let pods = whole.iter().filter_map(|start| claim.strip_prefix(start.as_str()));
        pods.into_iter().any(|pod| !pod.is_empty() && pod.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let listed = |claim: &str| tenant.volumes.iter().any(|volume| volume.claim == claim);
    all.retain(|claim| {
        !(listed(claim) || is_dumped(claim) || is_excluded(tenant, DataKind::PersistentVolumeClaim, claim))
    });
    all.into_iter().collect()
}

/// Databases on the server of a listed one. Who answers at the same place is the same server.
fn open_databases(
    tenant: &ValidatedTenant,
    database: &Database,
    store: Option<&Store>,
    found: &Neighbours,
) -> Vec<String> {
    let same = tenant.databases.iter().filter(|one| one.server == database.server);
    // Before its first run nobody knows what a listed database is called on its server; most are called the same.
    let listed: BTreeSet<&str> = same
        .map(|one| {
            let told = store.and_then(|store| neighbours(store, &one.name));
            told.map_or(one.name.as_str(), |told| told.own.as_str())
        })
        .collect();
    let open = found.others.iter().filter(|name| !listed.contains(name.as_str()));
    open.filter(|name| !is_excluded(tenant, DataKind::Database, name)).cloned().collect()
}

fn is_excluded(tenant: &ValidatedTenant, kind: DataKind, name: &str) -> bool {
    tenant.exclusions.iter().any(|one| one.covers(kind, name))
}

/// What the newest run of a database that looked around found on its server.
fn neighbours<'a>(store: &'a Store, database: &str) -> Option<&'a Neighbours> {
    let runs = store.past.iter().filter(|past| past.kind == Kind::Backup && past.database == database);
    let told = runs.filter_map(|past| Some((past.started, past.details.as_ref()?.neighbours.as_ref()?)));
    told.max_by_key(|(started, _)| *started).map(|(_, found)| found)
}

fn some(names: &[String], unseen: usize) -> String {
    let shown: Vec<String> = names.iter().take(LISTED).map(|name| sanitize(name, 253)).collect();
    match (shown.is_empty(), names.len() - shown.len() + unseen) {
        (_, 0) => shown.join(", "),
        (true, more) => format!("(more than a record names: {more})"),
        (false, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests;
