//! The events in what the API server posts, each as it came. Pure.
//!
//! A body is an `EventList` of audit.k8s.io/v1. A JSON library would give back values; what is kept are the bytes
//! between the commas. So this reads JSON just far enough to know where each item begins and ends, and takes nothing
//! that isn't JSON. Bytes above 127 are anything: they are kept as they are.

use std::ops::Range;

/// Deepest nesting.
const DEEP: usize = 512;

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventsError {
    /// It isn't JSON from here on.
    #[error("byte {0} is no JSON")]
    Syntax(usize),
    /// It is nested too deeply.
    #[error("byte {0} is nested more than {DEEP} deep")]
    Deep(usize),
    /// It is JSON and no list of events.
    #[error("it is no EventList of audit.k8s.io/v1 with items")]
    NoList,
}

/// Where each event of a body lies.
///
/// # Errors
/// It isn't a list of events.
pub fn events(body: &[u8]) -> Result<Vec<Range<usize>>, EventsError> {
    let mut scan = Scan { body, at: 0 };
    let (mut items, mut kind, mut version) = (None, false, false);
    scan.space();
    if scan.peek() != Some(b'{') {
        // Still told apart: is it JSON at all?
        scan.value()?;
        scan.end()?;
        return Err(EventsError::NoList);
    }
    scan.at += 1;
    let mut first = true;
    while scan.more(b'}', &mut first)? {
        let key = scan.key()?;
        scan.space();
        let start = scan.at;
        match key.as_deref() {
            // Should there be two of them, none is left out.
            Some("items") => scan.items(items.get_or_insert_default())?,
            _ => scan.value()?,
        }
        let value = &body[start..scan.at];
        kind |= key.as_deref() == Some("kind") && value == b"\"EventList\"";
        version |= key.as_deref() == Some("apiVersion") && value == b"\"audit.k8s.io/v1\"";
    }
    scan.end()?;
    items.filter(|_| kind && version).ok_or(EventsError::NoList)
}

