//! Rhai's errors in the words of this program, with a hint where one is known.

use super::locate::Locator;
use super::reference::script_type;
use super::session::Failure;
use super::sources::recursion;
use super::{Diagnostic, Place, Reference, Session, Sources};
use crate::api;
use crate::floor::{self, Code, Finding, did_you_mean, interrupt, nearest};
use rhai::{Dynamic, EvalAltResult, ParseError, ParseErrorType, Position, Token};

/// A script that does not parse.
pub(super) fn parse_error(source: &str, error: &ParseError, sources: &Sources) -> Diagnostic {
    let text = sources.get(source).unwrap_or_default();
    let shown = match error.err_type() {
        ParseErrorType::VariableUndefined(name) => {
            let shown = Diagnostic::error(format!("no variable `{name}`"));
            with(shown, did_you_mean(name, declared(&text)))
        }
        ParseErrorType::ModuleUndefined(name) => {
            let shown = Diagnostic::error(format!("no module `{name}`"));
            shown.hint(format!("import it first: `import \"std/...\" as {name};`"))
        }
        ParseErrorType::Reserved(word) => {
            let shown = Diagnostic::error(format!("`{word}` is a reserved word"));
            shown.hint(format!("as a key of a map it must be quoted: `\"{word}\": ...`"))
        }
        ParseErrorType::UnknownOperator(operator) if operator == "?" => Diagnostic::error("unknown operator: `?`")
            .hint("a choice is `if condition { a } else { b }`, and gives a value"),
        ParseErrorType::MismatchedType(expected, found) => {
            Diagnostic::error(format!("expected {expected}, found {found}"))
        }
        ParseErrorType::VariableExpected if let Some((module, word)) = kept_word(&text, error.position()) => {
            Diagnostic::error(format!("`{word}` is a word of Rhai"))
                .hint(format!("a function of a module that is called so has a `_` behind it: `{module}::{word}_`"))
        }
        other => Diagnostic::error(lower(&other.to_string())),
    };
    let lines = text.lines().count();
    shown.at(place(source, error.position()).filter(|place| place.line <= lines).or_else(|| end(source, &text)))
}

/// What stands behind `module::` at a place, if Rhai keeps that word for itself, with the module.
fn kept_word(text: &str, position: Position) -> Option<(String, String)> {
    let line: Vec<char> = text.lines().nth(position.line()?.checked_sub(1)?)?.chars().collect();
    let (before, from) = line.split_at_checked(position.position()?.checked_sub(1)?)?;
    let is_part = |letter: &char| letter.is_alphanumeric() || *letter == '_';
    let word: String = from.iter().copied().take_while(is_part).collect();
    let before: String = before.iter().collect();
    let name = before.trim_end().strip_suffix("::")?.trim_end();
    let module = name.rsplit(|letter: char| !is_part(&letter)).next()?;
    Token::lookup_symbol_from_syntax(&word).map(|_| (module.to_string(), word))
}

/// A run that ended with an error.
pub(super) fn run_error(source: &str, error: EvalAltResult, session: &Session) -> Failure {
    let (mut source, mut error, mut trace) = (source.to_string(), error, Vec::new());
    loop {
        error = match error {
            EvalAltResult::ErrorInFunctionCall(name, defined_in, inner, position) => {
                let name = if name.starts_with("anon$") { "closure".to_string() } else { name };
                trace.extend(place(&source, position).map(|place| (name, place)));
                if !defined_in.is_empty() {
                    source = defined_in;
                }
                *inner
            }
            EvalAltResult::ErrorInModule(path, inner, position) => {
                trace.extend(place(&source, position).map(|place| (format!("import {path:?}"), place)));
                source = path;
                *inner
            }
            other => break error_at(&source, other, session, trace),
        };
    }
}

