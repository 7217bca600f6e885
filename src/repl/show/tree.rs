//! Nested values, laid out as Rhai writes them, with handles as a line each and numbers for people.

use super::handle;
use crate::api::Source;
use crate::floor::{HIDDEN, Secret, format_size};
use crate::script::Session;
use rhai::{Array, Dynamic, FnPtr, Map};

/// Keys whose whole numbers are bytes.
const SIZES: &[&str] = &["allocation", "available", "capacity", "max_memory", "memory"];
/// Keys whose numbers are seconds.
const TIMES: &[&str] = &["cpu_time", "elapsed", "timeout"];

/// A value with its structure.
pub(super) fn tree(session: &Session, value: &Dynamic) -> Source {
    if let Some(items) = value.read_lock::<Array>() {
        return Source::List(items.iter().map(|item| tree(session, item)).collect());
    }
    if let Some(map) = value.read_lock::<Map>() {
        return Source::Map(map.iter().map(|(key, item)| (key.to_string(), field(session, key, item))).collect());
    }
    if let Ok(letter) = value.as_char() {
        return Source::Leaf(format!("{letter:?}"));
    }
    if value.is::<Secret>() {
        return Source::Leaf(HIDDEN.to_string());
    }
    if let Ok(plain) = crate::api::value(value, "") {
        return Source::of(&plain);
    }
    if let Some(function) = value.read_lock::<FnPtr>() {
        let anonymous = function.fn_name().starts_with("anon$");
        return Source::Leaf(if anonymous { "closure".into() } else { format!("Fn({:?})", function.fn_name()) });
    }
    if let Some(line) = handle::line(session, value) {
        return Source::Leaf(line);
    }
    let text = session.text_of(value);
    // A type that says nothing about itself shows its Rust name: scripts know it by another.
    Source::Leaf(if text.contains("::") { session.type_of(value) } else { text })
}

/// A field of a map: behind a number stands, as a comment, the size or the time that it is.
fn field(session: &Session, key: &str, item: &Dynamic) -> Source {
    let seconds = item.as_float().or_else(|_| item.as_int().map(whole_seconds)).ok();
    let remark = if SIZES.contains(&key) {
        item.as_int().ok().and_then(|bytes| u64::try_from(bytes).ok()).filter(|bytes| *bytes >= 1024).map(format_size)
    } else if TIMES.contains(&key) {
        seconds.filter(|seconds| *seconds >= 60.0).map(format_time)
    } else {
        None
    };
    match (tree(session, item), remark) {
        (Source::Leaf(text), Some(remark)) => Source::Leaf(format!("{text} /* {remark} */")),
        (source, _) => source,
    }
}

#[allow(clippy::cast_precision_loss, reason = "times are far from the limit")]
fn whole_seconds(seconds: i64) -> f64 {
    seconds as f64
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
