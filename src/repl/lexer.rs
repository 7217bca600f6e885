//! Rhai's text cut into pieces, whole or not: while a line is being written, it rarely parses.

use std::ops::Range;

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Comment,
    /// A string or a character; the quotes belong to it.
    Text,
    Number,
    Keyword,
    Name,
    /// `(`, `[`, `{` or `#{`.
    Open,
    Close,
    /// An operator or another sign; `::`, `=>` and the like are one piece.
    Sign,
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) at: usize,
    /// Whether it is a string or comment that the text ends in the middle of.
    pub(super) open: bool,
}

impl Piece<'_> {
    pub(super) fn range(&self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.text == text && self.kind != Kind::Text
    }
}

const KEYWORDS: &[&str] = &[
    "Fn",
    "as",
    "break",
    "catch",
    "const",
    "continue",
    "do",
    "else",
    "export",
    "false",
    "fn",
    "for",
    "global",
    "if",
    "import",
    "in",
    "is_shared",
    "let",
    "loop",
    "private",
    "return",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "until",
    "while",
];

/// Signs of more than one character, the longest first.
const SIGNS: &[&str] = &[
    "..=", "<<=", ">>=", "**=", "===", "!==", "::", "=>", "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "?[", "..",
    "+=", "-=", "*=", "/=", "%=", "<<", ">>", "**", "|=", "&=", "^=", "->", "<-", ":=",
];

/// The keywords of Rhai, sorted.
pub(super) fn keywords() -> &'static [&'static str] {
    KEYWORDS
}

/// The pieces of a text, without white space.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (mut kind, length, open) = piece(&text[at..], first);
        // Behind a dot stands a name, whatever it is: `host.do` is on its way to `host.domain`.
        if kind == Kind::Keyword && found.last().is_some_and(|last: &Piece<'_>| last.is(".") || last.is("?.")) {
            kind = Kind::Name;
        }
        found.push(Piece { kind, text: &text[at..at + length], at, open });
        at += length;
    }
    found
}

fn piece(rest: &str, first: char) -> (Kind, usize, bool) {
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()), false);
    }
    if rest.starts_with("/*") {
        let (length, open) = block_comment(rest);
        return (Kind::Comment, length, open);
    }
    if let Some((length, open)) = string(rest, first) {
        return (Kind::Text, length, open);
    }
    if first.is_ascii_digit() {
        return (Kind::Number, number(rest), false);
    }
    if first.is_alphabetic() || first == '_' {
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let kind = if KEYWORDS.contains(&&rest[..length]) { Kind::Keyword } else { Kind::Name };
        return (kind, length, false);
    }
    match first {
        '#' if rest.starts_with("#{") => (Kind::Open, 2, false),
        '(' | '[' | '{' => (Kind::Open, 1, false),
        ')' | ']' | '}' => (Kind::Close, 1, false),
        _ => {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign)).filter(|sign| **sign != "?[");
            (Kind::Sign, sign.map_or(first.len_utf8(), |sign| sign.len()), false)
        }
    }
}

/// Comments of this kind nest.
fn block_comment(rest: &str) -> (usize, bool) {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return (at, false);
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    (rest.len(), true)
}

/// A number; the second dot of `1..5` and the dot of `1.abs()` do not belong to it.
fn number(rest: &str) -> usize {
    let mut before = ' ';
    let mut letters = rest.char_indices().peekable();
    while let Some((at, c)) = letters.next() {
        let next = letters.peek().map_or(' ', |(_, next)| *next);
        let belongs = match c {
            '.' => next.is_ascii_digit() && !rest[..at].contains('.'),
            '+' | '-' => matches!(before, 'e' | 'E') && !rest.starts_with("0x"),
            _ => c.is_alphanumeric() || c == '_',
        };
        if !belongs {
            return at;
        }
        before = c;
    }
    rest.len()
}

/// The length of the string that the text begins with, if it does, and whether its end is missing.
fn string(rest: &str, first: char) -> Option<(usize, bool)> {
    match first {
        '`' => Some(template(rest)),
        '"' | '\'' => Some(quoted(rest, first)),
        '#' => {
            let hashes = rest.len() - rest.trim_start_matches('#').len();
            rest[hashes..].strip_prefix('"').map(|body| {
                let end = format!("\"{}", &rest[..hashes]);
                body.find(&end).map_or((rest.len(), true), |at| (hashes + 1 + at + end.len(), false))
            })
        }
        _ => None,
    }
}

/// `"..."` ends with the line at the latest, unless the line ends with a backslash.
fn quoted(rest: &str, quote: char) -> (usize, bool) {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' => return (at, true),
            _ if c == quote => return (at + 1, false),
            _ => {}
        }
    }
    (rest.len(), true)
}

/// A string in backticks; expressions in `${...}` may hold strings of their own.
fn template(rest: &str) -> (usize, bool) {
    let mut at = 1;
    while let Some(c) = rest[at..].chars().next() {
        if c == '`' {
            return (at + 1, false);
        }
        if rest[at..].starts_with("${") {
            let mut depth = 0;
            let inner = pieces(&rest[at + 1..]).into_iter().find(|piece| {
                match piece.kind {
                    Kind::Open => depth += 1,
                    Kind::Close => depth -= 1,
                    _ => {}
                }
                depth == 0
            });
            let Some(end) = inner else { return (rest.len(), true) };
            at += 1 + end.range().end;
        } else {
            at += c.len_utf8();
        }
    }
    (rest.len(), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(Kind, &str)> {
        pieces(text).into_iter().map(|piece| (piece.kind, piece.text)).collect()
    }

    #[test]
    fn texts_fall_into_pieces() {
        use Kind::*;
        let line = "let x = #{ a: 1.5, b: `n ${f(\"}\")} m` }; // done";
        let expected = [
            (Keyword, "let"),
            (Name, "x"),
            (Sign, "="),
            (Open, "#{"),
            (Name, "a"),
            (Sign, ":"),
            (Number, "1.5"),
            (Sign, ","),
            (Name, "b"),
            (Sign, ":"),
            (Text, "`n ${f(\"}\")} m`"),
            (Close, "}"),
            (Sign, ";"),
            (Comment, "// done"),
        ];
        assert_eq!(kinds(line), expected);
        assert_eq!(kinds("1..5"), [(Number, "1"), (Sign, ".."), (Number, "5")]);
        assert_eq!(kinds("2.abs()")[0], (Number, "2"));
        assert_eq!(kinds("/* a /* b */ c */ d"), [(Comment, "/* a /* b */ c */"), (Name, "d")]);
        assert_eq!(kinds("##\"a\"#b\"## c"), [(Text, "##\"a\"#b\"##"), (Name, "c")]);
        assert_eq!(kinds("host.do"), [(Name, "host"), (Sign, "."), (Name, "do")]);
        assert_eq!(kinds("a::b?.c"), [(Name, "a"), (Sign, "::"), (Name, "b"), (Sign, "?."), (Name, "c")]);
    }

    #[test]
    fn what_is_not_closed_is_told() {
        for text in ["\"abc", "`a ${f(", "/* a", "#\"a\""] {
            assert_eq!(pieces(text).last().map(|piece| piece.open), Some(true), "{text}");
        }
        assert!(!pieces("`a ${f()}`")[0].open);
        assert_eq!(kinds("\"ä\\\"ö\" x"), [(Kind::Text, "\"ä\\\"ö\""), (Kind::Name, "x")]);
    }
}
