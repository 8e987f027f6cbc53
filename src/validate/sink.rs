//! Where findings about one file gather: bounded in number and length, in the
//! order of the file.

use std::collections::BTreeSet;

use crate::api::finding::Finding;

use super::text::sanitize;

const MESSAGE: usize = 1024;
const FIELD: usize = 512;

/// A bounded list of findings about one file.
#[derive(Clone, Debug)]
pub struct Sink {
    file: String,
    max: usize,
    findings: Vec<Finding>,
    more: usize,
}

impl Sink {
    /// An empty list that keeps `max` findings and counts the rest.
    pub fn new(file: &str, max: usize) -> Self {
        Self { file: file.to_owned(), max, findings: Vec::new(), more: 0 }
    }

    /// The file that the findings are about.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The lines and columns of which something is said already.
    pub fn positions(&self) -> BTreeSet<(u32, u32)> {
        self.findings.iter().map(|finding| (finding.line, finding.column)).collect()
    }

    /// Whether further findings are only counted: then a message need not be worked out.
    pub fn is_full(&self) -> bool {
        self.findings.len() >= self.max
    }

    /// Counts a finding that is not worked out.
    pub fn count(&mut self) {
        self.more += 1;
    }

    /// Adds a finding, with every text made short and harmless.
    pub fn push(&mut self, finding: Finding) {
        if self.is_full() {
            return self.count();
        }
        self.findings.push(Finding {
            file: sanitize(&finding.file, FIELD),
            message: sanitize(&finding.message, MESSAGE),
            field: finding.field.map(|field| sanitize(&field, FIELD)),
            hint: finding.hint.map(|hint| sanitize(&hint, FIELD)),
            ..finding
        });
    }

    /// Adds a finding at a position of this file.
    pub fn at(&mut self, line: u32, column: u32, message: impl Into<String>, hint: impl Into<String>) {
        let finding = Finding::of_file(&self.file, message).at(line, column).hint(hint);
        self.push(finding);
    }

    /// The findings by position, with a last one that counts what was left out.
    pub fn finish(mut self) -> Vec<Finding> {
        self.findings.sort_by_key(|finding| (finding.line, finding.column));
        if self.more > 0 {
            let message = format!("{} more findings in this file are not shown", self.more);
            self.findings.push(
                Finding::of_file(sanitize(&self.file, FIELD), message)
                    .hint("mend the ones above first, then validate again"),
            );
        }
        self.findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_bounded_number_in_the_order_of_the_file() {
        let mut sink = Sink::new("a.yaml", 2);
        for line in [9, 3, 5] {
            sink.at(line, 1, format!("line {line}"), "mend it");
        }
        let shown: Vec<String> = sink.finish().iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "a.yaml:3:1: line 3",
                "a.yaml:9:1: line 9",
                "a.yaml: 1 more findings in this file are not shown"
            ]
        );
    }

    #[test]
    fn every_text_is_made_harmless() {
        let mut sink = Sink::new("evil\u{202e}.yaml", 5);
        sink.push(Finding::of_file("evil\u{202e}.yaml", "a\nb").field("x\u{7}").hint("\u{200b}"));
        let finding = &sink.finish()[0];
        assert_eq!(finding.file, "evil\\u{202e}.yaml");
        assert_eq!(finding.message, "a\\nb");
        assert_eq!(finding.field.as_deref(), Some("x\\u{7}"));
        assert_eq!(finding.hint.as_deref(), Some("\\u{200b}"));
    }
}
