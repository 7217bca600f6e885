//! Colours in the line.

use super::Repl;
use super::commands;
use super::lexer::{Kind, Piece, pieces};
use std::ops::Range;

const COMMAND: &str = "\x1b[1;36m";
const FUNCTION: &str = "\x1b[34m";
const MATCH: &str = "\x1b[1;7m";
const RESET: &str = "\x1b[0m";

impl Repl {
    /// The line with colours, and with the bracket at the cursor and its partner marked.
    pub fn highlight(&self, line: &str, cursor: usize) -> String {
        if !self.preferences.color {
            return line.to_string();
        }
        let mut marked = String::with_capacity(line.len() * 2);
        let mut at = 0;
        if let Some((command, _)) = commands::parse(line) {
            at = line.len() - line.trim_start().len();
            let length = line[at..].find(char::is_whitespace).unwrap_or(line.len() - at);
            let color = if command.is_some() { COMMAND } else { "" };
            marked = format!("{}{color}{}{RESET}", &line[..at], &line[at..at + length]);
            at += length;
        }
        let begin = at;
        let all = pieces(&line[begin..]);
        let pair = cursor.checked_sub(begin).and_then(|cursor| pair(&all, cursor));
        for (index, piece) in all.iter().enumerate() {
            let range = begin + piece.at..begin + piece.range().end;
            marked.push_str(&line[at..range.start]);
            let color = if pair.as_ref().is_some_and(|pair| pair.contains(&index)) {
                MATCH
            } else {
                color(piece, all.get(index + 1))
            };
            marked.push_str(color);
            marked.push_str(piece.text);
            if !color.is_empty() {
                marked.push_str(RESET);
            }
            at = range.end;
        }
        marked.push_str(&line[at..]);
        marked
    }
}

fn color(piece: &Piece<'_>, next: Option<&Piece<'_>>) -> &'static str {
    match piece.kind {
        Kind::Comment => "\x1b[90m",
        Kind::Text => "\x1b[32m",
        Kind::Number => "\x1b[36m",
        Kind::Keyword => "\x1b[35m",
        Kind::Name if next.is_some_and(|next| next.is("(")) => FUNCTION,
        _ => "",
    }
}

/// The bracket at or before the cursor and its partner.
fn pair(all: &[Piece<'_>], cursor: usize) -> Option<[usize; 2]> {
    let touches = |range: Range<usize>| range.contains(&cursor) || range.end == cursor;
    let here =
        all.iter().rposition(|piece| matches!(piece.kind, Kind::Open | Kind::Close) && touches(piece.range()))?;
    let mut open = Vec::new();
    for (at, piece) in all.iter().enumerate() {
        match piece.kind {
            Kind::Open => open.push(at),
            Kind::Close => {
                let partner = open.pop()?;
                if at == here || partner == here {
                    return Some([partner, at]);
                }
            }
            _ => {}
        }
    }
    None
}
