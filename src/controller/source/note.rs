//! Writes down what came of a write: the source loop's side of the change trail.

use std::collections::HashMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

use crate::{
    runtime::call::CallError,
    source,
    trail::record::{Change, Object, Outcome, Person, digest},
};

use super::{super::context::Context, look::Look};

/// Failures that are written down already, by object: the content and the outcome. A write that is tried again
/// and again is one record, not thousands.
pub(super) type Noted = HashMap<String, (String, Outcome)>;

/// What was written.
pub(super) struct Facts<'a> {
    pub(super) kind: &'static str,
    pub(super) name: &'a str,
    pub(super) platform: &'a str,
    pub(super) file: &'a str,
    /// Digest of what the file says.
    pub(super) blob: &'a str,
    /// Whether the file says what it said before.
    pub(super) healed: bool,
}

/// An object before or after.
pub(super) struct State {
    uid: String,
    digest: String,
}

impl State {
    pub(super) fn of(metadata: &ObjectMeta, spec: &impl Serialize) -> Self {
        Self { uid: metadata.uid.clone().unwrap_or_default(), digest: digest(metadata, spec) }
    }
}

/// Writes it down, unless nothing was sent, or the same failure is written down already.
pub(super) async fn note(
    ctx: &Context,
    look: &Look,
    noted: &mut Noted,
    facts: &Facts<'_>,
    before: Option<State>,
    after: Result<State, &CallError>,
) {
    let Some(outcome) = outcome(facts, before.as_ref(), after.as_ref().err().copied()) else { return };
    let key = format!("{}/{}", facts.kind, facts.name);
    if after.is_ok() {
        noted.remove(&key);
    } else {
        let now = (facts.blob.to_owned(), outcome);
        if noted.get(&key) == Some(&now) {
            return;
        }
        noted.insert(key, now);
    }
    let (commit, info) = look.commit(facts.file).unzip();
    let info = info.flatten();
    let after = after.ok();
    let uid = after.as_ref().or(before.as_ref()).map(|state| state.uid.clone()).unwrap_or_default();
    let change = Change {
        time: Timestamp::now().to_string(),
        platform: facts.platform.to_owned(),
        file: facts.file.to_owned(),
        commit: commit.map(|commit| commit.to_string()).unwrap_or_default(),
        author: info.as_ref().map(|info| person(&info.author)).unwrap_or_default(),
        committer: info.as_ref().map(|info| person(&info.committer)).unwrap_or_default(),
        signer: None,
        approvers: look.approvers(facts.file),
        object: Object { kind: facts.kind.to_owned(), name: facts.name.to_owned(), uid },
        before: before.map(|state| state.digest),
        after: after.map(|state| state.digest),
        outcome,
    };
    ctx.trail.record(change).await;
}

/// `None` when nothing was sent.
fn outcome(facts: &Facts<'_>, before: Option<&State>, error: Option<&CallError>) -> Option<Outcome> {
    Some(match error {
        Some(CallError::NotLeader) => return None,
        Some(CallError::Invalid(_) | CallError::Forbidden(_)) => Outcome::Refused,
        Some(error) if error.is_ambiguous() => Outcome::Unknown,
        Some(_) => Outcome::Failed,
        None if before.is_none() => Outcome::Created,
        None if facts.healed => Outcome::Healed,
        None => Outcome::Updated,
    })
}

fn person(person: &source::Person) -> Person {
    Person { name: person.name.clone(), email: person.email.clone(), time: person.time.to_string() }
}
