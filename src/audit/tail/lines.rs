//! Lines in what was read of a file. Pure.

use std::ops::Range;

/// Lines of a piece of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Each without its end; empty ones left out.
    pub records: Vec<Range<usize>>,
    /// Bytes that are done with.
    pub used: usize,
}

/// Whole lines. When the file is `ended`, what follows the last line is one, too.
#[must_use]
pub fn lines(bytes: &[u8], ended: bool) -> Lines {
    let (mut found, mut start) = (Lines::default(), 0);
    while let Some(length) = bytes[start..].iter().position(|byte| *byte == b'\n') {
        if length > 0 {
            found.records.push(start..start + length);
        }
        start += length + 1;
    }
    if ended && start < bytes.len() {
        found.records.push(start..bytes.len());
        start = bytes.len();
    }
    found.used = start;
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_waits_for_its_end() {
        let bytes = b"one\n\n\0\xff two\r\nhal";
        let waiting = lines(bytes, false);
        assert_eq!(waiting.used, bytes.len() - 3);
        let text = |found: &Lines| {
            found.records.iter().map(|range| bytes[range.clone()].to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(text(&waiting), [&b"one"[..], b"\0\xff two\r"]);
        let ended = lines(bytes, true);
        assert_eq!((ended.used, text(&ended).last().unwrap().as_slice()), (bytes.len(), &b"hal"[..]));
        assert_eq!(lines(b"", true), Lines::default());
    }
}
