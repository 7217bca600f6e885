//! Files of data that cannot be read: their parser's words as words of the file.

use super::error::{Error, Finding};
use super::place::{DataFile, Place};
use std::sync::Arc;

/// The error of a file that is no document of its kind (`YAML`): what its parser said, and of which line and column.
pub fn unreadable(file: &Arc<DataFile>, kind: &str, words: &str, at: Option<(u64, u64)>) -> Error {
    // The parser's words begin and end with the place, which is shown by itself.
    if let Some((line, column)) = tab(&file.text).filter(|_| words.contains("tab")) {
        let message = format!("`{}` is not {kind}: a tab indents this line", file.name);
        let hint = Some("indent with spaces".to_string());
        return Error::definition(
            &file.name,
            vec![Finding { message, hint, place: Some(place(file, line, column)), ..Finding::default() }],
        );
    }
    let words = words.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let (words, place) = match at {
        Some((line, column)) => {
            let words = words.trim_start_matches(&format!("line {line} column {column}: "));
            let words = words.trim_end_matches(&format!(" at line {line} column {column}"));
            (words, Some(place(file, line, column)))
        }
        None => (words, None),
    };
    let twice = words.strip_prefix("duplicate mapping key: ").and_then(|rest| rest.split(", set ").next());
    let meant = SAID.iter().find(|(part, _)| words.starts_with(part)).map_or(words, |(_, meant)| meant);
    let words = twice.map_or_else(|| meant.to_string(), |key| format!("`{key}` is there twice"));
    let message = format!("`{}` is not {kind}: {words}", file.name);
    let hint = HINTS.iter().find(|(part, _)| words.contains(part)).map(|(_, hint)| (*hint).to_string());
    Error::definition(&file.name, vec![Finding { message, hint, place, ..Finding::default() }])
}

/// How the parser's words begin that tell of itself, and what they say of the file.
const SAID: &[(&str, &str)] = &[
    ("budget breached", "it is too large or too deep, with all that its anchors (`*name`) stand for"),
    ("recursive references", "an anchor (`&name`) holds itself (`*name`)"),
];

/// What the parser's words mean most of the time.
const HINTS: &[(&str, &str)] = &[
    ("expected ':'", "a field is written `name: value`"),
    (
        "mapping values are not allowed",
        "this line or the one above may be indented wrongly, or a text with `: ` in it needs quotes",
    ),
    ("quoted scalar", "a quote may not be closed"),
    ("expected ',' or ']'", "a word within `[...]` that holds `{`, `}`, `[`, `]` or `,` needs quotes"),
];

/// Where the first line is that is indented with a tab.
fn tab(text: &str) -> Option<(u64, u64)> {
    text.lines().zip(1..).find_map(|(line, number)| {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        let at = line[..indent].find('\t')?;
        Some((number, at as u64 + 1))
    })
}

fn place(file: &Arc<DataFile>, line: u64, column: u64) -> Place {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Place { file: Arc::clone(file), line: number(line), column: number(column) }
}