struct Scan<'a> {
    body: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn wrong<T>(&self) -> Result<T, EventsError> {
        Err(EventsError::Syntax(self.at))
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), EventsError> {
        if self.peek() != Some(byte) {
            return self.wrong();
        }
        self.at += 1;
        Ok(())
    }

    /// Nothing but space follows.
    fn end(&mut self) -> Result<(), EventsError> {
        self.space();
        if self.at == self.body.len() { Ok(()) } else { self.wrong() }
    }

    /// Whether another member follows; goes over the comma, or the end.
    fn more(&mut self, end: u8, first: &mut bool) -> Result<bool, EventsError> {
        self.space();
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(false);
        }
        if !std::mem::take(first) {
            self.take(b',')?;
            self.space();
            if self.peek() == Some(end) {
                return self.wrong();
            }
        }
        Ok(true)
    }

    /// A key and its colon; `None` when it is none that text can be.
    fn key(&mut self) -> Result<Option<String>, EventsError> {
        self.space();
        let start = self.at;
        self.string()?;
        let key = serde_json::from_slice(&self.body[start..self.at]).ok();
        self.space();
        self.take(b':')?;
        Ok(key)
    }

    /// The items: objects in an array, or null.
    fn items(&mut self, items: &mut Vec<Range<usize>>) -> Result<(), EventsError> {
        if self.peek() == Some(b'n') {
            return self.word(b"null");
        }
        if self.peek() != Some(b'[') {
            self.value()?;
            return Err(EventsError::NoList);
        }
        self.at += 1;
        let mut first = true;
        while self.more(b']', &mut first)? {
            let start = self.at;
            self.value()?;
            if self.body[start] != b'{' {
                return Err(EventsError::NoList);
            }
            items.push(start..self.at);
        }
        Ok(())
    }

    /// Any value; without recursion, since nobody knows how deep a stranger's body is.
    fn value(&mut self) -> Result<(), EventsError> {
        let mut ends: Vec<u8> = Vec::new();
        loop {
            self.space();
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    if ends.len() == DEEP {
                        return Err(EventsError::Deep(self.at));
                    }
                    ends.push(if open == b'{' { b'}' } else { b']' });
                    self.at += 1;
                    if self.member(&ends, true)? {
                        continue;
                    }
                    ends.pop();
                }
                Some(b'"') => self.string()?,
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                _ => return self.wrong(),
            }
            // A value has ended: so may those around it.
            while !ends.is_empty() && !self.member(&ends, false)? {
                ends.pop();
            }
            if ends.is_empty() {
                return Ok(());
            }
        }
    }

    /// Goes to the next member of the innermost object or array; whether there is one.
    fn member(&mut self, ends: &[u8], mut first: bool) -> Result<bool, EventsError> {
        let Some(end) = ends.last() else { return Ok(false) };
        let more = self.more(*end, &mut first)?;
        if more && *end == b'}' {
            self.space();
            self.string()?;
            self.space();
            self.take(b':')?;
        }
        Ok(more)
    }

    fn word(&mut self, word: &[u8]) -> Result<(), EventsError> {
        if !self.body[self.at..].starts_with(word) {
            return self.wrong();
        }
        self.at += word.len();
        Ok(())
    }

    fn string(&mut self) -> Result<(), EventsError> {
        self.take(b'"')?;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
                        Some(b'u') => {
                            let hex = self.body.get(self.at + 1..self.at + 5);
                            if !hex.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) {
                                return self.wrong();
                            }
                            self.at += 5;
                        }
                        _ => return self.wrong(),
                    }
                }
                Some(0..=0x1f) | None => return self.wrong(),
                Some(_) => self.at += 1,
            }
        }
    }

    fn number(&mut self) -> Result<(), EventsError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), EventsError> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return self.wrong();
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: &str) -> String {
        format!(r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{{}},"items":{items}}}"#)
    }

    fn found(body: &[u8]) -> Result<Vec<&[u8]>, EventsError> {
        events(body).map(|items| items.into_iter().map(|range| &body[range]).collect())
    }

    #[test]
    fn items_are_verbatim() {
        let body = list(r#" [ {"a" : [1.0, {"]":"}"}]} , {"a":1,"a":"\"\u00e9"}] "#);
        assert_eq!(
            found(body.as_bytes()).unwrap(),
            [r#"{"a" : [1.0, {"]":"}"}]}"#.as_bytes(), r#"{"a":1,"a":"\"\u00e9"}"#.as_bytes()]
        );
        for none in ["[]", "null", " [ ] "] {
            assert_eq!(found(list(none).as_bytes()).unwrap().len(), 0, "{none}");
        }
        // Bytes that are no text are kept.
        let mut body = list(r#"[{"user":"X"}]"#).into_bytes();
        let at = body.iter().position(|byte| *byte == b'X').unwrap();
        body[at] = 0xff;
        assert_eq!(found(&body).unwrap(), [b"{\"user\":\"\xff\"}"]);
        // Of two lists, none is left out.
        let twice = list("[{}]").replace("\"metadata\":{}", r#""\u0069tems":[{"b":2}]"#);
        assert_eq!(found(twice.as_bytes()).unwrap(), [r#"{"b":2}"#.as_bytes(), b"{}"]);
    }

    #[test]
    fn rubbish_is_told_apart() {
        let deep = list(&format!("[{{\"a\":{}1{}}}]", "[".repeat(1000), "]".repeat(1000)));
        assert!(matches!(events(deep.as_bytes()), Err(EventsError::Deep(_))));
        for bad in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "nul",
            "01",
            "\"\x01\"",
            "\"\\x\"",
            "{} {}",
            "1.",
            "-",
            "1e",
            "{a:1}",
        ] {
            assert!(matches!(events(bad.as_bytes()), Err(EventsError::Syntax(_))), "{bad}");
            let inside = list(&format!("[{{\"a\":{bad}}}]"));
            assert!(events(inside.as_bytes()).is_err(), "{inside}");
        }
        for other in ["{}", "[]", "7", r#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1"}"#] {
            assert_eq!(events(other.as_bytes()), Err(EventsError::NoList), "{other}");
        }
        for items in ["[1]", "{}", "\"x\""] {
            assert_eq!(events(list(items).as_bytes()), Err(EventsError::NoList), "{items}");
        }
        let other = list("[]").replace("audit.k8s.io/v1", "audit.k8s.io/v2");
        assert_eq!(events(other.as_bytes()), Err(EventsError::NoList));
    }
}
