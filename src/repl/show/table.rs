//! Rows with aligned columns.

/// Aligns the columns of rows; lines that are wider than the terminal are cut.
pub(crate) fn table(rows: &[Vec<String>], width: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        fit(line.trim_end(), width)
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A line cut to a width.
fn fit(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_string();
    }
    let start: String = line.chars().take(width.saturating_sub(3)).collect();
    format!("{start}...")
}
