//! The parser's errors in our words, and its positions in our counting.

use granit_parser::{ErrorKind, Marker, ScanError};

use super::super::sink::Sink;
use super::Limits;
use super::build::Stop;
use super::over;
use super::spans::Mark;

/// Line and column from 1; the parser counts columns from 0.
pub(super) fn mark(marker: Marker) -> Mark {
    let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    (narrow(marker.line().max(1)), narrow(marker.col().saturating_add(1)))
}

/// Reports a document beyond the limit.
pub(super) fn too_many_documents(limits: &Limits, line: u32, sink: &mut Sink) -> Stop {
    let message = over("too many documents in one file", "documents", limits.documents);
    sink.at(line, 1, message, "split it into several files");
    Stop::File
}

/// Reports a syntax error, unless a control character on its line, which was
/// reported already, explains it.
pub(super) fn report(error: &ScanError, limits: &Limits, controls: &[u32], sink: &mut Sink) {
    let (line, column) = mark(*error.marker());
    if controls.contains(&line) {
        return;
    }
    let (message, hint) = match (error.kind(), explain(error.kind())) {
        (ErrorKind::RecursionLimitExceeded, _) => {
            (over("maps and lists are nested too deeply", "depth", limits.depth), "flatten the document")
        }
        (_, Some((message, hint))) => (format!("not valid YAML: {message}"), hint),
        (kind, None) => (format!("not valid YAML: {kind}"), "mend the YAML here, or just above"),
    };
    sink.at(line, column, message, hint);
}

/// The mistakes that people make most, with the next step.
fn explain(kind: &ErrorKind) -> Option<(&'static str, &'static str)> {
    use ErrorKind as E;
    Some(match kind {
        E::TabInIndentation | E::TabInBlockIndentation | E::TabNotAllowed | E::TabInPlainScalar => {
            ("a tab where spaces are expected", "indent with spaces")
        }
        E::MappingValueNotAllowed | E::SimpleKeyExpected | E::InvalidColonPlacement => {
            ("`:` is not expected here", "check the indentation; put a value that contains `: ` in quotes")
        }
        E::ExpectedBlockMappingKey | E::InvalidIndentation => {
            ("a key is expected here", "check the indentation of this line and the one above")
        }
        E::UnknownAnchor | E::MissingAnchorOrAliasName => (
            "an anchor (`&name`) without a name, or an alias (`*name`) without its anchor",
            "put a value that starts with `*` or `&` in quotes",
        ),
        E::UnclosedQuotedScalar | E::DocumentIndicatorInQuotedScalar | E::InvalidQuotedScalarIndent => {
            ("a quote that is not closed before here", "close it, or indent the lines that continue it")
        }
        E::UnclosedFlowCollection { .. } | E::UnexpectedEofFlowSequence | E::UnexpectedEofFlowMapping => {
            ("a bracket that is never closed", "close it; put a value that starts with `[` or `{` in quotes")
        }
        E::UnexpectedCharacter { .. } => {
            ("a character that no plain value may start with", "put the value in quotes")
        }
        E::DirectiveDisallowed => ("directives (`%YAML`, `%TAG`) are not supported", "remove the line"),
        E::BomInsideDocument => ("hidden character U+FEFF (byte order mark)", "remove it"),
        _ => return None,
    })
}
