//! Is it text at all, and can one see all of it.

use granit_parser::Span;

use super::super::sink::Sink;
use super::super::text::{is_control, is_hidden, sanitize};
use super::{Limits, over};

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The text of a file without its byte order mark, or a finding that says why
/// it is none.
pub(super) fn text<'a>(bytes: &'a [u8], limits: &Limits, sink: &mut Sink) -> Option<&'a str> {
    if bytes.len() > limits.bytes {
        too_large(bytes.len(), limits, sink);
        return None;
    }
    if let Some(encoding) = utf16(bytes) {
        sink.at(1, 1, format!("the file is encoded as {encoding}"), "save it as UTF-8");
        return None;
    }
    let body = bytes.strip_prefix(BOM).unwrap_or(bytes);
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => {
            invalid(body, error.valid_up_to(), bytes.len() - body.len(), sink);
            return None;
        }
    };
    if let Some(at) = text.find('\0') {
        let (line, column) = end_of(&text[..at]);
        sink.at(line, column, "the file contains a NUL byte, so it is not text", "remove it, or the file");
        return None;
    }
    Some(text)
}

/// Says that a file is beyond the limit.
pub(super) fn too_large(bytes: usize, limits: &Limits, sink: &mut Sink) {
    let message = over(&format!("the file has {bytes} bytes"), "bytes", limits.bytes);
    sink.at(1, 1, message, "split it into several files");
}

fn utf16(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xFF, 0xFE, ..] => Some("UTF-16 (little endian)"),
        [0xFE, 0xFF, ..] => Some("UTF-16 (big endian)"),
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => Some("UTF-16 (little endian)"),
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => Some("UTF-16 (big endian)"),
        _ => None,
    }
}

fn invalid(body: &[u8], at: usize, skipped: usize, sink: &mut Sink) {
    let (line, column) = end_of(&String::from_utf8_lossy(&body[..at]));
    let byte = body.get(at).copied().unwrap_or_default();
    let message = format!("not valid UTF-8: byte 0x{byte:02x} at offset {}", at + skipped);
    sink.at(line, column, message, "save the file as UTF-8");
}

/// Reports every control character, in comments too, where it can make a line
/// look like another one. Gives the lines that hold one; none if there are so
/// many that the file can be no text.
pub(super) fn controls(text: &str, sink: &mut Sink) -> Option<Vec<u32>> {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(Lines(Some(text))) {
        for (column, c) in (1..).zip(line.chars()).filter(|(_, c)| is_control(*c)) {
            if sink.is_full() {
                sink.count();
                return None;
            }
            lines.push(number);
            let message = format!("control character {} changes how the file is shown", name(c));
            sink.at(number, column, message, "remove it");
        }
    }
    Some(lines)
}

/// `U+202E`, the way in which characters are looked up.
pub(super) fn name(c: char) -> String {
    sanitize(&format!("U+{:04X}", u32::from(c)), 10)
}

/// Line and column, from 1, of the character after a text.
pub(super) fn end_of(text: &str) -> (u32, u32) {
    let (mut number, mut last) = (0, "");
    for line in Lines(Some(text)) {
        number += 1;
        last = line;
    }
    (number, u32::try_from(last.chars().count()).unwrap_or(u32::MAX).saturating_add(1))
}

/// Lines as YAML counts them: ended by LF, CR LF or a lone CR. A last line break
/// is followed by an empty line.
struct Lines<'a>(Option<&'a str>);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.0?;
        let Some(at) = text.find(['\n', '\r']) else {
            self.0 = None;
            return Some(text);
        };
        let end = if text[at..].starts_with("\r\n") { at + 2 } else { at + 1 };
        self.0 = Some(&text[end..]);
        Some(&text[..at])
    }
}

/// A line of a file, counted from 1; whatever is no text in it is replaced.
pub(super) fn line(bytes: &[u8], number: u32) -> Option<String> {
    let text = String::from_utf8_lossy(bytes.strip_prefix(BOM).unwrap_or(bytes));
    let index = usize::try_from(number.checked_sub(1)?).ok()?;
    Lines(Some(&text)).nth(index).map(str::to_owned)
}

/// Whether a character of a string does not show.
pub(super) fn is_unseen(c: char) -> bool {
    c == '\r' || is_hidden(c)
}

/// The first character of a string that does not show, with its place.
/// Control characters that stand in the file as such are left to [`controls`].
pub(super) fn hidden(source: &str, value: &str, span: Span) -> Option<((u32, u32), String)> {
    let at_start = super::syntax::mark(span.start);
    let raw = span.byte_range().and_then(|range| Some((range.start, source.get(range)?)));
    value.chars().filter(|c| is_unseen(*c)).find_map(|c| {
        let place = raw.and_then(|(start, raw)| Some(start + raw.find(c)?));
        let mark = match place {
            Some(_) if c == '\r' || is_control(c) => return None,
            Some(at) => end_of(&source[..at]),
            None => at_start,
        };
        Some((mark, format!("hidden character {} in a string", name(c))))
    })
}
