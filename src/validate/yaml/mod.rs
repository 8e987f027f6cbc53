//! Bytes of a file to JSON values, each with its line and column.
//!
//! One walk over the events of one parser (granit, the one under kube's own
//! serde-saphyr) builds value and positions together, so they cannot disagree.
//! A plain scalar means what it means to kubectl; where YAML readers disagree
//! about it, it is a finding.
//!
//! - [`bytes`]: is it text at all, without hidden characters
//! - [`build`]: events → values and positions, within limits
//! - [`scalar`]: what a plain scalar means, and whether readers disagree
//! - [`spans`]: JSON pointer → line and column
//! - [`syntax`]: the parser's errors in our words

mod build;
mod bytes;
pub mod scalar;
pub mod spans;
mod syntax;

use granit_parser::{Event, Parser};
use serde_json::Value;

use crate::api::finding::Finding;

use super::place::Place;
use super::sink::Sink;
use super::text::code;
use build::{Builder, Stop};
pub use spans::Spans;

/// Bounds on what one file may ask of us. A file beyond one of them is refused
/// with a finding that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes: usize,
    /// Documents that are not empty.
    pub documents: usize,
    /// Nested maps and lists.
    pub depth: usize,
    /// Values in the file, with every alias written out.
    pub nodes: usize,
    /// Uses of aliases (`*name`).
    pub aliases: usize,
    /// Anchors (`&name`).
    pub anchors: usize,
    /// Bytes of one string.
    pub scalar: usize,
    /// Findings kept for one file; the rest is counted.
    pub findings: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 1 << 20,
            documents: 64,
            depth: 32,
            nodes: 20_000,
            aliases: 100,
            anchors: 50,
            scalar: 256 << 10,
            findings: 100,
        }
    }
}

/// One document of a file.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file it came from.
    pub file: String,
    /// Its place among the documents of the file, empty ones included, from 0.
    pub index: usize,
    /// What it says.
    pub value: Value,
    /// Where each value stands.
    pub spans: Spans,
    /// Whether nothing was found against it: only then may it be applied.
    pub valid: bool,
}

impl Document {
    /// Where its values stand, to say what is wrong with them.
    pub fn place(&self) -> Place<'_> {
        Place { file: &self.file, spans: &self.spans }
    }
}

/// What could be read of a file, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The file.
    pub file: String,
    /// The documents that could be read, in order.
    pub documents: Vec<Document>,
    /// Whether every document could be read. If not, a resource that is absent
    /// from `documents` may well be in the file.
    pub complete: bool,
    /// What is wrong; later steps add to it.
    pub(super) sink: Sink,
}

impl Parsed {
    /// What is wrong with the text, in order of position.
    pub fn findings(&self) -> Vec<Finding> {
        self.sink.clone().finish()
    }
}

/// Reads a YAML or JSON file. Never fails: what cannot be read is a finding, and
/// the documents around it are kept.
pub fn parse(file: &str, bytes: &[u8], limits: &Limits) -> Parsed {
    let mut sink = Sink::new(file, limits.findings);
    let mut documents = Vec::new();
    let complete = match bytes::text(bytes, limits, &mut sink) {
        None => false,
        Some(text) => match bytes::controls(text, &mut sink) {
            None => false,
            Some(controls) => read(text, limits, &controls, &mut documents, &mut sink),
        },
    };
    Parsed { file: file.to_owned(), documents, complete, sink }
}

/// What [`parse`] says of a file that was not read because it has too many bytes.
pub fn too_large(file: &str, bytes: usize, limits: &Limits) -> Parsed {
    let mut sink = Sink::new(file, limits.findings);
    bytes::too_large(bytes, limits, &mut sink);
    Parsed { file: file.to_owned(), documents: Vec::new(), complete: false, sink }
}

/// A line of a file as findings count it, from 1. Not harmless to show.
pub fn line(bytes: &[u8], number: u32) -> Option<String> {
    bytes::line(bytes, number)
}

/// Walks the documents of a text; false when some of it could not be read.
fn read(
    text: &str,
    limits: &Limits,
    controls: &[u32],
    documents: &mut Vec<Document>,
    sink: &mut Sink,
) -> bool {
    let mut parser = Parser::new_from_str_with_options(text, options(limits));
    let mut builder = Builder::new(text, limits);
    // Every line belongs to a document: comments to the one that follows them.
    let (mut index, mut broken, mut from) = (0, 0, 1);
    while let Some(next) = parser.next_event() {
        let step = match next {
            Ok((Event::DocumentStart(..), span)) => {
                builder.start(span.start);
                Ok(())
            }
            Ok((Event::DocumentEnd, span)) => {
                let lines = from..=syntax::mark(span.end).0;
                from = *lines.end();
                let clean = !controls.iter().any(|line| lines.contains(line));
                let done = builder.end();
                index += 1;
                match done {
                    Some(_) if documents.len() + broken >= limits.documents => {
                        Err(syntax::too_many_documents(limits, builder.first_line(), sink))
                    }
                    Some((value, spans, valid)) => {
                        let (file, valid) = (sink.file().to_owned(), valid && clean);
                        documents.push(Document { file, index: index - 1, value, spans, valid });
                        Ok(())
                    }
                    None => Ok(()),
                }
            }
            Ok((event, span)) => builder.event(event, span, sink),
            Err(error) => {
                from = syntax::mark(*error.marker()).0;
                let full = documents.len() + broken >= limits.documents;
                Err(unreadable(&error, full, limits, controls, sink))
            }
        };
        if let Err(stop) = step {
            broken += 1;
            index += 1;
            let more = matches!(stop, Stop::Document) && parser.proceed_next_document().unwrap_or(false);
            if !more {
                break;
            }
        }
    }
    broken == 0
}

/// Says what can't be read, unless there are too many documents anyway.
fn unreadable(
    error: &granit_parser::ScanError,
    full: bool,
    limits: &Limits,
    controls: &[u32],
    sink: &mut Sink,
) -> Stop {
    if full {
        return syntax::too_many_documents(limits, syntax::mark(*error.marker()).0, sink);
    }
    syntax::report(error, limits, controls, sink);
    Stop::Document
}

fn options(limits: &Limits) -> granit_parser::Options {
    granit_parser::options! {
        emit_comments: false,
        disallow_directives: true,
        flow_nesting_limit: limits.depth,
        block_nesting_limit: limits.depth,
    }
}

/// How messages name a limit.
fn over(what: &str, name: &str, value: usize) -> String {
    format!("{what}: the limit {} is {value}", code(name))
}

#[cfg(test)]
mod tests;
