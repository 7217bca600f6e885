//! Live objects: one as a line, several as a table.

use super::{Look, left_out, table};
use crate::floor::{format_size, interrupt};
use crate::script::Session;
use rhai::Dynamic;
use std::collections::BTreeMap;

/// What is shown of each type of handle; `info.memory` is a field of the property `info`.
const COLUMNS: &[(&str, &[&str])] = &[
    ("Checkpoint", &["name"]),
    ("Domain", &["name", "state", "info.vcpus", "info.memory", "autostart"]),
    ("Host", &["uri", "hostname", "lib_version"]),
    ("HostInterface", &["name", "mac", "is_active"]),
    ("Network", &["name", "is_active", "autostart"]),
    ("NodeDevice", &["name", "parent", "driver"]),
    ("NwFilter", &["name", "uuid"]),
    ("Pool", &["name", "state", "info.capacity", "info.available", "autostart"]),
    ("Secret", &["name", "usage", "uuid"]),
    ("Snapshot", &["name", "is_current", "parent.name"]),
    ("Volume", &["name", "info.type", "info.capacity", "info.allocation", "path"]),
];

/// A handle as one line: `domain web  running  2 vcpus  512 MiB`.
pub(super) fn line(session: &Session, value: &Dynamic) -> Option<String> {
    let kind = session.type_of(value);
    let (_, columns) = COLUMNS.iter().find(|(name, _)| *name == kind)?;
    // An object's own text is what it is and its name, which is the first column.
    let mut parts = vec![session.text_of(value)];
    for (column, text) in columns.iter().zip(cells(session, value, columns)).skip(1) {
        match (*column, text.as_str()) {
            (_, "") | ("autostart" | "is_current", "no") => {}
            ("autostart", _) => parts.push("autostart".to_string()),
            ("is_current", _) => parts.push("current".to_string()),
            ("parent.name", parent) => parts.push(format!("after {parent}")),
            ("is_active", yes) => parts.push(if yes == "yes" { "active" } else { "inactive" }.to_string()),
            ("info.vcpus", count) => parts.push(format!("{count} vcpu")),
            ("info.available", size) => parts.push(format!("{size} available")),
            ("info.allocation", size) => parts.push(format!("{size} allocated")),
            ("lib_version", version) => parts.push(format!("libvirt {version}")),
            (_, text) => parts.push(text.to_string()),
        }
    }
    Some(parts.join("  "))
}

/// A list of handles of one type as a table; asks only for what is shown.
pub(super) fn rows(session: &Session, items: &[Dynamic], look: Look) -> Option<String> {
    let kind = session.type_of(items.first()?);
    let (_, columns) = COLUMNS.iter().find(|(name, _)| *name == kind)?;
    if items.iter().any(|item| session.type_of(item) != kind) {
        return None;
    }
    let most = if look.lines == 0 || items.len() < look.lines { items.len() } else { look.lines.saturating_sub(2) };
    let mut rows = vec![columns.iter().map(|column| title(column)).collect::<Vec<_>>()];
    for item in &items[..most] {
        // Each row asks the host: Ctrl-C ends a long table.
        if interrupt::wanted() {
            break;
        }
        rows.push(cells(session, item, columns));
    }
    let shown = rows.len() - 1;
    let mut text = table(&rows, look.width);
    if shown < items.len() {
        text = format!("{text}\n{}", left_out(items.len() - shown, "rows"));
    }
    Some(text)
}

fn title(column: &str) -> String {
    match column.split_once('.') {
        Some((object, "name")) => object,
        Some((_, field)) => field,
        None => column.strip_prefix("is_").unwrap_or(column),
    }
    .to_string()
}

/// The texts of an object's columns; a property that several columns come from is asked for once.
fn cells(session: &Session, value: &Dynamic, columns: &[&str]) -> Vec<String> {
    let mut asked: BTreeMap<&str, Option<Dynamic>> = BTreeMap::new();
    let mut texts = Vec::new();
    for column in columns {
        let (first, field) = column.split_once('.').map_or((*column, None), |(first, field)| (first, Some(field)));
        let found = asked.entry(first).or_insert_with(|| session.property(value, first)).clone();
        let found = found.and_then(|found| field.map_or(Some(found.clone()), |field| session.property(&found, field)));
        texts.push(found.map(|found| cell(column, &found)).unwrap_or_default());
    }
    texts
}

fn cell(column: &str, found: &Dynamic) -> String {
    if let (Ok(bytes), "memory" | "capacity" | "allocation" | "available") = (found.as_int(), title(column).as_str()) {
        return format_size(u64::try_from(bytes).unwrap_or(0));
    }
    match found.as_bool() {
        Ok(flag) => if flag { "yes" } else { "no" }.to_string(),
        Err(_) => found.to_string(),
    }
}
