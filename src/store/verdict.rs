//! What a store answers when it is asked about itself, and what that means. Pure.

use jiff::SignedDuration;

use super::error::{Class, StoreError};
use crate::api::conditions::reasons;

/// How far the store's clock may be from ours. S3 refuses signatures from fifteen minutes on.
pub const MOST_SKEW: SignedDuration = SignedDuration::from_mins(5);
/// What the store said to one question.
pub type Answer<T> = Result<T, StoreError>;

/// Who owns the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Nobody says who must.
    NotAsked,
    /// Who must.
    Right,
    /// Somebody else: it can be had, but not when the owner is asked.
    Wrong,
    /// The store gives it to whoever asks for any owner.
    Untold,
}

/// What is said of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Whether anything may go there.
    pub fit: bool,
    /// Reason constant.
    pub reason: &'static str,
    /// For people: what, where, the next step.
    pub message: String,
}

impl Judgement {
    /// Why nothing may go there.
    #[must_use]
    pub fn no(reason: &'static str, message: impl Into<String>) -> Self {
        Self { fit: false, reason, message: message.into() }
    }

    /// The verdict of an error.
    #[must_use]
    pub fn failed(error: &StoreError) -> Self {
        Self::no(reason_of(&error.class), error.to_string())
    }
}

fn reason_of(class: &Class) -> &'static str {
    match class {
        Class::BadCredentials | Class::Expired => reasons::CREDENTIALS_REFUSED,
        Class::Denied => reasons::ACCESS_DENIED,
        Class::NoBucket => reasons::BUCKET_MISSING,
        Class::ClockSkew => reasons::CLOCK_SKEW,
        Class::NotDurable => reasons::NOT_DURABLE,
        _ => reasons::STORE_UNREACHABLE,
    }
}
