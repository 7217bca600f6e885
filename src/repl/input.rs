//! Whether a text is a whole line or goes on.

use super::lexer::{Kind, pieces};

/// Signs after which something must follow.
const GOES_ON: &[&str] = &[
    "!", "!=", "%", "%=", "&", "&&", "&=", "*", "*=", "+", "+=", ",", "-", "-=", ".", "..", "..=", "/", "/=", ":",
    "::", "<", "<=", "=", "==", "=>", ">", ">=", "?.", "??", "^", "||", "|=",
];

/// Whether more must follow: a bracket, a string in backticks or a comment is open, or the text ends with an operator.
pub(super) fn goes_on(text: &str) -> bool {
    let pieces = pieces(text);
    let mut open: i32 = 0;
    for piece in &pieces {
        match piece.kind {
            Kind::Open => open += 1,
            Kind::Close => open -= 1,
            _ => {}
        }
        // One too many is a mistake that the parser tells.
        if open < 0 {
            return false;
        }
    }
    // The docs of a function to come.
    if pieces.last().is_some_and(|last| last.text.starts_with("///") && !last.text.starts_with("////")) {
        return true;
    }
    let Some(last) = pieces.iter().rev().find(|piece| piece.kind != Kind::Comment || piece.open) else { return false };
    match last.kind {
        Kind::Comment => true,
        // `"...` ends with its line: the parser tells. A backslash at the end takes the line break into the string.
        Kind::Text if last.open => {
            !last.text.starts_with(['"', '\'']) || last.text.ends_with("\\\n") || last.text.ends_with('\\')
        }
        Kind::Sign => open > 0 || GOES_ON.contains(&last.text),
        _ => open > 0,
    }
}

/// Whether the text ends with a semicolon.
pub(super) fn is_quiet(text: &str) -> bool {
    pieces(text).iter().rev().find(|piece| piece.kind != Kind::Comment).is_some_and(|last| last.is(";"))
}

#[cfg(test)]
mod tests {
    use super::goes_on;

    #[test]
    fn brackets_strings_comments_and_operators_go_on() {
        for text in [
            "f(",
            "#{ a: 1,",
            "[1,\n2",
            "let x =",
            "`a\nb",
            "/* x",
            "a &&",
            "vm.",
            "\"a \\",
            "if x { // }",
            "/// Docs.",
        ] {
            assert!(goes_on(text), "{text}");
        }
        for text in ["", "f()", "let x = 1", "x }", "\"abc", "// (", "`${ \"{\" }`", "1 + 2 // +", "x;", "|x| x"] {
            assert!(!goes_on(text), "{text}");
        }
    }
}
