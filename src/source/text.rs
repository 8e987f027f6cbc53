//! Text that came from outside, made safe to show: no control or bidi
//! characters, bounded, no secrets.

/// Characters that change how the text around them looks or is read: control
/// characters, bidirectional marks, invisible separators.
pub(super) fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text on one line, deceptive characters written as `\u{…}`, at most `max` characters.
pub(super) fn printable(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    for c in text.trim().chars() {
        let piece = match c {
            '\n' | '\r' | '\t' => " ".to_owned(),
            c if is_deceptive(c) => c.escape_unicode().to_string(),
            c => c.to_string(),
        };
        length += piece.chars().count();
        if length > max {
            out.push('…');
            break;
        }
        out.push_str(&piece);
    }
    out
}

/// The same for bytes that may not be UTF-8: such bytes are written as `\xNN`.
pub(super) fn printable_bytes(bytes: &[u8], max: usize) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    printable(&out, max)
}

/// A URL without `user:password@`, query and fragment, for messages.
pub(super) fn without_userinfo(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let separator = if scheme.is_empty() { "" } else { "://" };
    printable(&format!("{scheme}{separator}{host}{path}"), 300)
}

/// The text with every secret replaced by `***`.
pub(super) fn redact(text: &str, secrets: &[String]) -> String {
    let mut secrets: Vec<&String> = secrets.iter().filter(|secret| !secret.is_empty()).collect();
    // Longest first: a secret may be a part of another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deceptive_characters_are_spelled_out() {
        assert_eq!(printable("a\u{202e}b\u{7}c\nd", 50), "a\\u{202e}b\\u{7}c d");
        assert_eq!(printable_bytes(b"a\xff\xfeb.yaml", 50), "a\\xff\\xfeb.yaml");
        assert_eq!(printable("abcdef", 3), "abc…");
    }

    #[test]
    fn urls_lose_what_may_be_secret() {
        assert_eq!(without_userinfo("https://u:p@h/x?token=1#y"), "https://h/x");
        assert_eq!(without_userinfo("https://u:p@ss@h:8443/x@y"), "https://h:8443/x@y");
        assert_eq!(without_userinfo("git@host:x/y.git"), "host:x/y.git");
    }

    #[test]
    fn secrets_are_redacted_longest_first() {
        let secrets = vec!["canary".to_owned(), "canary-long".to_owned(), String::new()];
        assert_eq!(redact("a canary-long b canary c", &secrets), "a *** b *** c");
    }
}