fn error_at(source: &str, error: EvalAltResult, session: &Session, mut trace: Vec<(String, Place)>) -> Failure {
    trace.reverse();
    let position = error.position();
    let is_endless = matches!(error, EvalAltResult::ErrorStackOverflow(_));
    let mut called = place(source, position);
    // A recipe that refuses something says why; where that stands in the program tells the user nothing, but who called it does.
    if matches!(error, EvalAltResult::ErrorRuntime(..)) && source.starts_with("std/") {
        // The call of a command stands in no file.
        trace.retain(|(_, place)| !place.source.is_empty() && !place.source.starts_with("std/"));
        called = trace.first().map(|(_, place)| place.clone());
    }
    let (mut shown, code) = match error {
        EvalAltResult::ErrorParsing(kind, position) => {
            (vec![parse_error(source, &ParseError(Box::new(kind), position), &session.sources)], 1)
        }
        EvalAltResult::ErrorTerminated(token, _) if token.is::<api::Stopped>() => {
            (vec![Diagnostic::error("interrupted")], 130)
        }
        EvalAltResult::ErrorRuntime(thrown, _) => thrown_value(&thrown, source, position, &session.sources),
        EvalAltResult::ErrorFunctionNotFound(signature, _) => {
            (vec![own_function(&signature, source, session).unwrap_or_else(|| unknown_function(&signature))], 1)
        }
        other => (vec![rhai_error(other)], 1),
    };
    for one in &mut shown {
        let circle = is_endless.then(|| endless(source, session)).flatten();
        one.place =
            one.place.take().filter(|place| !place.source.starts_with("std/")).or(circle).or_else(|| called.clone());
    }
    // Of several mistakes, the way to them is told once.
    if let Some(last) = shown.last_mut() {
        let shown = trace.first().is_some_and(|(_, place)| Some(place) == last.place.as_ref());
        last.trace = trace.split_off(usize::from(shown));
    }
    (shown, code)
}

/// Where a script calls itself for ever, as far as that can be told: Rhai says from where it was called first.
pub(super) fn endless(source: &str, session: &Session) -> Option<Place> {
    let text = session.sources.get(source)?;
    place(source, recursion(&session.parse(source, &text).ok()?)?)
}

/// What `throw` or a native function threw.
fn thrown_value(thrown: &Dynamic, source: &str, call: Position, sources: &Sources) -> (Vec<Diagnostic>, u8) {
    if let Some(error) = thrown.read_lock::<floor::Error>() {
        // Who asks twice to stop cuts the connection: what fails for that is no other failure.
        if error.code == Code::NoConnection && interrupt::wanted() {
            return (vec![Diagnostic::error("interrupted").note(error.to_string())], 130);
        }
        let is_placed = |one: &floor::Error| one.findings.iter().any(|finding| finding.place.is_some());
        // What is wrong with files is told there, of several items too.
        let told = |one: &floor::Error| {
            if is_placed(one) { findings(one, source, call, sources) } else { vec![Diagnostic::from_error(one)] }
        };
        let shown = if !error.findings.is_empty() {
            findings(&error, source, call, sources)
        } else if error.failures.iter().any(is_placed) {
            error.failures.iter().flat_map(told).collect()
        } else {
            vec![Diagnostic::from_error(&error)]
        };
        return (shown, error.exit_code());
    }
    // A recipe that has something to give all the same throws a map.
    let told = thrown.as_map_ref().ok().and_then(|map| Some(map.get("message")?.to_string()));
    let message = match told {
        Some(message) => message,
        None if thrown.is_unit() => "an error was thrown".to_string(),
        None if thrown.type_name().contains("::") => {
            format!("a {} was thrown", thrown.type_name().rsplit("::").next().unwrap_or_default())
        }
        None => thrown.to_string(),
    };
    (vec![Diagnostic::error(message)], 1)
}

/// A diagnostic for each mistake of a refused definition or of options, at the key or value that is wrong, in the script's order.
fn findings(error: &floor::Error, source: &str, call: Position, sources: &Sources) -> Vec<Diagnostic> {
    let locator = sources.get(source).and_then(|text| Locator::new(&text));
    let one = |finding: &Finding| {
        let shown = with(Diagnostic::error(&finding.message), finding.hint.clone());
        if let Some(found) = &finding.place {
            sources.insert(&found.file.name, &found.file.text);
            let source = found.file.name.clone();
            return shown.at(Some(Place { source, line: found.line, column: found.column }));
        }
        let position = locator.as_ref().and_then(|locator| locator.find(call, &finding.path, finding.on_key));
        match position {
            Some(position) if !finding.path.is_empty() => shown.at(place(source, position)),
            _ if finding.path.is_empty() || error.code == Code::InvalidArgument => shown,
            _ => shown.note(format!("at `{}` of this definition", finding.path)),
        }
    };
    let mut shown: Vec<Diagnostic> = error.findings.iter().map(one).collect();
    shown.sort_by_key(|one| one.place.as_ref().map(|place| (place.source.clone(), place.line, place.column)));
    shown
}

