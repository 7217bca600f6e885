//! Completion inside Rhai.

use super::context::{Frame, bare, frames, innermost_call};
use super::live::Live;
use super::types::{self, Known};
use super::{Candidate, files, names};
use crate::repl::lexer::{Kind, Piece, keywords, pieces};
use crate::schema::{self, Field};
use crate::script::{Function, Reference, stdlib_modules};
use std::path::Path;

/// What can stand at the end of a text: where the unfinished word begins, and what can take its place.
pub(super) fn complete(session: &Live<'_>, text: &str) -> (usize, Vec<Candidate>) {
    let all = pieces(text);
    let (before, word) = match all.split_last() {
        Some((last, before)) if last.range().end == text.len() && unfinished(last) => (before, Some(last)),
        _ => (&all[..], None),
    };
    let start = word.map_or(text.len(), |word| word.at);
    let frames = frames(before);
    match word {
        Some(word) if word.kind == Kind::Comment => (text.len(), Vec::new()),
        Some(word) if word.kind == Kind::Text => {
            let (inner, found) = in_string(session, before, &frames, &word.text[1..]);
            (word.at + 1 + inner, found)
        }
        _ => (start, at_word(session, before, &frames)),
    }
}

/// The fields of the definition that the innermost map literal belongs to, with the map's own frame.
pub(in crate::repl) fn fields_here(before: &[Piece<'_>], frames: &[Frame<'_>]) -> Option<Vec<Field>> {
    let (name, argument, mut keys) = innermost_call(frames)?;
    // The key of the innermost map is the one whose value is being written.
    if let Some(Frame::Map { key: Some(_), .. }) = frames.last() {
        keys.pop();
    }
    let kind = kind_of(before.get(name)?.text).filter(|_| argument == 0)?;
    let fields = schema::fields(kind, &keys.join(".")).ok()?;
    Some(fields).filter(|fields| !fields.is_empty())
}

/// The kind of definition that a function takes first.
fn kind_of(function: &str) -> Option<schema::Kind> {
    let noun = if function == "provision" { "domain" } else { function };
    let ends = |kind: &&schema::Kind| {
        noun.strip_suffix(kind.name()).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
    };
    // `host_interface` ends like `interface`: the longest name is meant.
    schema::Kind::ALL.iter().filter(ends).max_by_key(|kind| kind.name().len()).copied()
}

fn unfinished(piece: &Piece<'_>) -> bool {
    match piece.kind {
        Kind::Name | Kind::Keyword => true,
        Kind::Text | Kind::Comment => piece.open || piece.text.starts_with("//"),
        _ => false,
    }
}

/// Names: members after a dot, keys in a map, else everything that can begin an expression.
fn at_word(session: &Live<'_>, before: &[Piece<'_>], frames: &[Frame<'_>]) -> Vec<Candidate> {
    let last = before.last();
    if let Some(last) = last.filter(|last| last.is(".") || last.is("?.")) {
        let receiver = &before[..before.len() - 1];
        return members(session, last, types::before(session, receiver));
    }
    if last.is_some_and(|last| last.is("::")) {
        let alias = before.len().checked_sub(2).map_or("", |at| before[at].text);
        let module = session.modules().find(|(name, _)| *name == alias);
        return module.map(|(_, functions)| functions.iter().map(call).collect()).unwrap_or_default();
    }
    match frames.last() {
        Some(Frame::Map { key: None, entries }) => keys(before, frames, entries),
        Some(Frame::Map { key: Some(key), .. }) if last.is_some_and(|last| last.is(":")) => {
            let field = fields_here(before, frames).and_then(|all| all.into_iter().find(|field| field.key == *key));
            let values = field.map(|field| field.values).unwrap_or_default();
            values.iter().map(|value| Candidate::plain(value)).chain(expressions(session)).collect()
        }
        _ => expressions(session),
    }
}

fn members(session: &Live<'_>, dot: &Piece<'_>, receiver: Option<Known>) -> Vec<Candidate> {
    let of_kind = |kind: &str| {
        let own = Reference::shared().functions().map(|(_, function)| function);
        let own = own.filter(|function| function.receiver.as_deref() == Some(kind) && !function.setter).map(call);
        let built_in = session.built_in(kind).into_iter().map(|(name, takes)| {
            let text = if takes { format!("{name}(") } else { format!("{name}()") };
            Candidate::new(text, name)
        });
        own.chain(built_in).collect::<Vec<_>>()
    };
    let Some(receiver) = receiver else {
        // Nothing is known of it: every method may be meant.
        let methods =
            Reference::shared().functions().filter(|(_, function)| function.receiver.is_some() && !function.setter);
        return methods.map(|(_, function)| call(function)).filter(|_| dot.is(".")).collect();
    };
    let mut found = of_kind(&receiver.kind);
    if let Some(map) = receiver.value.as_ref().and_then(rhai::Dynamic::read_lock::<rhai::Map>) {
        found.extend(map.keys().map(|key| Candidate::plain(key)));
    }
    found
}

