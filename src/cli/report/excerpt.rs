//! One line of a file, harmless to show, and where the mark below it goes. Pure.

use unicode_width::UnicodeWidthChar;

use crate::validate::{
    text::{is_hidden, mask},
    yaml,
};

/// Columns that are shown of a line.
const WIDTH: usize = 120;
/// Columns before the mark when a line is longer than that.
const LEAD: usize = 40;
/// Longest mark.
const LONGEST: usize = 60;

/// A line to show.
#[derive(Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, or a part of it.
    pub text: String,
    /// Columns before the mark, and its length.
    pub mark: Option<(usize, usize)>,
}

/// A character as it is shown, and how wide that is.
struct Cell {
    shown: String,
    width: usize,
    plain: char,
}

impl Excerpt {
    /// The excerpt for a position counted from 1; none for a file as a whole, or for what is no text.
    pub fn of(bytes: &[u8], line: u32, column: u32) -> Option<Self> {
        let text = yaml::line(bytes, line).filter(|text| !text.contains('\0'))?;
        let cells: Vec<Cell> = mask(&text).chars().map(cell).collect();
        let at = usize::try_from(column).ok()?.checked_sub(1).filter(|at| *at <= cells.len());
        let start = match at {
            Some(at) if width(&cells) > WIDTH && width(&cells[..at]) > WIDTH - LONGEST => {
                (0..at).rev().find(|from| width(&cells[*from..at]) >= LEAD).unwrap_or(0)
            }
            _ => 0,
        };
        let mut end = start;
        while end < cells.len() && width(&cells[start..=end]) <= WIDTH {
            end += 1;
        }
        let lead = if start > 0 { "…" } else { "" };
        let tail = if end < cells.len() { "…" } else { "" };
        let shown: String = cells[start..end].iter().map(|cell| cell.shown.as_str()).collect();
        let mark = at.map(|at| {
            let length = width(&cells[at..token_end(&cells, at).min(end).max(at)]);
            (usize::from(start > 0) + width(&cells[start..at]), length.clamp(1, LONGEST))
        });
        Some(Self { text: format!("{lead}{shown}{tail}"), mark })
    }
}

fn cell(plain: char) -> Cell {
    let shown = match plain {
        '\t' => "    ".to_owned(),
        c if is_hidden(c) || c == '\r' => c.escape_default().to_string(),
        c => c.to_string(),
    };
    let width = shown.chars().map(|c| c.width().unwrap_or(0)).sum();
    Cell { shown, width, plain }
}

fn width(cells: &[Cell]) -> usize {
    cells.iter().map(|cell| cell.width).sum()
}

/// Where the word at a place ends: a quoted text with its quotes, else up to what ends a plain one.
fn token_end(cells: &[Cell], at: usize) -> usize {
    let Some(first) = cells.get(at).map(|cell| cell.plain) else { return at };
    let after = |from: usize, ends: &dyn Fn(usize) -> bool| (from..cells.len()).find(|index| ends(*index));
    if matches!(first, '"' | '\'') {
        return after(at + 1, &|index| cells[index].plain == first).map_or(cells.len(), |end| end + 1);
    }
    if is_hidden(first) {
        return at + 1;
    }
    let plain = |index: usize| match cells[index].plain {
        ',' | ']' | '}' => true,
        ':' => cells.get(index + 1).is_none_or(|next| next.plain.is_whitespace()),
        c => c.is_whitespace(),
    };
    after(at + 1, &plain).unwrap_or(cells.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a panic is a failed test

    use proptest::prelude::*;

    use super::*;

    fn excerpt(line: &str, column: u32) -> (String, usize, usize) {
        let Excerpt { text, mark } =
            Excerpt::of(format!("first\n{line}\nlast").as_bytes(), 2, column).unwrap();
        let (indent, length) = mark.unwrap();
        (text, indent, length)
    }

    #[test]
    fn the_mark_covers_a_word() {
        assert_eq!(excerpt("  imge: x", 3), ("  imge: x".into(), 2, 4));
        assert_eq!(excerpt("a: {b: \"c d\", e: 1}", 8), ("a: {b: \"c d\", e: 1}".into(), 7, 5));
        assert_eq!(excerpt("image: a:1 # x", 8), ("image: a:1 # x".into(), 7, 3));
        assert_eq!(excerpt("a:", 3), ("a:".into(), 2, 1));
    }

    #[test]
    fn columns_are_those_of_the_screen() {
        assert_eq!(excerpt("漢字: x", 5), ("漢字: x".into(), 6, 1));
        assert_eq!(excerpt("\tx: 1", 2), ("    x: 1".into(), 4, 1));
        assert_eq!(excerpt("a\u{202e}b\u{1b}[31m", 3), ("a\\u{202e}b\\u{1b}[31m".into(), 9, 11));
    }

    #[test]
    fn a_long_line_is_cut_around_the_mark() {
        let (text, indent, length) = excerpt(&format!("{} here {}", "x".repeat(500), "y".repeat(500)), 502);
        assert_eq!(text.chars().skip(indent).take(length).collect::<String>(), "here");
        assert!(text.starts_with('…') && text.ends_with('…') && text.chars().count() < 130);
    }

    #[test]
    fn what_is_no_line_has_no_excerpt() {
        assert_eq!(Excerpt::of(b"a", 0, 0), None);
        assert_eq!(Excerpt::of(b"a", 9, 1), None);
        assert_eq!(Excerpt::of(b"a\0b", 1, 1), None);
    }

    proptest! {
        #[test]
        fn any_place_in_any_line_can_be_shown(line in "[^\n\r\0]{0,300}", column in 0u32..400) {
            let excerpt = Excerpt::of(line.as_bytes(), 1, column).unwrap();
            prop_assert!(!excerpt.text.chars().any(is_hidden));
            prop_assert!(excerpt.mark.is_none_or(|(indent, length)| indent <= 130 && length <= 60));
        }
    }
}
