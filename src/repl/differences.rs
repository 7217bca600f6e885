//! How two values differ, a line for each place: definitions as the schema compares them, anything else part by part.

use crate::api::Source;
use crate::floor::Value;
use crate::schema::Change;

/// Where two plain values differ.
pub(super) fn between(left: &Value, right: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare("", left, right, &mut found);
    found
}

/// The differences as lines: `- path: value`, `+ path: value` or `~ path: old -> new`.
pub(super) fn lines(changes: &[Change]) -> String {
    let line = |change: &Change| {
        let path = if change.path.is_empty() { String::new() } else { format!("{}: ", change.path) };
        let (before, after) = (text(&change.before), text(&change.after));
        match (&change.before, &change.after) {
            (_, Value::Unit) => format!("- {path}{before}"),
            (Value::Unit, _) => format!("+ {path}{after}"),
            _ => format!("~ {path}{before} -> {after}"),
        }
    };
    if changes.is_empty() {
        return "no difference".to_string();
    }
    changes.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn compare(path: &str, left: &Value, right: &Value, found: &mut Vec<Change>) {
    match (left, right) {
        (Value::Map(a), Value::Map(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let side = |map: &crate::floor::Map| map.get(key).cloned().unwrap_or_default();
                compare(&path, &side(a), &side(b), found);
            }
        }
        (Value::List(a), Value::List(b)) => {
            for at in 0..a.len().max(b.len()) {
                let side = |list: &[Value]| list.get(at).cloned().unwrap_or_default();
                compare(&format!("{path}[{at}]"), &side(a), &side(b), found);
            }
        }
        _ if left == right => {}
        _ => found.push(Change { path: path.to_string(), before: left.clone(), after: right.clone() }),
    }
}

fn text(value: &Value) -> String {
    Source::of(value).layout(0, usize::MAX)
}
