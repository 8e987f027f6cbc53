//! Text from elsewhere, made harmless before a person or a terminal sees it.

/// Whether a character changes how the text around it is shown: C0 and C1
/// controls, line separators, and the bidirectional controls of "Trojan
/// source". Tab, line feed and carriage return are not among them.
pub fn is_control(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => false,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' => true,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        other => other.is_control(),
    }
}

/// Whether a character can hide in a name: [`is_control`], and everything that
/// has no width (joiners, byte order marks, Unicode tags, soft hyphens).
pub fn is_hidden(c: char) -> bool {
    is_control(c)
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{feff}' | '\u{3164}')
        || matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text on one line of at most `max` characters: hidden characters and line
/// breaks are escaped as in Rust (`\u{202e}`, `\n`), the rest is cut with `…`.
pub fn sanitize(text: &str, max: usize) -> String {
    let mut out = String::new();
    let (mut used, mut cut) = (0, 0);
    for c in text.chars() {
        let before = out.len();
        if is_hidden(c) || matches!(c, '\t' | '\n' | '\r') {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        used += out[before..].chars().count();
        if used > max {
            out.truncate(cut);
            if max > 0 {
                out.push('…');
            }
            return out;
        }
        if used < max {
            cut = out.len();
        }
    }
    out
}

/// The text in double quotes, harmless and short: how messages cite values.
pub fn quote(text: &str) -> String {
    format!("\"{}\"", sanitize(&mask(text), 80))
}

/// The text with stars for the user and password of every URL in it: someone put them where they don't
/// belong, and messages end up in logs and statuses. As many stars as characters, so that columns stay.
pub fn mask(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(start) = rest.find("://").map(|at| at + 3) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\''));
        if let Some(at) = rest[..end.unwrap_or(rest.len())].rfind('@') {
            out.extend(rest[..at].chars().map(|_| '*'));
            rest = &rest[at..];
        }
    }
    out + rest
}

/// The text in backticks, harmless and short: how messages cite names.
pub fn code(text: &str) -> String {
    format!("`{}`", sanitize(text, 80))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hidden_characters_are_escaped() {
        for (raw, shown) in [
            ("plain é 漢 😀", "plain é 漢 😀"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
            ("bell\u{7} esc\u{1b}[31m", "bell\\u{7} esc\\u{1b}[31m"),
            ("two\nlines\tand\r", "two\\nlines\\tand\\r"),
            ("c1 \u{9b}", "c1 \\u{9b}"),
        ] {
            assert_eq!(sanitize(raw, 200), shown);
        }
    }

    #[test]
    fn long_text_is_cut_on_a_character() {
        assert_eq!(sanitize("äöü", 3), "äöü");
        assert_eq!(sanitize("äöüß", 3), "äö…");
        assert_eq!(sanitize("a\u{202e}", 4), "a…");
        assert_eq!(sanitize("abc", 0), "");
    }

    #[test]
    fn credentials_in_urls_are_masked() {
        for (raw, shown) in [
            ("url: https://me:pa@ss@git/x y", "url: https://********@git/x y"),
            ("https://git/x@y http://é@h", "https://git/x@y http://*@h"),
            ("a://b://c@d@e", "a://b://***@e"),
            ("me@example.com", "me@example.com"),
        ] {
            assert_eq!(mask(raw), shown);
        }
        assert_eq!(quote("https://token@git"), "\"https://*****@git\"");
    }

    proptest! {
        #[test]
        fn sanitized_text_is_short_harmless_and_stable(raw in any::<String>(), max in 0usize..60) {
            let shown = sanitize(&raw, max);
            prop_assert!(shown.chars().count() <= max);
            prop_assert!(!shown.chars().any(|c| is_hidden(c) || c == '\n' || c == '\r' || c == '\t'));
            prop_assert_eq!(&sanitize(&shown, max), &shown);
        }
    }
}
