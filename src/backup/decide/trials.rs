//! Drills by schedule, and what people asked for. Pure.

use jiff::Timestamp;

use crate::backup::{
    drills,
    known::{Asked, Choice, Database, Kind, Point, Store},
    names,
    task::{Drill, PointRef, Restore, VolumeDrill, Work},
};

use super::{Known, Try, Want, ended, is_filled, next_try, slots};

/// Drills that the schedules ask for, now or later.
pub(super) fn scheduled(known: Known<'_>, store: &Store) -> Vec<Want> {
    let both = [Kind::Drill, Kind::OldDrill];
    let all = known.settings.databases.iter().flat_map(|database| both.map(|kind| (database, kind)));
    all.filter_map(|(database, kind)| one(known, store, database, kind)).collect()
}

fn one(known: Known<'_>, store: &Store, database: &Database, kind: Kind) -> Option<Want> {
    let points = store.points_of(&database.name);
    let schedule = if kind == Kind::Drill { &database.drills } else { &database.old_points };
    let (newest, next) = slots(schedule, known.now);
    let slot = newest?;
    let ended = ended(known, store, kind, &database.name);
    let later = |slot: Timestamp| {
        let point = points.last()?;
        Some(drill(known, database, kind, point, slot, (slot, 1, 1)))
    };
    // An old restore point is one that isn't the only one; before there is any, slots are none of ours.
    let first = points.first()?;
    if kind == Kind::OldDrill && (points.len() < 2 || first.stored > slot) {
        return later(next?);
    }
    // However late: what counts is the age of the proof. The first restore point is tried at once.
    if is_filled(&ended, slot, known.now) {
        return later(next?);
    }
    match next_try(known, &ended, kind, &database.name, slot) {
        Try::Runs | Try::GivenUp(_) => later(next?),
        Try::At { number, at, memory_times } => {
            let choice =
                if kind == Kind::Drill { Choice::Newest } else { drills::old_choice(schedule, slot) };
            let point = drills::pick(&points, choice, &database.seed, slot)?;
            Some(drill(known, database, kind, point, slot, (at.max(first.stored), number, memory_times)))
        }
    }
}

fn drill(
    known: Known<'_>,
    database: &Database,
    kind: Kind,
    point: &Point,
    slot: Timestamp,
    (due, number, memory_times): (Timestamp, u32, u32),
) -> Want {
    let newest = kind == Kind::Drill;
    Want {
        kind,
        job: names::job(kind, &database.name, slot, number),
        database: database.name.clone(),
        slot,
        // A point that was stored by a clock a little before ours is no reason to wait.
        due: if due > known.now && slot <= known.now && number == 1 { known.now } else { due },
        generation: point.generation,
        memory_times,
        work: task(database, point, newest.then_some(database.rpo_limit_seconds)),
    }
}

fn task(database: &Database, point: &Point, rpo_limit_seconds: Option<u64>) -> Work {
    if database.claim.is_some() {
        return Work::VolumeDrill(VolumeDrill {
            database: database.name.clone(),
            point: reference(point),
            rpo_limit_seconds,
            room_bytes: database.room_bytes,
            try_other: true,
        });
    }
    Work::Drill(Drill {
        database: database.name.clone(),
        point: reference(point),
        rpo_limit_seconds,
        checks: database.checks.clone(),
        room_bytes: database.room_bytes,
        try_other: true,
    })
}

fn reference(point: &Point) -> PointRef {
    PointRef {
        snapshot: point.snapshot.clone(),
        manifest: point.manifest.clone(),
        time: point.time.to_string(),
    }
}

/// What people asked for. It is tried once; they see why it failed, and ask again.
pub(super) fn asked(known: Known<'_>, store: &Store) -> Vec<Want> {
    known.asked.iter().filter_map(|asked| ask(known, store, asked)).collect()
}

fn ask(known: Known<'_>, store: &Store, asked: &Asked) -> Option<Want> {
    let kind = if asked.restore.is_some() { Kind::Restore } else { Kind::AskedDrill };
    let job = names::asked(kind, &asked.name, asked.created);
    let there = known.runs.iter().any(|run| run.job == job) || store.past.iter().any(|past| past.id == job);
    // Files are brought back by hand; nothing restores them yet.
    let fits =
        |one: &&Database| one.name == asked.database && (kind == Kind::AskedDrill || one.claim.is_none());
    let database = known.settings.databases.iter().find(fits)?;
    let points = store.points_of(&asked.database);
    let point = drills::pick(&points, asked.choice, &database.seed, asked.created).filter(|_| !there)?;
    let work = match &asked.restore {
        Some(to) => Work::Restore(Restore {
            database: asked.database.clone(),
            point: reference(point),
            to: to.clone(),
        }),
        None => task(database, point, None),
    };
    Some(Want {
        kind,
        job,
        database: asked.database.clone(),
        slot: asked.created,
        due: asked.created.min(known.now),
        generation: point.generation,
        memory_times: 1,
        work,
    })
}
