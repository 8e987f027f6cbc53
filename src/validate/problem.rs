//! What a semantic check finds, before it is tied to a file or an object.

use crate::api::{conditions::reasons, finding::Finding};

use super::{text::sanitize, yaml::spans::dotted};

/// Longest texts, in characters: they end up in conditions and on terminals.
const MESSAGE: usize = 1024;
const HINT: usize = 512;
const FIELD: usize = 512;

/// Something wrong with a Tenant or Platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer of the field (`/spec/services/0/image`); empty for the whole object.
    pub pointer: String,
    /// Reason constant for the condition.
    pub reason: &'static str,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// The next step.
    pub hint: Option<String>,
}

impl Problem {
    /// The spec is wrong at `pointer`.
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        let message = sanitize(&message.into(), MESSAGE);
        Self { pointer: pointer.into(), reason: reasons::INVALID_SPEC, message, hint: None }
    }

    /// The same problem with another reason than `InvalidSpec`.
    #[must_use]
    pub fn reason(mut self, reason: &'static str) -> Self {
        self.reason = reason;
        self
    }

    /// The same problem with a next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(sanitize(&hint.into(), HINT));
        self
    }

    /// The field as people write it: `spec.services[0].image`.
    pub fn field(&self) -> String {
        sanitize(&dotted(&self.pointer), FIELD)
    }

    /// The problem at a place in a file.
    pub fn at(&self, file: &str, (line, column): (u32, u32)) -> Finding {
        let mut finding = Finding::of_file(file, &self.message).at(line, column);
        finding.field = Some(self.field()).filter(|field| !field.is_empty());
        finding.hint.clone_from(&self.hint);
        finding
    }
}

impl std::fmt::Display for Problem {
    /// `field: message; next step`, as a condition's message says it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let field = self.field();
        if !field.is_empty() {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// A JSON pointer below another: `at("/spec/services", 2)` is `/spec/services/2`.
pub fn at(base: &str, part: impl std::fmt::Display) -> String {
    let part = part.to_string().replace('~', "~0").replace('/', "~1");
    format!("{base}/{part}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_reads_as_a_field() {
        let problem = Problem::new(at("/metadata/annotations", "a.b/c"), "is wrong");
        assert_eq!(problem.field(), "metadata.annotations[a.b/c]");
        assert_eq!(
            Problem::new("/spec/services/0/image", "x").hint("y").to_string(),
            "spec.services[0].image: x; y"
        );
    }

    #[test]
    fn a_finding_fits_into_a_status() {
        let problem = Problem::new(at("/spec/quota/hard", "requests.cpu"), "a\u{202e}".repeat(2000))
            .hint("registry.example.com ".repeat(100));
        let finding = problem.at("a.yaml", (3, 4));
        assert_eq!(finding.field.as_deref(), Some("spec.quota.hard[requests.cpu]"));
        assert!(finding.message.chars().count() <= 1024 && !finding.message.contains('\u{202e}'));
        assert!(finding.hint.is_some_and(|hint| hint.chars().count() <= 512));
    }
}
