//! Where in a text the cursor stands: in which call, at which key of which map.

use super::super::lexer::{Kind, Piece};

/// A bracket that is open before the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::repl) enum Frame<'a> {
    /// The arguments of a call: the place of the function's name among the pieces, and how many commas came before.
    Call { name: usize, argument: usize },
    /// A map literal: the key that the cursor stands at the value of, and the entries so far.
    Map { key: Option<&'a str>, entries: Vec<(&'a str, &'a str)> },
    /// A list literal.
    List,
    /// A block, an index, a group.
    Other,
}

/// The brackets that are open at the end of the pieces, outermost first.
pub(in crate::repl) fn frames<'a>(pieces: &[Piece<'a>]) -> Vec<Frame<'a>> {
    let mut stack = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &pieces[before]);
        match piece.kind {
            Kind::Open => stack.push(opened(piece.text, at, before)),
            Kind::Close => drop(stack.pop()),
            Kind::Sign => match (piece.text, stack.last_mut()) {
                (",", Some(Frame::Call { argument, .. })) => *argument += 1,
                (",", Some(Frame::Map { key, .. })) => *key = None,
                (":", Some(Frame::Map { key: key @ None, entries })) => {
                    *key = before.map(|before| bare(before.text));
                    entries.extend(key.map(|key| (key, "")));
                }
                _ => {}
            },
            Kind::Text if before.is_some_and(|before| before.is(":")) => {
                if let Some(Frame::Map { entries, .. }) = stack.last_mut()
                    && let Some((_, value)) = entries.last_mut()
                {
                    *value = bare(piece.text);
                }
            }
            _ => {}
        }
    }
    stack
}

/// The innermost call with the keys that lead from its argument to the cursor.
pub(in crate::repl) fn innermost_call<'a>(frames: &[Frame<'a>]) -> Option<(usize, usize, Vec<&'a str>)> {
    let at = frames.iter().rposition(|frame| matches!(frame, Frame::Call { .. }))?;
    let Frame::Call { name, argument } = frames[at] else { return None };
    let inner = &frames[at + 1..];
    if inner.contains(&Frame::Other) {
        return None;
    }
    let keys = inner.iter().filter_map(|frame| if let Frame::Map { key, .. } = frame { *key } else { None });
    Some((name, argument, keys.collect()))
}

/// A string's text without its quotes.
pub(in crate::repl) fn bare(text: &str) -> &str {
    text.trim_matches(['"', '`'])
}

fn opened<'a>(text: &str, at: usize, before: Option<&Piece<'_>>) -> Frame<'a> {
    let after_value = before.is_some_and(|before| matches!(before.kind, Kind::Name | Kind::Close | Kind::Text));
    match text {
        "(" if before.is_some_and(|before| before.kind == Kind::Name) => Frame::Call { name: at - 1, argument: 0 },
        "#{" => Frame::Map { key: None, entries: Vec::new() },
        "[" if !after_value => Frame::List,
        _ => Frame::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::lexer::pieces;
    use super::*;

    #[test]
    fn open_brackets_are_known_with_their_keys() {
        let text = "host.define_domain(#{ name: \"a\", devices: #{ disks: [ #{}, #{ driver: #{ ";
        let pieces = pieces(text);
        let found = frames(&pieces);
        assert_eq!(innermost_call(&found), Some((2, 0, vec!["devices", "disks", "driver"])));
        assert!(matches!(&found[1], Frame::Map { entries, .. } if entries[0] == ("name", "\"a\"".trim_matches('"'))));
        assert_eq!(found.last(), Some(&Frame::Map { key: None, entries: Vec::new() }));
    }

    #[test]
    fn blocks_and_finished_calls_are_none() {
        let of = |text: &'static str| innermost_call(&frames(&pieces(text)));
        assert_eq!(of("f(1, 2)"), None);
        assert_eq!(of("f(1, g(2), "), Some((0, 2, vec![])));
        assert_eq!(of("f(|x| { "), None);
        assert_eq!(of("x[f("), Some((2, 0, vec![])));
    }
}
