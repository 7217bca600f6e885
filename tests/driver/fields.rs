//! The reference of all fields is current: one page for each kind of document.

use super::support::{root, same_as_committed};
use std::fmt::Write as _;
use vmscript::schema::{Entry, Kind, Section, reference, releases};

#[test]
fn the_field_pages_are_current() {
    let folder = root().join("book/src/fields");
    let mut wrong = Vec::new();
    let mut index = String::from("# Fields\n\n");
    let _ = writeln!(
        index,
        "Every field of every document, as a script writes it; generated from the shape that is part of the program (see \
         [Definitions](../definitions.md)). Where no release is named, a field is as old as the element it is in, or was in \
         libvirt {} already. What the installed libvirt says of values (ranges, patterns, what fits together) comes on top.\n",
        releases()[0]
    );
    for kind in Kind::ALL {
        let sections = reference(*kind).expect("the shape has every kind");
        let count: usize = sections.iter().map(|section| section.fields.len()).sum();
        assert!(count > 2, "{} has fields", kind.name());
        let name = kind.name();
        let _ = writeln!(index, "- [{name}]({name}.md): `<{}>`, {count} fields", kind.root());
        same_as_committed(&folder.join(format!("{name}.md")), &page(*kind, &sections), &mut wrong);
    }
    same_as_committed(&folder.join("index.md"), &index, &mut wrong);
    assert!(wrong.is_empty(), "these are stale; UPDATE=1 rewrites them: {wrong:#?}");
}

#[test]
fn every_link_leads_to_a_section() {
    for kind in Kind::ALL {
        let sections = reference(*kind).expect("the shape has every kind");
        let text = page(*kind, &sections);
        let headings: Vec<String> =
            sections.iter().map(|section| format!("#{}", anchor(*kind, &section.path))).collect();
        for link in text.split("](#").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(headings.contains(&format!("#{link}")), "{}: {link}", kind.name());
        }
    }
}

fn page(kind: Kind, sections: &[Section]) -> String {
    let mut text = format!("# {}\n", kind.name());
    let mut manual = "";
    for section in sections {
        let title = if section.path.is_empty() { kind.name() } else { &section.path };
        let _ = write!(text, "\n## `{title}`\n\n");
        // A page that stays the same is named once.
        if section.manual != manual {
            let _ = write!(text, "[libvirt's manual]({})\n\n", section.manual);
            manual = &section.manual;
        }
        text.push_str("| field | takes | XML |\n|---|---|---|\n");
        for entry in &section.fields {
            let _ = writeln!(text, "{}", row(kind, entry));
        }
    }
    text
}

fn row(kind: Kind, entry: &Entry) -> String {
    let field = &entry.field;
    let mut name = format!("`{}`", field.key);
    if let Some(section) = &entry.section {
        name = format!("[{name}](#{})", anchor(kind, section));
    } else if field.nested && matches!(field.xml.as_str(), "domain" | "inactiveDomain") {
        name = format!("[{name}](domain.md)");
    }
    if field.required {
        name.push_str(", required");
    }
    let mut takes = if field.values.len() > 3 {
        // The words are all there; what else it takes is said by the summary.
        let rest = if field.nested { ", or a map" } else { "" };
        field.values.join(", ") + rest
    } else {
        field.takes.clone()
    };
    if field.list {
        takes = format!("list: {takes}");
    }
    let since = entry.since.as_ref().map(|since| format!("; since {since}")).unwrap_or_default();
    let xml = if field.xml.is_empty() { String::new() } else { format!("`{}`", field.xml) };
    format!("| {name} | {}{since} | {xml} |", takes.replace('|', "\\|"))
}

/// The anchor that mdBook gives a heading.
fn anchor(kind: Kind, path: &str) -> String {
    let title = if path.is_empty() { kind.name() } else { path };
    let letters = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ' '));
    letters.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}
