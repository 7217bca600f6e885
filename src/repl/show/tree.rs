//! Nested values, laid out as Rhai writes them: on one line where that fits, else indented.

use crate::floor::{Value, format_size};

/// A value as text, with its structure kept.
#[derive(Debug, Clone)]
pub(super) enum Tree {
    Leaf(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

/// Keys whose whole numbers are bytes.
const SIZES: &[&str] = &["allocation", "available", "capacity", "max_memory", "memory"];
/// Keys whose numbers are seconds.
const TIMES: &[&str] = &["cpu_time", "elapsed", "timeout"];

impl Tree {
    /// A plain value.
    pub(super) fn of(value: &Value) -> Self {
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
    pub(super) fn layout(&self, used: usize, width: usize) -> String {
        self.lines("", 0, used, width)
    }

    /// `used` is what stands on the line before the value and after it.
    fn lines(&self, key: &str, indent: usize, used: usize, width: usize) -> String {
        let flat = self.flat(key);
        if indent + used + flat.chars().count() <= width && !flat.contains('\n') {
            return flat;
        }
        let inner = indent + 4;
        let pad = " ".repeat(inner);
        let (open, items, close) = match self {
            Self::Leaf(text) => return format!("{text}{}", remark(key, text)),
            Self::List(items) => {
                let all: Vec<_> = items.iter().map(|item| item.lines("", inner, 1, width)).collect();
                ("[", all, "]")
            }
            Self::Map(entries) => {
                let one = |(key, item): &(String, Self)| {
                    let key_text = key_text(key);
                    let used = key_text.chars().count() + 3;
                    format!("{key_text}: {}", item.lines(key, inner, used, width))
                };
                ("#{", entries.iter().map(one).collect(), "}")
            }
        };
        let items: Vec<_> = items.iter().map(|item| format!("{pad}{item},")).collect();
        format!("{open}\n{}\n{}{close}", items.join("\n"), " ".repeat(indent))
    }

    fn flat(&self, key: &str) -> String {
        match self {
            Self::Leaf(text) => format!("{text}{}", remark(key, text)),
            Self::List(items) if items.is_empty() => "[]".to_string(),
            Self::List(items) => format!("[{}]", items.iter().map(|item| item.flat("")).collect::<Vec<_>>().join(", ")),
            Self::Map(entries) if entries.is_empty() => "#{}".to_string(),
            Self::Map(entries) => {
                let one = |(key, item): &(String, Self)| format!("{}: {}", key_text(key), item.flat(key));
                format!("#{{ {} }}", entries.iter().map(one).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// A string as Rhai writes it.
pub(super) fn quoted(text: &str) -> String {
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

/// A size or a time for people, as a comment behind the number.
fn remark(key: &str, number: &str) -> String {
    let text = if SIZES.contains(&key) {
        number.parse::<u64>().ok().filter(|bytes| *bytes >= 1024).map(format_size)
    } else if TIMES.contains(&key) {
        number.parse::<f64>().ok().filter(|seconds| *seconds >= 60.0).map(format_time)
    } else {
        None
    };
    text.map(|text| format!(" /* {text} */")).unwrap_or_default()
}

/// A time for people: `1h2m3s`, `2.5s`, `12ms`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times are positive and far from the limit")]
pub(crate) fn format_time(seconds: f64) -> String {
    if seconds < 1.0 {
        return format!("{:.0}ms", seconds * 1e3);
    }
    if seconds < 60.0 {
        return format!("{seconds:.1}s");
    }
    let whole = seconds as u64;
    let (days, hours, minutes) = (whole / 86400, whole / 3600 % 24, whole / 60 % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "m"), (whole % 60, "s")];
    let parts = parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}"));
    parts.collect::<Vec<_>>().concat()
}
