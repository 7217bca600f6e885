//! Values as Rhai source: on one line where that fits, else indented.

use crate::floor::Value;
use crate::schema::Definition;
use unicode_width::UnicodeWidthStr;

/// A value as text, with its structure kept.
#[derive(Debug, Clone)]
pub enum Source {
    /// Something without parts.
    Leaf(String),
    /// Values in order.
    List(Vec<Source>),
    /// Values by name.
    Map(Vec<(String, Source)>),
}

/// A line of a script is not longer than this, if its value can be spread over several.
pub(super) const WIDTH: usize = 100;

/// A plain value as a literal.
pub(super) fn literal(value: &Value) -> String {
    Source::of(value).layout(0, WIDTH)
}

/// A definition as the script that makes it, in lines of at most this width where that is possible.
pub fn script_of(definition: &Definition, width: usize) -> String {
    let kind = definition.kind();
    let before = if kind.is_made() { format!("{}(", kind.name()) } else { format!("definition({:?}, ", kind.name()) };
    let fields = Source::of(&definition.to_value()).layout(before.len() + 1, width);
    format!("{before}{fields})")
}

impl Source {
    /// A plain value.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::List(items) => Self::List(items.iter().map(Self::of).collect()),
            Value::Map(map) => Self::Map(map.iter().map(|(key, item)| (key.clone(), Self::of(item))).collect()),
            Value::Unit => Self::Leaf("()".to_string()),
            Value::Bool(flag) => Self::Leaf(flag.to_string()),
            Value::Int(number) => Self::Leaf(number.to_string()),
            Value::Float(number) => Self::Leaf(format!("{number:?}")),
            Value::String(text) => Self::Leaf(quoted(text)),
        }
    }

    /// The value in lines of at most this width where that is possible; `used` is what stands around it.
    pub fn layout(&self, used: usize, width: usize) -> String {
        self.lines(0, used, width)
    }

    /// `used` is what stands on the line before the value and after it.
    fn lines(&self, indent: usize, used: usize, width: usize) -> String {
        let flat = self.flat();
        if indent + used + flat.width() <= width {
            return flat;
        }
        let inner = indent + 4;
        let pad = " ".repeat(inner);
        let (open, items, close): (_, Vec<String>, _) = match self {
            Self::Leaf(_) => return flat,
            Self::List(items) if items.is_empty() => return flat,
            Self::Map(entries) if entries.is_empty() => return flat,
            Self::List(items) => ("[", items.iter().map(|item| item.lines(inner, 1, width)).collect(), "]"),
            Self::Map(entries) => {
                let one = |(key, item): &(String, Self)| {
                    let key = key_text(key);
                    let used = key.width() + 3;
                    format!("{key}: {}", item.lines(inner, used, width))
                };
                ("#{", entries.iter().map(one).collect(), "}")
            }
        };
        let items: Vec<_> = items.iter().map(|item| format!("{pad}{item},")).collect();
        format!("{open}\n{}\n{}{close}", items.join("\n"), " ".repeat(indent))
    }

    fn flat(&self) -> String {
        match self {
            Self::Leaf(text) => text.clone(),
            Self::List(items) => format!("[{}]", items.iter().map(Self::flat).collect::<Vec<_>>().join(", ")),
            Self::Map(entries) if entries.is_empty() => "#{}".to_string(),
            Self::Map(entries) => {
                let one = |(key, item): &(String, Self)| format!("{}: {}", key_text(key), item.flat());
                format!("#{{ {} }}", entries.iter().map(one).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// A string as Rhai writes it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A key as Rhai writes it: in quotes unless it is a name.
fn key_text(key: &str) -> String {
    if rhai::is_valid_function_name(key) { key.to_string() } else { quoted(key) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rhai::{Dynamic, Engine};

    #[test]
    fn what_is_written_evaluates_to_the_same_value() {
        let text = r#"{ "a": [1, -2, 2.5, true, null, "x\"\\\n\t\u0001é${y}`"], "default": { "match": {}, "fn": [] },
            "0x": 1, "a b": "", "_xml": ["<a/>"], "long": ["0123456789012345678901234567890123456789",
            "0123456789012345678901234567890123456789", { "deep": "0123456789012345678901234567890123456789" }] }"#;
        let value: Value = serde_json::from_str(text).expect("this is JSON");
        let source = literal(&value);
        let back: Dynamic =
            Engine::new_raw().eval_expression(&source).unwrap_or_else(|error| panic!("{error}:\n{source}"));
        assert_eq!(crate::api::value(&back, ""), Ok(value), "{source}");
        assert!(source.lines().all(|line| line.chars().count() <= WIDTH + 20), "{source}");
    }

    #[test]
    fn short_values_stay_on_one_line() {
        let value: Value = serde_json::from_str(r#"{ "name": "lab", "ips": [], "x": {} }"#).expect("this is JSON");
        assert_eq!(literal(&value), "#{ name: \"lab\", ips: [], x: #{} }");
    }
}
