//! Findings and notes, for people, programs and GitHub. Pure.

mod excerpt;

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use crate::{api::finding::Finding, validate::text::sanitize};

use super::style::{BAD, BOLD, DIM, OPEN, paint};
use excerpt::Excerpt;

/// The form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// With the line and a mark below the place
    #[default]
    Human,
    /// An array of objects with severity, file, line, column, field, message and hint
    Json,
    /// Workflow commands, which GitHub shows beside the lines of a pull request
    Github,
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The cluster would not take it.
    Error,
    /// Something that nobody can say here.
    Note,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Note => "note",
        }
    }
}

/// The findings, then the notes, in one of the forms.
pub fn render(
    form: Form,
    findings: &[Finding],
    notes: &[Finding],
    files: &BTreeMap<String, Vec<u8>>,
) -> String {
    let findings = findings.iter().map(|finding| (Severity::Error, finding));
    let all = findings.chain(notes.iter().map(|note| (Severity::Note, note)));
    match form {
        Form::Human => all.map(|(severity, finding)| human(severity, finding, files)).collect(),
        Form::Json => json(all),
        Form::Github => all.map(|(severity, finding)| github(severity, finding)).collect(),
    }
}

fn human(severity: Severity, finding: &Finding, files: &BTreeMap<String, Vec<u8>>) -> String {
    let style = if severity == Severity::Error { BAD } else { OPEN };
    let mut text =
        format!("{}: {}\n", paint(style, severity.word()), paint(BOLD, sanitize(&finding.message, 1024)));
    let excerpt = files.get(&finding.file).and_then(|bytes| Excerpt::of(bytes, finding.line, finding.column));
    let number = finding.line.to_string();
    let (width, gutter) = match excerpt {
        Some(_) => (number.len(), " ".repeat(number.len())),
        None => (1, " ".to_owned()),
    };
    let place = match (finding.line, finding.column) {
        (0, _) => finding.file.clone(),
        (line, 0) => format!("{}:{line}", finding.file),
        (line, column) => format!("{}:{line}:{column}", finding.file),
    };
    let mut line = |words: String| {
        // A string takes whatever is written to it.
        let _ = writeln!(text, "{}", words.trim_end());
    };
    line(format!("{gutter}{} {place}", paint(DIM, "-->")));
    if let Some(excerpt) = excerpt {
        let bar = paint(DIM, "|");
        line(format!("{gutter} {bar}"));
        line(format!("{} {bar} {}", paint(DIM, format!("{number:>width$}")), excerpt.text));
        if let Some((indent, length)) = excerpt.mark {
            line(format!("{gutter} {bar} {}{}", " ".repeat(indent), paint(style, "^".repeat(length))));
        }
    }
    let equals = paint(DIM, "=");
    if let Some(field) = &finding.field {
        line(format!("{gutter} {equals} field: {}", sanitize(field, 512)));
    }
    if let Some(hint) = &finding.hint {
        line(format!("{gutter} {equals} next: {}", sanitize(hint, 512)));
    }
    text.push('\n');
    text
}

/// What `--output json` lists. The names are API; every one is always there.
#[derive(Serialize)]
struct Entry<'a> {
    severity: Severity,
    file: &'a str,
    line: u32,
    column: u32,
    field: Option<&'a str>,
    message: &'a str,
    hint: Option<&'a str>,
}

fn json<'a>(all: impl Iterator<Item = (Severity, &'a Finding)>) -> String {
    let entries: Vec<Entry<'_>> = all
        .map(|(severity, finding)| Entry {
            severity,
            file: &finding.file,
            line: finding.line,
            column: finding.column,
            field: finding.field.as_deref(),
            message: &finding.message,
            hint: finding.hint.as_deref(),
        })
        .collect();
    // Strings and numbers: nothing that JSON can't say.
    serde_json::to_string_pretty(&entries).unwrap_or_default() + "\n"
}

fn github(severity: Severity, finding: &Finding) -> String {
    let command = if severity == Severity::Error { "error" } else { "notice" };
    let mut place = format!("file={}", property(&finding.file));
    for (name, number) in [("line", finding.line), ("col", finding.column)] {
        if number > 0 {
            let _ = write!(place, ",{name}={number}");
        }
    }
    let title = finding.field.as_deref().unwrap_or("tenantry validate");
    let hint = finding.hint.as_ref().map(|hint| format!("\nnext: {hint}")).unwrap_or_default();
    format!(
        "::{command} {place},title={}::{}\n",
        property(title),
        data(&format!("{}{hint}", finding.message))
    )
}

/// Escaped as GitHub's toolkit does it, so that no text of a file becomes a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_a_command() {
        let finding = Finding::of_file("a,b:100%.yaml", "first\n::stop-commands::x\r")
            .at(2, 0)
            .field("spec.a[b,c:d]")
            .hint("50%");
        assert_eq!(
            render(Form::Github, &[finding], &[], &BTreeMap::new()),
            "::error file=a%2Cb%3A100%25.yaml,line=2,title=spec.a[b%2Cc%3Ad]::first%0A::stop-commands::x%0D%0Anext: 50%25\n"
        );
    }

    #[test]
    fn notes_are_no_errors() {
        let note = Finding::of_file("a.yaml", "nobody knows");
        let rendered = |form| render(form, &[], std::slice::from_ref(&note), &BTreeMap::new());
        assert_eq!(rendered(Form::Github), "::notice file=a.yaml,title=tenantry validate::nobody knows\n");
        assert!(rendered(Form::Json).contains("\"severity\": \"note\""));
        assert!(anstream::adapter::strip_str(&rendered(Form::Human)).to_string().starts_with("note: nobody"));
    }
}
