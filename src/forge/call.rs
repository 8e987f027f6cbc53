//! One call to a forge's API, as data. Pure.

use std::fmt::Write;

use serde_json::Value;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum Verb {
    Get,
    Post,
    Patch,
    Put,
}

impl Verb {
    /// As HTTP writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Put => "PUT",
        }
    }
}

/// A call, relative to the base of the API.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What is done.
    pub verb: Verb,
    /// Path and query.
    pub path: String,
    /// JSON that is sent.
    pub body: Option<Value>,
}

impl Call {
    /// Reads.
    pub fn get(path: String) -> Self {
        Self { verb: Verb::Get, path, body: None }
    }

    /// Writes.
    pub fn write(verb: Verb, path: String, body: Value) -> Self {
        Self { verb, path, body: Some(body) }
    }
}

/// A call, and how its answer is read; `None` where the answer isn't what the API documents.
#[derive(Clone, Debug)]
pub struct Ask<T> {
    /// The call.
    pub call: Call,
    /// Reads the answer.
    pub read: fn(&Value) -> Option<T>,
}

/// What a forge answered with success.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The JSON; null where there is none.
    pub body: Value,
    /// Whether the list goes on (`Link: …; rel="next"`). The address itself is not used: we count pages ourselves.
    pub more: bool,
}

/// Whether a `Link` header names a next page.
pub fn has_next(link: &str) -> bool {
    link.split(',').any(|one| one.split(';').skip(1).any(|part| part.trim() == "rel=\"next\""))
}

/// A part of a path or query: everything but letters, digits and `-._~` in percent form.
pub fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String can't fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// A text of an answer.
pub fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

/// A number of an answer.
pub fn number(value: &Value, pointer: &str) -> Option<u64> {
    value.pointer(pointer)?.as_u64()
}

/// Every item of a list, or nothing: a list that we understand in part is not understood.
pub fn items<T>(value: &Value, read: fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    value.as_array()?.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_paths_stay_parts() {
        assert_eq!(escape("group/sub/shop.git"), "group%2Fsub%2Fshop.git");
        assert_eq!(escape("a b?c=d&e#f é"), "a%20b%3Fc%3Dd%26e%23f%20%C3%A9");
        assert_eq!(escape("../x"), "..%2Fx");
    }

    #[test]
    fn only_a_next_page_is_one() {
        assert!(has_next("<https://x/?page=2>; rel=\"next\", <https://x/?page=9>; rel=\"last\""));
        assert!(!has_next("<https://x/?page=1>; rel=\"first\", <https://x/next>; rel=\"prev\""));
        assert!(!has_next(""));
    }
}
