//! How two plain values differ: a line for each place.

use crate::floor::Value;

/// A line for each place at which the values differ: `- path: value`, `+ path: value` or `~ path: old -> new`.
pub(super) fn of(left: &Value, right: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", left, right, &mut found);
    found
}

fn compare(path: &str, left: &Value, right: &Value, found: &mut Vec<String>) {
    match (left, right) {
        (Value::Map(a), Value::Map(b)) => {
            let added = b.keys().filter(|key| !a.contains_key(*key));
            for key in a.keys().chain(added) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                sides(&path, a.get(key), b.get(key), found);
            }
        }
        (Value::List(a), Value::List(b)) => {
            for at in 0..a.len().max(b.len()) {
                sides(&format!("{path}[{at}]"), a.get(at), b.get(at), found);
            }
        }
        _ if left == right => {}
        _ if path.is_empty() => found.push(format!("~ {} -> {}", text(left), text(right))),
        _ => found.push(format!("~ {path}: {} -> {}", text(left), text(right))),
    }
}

fn sides(path: &str, left: Option<&Value>, right: Option<&Value>, found: &mut Vec<String>) {
    match (left, right) {
        (Some(left), Some(right)) => compare(path, left, right, found),
        (Some(left), None) => found.push(format!("- {path}: {}", text(left))),
        (None, Some(right)) => found.push(format!("+ {path}: {}", text(right))),
        (None, None) => {}
    }
}

fn text(value: &Value) -> String {
    super::show::literal(value, usize::MAX)
}
