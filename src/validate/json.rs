//! A value that is kept, and looked at only when something is wrong or has to be written.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// A JSON value as text: a tree of it takes six to ten times as much, and a thousand files are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(Box<str>);

impl Json {
    /// Keeps a value.
    pub fn new(value: &Value) -> Self {
        Self(value.to_string().into())
    }

    /// The text, with sorted keys: the same value is the same text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The value.
    pub fn value(&self) -> Value {
        // It was written from a value: reading it back can't fail.
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    /// The value as a type.
    ///
    /// # Errors
    /// It doesn't fit.
    pub fn typed<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }
}