fn rhai_error(error: EvalAltResult) -> Diagnostic {
    match error {
        EvalAltResult::ErrorDotExpr(text, _) => unknown_property(&text),
        EvalAltResult::ErrorVariableNotFound(name, _) => Diagnostic::error(format!("no variable `{name}`")),
        EvalAltResult::ErrorModuleNotFound(path, _) => {
            let shown = Diagnostic::error(format!("no module `{path}`"));
            let known = super::stdlib::MODULES.iter().map(|(name, _)| *name);
            let hint = did_you_mean(&path, known)
                .unwrap_or_else(|| "paths are relative to the importing script; `std/...` is built in".into());
            shown.hint(hint)
        }
        EvalAltResult::ErrorMismatchDataType(expected, found, _) => {
            Diagnostic::error(format!("expected {}, found {}", script_type(&expected), script_type(&found)))
        }
        EvalAltResult::ErrorStackOverflow(_) => {
            Diagnostic::error("too many nested calls").hint("a function that calls itself must end sometime")
        }
        mut other => {
            other.clear_position();
            Diagnostic::error(lower(&other.to_string()))
        }
    }
}

/// A function or a closure of the script itself that takes another number of arguments.
fn own_function(signature: &str, source: &str, session: &Session) -> Option<Diagnostic> {
    let (name, types) = signature.split_once(" (")?;
    let given = types.trim_end_matches(')').split(", ").filter(|kind| !kind.is_empty()).count();
    let is_closure = name.starts_with("anon$");
    let text = session.sources.get(source).unwrap_or_default();
    let tree = session.parse(source, &text).ok();
    let here = tree.iter().flat_map(|tree| tree.shared_lib().iter_script_fn_info());
    // Lines before at the prompt.
    let before = session.libraries.iter().flat_map(|library| library.iter_script_fn_info());
    let mut own: Vec<_> = here
        .chain(before)
        .filter(|known| known.4.name == name)
        .map(|known| known.4.params.iter().map(ToString::to_string).collect::<Vec<_>>())
        .collect();
    own.dedup();
    if own.is_empty() {
        let message = format!("the closure does not take {}", arguments(given));
        return is_closure.then(|| Diagnostic::error(message));
    }
    let counts: Vec<_> = own.iter().map(Vec::len).collect();
    // A method's receiver is none of the parameters of a script's function.
    let given = if counts.contains(&given) { given - 1 } else { given };
    let told = counts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
    let told = if counts == [1] { arguments(1) } else { format!("{told} arguments") };
    let who = if is_closure { "the closure".to_string() } else { format!("`{name}`") };
    let shown = Diagnostic::error(format!("{who} takes {told}, not {given}"));
    let forms =
        own.iter().filter(|_| !is_closure).map(|parameters| format!("it is `{name}({})`", parameters.join(", ")));
    Some(forms.fold(shown, Diagnostic::hint))
}

fn arguments(count: usize) -> String {
    if count == 1 { "1 argument".to_string() } else { format!("{count} arguments") }
}

