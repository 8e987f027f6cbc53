//! What comes next in a run of a volume, and what has to go when it is over. The same knowledge gives the same step:
//! whoever leads goes on where another one stopped.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::{api::quantity::Quantity, backup::record::reasons};

use super::{
    objects::{Bridge, Thing},
    seen::{Meta, Seen, Snapshot},
};

/// How long a run may wait for its volume. Others of the tenant wait for it.
pub const PREPARED: SignedDuration = SignedDuration::from_mins(30);
/// How long a driver may go on to fail: controllers try again, and some errors pass.
pub const PATIENCE: SignedDuration = SignedDuration::from_mins(3);

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// This is made.
    Make(Thing, Value),
    /// The run's Secret is made, with the time at which the snapshot was taken.
    Tell(Timestamp),
    /// Somebody else has to do this.
    Wait(String),
    /// The run is given up, for a reason of [`reasons`], and why.
    GiveUp(&'static str, String),
    /// Everything is there.
    Ready,
}

/// The next step of a run whose Job was made at `begun` and hasn't ended.
#[must_use]
pub fn next(bridge: &Bridge<'_>, seen: &Seen, begun: Timestamp, now: Timestamp) -> Step {
    let step = step(bridge, seen, now);
    match step {
        Step::Wait(what) if now.duration_since(begun) > PREPARED => {
            let message = format!(
                "after {} minutes the run still waits for {what}; see kubectl describe volumesnapshots,pvc -n {}",
                PREPARED.as_mins(),
                bridge.to
            );
            Step::GiveUp(reasons::SNAPSHOT_FAILED, message)
        }
        step => step,
    }
}

fn step(bridge: &Bridge<'_>, seen: &Seen, now: Timestamp) -> Step {
    if let Some((thing, meta, _)) = foreign(bridge, seen) {
        let message = format!(
            "{} {} is there already and is not this run's; remove it if nobody needs it",
            thing.kind(),
            meta.name
        );
        return Step::GiveUp(reasons::SNAPSHOT_FAILED, message);
    }
    let Some(claim) = &seen.claim else {
        let message = format!("claim {}/{} is not there", bridge.from, bridge.claim);
        return Step::GiveUp(reasons::SOURCE_UNREACHABLE, message);
    };
    let Some(taken) = &seen.taken else {
        return match bridge.class {
            "" => Step::Wait(format!("a VolumeSnapshotClass for claim {}", bridge.claim)),
            class => Step::Make(Thing::Snapshot, bridge.taken(class)),
        };
    };
    if let Some(step) = unready(taken, bridge.from, now) {
        return step;
    }
    let content = seen.content.as_ref().filter(|content| !content.handle.is_empty());
    let (Some(content), Some(time)) = (content, taken.taken) else {
        return Step::Wait(format!("the content of VolumeSnapshot {}/{}", bridge.from, taken.meta.name));
    };
    if seen.bridge.is_none() {
        return Step::Make(Thing::Content, bridge.content(&content.driver, &content.handle));
    }
    let Some(copy) = &seen.copy else { return Step::Make(Thing::Snapshot, bridge.copy()) };
    if let Some(step) = unready(copy, bridge.to, now) {
        return step;
    }
    if !seen.told {
        return Step::Tell(time);
    }
    let Some(volume) = &seen.volume else {
        // Drivers refuse a volume smaller than the source; some say how big, and some don't.
        let size = larger(&copy.size, &claim.capacity);
        return Step::Make(Thing::Claim, bridge.volume(claim, size));
    };
    if volume.bound { Step::Ready } else { Step::Wait(format!("claim {}/{}", bridge.to, volume.meta.name)) }
}

/// What has to be done about a snapshot before anything can be made of it.
fn unready(snapshot: &Snapshot, namespace: &str, now: Timestamp) -> Option<Step> {
    if snapshot.ready {
        return None;
    }
    let name = format!("VolumeSnapshot {namespace}/{}", snapshot.meta.name);
    Some(match &snapshot.error {
        Some((said, at)) if at.is_some_and(|at| now.duration_since(at) > PATIENCE) => {
            Step::GiveUp(reasons::SNAPSHOT_FAILED, format!("{name}: {said}"))
        }
        Some((said, _)) => Step::Wait(format!("{name}: {said}")),
        None => Step::Wait(name),
    })
}

fn larger<'a>(one: &'a str, other: &'a str) -> &'a str {
    let bytes = |text: &str| Quantity(text.to_owned()).milli().map(|milli| milli.0).unwrap_or_default();
    if bytes(one) > bytes(other) { one } else { other }
}

/// What has the name of something of the run, and belongs to somebody else.
fn foreign<'a>(bridge: &Bridge<'a>, seen: &'a Seen) -> Option<(Thing, &'a Meta, &'a str)> {
    objects(bridge, seen).into_iter().find(|(_, meta, _)| meta.run != bridge.uid)
}

/// What is there of what the run makes and in which namespace, what was made last first.
fn objects<'a>(bridge: &Bridge<'a>, seen: &'a Seen) -> Vec<(Thing, &'a Meta, &'a str)> {
    let volume = seen.volume.as_ref().map(|one| (Thing::Claim, &one.meta, bridge.to));
    let copy = seen.copy.as_ref().map(|one| (Thing::Snapshot, &one.meta, bridge.to));
    let content = seen.bridge.as_ref().map(|one| (Thing::Content, &one.meta, ""));
    let taken = seen.taken.as_ref().map(|one| (Thing::Snapshot, &one.meta, bridge.from));
    [volume, copy, content, taken].into_iter().flatten().collect()
}

/// What a run made and what is to go: where the API server has it, and its uid. Nobody else's is in it.
#[must_use]
pub fn left(bridge: &Bridge<'_>, seen: &Seen) -> Vec<(Thing, String, String)> {
    let ours = objects(bridge, seen).into_iter().filter(|(_, meta, _)| meta.run == bridge.uid);
    let place = |thing: Thing, meta: &Meta, namespace: &str| {
        (thing, format!("{}/{}", thing.path(namespace), meta.name), meta.uid.clone())
    };
    ours.map(|(thing, meta, namespace)| place(thing, meta, namespace)).collect()
}

#[cfg(test)]
#[path = "steps_tests.rs"]
mod tests;
