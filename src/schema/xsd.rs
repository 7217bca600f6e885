//! The XML Schema datatypes and regular expressions that libvirt's schemas use.

use regex_lite::Regex;
use std::borrow::Cow;

/// A text as a token: without blanks around it, and one between words.
pub(crate) fn token(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    let plain = !text.bytes().any(|byte| byte.is_ascii_whitespace() && byte != b' ') && !text.contains("  ");
    if plain { Cow::Borrowed(text) } else { text.split_whitespace().collect::<Vec<_>>().join(" ").into() }
}

/// Whether a datatype holds whole numbers.
pub(crate) fn is_whole(base: &str) -> bool {
    range(base).is_some()
}

/// The numbers a whole datatype holds.
fn range(base: &str) -> Option<(i128, i128)> {
    Some(match base {
        "int" => (i32::MIN.into(), i32::MAX.into()),
        "integer" => (i128::MIN, i128::MAX),
        "long" => (i64::MIN.into(), i64::MAX.into()),
        "positiveInteger" => (1, i128::MAX),
        "short" => (i16::MIN.into(), i16::MAX.into()),
        "unsignedInt" => (0, u32::MAX.into()),
        "unsignedLong" => (0, u64::MAX.into()),
        "unsignedShort" => (0, u16::MAX.into()),
        _ => return None,
    })
}

/// Whether a text is of a datatype and within bounds; what is not known here is not refused.
pub(crate) fn accepts(base: &str, text: &str, min: Option<i128>, max: Option<i128>) -> bool {
    let text = text.trim();
    if let Some((low, high)) = range(base) {
        return text
            .parse::<i128>()
            .is_ok_and(|number| number >= min.unwrap_or(low).max(low) && number <= max.unwrap_or(high).min(high));
    }
    match base {
        "NCName" => crate::schema::xml::is_name(text),
        #[allow(clippy::cast_precision_loss, reason = "bounds of doubles are small")]
        "double" => text.parse::<f64>().is_ok_and(|number| {
            min.is_none_or(|min| number >= min as f64) && max.is_none_or(|max| number <= max as f64)
        }),
        _ => true,
    }
}

/// The same expression for the `regex-lite` crate, or none if it has no such expression.
///
/// In XSD an expression is anchored, `^` and `$` are ordinary characters, and so are `[`, `&` and `~` in a class.
pub(crate) fn regex(source: &str) -> Option<Regex> {
    let mut out = String::from("^(?:");
    let mut in_class = false;
    let mut at_start = false;
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        let first = std::mem::take(&mut at_start);
        match c {
            '\\' => {
                out.push('\\');
                out.extend(chars.next());
            }
            '[' if !in_class => {
                in_class = true;
                at_start = true;
                out.push('[');
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '^' if in_class && first => out.push('^'),
            '^' | '$' => out.extend(['\\', c]),
            '[' | '&' | '~' if in_class => out.extend(['\\', c]),
            '.' if !in_class => out.push_str("[^\\n\\r]"),
            other => out.push(other),
        }
    }
    out.push_str(")$");
    Regex::new(&out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_anchored_and_read_as_xsd_does() {
        let matches = |source: &str, text: &str| regex(source).is_some_and(|regex| regex.is_match(text));
        assert!(matches("a|bc", "bc"));
        assert!(!matches("a|bc", "abc"));
        assert!(matches("[$][a-z]+", "$abc"));
        assert!(matches("$x", "$x"));
        assert!(matches("[^a]", "^"));
        assert!(matches("[&&x]", "&"));
        assert!(matches(r"[\-_]{2}", "-_"));
        assert!(!matches("a.c", "a\nc"));
        assert!(regex("(").is_none());
    }

    #[test]
    fn numbers_stay_within_their_type_and_bounds() {
        assert!(accepts("unsignedShort", "65535", None, None));
        assert!(!accepts("unsignedShort", "65536", None, None));
        assert!(!accepts("unsignedInt", "-1", None, None));
        assert!(accepts("integer", " -1 ", None, None));
        assert!(!accepts("integer", "5", Some(6), None));
        assert!(accepts("double", "0.5", Some(0), Some(1)));
        assert!(!accepts("positiveInteger", "0", None, None));
        assert!(!accepts("int", "two", None, None));
    }
}
