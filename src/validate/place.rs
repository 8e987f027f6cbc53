//! Where a value came from: how a JSON pointer becomes a finding.

use crate::api::finding::Finding;

use super::yaml::spans::{Spans, dotted};

/// A value's origin: its file and where each of its parts stands in it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The file, or another name for the origin.
    pub file: &'a str,
    /// The positions; empty ones for a value that came from no file.
    pub spans: &'a Spans,
}

impl Place<'_> {
    /// A finding about the value at a JSON pointer.
    pub fn value(&self, pointer: &str, message: impl Into<String>) -> Finding {
        self.located(pointer, self.spans.locate(pointer), message)
    }

    /// A finding about the key of a map entry: one that should not be there, or
    /// one whose map lacks something.
    pub fn key(&self, pointer: &str, message: impl Into<String>) -> Finding {
        self.located(pointer, self.spans.locate_key(pointer), message)
    }

    fn located(&self, pointer: &str, (line, column): (u32, u32), message: impl Into<String>) -> Finding {
        let finding = Finding::of_file(self.file, message).at(line, column);
        match dotted(pointer) {
            path if path.is_empty() => finding,
            path => finding.field(path),
        }
    }
}
