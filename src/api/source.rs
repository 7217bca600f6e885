//! Plain values as Rhai source.

use crate::floor::{Map, Value};
use rhai::Engine;

/// A line is not longer than this, if its value can be spread over several.
const WIDTH: usize = 100;

/// The literal of a value.
pub(super) fn of(value: &Value) -> String {
    let mut writer = Writer { parser: Engine::new_raw(), out: String::new() };
    writer.value(value, 0);
    writer.out
}

struct Writer {
    /// Knows which words may be keys without quotes.
    parser: Engine,
    out: String,
}

impl Writer {
    fn value(&mut self, value: &Value, indent: usize) {
        let start = self.out.len();
        self.on_one_line(value);
        let last = self.out[..start].rfind('\n').map_or(0, |at| at + 1);
        if self.out[last..].chars().count() <= WIDTH {
            return;
        }
        match value {
            Value::List(items) if !items.is_empty() => {
                self.out.truncate(start);
                self.spread("[", "]", items.iter().map(|item| (None, item)), indent);
            }
            Value::Map(map) if !map.is_empty() => {
                self.out.truncate(start);
                self.spread("#{", "}", map.iter().map(|(key, item)| (Some(key), item)), indent);
            }
            _ => {}
        }
    }

    fn spread<'v>(
        &mut self,
        open: &str,
        close: &str,
        items: impl Iterator<Item = (Option<&'v String>, &'v Value)>,
        indent: usize,
    ) {
        self.out.push_str(open);
        self.out.push('\n');
        for (key, item) in items {
            self.out.push_str(&"    ".repeat(indent + 1));
            if let Some(key) = key {
                self.key(key);
            }
            self.value(item, indent + 1);
            self.out.push_str(",\n");
        }
        self.out.push_str(&"    ".repeat(indent));
        self.out.push_str(close);
    }

    fn on_one_line(&mut self, value: &Value) {
        match value {
            Value::Unit => self.out.push_str("()"),
            Value::Bool(flag) => self.out.push_str(&flag.to_string()),
            Value::Int(number) => self.out.push_str(&number.to_string()),
            Value::Float(number) => self.out.push_str(&format!("{number:?}")),
            Value::String(text) => self.text(text),
            Value::List(items) => {
                self.out.push('[');
                for (at, item) in items.iter().enumerate() {
                    self.out.push_str(if at > 0 { ", " } else { "" });
                    self.on_one_line(item);
                }
                self.out.push(']');
            }
            Value::Map(map) => self.map(map),
        }
    }

    fn map(&mut self, map: &Map) {
        self.out.push_str(if map.is_empty() { "#{" } else { "#{ " });
        for (at, (key, item)) in map.iter().enumerate() {
            self.out.push_str(if at > 0 { ", " } else { "" });
            self.key(key);
            self.on_one_line(item);
        }
        self.out.push_str(if map.is_empty() { "}" } else { " }" });
    }

    fn key(&mut self, key: &str) {
        let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && self.parser.compile_expression(format!("#{{{key}:0}}")).is_ok();
        if plain {
            self.out.push_str(key);
        } else {
            self.text(key);
        }
        self.out.push_str(": ");
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                c if c.is_control() => self.out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rhai::Dynamic;

    #[test]
    fn what_is_written_evaluates_to_the_same_value() {
        let text = r#"{ "a": [1, -2, 2.5, true, null, "x\"\\\n\t\u0001é${y}`"], "default": { "match": {}, "fn": [] },
            "0x": 1, "a b": "", "_xml": ["<a/>"], "long": ["0123456789012345678901234567890123456789",
            "0123456789012345678901234567890123456789", { "deep": "0123456789012345678901234567890123456789" }] }"#;
        let value: Value = serde_json::from_str(text).expect("this is JSON");
        let source = of(&value);
        let back: Dynamic =
            Engine::new_raw().eval_expression(&source).unwrap_or_else(|error| panic!("{error}:\n{source}"));
        assert_eq!(crate::api::value(&back, ""), Ok(value), "{source}");
        assert!(source.lines().all(|line| line.chars().count() <= WIDTH + 20), "{source}");
    }

    #[test]
    fn short_values_stay_on_one_line() {
        let value: Value = serde_json::from_str(r#"{ "name": "lab", "ips": [], "x": {} }"#).expect("this is JSON");
        assert_eq!(of(&value), "#{ name: \"lab\", ips: [], x: #{} }");
    }
}
