//! What the operator wrote down, as a line: changes, conditions that turned, runs of backups and drills. Pure.

use serde_json::Value;

use super::Hit;
use crate::audit::frame::Record;
use crate::trail::chain::{Entry, Link};
use crate::trail::health::Transition;
use crate::trail::record::Change;

/// The line, and the Tenant that it is about; `None` for what is none of these, and for the begin of a file.
pub(super) fn line(record: &Record<'_>) -> Option<(Hit, String)> {
    let link: Link = serde_json::from_slice(record.bytes).ok()?;
    let mut hit = Hit { seq: record.seq, source: record.source.as_str(), ..Hit::default() };
    let tenant = match link.entry {
        Entry::Change(change) => of_change(&mut hit, &change),
        Entry::Condition(turn) => of_condition(&mut hit, &turn),
        Entry::Run(run) => of_run(&mut hit, &run),
        Entry::Segment(_) => return None,
    };
    Some((hit, tenant))
}

fn of_change(hit: &mut Hit, change: &Change) -> String {
    hit.user.clone_from(&change.author.email);
    "change".clone_into(&mut hit.verb);
    hit.object = format!("{}/{}", change.object.kind, change.object.name);
    hit.said = format!("{}: {} of {}", change.outcome.as_str(), change.file, change.commit);
    tenant(&change.object.kind, &change.object.name)
}

fn of_condition(hit: &mut Hit, turn: &Transition) -> String {
    let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "absent".to_owned());
    "condition".clone_into(&mut hit.verb);
    hit.object = format!("{}/{}", turn.object.kind, turn.object.name);
    hit.said = format!("{}: {} -> {} ({})", turn.type_, word(&turn.from), word(&turn.to), turn.reason);
    tenant(&turn.object.kind, &turn.object.name)
}

fn of_run(hit: &mut Hit, run: &Value) -> String {
    let part = |key: &str| run[key].as_str().unwrap_or_default().to_owned();
    (hit.audit_id, hit.verb, hit.said) = (part("id"), part("kind"), part("reason"));
    let parts = [part("tenant"), part("database")];
    hit.object = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    part("tenant")
}

fn tenant(kind: &str, name: &str) -> String {
    if kind == "Tenant" { name.to_owned() } else { String::new() }
}
