//! `Tenant.spec.databases`, `volumes`, `buckets` and `backupExclusions`.

use crate::{
    api::{
        backup::Backups,
        conditions::reasons,
        data::{BackupExclusion, DataKind, Database},
        tenant::TenantSpec,
    },
    validate::{
        cidr::Cidr,
        image,
        platform::{ValidatedPlatform, check_labels},
        problem::{Problem, at},
        tenant::check_range,
        text::{is_hidden, quote},
    },
};

use super::{daily, encrypted, room, twice};

pub(in crate::validate) fn check(
    spec: &TenantSpec,
    platform: &ValidatedPlatform,
    problems: &mut Vec<Problem>,
) {
    let asks = [
        ("databases", spec.databases.is_empty()),
        ("volumes", spec.volumes.is_empty()),
        ("buckets", spec.buckets.is_empty()),
    ];
    let first = asks.iter().find(|(_, empty)| !empty);
    let Some(backups) = &platform.backups else {
        if let Some((field, _)) = first {
            let message = format!("Platform {} has no backups", platform.name);
            problems.push(
                Problem::new(at("/spec", field), message)
                    .reason(reasons::LIMIT_EXCEEDED)
                    .hint("a cluster admin can say in Platform.spec.backups where restore points go"),
            );
        }
        return;
    };
    twice("/spec/databases", spec.databases.iter().map(|one| one.name.as_str()), problems);
    for (index, database) in spec.databases.iter().enumerate() {
        check_database(database, &at("/spec/databases", index), spec, (platform, backups), problems);
    }
    twice("/spec/volumes", spec.volumes.iter().map(|one| one.name.as_str()), problems);
    for (index, volume) in spec.volumes.iter().enumerate() {
        let base = at("/spec/volumes", index);
        if let Some(text) = &volume.schedule {
            daily(&at(&base, "schedule"), text, &backups.time_zone, platform.environment, problems);
        }
        if spec.volumes[..index].iter().any(|other| other.claim == volume.claim) {
            let message = format!("claim {} is backed up already", quote(&volume.claim));
            problems.push(Problem::new(at(&base, "claim"), message).hint("remove one of the two"));
        }
    }
    check_buckets(spec, (platform, backups), problems);
    for (index, exclusion) in spec.backup_exclusions.iter().enumerate() {
        check_exclusion(exclusion, &at("/spec/backupExclusions", index), spec, problems);
    }
}

fn check_database(
    database: &Database,
    base: &str,
    spec: &TenantSpec,
    (platform, backups): (&ValidatedPlatform, &Backups),
    problems: &mut Vec<Problem>,
) {
    if let Some(text) = &database.schedule {
        daily(&at(base, "schedule"), text, &backups.time_zone, platform.environment, problems);
    }
    match (&database.image, &backups.postgresql.image) {
        (Some(own), _) => image::check(own, &at(base, "image"), platform, problems),
        (None, Some(_)) => {}
        (None, None) => problems.push(
            Problem::new(at(base, "image"), format!("is missing, and Platform {} names none", platform.name))
                .hint(
                    "name an image with pg_dump and postgres of the server's major version, as postgres:17",
                ),
        ),
    }
    room(&at(base, "scratch"), database.scratch.as_ref(), problems);
    check_server(database, &at(base, "server"), spec, platform, problems);
    let checks = at(base, "checks");
    twice(&checks, database.checks.iter().map(|one| one.name.as_str()), problems);
    for (index, check) in database.checks.iter().enumerate() {
        if check.sql.trim().is_empty() || check.sql.chars().any(is_hidden) {
            let pointer = at(&at(&checks, index), "sql");
            problems.push(
                Problem::new(pointer, "is empty, or holds what can't be seen")
                    .hint("write a query that gives one row with one column, true"),
            );
        }
    }
}

fn check_server(
    database: &Database,
    base: &str,
    spec: &TenantSpec,
    platform: &ValidatedPlatform,
    problems: &mut Vec<Problem>,
) {
    let server = &database.server;
    let given = [server.service.is_some(), server.pod_selector.is_some(), server.cidr.is_some()]
        .into_iter()
        .filter(|one| *one);
    if given.count() != 1 {
        let problem = Problem::new(base, "names not exactly one of service, podSelector and cidr");
        problems.push(problem.hint("an empty peer would mean everyone; say who answers"));
    }
    if let Some(service) =
        server.service.as_ref().filter(|name| spec.services.iter().all(|one| one.name != **name))
    {
        let problem = Problem::new(at(base, "service"), format!("\"{service}\" is none of spec.services"));
        problems.push(problem.hint("name one of them, or use podSelector for pods that somebody else runs"));
    }
    check_labels(server.pod_selector.as_ref(), &at(base, "podSelector"), problems);
    if let Some(text) = &server.cidr {
        let pointer = at(base, "cidr");
        match Cidr::parse(text) {
            Ok(cidr) => check_range(cidr, &pointer, platform, problems),
            Err(message) => problems.push(Problem::new(pointer, message)),
        }
    }
}

fn check_buckets(
    spec: &TenantSpec,
    (platform, backups): (&ValidatedPlatform, &Backups),
    problems: &mut Vec<Problem>,
) {
    twice("/spec/buckets", spec.buckets.iter().map(|one| one.name.as_str()), problems);
    for (index, bucket) in spec.buckets.iter().enumerate() {
        let base = at("/spec/buckets", index);
        encrypted(&at(&base, "endpoint"), bucket.endpoint.as_ref(), platform.environment, problems);
        let (pointer, store) = (at(&base, "bucket"), &backups.store);
        if bucket.bucket == store.bucket && bucket.endpoint == store.endpoint {
            let problem =
                Problem::new(pointer, format!("\"{}\" holds the Platform's restore points", bucket.bucket));
            problems.push(problem.reason(reasons::LIMIT_EXCEEDED).hint("use a bucket of the tenant's own"));
        } else if spec.buckets[..index]
            .iter()
            .any(|one| (&one.bucket, &one.endpoint) == (&bucket.bucket, &bucket.endpoint))
        {
            let problem = Problem::new(pointer, format!("\"{}\" is listed already", bucket.bucket));
            problems.push(problem.hint("remove one of the two"));
        }
    }
}

fn check_exclusion(exclusion: &BackupExclusion, base: &str, spec: &TenantSpec, problems: &mut Vec<Problem>) {
    let name = &exclusion.name;
    if name.trim_end_matches('*').contains('*') || name.ends_with("**") {
        problems.push(
            Problem::new(at(base, "name"), format!("{} has * elsewhere than at its end", quote(name)))
                .hint("write * once, at the end"),
        );
    }
    if name == "*" {
        problems.push(
            Problem::new(at(base, "name"), "leaves out everything of that kind")
                .hint("name what needs no backup, so that what comes later is noticed"),
        );
    }
    if exclusion.reason.trim().chars().count() < 3 || exclusion.reason.chars().any(is_hidden) {
        let problem = Problem::new(at(base, "reason"), "says nothing");
        problems.push(problem.hint("say why no backup is needed; auditors read it"));
    }
    let claim =
        spec.volumes.iter().find(|volume| exclusion.covers(DataKind::PersistentVolumeClaim, &volume.claim));
    if let Some(volume) = claim {
        let problem = Problem::new(
            at(base, "name"),
            format!("leaves out claim {}, which spec.volumes backs up", quote(&volume.claim)),
        );
        problems.push(problem.hint("remove one of the two"));
    }
}
