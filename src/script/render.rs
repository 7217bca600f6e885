//! Diagnostics as text: message, excerpt with a caret, the calls that led there, hints.

use super::{Diagnostic, Label, Place, Severity, Sources};
use crate::floor::hide;
use annotate_snippets::{Annotation, AnnotationKind, Element, Group, Level, Renderer, Snippet};
use std::ops::Range;

/// Renders a diagnostic, with colours if asked; secrets are hidden.
pub fn render(diagnostic: &Diagnostic, sources: &Sources, color: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut first = Group::with_title(level.primary_title(&diagnostic.message));
    if let Some(element) = diagnostic.place.as_ref().and_then(|place| excerpt(place, sources, AnnotationKind::Primary))
    {
        first = first.element(element);
    }
    for (label, text) in &diagnostic.lines {
        let level = match label {
            Label::Hint => Level::HELP.with_name("hint"),
            Label::Libvirt => Level::NOTE.with_name("libvirt"),
            Label::Note => Level::NOTE,
        };
        first = first.element(level.message(text));
    }
    let mut groups = vec![first];
    for (name, place) in &diagnostic.trace {
        let title = Level::NOTE.secondary_title(format!("in `{name}`, called here"));
        // A call from code that nobody wrote, such as the one that runs a recipe, has no excerpt.
        groups.extend(
            excerpt(place, sources, AnnotationKind::Context).map(|shown| Group::with_title(title).element(shown)),
        );
    }
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    compact(&hide(&renderer.render(&groups)))
}

/// Leaves out the empty `|` lines before `= hint: ...`: they separate nothing.
fn compact(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::with_capacity(text.len());
    for (at, line) in lines.iter().enumerate() {
        let before_note = lines.get(at + 1).is_some_and(|next| bare(next).starts_with('='));
        if !(before_note && bare(line) == "|") {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// A line without colours and indentation.
fn bare(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_string();
    let rest = parts.map(|part| part.split_once('m').map_or("", |(_, text)| text));
    rest.fold(first, |all, part| all + part).trim().to_string()
}

fn excerpt<'a>(place: &'a Place, sources: &Sources, kind: AnnotationKind) -> Option<Element<'a>> {
    let text = sources.get(&place.source)?;
    let line = text.lines().nth(place.line.checked_sub(1)?)?;
    let is_data = [".yaml", ".yml", ".json"].iter().any(|end| place.source.ends_with(end));
    let token = if is_data { span_of_data(line, place.column) } else { span(line, place.column) };
    // Before a long line is cut: a part of a secret would not be known as one.
    let [before, token, after] =
        [&line[..token.start], &line[token.clone()], &line[token.end..]].map(|part| hide(part).into_owned());
    let annotation: Annotation<'a> = kind.span(before.len()..before.len() + token.len());
    let line = [before, token, after].concat();
    Some(Snippet::source(line).line_start(place.line).path(&place.source).annotation(annotation).into())
}

/// The bytes of the value or key that begins at this column of a YAML or JSON file: text without quotes has spaces and signs.
fn span_of_data(line: &str, column: usize) -> Range<usize> {
    let start = line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
    let rest = &line[start..];
    let length = match rest.chars().next() {
        None => 0,
        Some(quote @ ('"' | '\'')) => rest[1..].find(quote).map_or(rest.len(), |end| end + 2),
        Some(first) if "{[|>-?".contains(first) => 1,
        Some(_) => {
            let ends = [", ", ": ", " #", "]", "}"].iter().filter_map(|end| rest.find(end)).min();
            let text = rest[..ends.unwrap_or(rest.len())].trim_end();
            text.strip_suffix([':', ',']).unwrap_or(text).len()
        }
    };
    start..start + length
}

/// The bytes of the token that begins at this column: a string, a name, else one character.
fn span(line: &str, column: usize) -> Range<usize> {
    let mut start = line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
    // Rhai puts an error in a field at the dot before it.
    if line[start..].strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_alphabetic() || c == '_')) {
        start += 1;
    }
    let rest = &line[start..];
    let length = match rest.chars().next() {
        None => 0,
        Some(quote @ ('"' | '`')) => rest[1..].find(quote).map_or(rest.len(), |end| end + 2),
        Some(first) if first.is_alphanumeric() || first == '_' => {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        }
        Some(first) => first.len_utf8(),
    };
    start..start + length
}