/// `name (Type, Type)`: no such function, or none for these types.
fn unknown_function(signature: &str) -> Diagnostic {
    let (name, types) = signature.split_once(" (").unwrap_or((signature, ""));
    let types: Vec<_> =
        types.strip_suffix(')').unwrap_or(types).split(", ").filter(|kind| !kind.is_empty()).map(script_type).collect();
    let reference = Reference::shared();
    let same: Vec<_> = reference.named(name).map(|(_, function)| function).collect();
    if let Some(getter) = same.iter().find(|f| f.getter && types.first() == f.receiver.as_ref() && types.len() == 1) {
        let message = format!("`{name}` is a property of {}, not a method", types[0]);
        return Diagnostic::error(message).hint(format!("read it without parentheses: `.{}`", getter.name));
    }
    let of_type: Vec<_> =
        same.iter().filter(|f| f.receiver.is_some() && f.receiver.as_ref() == types.first()).copied().collect();
    let same = if of_type.is_empty() { same } else { of_type };
    if !same.is_empty() {
        let shown = Diagnostic::error(format!("`{name}` does not take ({})", types.join(", ")));
        return same
            .iter()
            .filter(|f| !f.getter && !f.setter)
            .fold(shown, |shown, f| shown.hint(format!("it is `{}`", f.signature())));
    }
    let message = match (name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_'), types.as_slice()) {
        (false, [left, right]) => format!("`{name}` is not defined between {left} and {right}"),
        (_, []) => format!("no function `{name}`"),
        _ => format!("no function `{name}` for ({})", types.join(", ")),
    };
    // What fits the receiver is meant more likely than what merely sounds alike.
    let fitting = reference.functions().filter(|(_, f)| f.receiver.is_some() && f.receiver.as_ref() == types.first());
    // An operator is a letter away from each short name, and never meant by one.
    let is_word = |name: &&str| name.starts_with(|first: char| first.is_alphabetic() || first == '_');
    let near = nearest(name, fitting.map(|(_, f)| f.name.as_str()).filter(is_word))
        .or_else(|| nearest(name, reference.functions().map(|(_, f)| f.name.as_str()).filter(is_word)));
    with(Diagnostic::error(message), near.map(|near| format!("did you mean `{near}`?")))
}

/// `Unknown property 'x' - a getter is not registered for type 'T'` and its like.
fn unknown_property(text: &str) -> Diagnostic {
    let mut quoted = text.split('\'').skip(1).step_by(2);
    let (Some(name), Some(kind)) = (quoted.next(), quoted.next()) else {
        return Diagnostic::error(lower(text));
    };
    let kind = script_type(kind);
    let reference = Reference::shared();
    let of_kind = |f: &super::Function| f.receiver.as_deref() == Some(kind.as_str());
    let same: Vec<_> = reference.named(name).map(|(_, f)| f).filter(|f| of_kind(f)).collect();
    if text.starts_with("No writable") && same.iter().any(|f| f.getter) {
        return Diagnostic::error(format!("property `{name}` of {kind} can only be read"));
    }
    if same.iter().any(|f| !f.getter && !f.setter) {
        return Diagnostic::error(format!("`{name}` is a method of {kind}")).hint(format!("call it: `.{name}()`"));
    }
    let shown = Diagnostic::error(format!("{kind} has no property `{name}`"));
    if kind == "()" {
        return shown.hint("the value before the dot is absent: test it with `== ()`, or read with `?.` and `??`");
    }
    let own: Vec<_> = reference.functions().map(|(_, f)| f).filter(|f| of_kind(f)).collect();
    let near = nearest(name, own.iter().map(|f| f.name.as_str())).map(str::to_string);
    // It may be a field of what one of its properties gives.
    let inner = || own.iter().find(|f| f.getter && gives(f, name)).map(|f| format!("{}.{name}", f.name));
    with(shown, near.or_else(inner).map(|near| format!("did you mean `{near}`?")))
}

/// Whether the docs of a property list this field in the map that it gives.
fn gives(property: &super::Function, field: &str) -> bool {
    let map = property.summary.split_once("#{").and_then(|(_, rest)| rest.split_once('}'));
    map.is_some_and(|(fields, _)| {
        fields.split(',').any(|one| one.split(':').next().unwrap_or_default().trim() == field)
    })
}

/// The names that a script declares, for suggestions.
fn declared(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let mut before = "";
    let names =
        words.filter(move |word| matches!(std::mem::replace(&mut before, word), "let" | "const" | "for" | "as"));
    names.chain(["args"])
}

fn with(shown: Diagnostic, hint: Option<String>) -> Diagnostic {
    match hint {
        Some(hint) => shown.hint(hint),
        None => shown,
    }
}

fn place(source: &str, position: Position) -> Option<Place> {
    Some(Place { source: source.to_string(), line: position.line()?, column: position.position().unwrap_or(1) })
}

/// The end of a text: where a script that stops too early went wrong.
fn end(source: &str, text: &str) -> Option<Place> {
    let line = text.lines().count();
    let column = text.lines().next_back()?.chars().count() + 1;
    Some(Place { source: source.to_string(), line, column })
}

/// Rhai's messages as this program writes: lower case, no full stop.
fn lower(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_string(),
    }
}
