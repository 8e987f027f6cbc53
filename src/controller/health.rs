//! What turned is written down: conditions, the health of nodes, who leads.

use jiff::Timestamp;

use crate::{
    api::conditions::Condition,
    observe::world::NodeTurn,
    runtime::lease,
    trail::{
        health::{Transition, transitions},
        record::Object,
    },
};

use super::context::Context;

/// An object says this now, and said that before.
pub(super) fn said(ctx: &Context, object: &Object, before: &[Condition], after: &[Condition]) {
    let unsure = ctx.board().unsure.remove(&key(object));
    let before = unsure.as_deref().unwrap_or(before);
    ctx.trail.turned(transitions(object, before, after, Timestamp::now()));
}

/// Nobody knows whether an object still says that: what turned since is found when it is known again.
pub(super) fn unsure(ctx: &Context, object: &Object, before: &[Condition]) {
    ctx.board().unsure.entry(key(object)).or_insert_with(|| before.to_vec());
}

/// An object is gone.
pub(super) fn gone(ctx: &Context, object: &Object) {
    ctx.board().unsure.remove(&key(object));
}

fn key(object: &Object) -> String {
    format!("{}/{}", object.kind, object.uid)
}

/// A node isn't what it was. Every replica sees it, and the one that leads says it.
pub(super) fn node(ctx: &Context, turn: NodeTurn) {
    if !ctx.proofs.leadership.is_leader() {
        return;
    }
    let object = Object { kind: "Node".to_owned(), name: turn.name, uid: turn.uid };
    let (from, to) = (Some(turn.from), turn.to);
    ctx.trail.turned(vec![one(object, "Ready", from, to, turn.reason)]);
}

/// This replica leads from now on, or no longer.
pub(super) fn leads(ctx: &Context, leads: bool, reason: &str) {
    let object =
        Object { kind: "Lease".to_owned(), name: lease::NAME.to_owned(), uid: ctx.identity.to_string() };
    let word = |leads: bool| Some(if leads { "True" } else { "False" }.to_owned());
    ctx.trail.turned(vec![one(object, "Leading", word(!leads), word(leads), reason.to_owned())]);
}

fn one(object: Object, type_: &str, from: Option<String>, to: Option<String>, reason: String) -> Transition {
    Transition { time: Timestamp::now().to_string(), object, type_: type_.to_owned(), from, to, reason }
}
