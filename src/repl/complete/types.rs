//! What an expression is, without running it: variables and properties are read, calls are looked up in the reference.

use super::super::lexer::{Kind, Piece, pieces};
use super::context::bare;
use super::live::Live;
use crate::script::{Function, Reference};
use rhai::Dynamic;

/// What is known of an expression.
#[derive(Debug, Clone)]
pub(in crate::repl) struct Known {
    /// Its type, as scripts call it.
    pub(in crate::repl) kind: String,
    /// Its value, if reading it changes nothing.
    pub(in crate::repl) value: Option<Dynamic>,
}

/// The type of an expression given as text, if it can be known.
pub(in crate::repl) fn of_text(session: &Live<'_>, text: &str) -> Option<String> {
    let pieces = pieces(text.trim().trim_end_matches(';'));
    let known = before(session, &pieces)?;
    (chain_start(&pieces) == 0 && known.kind != "any").then_some(known.kind)
}

/// What is known of the expression that the pieces end with.
pub(in crate::repl) fn before(session: &Live<'_>, pieces: &[Piece<'_>]) -> Option<Known> {
    let chain = &pieces[chain_start(pieces)..];
    let (mut known, mut at) = primary(session, chain)?;
    while at < chain.len() {
        let rest = &chain[at..];
        if rest[0].is("[") {
            let end = closing(rest)?;
            let index = rest.get(1).filter(|_| end == 2).and_then(|piece| piece.text.parse::<usize>().ok());
            let items =
                known.value.as_ref().and_then(|value| value.read_lock::<rhai::Array>().map(|items| items.clone()));
            known = of_value(session, items?.get(index.unwrap_or(0))?.clone());
            at += end + 1;
        } else if (rest[0].is(".") || rest[0].is("?.")) && rest.get(1).is_some_and(|piece| piece.kind == Kind::Name) {
            let name = rest[1].text;
            if rest.get(2).is_some_and(|piece| piece.is("(")) {
                let end = closing(&rest[2..])?;
                known = method(session, &known, name, &rest[3..2 + end])?;
                at += 3 + end;
            } else {
                known = property(session, &known, name)?;
                at += 2;
            }
        } else {
            return None;
        }
    }
    Some(known)
}

/// The functions of this name that fit a receiver; without one, those that are no methods.
pub(in crate::repl) fn functions<'a>(
    receiver: Option<&'a str>,
    name: &'a str,
) -> impl Iterator<Item = &'static Function> {
    let all = Reference::shared().functions().map(|(_, function)| function);
    all.filter(move |function| function.name == name && function.receiver.as_deref() == receiver)
}

/// Where the chain of names, calls and indexes begins that the pieces end with.
fn chain_start(pieces: &[Piece<'_>]) -> usize {
    let mut at = pieces.len();
    loop {
        // A part of the chain: a name or a value, with calls and indexes behind it.
        while at > 0 && pieces[at - 1].kind == Kind::Close {
            let Some(open) = opening(&pieces[..at]) else { return at };
            at = open;
        }
        if at > 0 && matches!(pieces[at - 1].kind, Kind::Name | Kind::Text | Kind::Number) {
            at -= 1;
        }
        if at > 0 && (pieces[at - 1].is(".") || pieces[at - 1].is("?.") || pieces[at - 1].is("::")) {
            at -= 1;
        } else {
            return at;
        }
    }
}

/// The bracket that the last piece closes.
fn opening(pieces: &[Piece<'_>]) -> Option<usize> {
    let mut depth = 0;
    pieces.iter().rposition(|piece| {
        match piece.kind {
            Kind::Close => depth += 1,
            Kind::Open => depth -= 1,
            _ => {}
        }
        depth == 0
    })
}

/// The bracket that closes the first piece.
fn closing(pieces: &[Piece<'_>]) -> Option<usize> {
    let mut depth = 0;
    pieces.iter().position(|piece| {
        match piece.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth -= 1,
            _ => {}
        }
        depth == 0
    })
}

/// What a chain begins with, and how many pieces that takes.
fn primary(session: &Live<'_>, chain: &[Piece<'_>]) -> Option<(Known, usize)> {
    let first = chain.first()?;
    let plain = |kind: &str, length| Some((Known { kind: kind.to_string(), value: None }, length));
    match first.kind {
        Kind::Text => plain("string", 1),
        Kind::Number => plain(if first.text.contains('.') { "float" } else { "int" }, 1),
        Kind::Open => {
            let length = closing(chain)? + 1;
            match first.text {
                "#{" => plain("map", length),
                "[" => plain("list", length),
                "(" => before(session, &chain[1..length - 1]).map(|known| (known, length)),
                _ => None,
            }
        }
        Kind::Name if chain.get(1).is_some_and(|piece| piece.is("(")) => {
            let length = closing(&chain[1..])? + 2;
            let kind = functions(None, first.text).next()?.returns.clone();
            Some((Known { kind, value: None }, length))
        }
        Kind::Name => {
            let value = session.variable(first.text)?;
            // The REPL's own host may still be on its way.
            if value.is_unit() && first.text == "host" {
                return plain("Host", 1);
            }
            Some((of_value(session, value), 1))
        }
        _ => None,
    }
}

fn of_value(session: &Live<'_>, value: Dynamic) -> Known {
    Known { kind: session.type_of(&value), value: Some(value) }
}

fn property(session: &Live<'_>, known: &Known, name: &str) -> Option<Known> {
    if let Some(value) = known.value.as_ref().and_then(|value| session.property(value, name)) {
        return Some(of_value(session, value));
    }
    let getter = functions(Some(&known.kind), name).find(|function| function.getter)?;
    Some(Known { kind: getter.returns.clone(), value: None })
}

fn method(session: &Live<'_>, known: &Known, name: &str, arguments: &[Piece<'_>]) -> Option<Known> {
    let reference = Reference::shared();
    // Looking up and listing change nothing, so their value can be had.
    if let Some(value) = &known.value {
        let found = match arguments {
            [] if reference.looks_up(name) => session.call(value, name, ()),
            [only] if only.kind == Kind::Text && reference.looks_up(name) => {
                session.call(value, name, (bare(only.text).to_string(),))
            }
            _ => None,
        };
        if let Some(found) = found {
            return Some(of_value(session, found));
        }
    }
    let kind =
        functions(Some(&known.kind), name).find(|function| !function.getter && !function.setter)?.returns.clone();
    // What is looked up by a name may be absent: then nothing comes after the dot anyway.
    let kind = match name.strip_prefix("find_") {
        Some(noun) if kind == "any" => functions(Some(&known.kind), noun).next()?.returns.clone(),
        _ => kind,
    };
    Some(Known { kind, value: None })
}
