//! Which machines are meant, by their labels: what kubectl calls a selector.

use crate::floor::planned::glob;
use crate::floor::{Error, Result};
use std::collections::BTreeMap;

/// What labels must be for a machine to be chosen: all requirements hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    name: String,
    /// Any of these; whatever it is, if there are none.
    values: Option<Vec<String>>,
    /// That there is no such label.
    negated: bool,
}

impl Selector {
    /// Reads `role=web`, `role!=web`, `role`, `!role`, `role in (web,db)` and `role notin (web)`, several with commas between.
    /// In names and values `*` stands for any text. A text that names no label is refused: it may be a variable that was
    /// forgotten, and would mean all machines.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: String| {
            Error::argument(format!("`{text}` is no selection by label: {why}"))
                .hint("write `role=web`, `role!=web`, `role`, `!role`, `role in (web,db)` or `role notin (web)`, several with commas between")
        };
        parts(text).and_then(|parts| parts.into_iter().map(requirement).collect()).map(Self).map_err(wrong)
    }

    /// Labels that must have these values.
    pub fn of(labels: BTreeMap<String, String>) -> Self {
        let one = |(name, value)| Requirement { name, values: Some(vec![value]), negated: false };
        Self(labels.into_iter().map(one).collect())
    }

    /// Whether a machine with this label can be selected by it: written as `name=value` it says that and nothing else.
    pub fn can_name(name: &str, value: &str) -> bool {
        let label = BTreeMap::from([(name.to_string(), value.to_string())]);
        Self::parse(&format!("{name}={value}")).is_ok_and(|one| one == Self::of(label))
    }

    /// What both ask for.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a machine with these labels is meant.
    pub fn fits(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|one| {
            let fits = |(name, value): (&String, &String)| {
                glob(&one.name, name)
                    && one.values.as_ref().is_none_or(|values| values.iter().any(|wanted| glob(wanted, value)))
            };
            labels.iter().any(fits) != one.negated
        })
    }
}

/// What stands between the commas, except for those in parentheses.
fn parts(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut start, mut is_open) = (Vec::new(), 0, false);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' if is_open => return Err("a `(` stands within another".into()),
            '(' => is_open = true,
            ')' if !is_open => return Err("a `)` has no `(`".into()),
            ')' => is_open = false,
            ',' if !is_open => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if is_open {
        return Err("a `(` is not closed".into());
    }
    parts.push(&text[start..]);
    Ok(parts)
}

fn requirement(text: &str) -> Result<Requirement, String> {
    let text = text.trim();
    let one = |name: &str, values: Option<Vec<&str>>, negated| {
        let values = values.map(|values| values.into_iter().map(|value| value.trim().to_string()).collect());
        Ok(Requirement { name: label(name)?.to_string(), values, negated })
    };
    if let Some((head, rest)) = text.split_once('(') {
        let (name, word) = head.trim().rsplit_once(char::is_whitespace).unwrap_or((head.trim(), ""));
        let values: Vec<&str> = match rest.split_once(')') {
            Some((values, "")) => values.split(',').collect(),
            _ => return Err(format!("something stands behind the `)` of `{text}`")),
        };
        if values.iter().any(|value| value.trim().is_empty()) {
            return Err(format!("a value is missing in `{text}`"));
        }
        return match word {
            "in" => one(name, Some(values), false),
            "notin" => one(name, Some(values), true),
            _ => Err(format!("before `(` stands `in` or `notin`, unlike in `{text}`")),
        };
    }
    // `!==` would mean all machines: no value begins with `=`.
    let known = |value| {
        if str::trim_start(value).starts_with('=') {
            Err(format!("a value begins with `=` in `{text}`"))
        } else {
            Ok(value)
        }
    };
    if let Some((name, value)) = text.split_once("!=") {
        return one(name, Some(vec![known(value)?]), true);
    }
    if let Some((name, value)) = text.split_once('=') {
        return one(name, Some(vec![known(value.strip_prefix('=').unwrap_or(value))?]), false);
    }
    match text.strip_prefix('!') {
        Some(name) => one(name, None, true),
        None => one(text, None, false),
    }
}

fn label(name: &str) -> Result<&str, String> {
    let name = name.trim();
    if name.is_empty() {
        return Err("a name is missing".into());
    }
    let is_wrong = |letter: char| letter.is_whitespace() || "=!<>".contains(letter);
    if name.contains(is_wrong) { Err(format!("`{name}` is no name of a label")) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::Selector;
    use std::collections::BTreeMap;

    fn labels(texts: &[(&str, &str)]) -> BTreeMap<String, String> {
        texts.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect()
    }

    #[test]
    fn what_a_selection_can_name() {
        for (name, value) in [("role", "web"), ("app.kubernetes.io/name", "web-1"), ("a", ""), ("a", "b=c"), ("é", "1")]
        {
            assert!(Selector::can_name(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("x!", "y"),
            ("x in (a)", "1"),
            ("a", "b,c"),
            ("a", "=b"),
            ("a", "b!=c"),
            ("a", " b"),
            ("", "b"),
            ("a b", "c"),
        ] {
            assert!(!Selector::can_name(name, value), "{name}={value}");
        }
    }

    #[test]
    fn labels_are_selected_as_kubectl_does() {
        let (web, bare) = (labels(&[("role", "web"), ("env", "test-1")]), labels(&[]));
        for (text, of_web, of_bare) in [
            ("role=web", true, false),
            ("role==web", true, false),
            ("role=db", false, false),
            ("role!=web", false, true),
            ("role != db", true, true),
            ("role", true, false),
            ("!role", false, true),
            ("role in (web, db)", true, false),
            ("role in (db)", false, false),
            ("role notin (web,db)", false, true),
            ("role notin (db),env", true, false),
            ("env=test-*", true, false),
            ("env!=test-*", false, true),
            ("env in (prod,*1)", true, false),
            ("r*=web", true, false),
            ("role=web,env=prod", false, false),
            ("role=", false, false),
        ] {
            let selector = Selector::parse(text).expect(text);
            assert_eq!((selector.fits(&web), selector.fits(&bare)), (of_web, of_bare), "{text}");
        }
        let both = Selector::of(labels(&[("role", "web")])).and(Selector::parse("env!=prod").expect("it is one"));
        assert!(both.fits(&web) && !both.fits(&bare));
    }

    #[test]
    fn what_selects_nothing_is_refused_with_its_reason() {
        for (text, why) in [
            ("", "a name is missing"),
            ("=web", "a name is missing"),
            ("role=web,", "a name is missing"),
            ("!", "a name is missing"),
            ("role in web", "`role in web` is no name of a label"),
            ("role>1", "`role>1` is no name of a label"),
            ("role!==web", "a value begins with `=` in `role!==web`"),
            ("role===web", "a value begins with `=` in `role===web`"),
            ("role in (web", "a `(` is not closed"),
            ("role in web)", "a `)` has no `(`"),
            ("role in ((web))", "a `(` stands within another"),
            ("role in ()", "a value is missing in `role in ()`"),
            ("role=(web,db)", "before `(` stands `in` or `notin`, unlike in `role=(web,db)`"),
            ("role in (web) x", "something stands behind the `)` of `role in (web) x`"),
        ] {
            let error = Selector::parse(text).expect_err(text);
            assert_eq!(error.message, format!("`{text}` is no selection by label: {why}"));
            assert!(error.hints[0].contains("`role notin (web)`"));
        }
    }
}