fn keys(before: &[Piece<'_>], frames: &[Frame<'_>], entries: &[(&str, &str)]) -> Vec<Candidate> {
    let there = |key: &str| entries.iter().any(|(known, _)| *known == key);
    if let Some(fields) = fields_here(before, frames) {
        let fields = fields.into_iter().filter(|field| !there(&field.key));
        return fields.map(|field| Candidate::new(format!("{}: ", field.key), field.key)).collect();
    }
    let Some((name, _, keys)) = innermost_call(frames) else { return Vec::new() };
    if !keys.is_empty() {
        return Vec::new();
    }
    let functions = Reference::shared().named(before[name].text).map(|(_, function)| function);
    let options = functions.flat_map(|function| options(&function.details)).filter(|option| !there(option));
    options.map(|option| Candidate::new(format!("{option}: "), option)).collect()
}

/// The names of the options that a text lists as ``* `name`: ...``.
fn options(details: &str) -> impl Iterator<Item = &str> {
    details.lines().filter_map(|line| line.trim_start().strip_prefix("* `")?.split('`').next())
}

/// What can begin an expression.
fn expressions(session: &Live<'_>) -> Vec<Candidate> {
    let functions = Reference::shared().functions().map(|(_, function)| function);
    let mut found: Vec<_> = functions.filter(|function| function.receiver.is_none()).map(call).collect();
    found.extend(session.functions().iter().map(call));
    found.extend(session.variables().iter().map(|(name, ..)| Candidate::plain(name)));
    found.extend(session.modules().map(|(alias, _)| Candidate::new(format!("{alias}::"), alias)));
    found.extend(keywords().iter().map(|word| Candidate::plain(word)));
    found
}

/// A function as it is called.
fn call(function: &Function) -> Candidate {
    let text = if function.getter {
        function.name.clone()
    } else if function.parameters.is_empty() {
        format!("{}()", function.name)
    } else {
        format!("{}(", function.name)
    };
    Candidate::new(text, &function.name)
}

/// Names, values and files inside a string; `inner` is what the string holds so far.
fn in_string(session: &Live<'_>, before: &[Piece<'_>], frames: &[Frame<'_>], inner: &str) -> (usize, Vec<Candidate>) {
    if before.last().is_some_and(|last| last.is("import")) {
        let modules = stdlib_modules().map(Candidate::plain);
        let (start, files) = files::complete(inner, |path| path.extension().is_some_and(|kind| kind == "rhai"));
        let start = if inner.starts_with("std/") { 0 } else { start };
        let files = files
            .into_iter()
            .filter(|_| !inner.starts_with("std/"))
            .map(|file| Candidate::plain(file.text.strip_suffix(".rhai").unwrap_or(&file.text)));
        return (start, modules.filter(|_| start == 0).chain(files).collect());
    }
    if let Some(Frame::Map { key: Some(key), entries }) = frames.last() {
        let field = fields_here(before, frames).and_then(|all| all.into_iter().find(|field| field.key == *key));
        let mut values: Vec<_> = field.map(|field| field.values).unwrap_or_default();
        // Within a string only the words count, without their quotes.
        values.retain(|value| value.starts_with('"'));
        if values.is_empty() {
            return (0, names::for_key(session, key, entries).unwrap_or_default());
        }
        return (0, values.iter().map(|value| Candidate::plain(value.trim_matches('"'))).collect());
    }
    let Some(Frame::Call { name, argument }) = frames.last() else { return (0, Vec::new()) };
    let function = before[*name].text;
    if let Some(found) = names::for_call(session, &before[..*name], function).filter(|_| *argument == 0) {
        return (0, found);
    }
    let mut same = Reference::shared().named(function).map(|(_, function)| function);
    let takes_file = same.any(|function| {
        function.parameters.get(*argument).is_some_and(|parameter| matches!(parameter.name.as_str(), "file" | "path"))
    });
    if takes_file { files::complete(bare(inner), |_: &Path| true) } else { (0, Vec::new()) }
}
