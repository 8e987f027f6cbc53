//! What a pass came to → when the next one is due.

use std::time::Duration;

use crate::{
    api::conditions::reasons,
    apply::Pass,
    runtime::{
        call::{CallError, Class},
        queue::Taken,
    },
    status::tenant::Outcome,
};

/// Wait for something that the cluster clears by itself, such as a namespace that is being deleted.
pub const HELD: Duration = Duration::from_secs(2);
/// Wait for something that a human clears, and that no watch shows.
pub const HELD_LONG: Duration = Duration::from_secs(60);

/// When the next pass is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// When something changes.
    Rest,
    /// After a fixed time.
    After(Duration),
    /// After a backoff.
    Retry,
    /// At once: the cluster moved on while the pass ran.
    Again,
}

impl Next {
    /// The later loop's word for metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Rest => "done",
            Self::After(_) => "waiting",
            Self::Retry => "retry",
            Self::Again => "again",
        }
    }

    /// The sooner of two.
    #[must_use]
    pub fn sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::Rest, next) | (next, Self::Rest) => next,
            (Self::After(one), Self::After(two)) => Self::After(one.min(two)),
            (Self::Again, _) | (_, Self::Again) => Self::Again,
            (Self::Retry, _) | (_, Self::Retry) => Self::Retry,
        }
    }

    /// Tells the queue.
    pub fn settle(self, taken: Taken<String>) {
        match self {
            Self::Rest => taken.done(),
            Self::After(wait) => taken.done_after(wait),
            Self::Again => taken.done_after(Duration::ZERO),
            Self::Retry => taken.retry(),
        }
    }
}

impl From<Class> for Next {
    fn from(class: Class) -> Self {
        match class {
            Class::Rejected => Self::Rest,
            Class::Waiting(wait) => Self::After(wait),
            Class::Transient => Self::Retry,
        }
    }
}

impl From<&CallError> for Next {
    fn from(error: &CallError) -> Self {
        error.class().into()
    }
}

/// How a pass that wrote went, and when the next one is due.
pub fn of_pass(pass: &Pass) -> (Outcome<'_>, Next) {
    if let Some(objects) = &pass.objects {
        let pending = pass.pending.iter().map(ToString::to_string).collect();
        return (Outcome::Applied { objects, pending }, Next::Rest);
    }
    let text: Vec<String> =
        pass.failures.iter().map(|failure| format!("{}: {}", failure.id, failure.problem)).collect();
    let classes: Vec<Class> = pass.failures.iter().map(|failure| failure.problem.class()).collect();
    let next = classes.iter().copied().map(Next::from).min_by_key(|next| match next {
        Next::Again | Next::Retry => 0,
        Next::After(_) => 1,
        Next::Rest => 2,
    });
    let refused = classes.iter().all(|class| matches!(class, Class::Rejected));
    let reason = if refused { reasons::APPLY_REFUSED } else { reasons::APPLY_FAILED };
    (Outcome::Failed { reason, message: text.join("; "), stalled: refused }, next.unwrap_or(Next::Retry))
}
