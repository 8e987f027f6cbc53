//! Columns, as kubectl prints them. Pure.

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use super::style::{BOLD, paint};

/// Lines of cells under a head, each column as wide as its widest cell. The head and the cells in a
/// style keep their width: colour takes no room.
pub fn table(head: &[&str], rows: &[Vec<(String, Style)>]) -> String {
    let head: Vec<(String, Style)> = head.iter().map(|name| ((*name).to_owned(), BOLD)).collect();
    let lines = || std::iter::once(&head).chain(rows);
    let width = |column: usize| {
        lines().filter_map(|line| line.get(column)).map(|(cell, _)| cell.width()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &Vec<(String, Style)>| {
        let last = cells.len().saturating_sub(1);
        let shown = cells.iter().zip(&widths).enumerate().map(|(index, ((cell, style), width))| {
            let room = if index == last { 0 } else { width - cell.width() + 3 };
            let painted = if cell.is_empty() { String::new() } else { paint(*style, cell) };
            painted + &" ".repeat(room)
        });
        shown.collect::<String>().trim_end().to_owned() + "\n"
    };
    lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_is_in_them() {
        let cell = |text: &str| (text.to_owned(), BOLD);
        let rows = [vec![cell("漢字"), cell("1"), cell("x")], vec![cell("a"), cell("22"), cell("")]];
        let text = anstream::adapter::strip_str(&table(&["NAME", "N", "MESSAGE"], &rows)).to_string();
        assert_eq!(text, "NAME   N    MESSAGE\n漢字   1    x\na      22\n");
    }
}
