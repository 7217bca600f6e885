//! Tables that fit the terminal: no word is broken that can stay whole, and what has no room is left out and named.

use super::output::{Output, Text, cell, columns, field, yaml};
use crate::floor::{Map, Value, size};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

/// Words longer than this are broken rather than left out. The longest address of IPv6 stays whole.
const LONG: usize = 43;

/// The same for paths and URLs, which people read in several lines.
const LONG_PATH: usize = 20;

/// What stands between two columns.
const GAP: usize = 2;

/// A value for people: records as a table, other maps as YAML, and the rest as plain text.
pub(super) fn table(value: &Value, output: &Output) -> Text {
    let text = match value {
        Value::Unit => String::new(),
        Value::List(items) if items.iter().all(|item| item.as_map().is_some()) => return records(items, output),
        Value::List(items) => items.iter().map(|item| cell(item) + "\n").collect(),
        Value::Map(map) => {
            yaml(&Value::Map(map.iter().map(|(key, value)| (key.clone(), told(value))).collect::<Map>()))
        }
        scalar => cell(scalar) + "\n",
    };
    Text { text, left_out: Vec::new() }
}

fn records(items: &[Value], output: &Output) -> Text {
    let mut columns = columns(items, output);
    let mut left_out = Vec::new();
    let mut has_lines = false;
    if let Some(room) = output.width.map(usize::from) {
        let is_narrow = |columns: &[String], has_lines| {
            let least = columns.iter().map(|name| Widths::of(items, name, &heading(name, has_lines)).least);
            least.sum::<usize>() + GAP * columns.len().saturating_sub(1) > room
        };
        while columns.len() > 1 && output.columns.is_empty() && is_narrow(&columns, true) {
            // What says nothing goes first.
            let is_empty =
                |name: &String| items.iter().filter_map(|item| field(item, name)).all(|value| shown(value).is_empty());
            let last = columns.iter().rposition(is_empty).filter(|at| *at > 0).unwrap_or(columns.len() - 1);
            left_out.push(columns.remove(last));
        }
        has_lines = is_narrow(&columns, false);
    }
    left_out.reverse();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|name| heading(name, has_lines)));
    for item in items {
        table.add_row(columns.iter().map(|name| field(item, name).map_or(String::new(), shown)));
    }
    if let Some(room) = output.width.map(usize::from) {
        let widths: Vec<_> = columns.iter().map(|name| Widths::of(items, name, &heading(name, has_lines))).collect();
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(u16::MAX);
        for (column, width) in table.column_iter_mut().zip(shared(&widths, room)) {
            // The room on both sides of its content belongs to it.
            let width = u16::try_from(width).unwrap_or(u16::MAX - 2) + if column.index == 0 { 1 } else { 2 };
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
        }
    }
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    Text { text: table.lines().map(|line| line.trim_end().to_string() + "\n").collect(), left_out }
}

/// What stands above a column; with blanks in it, it can have several lines.
fn heading(name: &str, has_lines: bool) -> String {
    let name = name.to_uppercase();
    if has_lines { name.replace('_', " ") } else { name }
}

/// How wide a column is with all its words whole, and with all its lines whole.
#[derive(Clone, Copy)]
struct Widths {
    least: usize,
    most: usize,
}

impl Widths {
    fn of(items: &[Value], name: &str, heading: &str) -> Self {
        let is_path = |word: &str| word.starts_with(['/', '~']) || word.contains("://");
        let whole = |word: &str| letters(word).min(if is_path(word) { LONG_PATH } else { LONG });
        let word = |text: &str| text.split_whitespace().map(whole).max().unwrap_or(1);
        let cells = items.iter().filter_map(|item| field(item, name)).map(shown);
        let (least, most) = cells.fold((word(heading), 0), |(least, most), text| {
            (least.max(word(&text)), text.lines().map(letters).max().unwrap_or(0).max(most))
        });
        Self { least, most: most.max(least) }
    }
}

/// How many columns of a terminal a text takes.
fn letters(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

/// The widths of columns: each has what its words need, and the rest of the room goes to those with longer lines, the shortest
/// first.
fn shared(widths: &[Widths], room: usize) -> Vec<usize> {
    let mut given: Vec<usize> = widths.iter().map(|one| one.least).collect();
    let mut rest = room.saturating_sub(given.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1));
    let mut waiting: Vec<usize> = (0..widths.len()).collect();
    waiting.sort_by_key(|at| widths[*at].most - widths[*at].least);
    for (served, at) in waiting.iter().enumerate() {
        let more = (widths[*at].most - widths[*at].least).min(rest / (waiting.len() - served));
        given[*at] += more;
        rest -= more;
    }
    given
}

/// A cell: differences have a line each.
fn shown(value: &Value) -> String {
    match told(value) {
        Value::List(items) if items.iter().any(|item| item.as_str().is_some_and(|text| text.contains(" -> "))) => {
            items.iter().map(cell).collect::<Vec<_>>().join("\n")
        }
        other => cell(&other),
    }
}

/// A value with its differences as texts, such as `memory 256 MiB -> 300 MiB`.
fn told(value: &Value) -> Value {
    match value {
        Value::List(items) => items.iter().map(told).collect::<Vec<_>>().into(),
        map => change(map).map_or_else(|| map.clone(), Value::from),
    }
}

/// A difference, if a value is one: what was before and what comes after, at a path.
fn change(value: &Value) -> Option<String> {
    let map = value.as_map()?;
    let (path, before, after) = (map.get("path")?.as_str()?, map.get("before")?, map.get("after")?);
    let side = |value: &Value| {
        let text = amount(path, value).unwrap_or_else(|| cell(value));
        if text.is_empty() { "nothing".to_string() } else { text }
    };
    Some(format!("{path} {} -> {}", side(before), side(after)))
}

