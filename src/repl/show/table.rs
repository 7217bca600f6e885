//! Rows with aligned columns.

use crate::floor::hide;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Aligns the columns of rows; lines that are wider than the terminal are cut.
pub(crate) fn table(rows: &[Vec<String>], width: usize) -> String {
    // Before anything is cut: a part of a secret would not be known as one.
    let hidden = |row: &Vec<String>| row.iter().map(|cell| hide(cell).into_owned()).collect::<Vec<_>>();
    let rows: Vec<_> = rows.iter().map(hidden).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.width())));
        let line = cells.collect::<Vec<_>>().join("  ");
        fit(line.trim_end(), width)
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A line cut to so many columns of the terminal, of which some letters take two.
pub(crate) fn fit(line: &str, width: usize) -> String {
    if line.width() <= width {
        return line.to_string();
    }
    let most = width.saturating_sub(3);
    let mut taken = 0;
    let fits = |letter: &char| {
        taken += letter.width().unwrap_or(0);
        taken <= most
    };
    format!("{}...", line.chars().take_while(fits).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_letters_take_two_columns() {
        let rows = [["虚拟机", "on"], ["web", "off"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(table(&rows, 80), "虚拟机  on\nweb     off");
        assert_eq!(table(&rows, 9), "虚拟机...\nweb   ...");
        assert_eq!(fit("虚拟机", 6), "虚拟机");
        assert_eq!(fit("虚拟机", 5), "虚...");
        assert_eq!(fit("e\u{301}tat", 4), "e\u{301}tat");
    }
}
