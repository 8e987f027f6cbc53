//! How a condition is kept: its time changes when its status does.

use jiff::Timestamp;

use crate::api::conditions::{Condition, ConditionStatus, ConditionType, reasons};

/// Longest message, in bytes.
const LONGEST: usize = 2048;

/// What a condition should say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// Reason constant.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

impl Verdict {
    /// It holds.
    pub fn yes(reason: &'static str, message: impl Into<String>) -> Self {
        Self { status: ConditionStatus::True, reason, message: message.into() }
    }

    /// It doesn't.
    pub fn no(reason: &'static str, message: impl Into<String>) -> Self {
        Self { status: ConditionStatus::False, reason, message: message.into() }
    }

    /// Nobody knows.
    pub fn unknown(reason: &'static str, message: impl Into<String>) -> Self {
        Self { status: ConditionStatus::Unknown, reason, message: message.into() }
    }
}

/// The conditions of one object, old and new.
#[derive(Debug)]
pub struct Conditions<'a> {
    previous: &'a [Condition],
    generation: i64,
    now: Timestamp,
    list: Vec<Condition>,
}

impl<'a> Conditions<'a> {
    /// Starts with nothing: a condition that isn't set again is gone.
    pub fn new(previous: &'a [Condition], generation: i64, now: Timestamp) -> Self {
        Self { previous, generation, now, list: Vec::new() }
    }

    /// Sets a condition; its transition time stays when its status does.
    pub fn set(&mut self, type_: ConditionType, verdict: Verdict) {
        let before = self.previous.iter().find(|one| one.type_ == type_.as_str());
        let time =
            before.filter(|one| one.status == verdict.status).map(|one| one.last_transition_time.clone());
        self.list.push(Condition {
            type_: type_.as_str().to_owned(),
            status: verdict.status,
            observed_generation: self.generation,
            last_transition_time: time.unwrap_or_else(|| whole_second(self.now)),
            reason: verdict.reason.to_owned(),
            message: shorten(verdict.message),
        });
    }

    /// Sets a condition that is only there while it holds (kstatus' abnormal-true).
    pub fn set_if(
        &mut self,
        holds: bool,
        type_: ConditionType,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        if holds {
            self.set(type_, Verdict::yes(reason, message));
        }
    }

    /// Leaves a condition as it was. What a watchdog said is not left: there is an operator again.
    pub fn keep(&mut self, type_: ConditionType) {
        match self.previous.iter().find(|one| one.type_ == type_.as_str()) {
            Some(before) if before.reason == reasons::OPERATOR_NOT_RUNNING => {
                let message = "nothing was looked at yet since the operator is back";
                self.set(type_, Verdict::unknown(reasons::INPUT_UNREADABLE, message));
            }
            before => self.list.extend(before.cloned()),
        }
    }

    /// What a condition says now.
    pub fn status(&self, type_: ConditionType) -> Option<ConditionStatus> {
        self.list.iter().find(|one| one.type_ == type_.as_str()).map(|one| one.status)
    }

    /// The conditions, by type.
    pub fn finish(mut self) -> Vec<Condition> {
        self.list.sort_by(|a, b| a.type_.cmp(&b.type_));
        self.list
    }
}

pub(super) fn whole_second(now: Timestamp) -> String {
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

pub(super) fn shorten(mut message: String) -> String {
    if message.len() > LONGEST {
        let cut = (0..=LONGEST).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
        message.truncate(cut);
        message.push('…');
    }
    message
}