/// A size in the largest unit that needs no fraction.
fn amount(path: &str, value: &Value) -> Option<String> {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let is_size = match value {
        Value::String(text) => text.ends_with("iB"),
        Value::Int(_) => ["size", "capacity", "memory"].iter().any(|word| path.ends_with(word)),
        _ => false,
    };
    let mut number = is_size.then(|| size(value).ok()).flatten()?;
    let mut unit = 0;
    while number >= 1024 && number % 1024 == 0 && unit + 1 < UNITS.len() {
        number /= 1024;
        unit += 1;
    }
    Some(format!("{number} {}", UNITS[unit]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: &[(&str, &str)]) -> Value {
        Value::Map(fields.iter().map(|(key, value)| ((*key).to_string(), (*value).into())).collect::<Map>())
    }

    fn at(width: u16, rows: Vec<Value>) -> Text {
        table(&rows.into(), &Output { width: Some(width), ..Output::default() })
    }

    #[test]
    fn a_cell_that_is_too_long_stays_in_its_column() {
        let rows =
            vec![row(&[("name", "web"), ("told", "one two three four")]), row(&[("name", ""), ("told", "two\nlines")])];
        let text = at(20, rows).text;
        assert_eq!(text, "NAME  TOLD\nweb   one two three\n      four\n      two\n      lines\n");
    }

    #[test]
    fn words_stay_whole_and_columns_without_room_are_named() {
        let rows = || {
            vec![row(&[
                ("name", "web"),
                ("mac", "52:54:00:00:00:01"),
                ("memory_mib", "512"),
                ("told", "some longer words about it"),
            ])]
        };
        let all = "NAME  MAC                MEMORY_MIB  TOLD\nweb   52:54:00:00:00:01  512         some longer words about it\n";
        assert_eq!(at(80, rows()), Text { text: all.into(), left_out: Vec::new() });
        let narrow = at(41, rows());
        let split = "NAME  MAC                MEMORY  TOLD\n                         MIB\nweb   52:54:00:00:00:01  512     some\n\
                     \x20                                longer\n                                 words\n\
                     \x20                                about it\n";
        assert_eq!(narrow, Text { text: split.into(), left_out: Vec::new() });
        let with_nothing = vec![row(&[("name", "web"), ("labels", ""), ("state", "running")])];
        assert_eq!(at(14, with_nothing).left_out, ["labels"]);
        let narrower = at(24, rows());
        assert_eq!(narrower.text, "NAME  MAC\nweb   52:54:00:00:00:01\n");
        assert_eq!(narrower.left_out, ["memory_mib", "told"]);
        // What was asked for is there, whatever it looks like.
        let columns = vec!["name".to_string(), "mac".to_string()];
        let asked = table(&rows().into(), &Output { width: Some(12), columns, ..Output::default() });
        assert!(asked.left_out.is_empty() && asked.text.contains("MAC"), "{}", asked.text);
    }

    #[test]
    fn paths_are_broken_rather_than_left_out() {
        let rows = vec![row(&[("name", "web"), ("path", "/var/lib/libvirt/images/web.qcow2")])];
        let text = "NAME  PATH\nweb   /var/lib/libvirt/images/w\n      eb.qcow2\n";
        assert_eq!(at(31, rows), Text { text: text.into(), left_out: Vec::new() });
    }

    #[test]
    fn the_order_says_what_is_important() {
        let order = vec!["state".to_string(), "name".to_string()];
        let rows = vec![row(&[("name", "web"), ("kept", "yes"), ("state", "running")])];
        let shown = table(&rows.into(), &Output { width: Some(14), order, ..Output::default() });
        assert_eq!((shown.text.as_str(), shown.left_out), ("STATE    NAME\nrunning  web\n", vec!["kept".to_string()]));
    }

    #[test]
    fn differences_are_lines() {
        let change = |path: &str, before: Value, after: Value| {
            let fields = [("path", path.into()), ("before", before), ("after", after)];
            Value::Map(fields.into_iter().map(|(key, value)| (key.to_string(), value)).collect::<Map>())
        };
        let found = vec![
            change("memory", "262144 KiB".into(), "307200 KiB".into()),
            change("boot_disk.size", 1_073_741_824.into(), 1_073_741_825.into()),
            change("vcpus", 1.into(), 2.into()),
            change("title", Value::Unit, "web".into()),
            change("labels", Value::Map(Map::new()), row(&[("role", "web")])),
        ];
        let fields = [("name", Value::from("web")), ("differences", found.into())];
        let one = Value::Map(fields.into_iter().map(|(key, value)| (key.to_string(), value)).collect::<Map>());
        let shown = table(&vec![one.clone()].into(), &Output::default()).text;
        let lines = [
            "NAME  DIFFERENCES",
            "web   memory 256 MiB -> 300 MiB",
            "      boot_disk.size 1 GiB -> 1073741825 bytes",
            "      vcpus 1 -> 2",
            "      title nothing -> web",
            "      labels nothing -> role=web",
        ];
        assert_eq!(shown.lines().collect::<Vec<_>>(), lines);
        assert!(table(&one, &Output::default()).text.contains("- memory 256 MiB -> 300 MiB\n"));
        let texts = vec![Value::from("vcpus 1 -> 2"), "memory 1 GiB -> 2 GiB".into()];
        let resized = Value::Map(Map::from([("changes".to_string(), texts.into())]));
        let shown = table(&vec![resized].into(), &Output::default()).text;
        assert_eq!(shown, "CHANGES\nvcpus 1 -> 2\nmemory 1 GiB -> 2 GiB\n");
    }
}
