//! Names of what is on the host, asked for in one call each.

use super::Candidate;
use super::live::Live;
use super::types::{self, Known};
use crate::repl::lexer::Piece;
use crate::script::{self, Reference};
use rhai::{Array, Dynamic};

/// The names that a look-up can take: `host.domain("` lists `host.domains()`.
pub(super) fn for_call(session: &Live<'_>, before: &[Piece<'_>], method: &str) -> Option<Vec<Candidate>> {
    let (dot, receiver) = before.split_last()?;
    if !(dot.is(".") || dot.is("?.")) {
        return None;
    }
    let Known { kind, value } = types::before(session, receiver)?;
    let listing = Reference::shared().listing(&kind, method)?;
    Some(of(session, &value?, &listing.name))
}

/// The names that a key of a definition can take: `network: "` lists the host's networks.
pub(super) fn for_key(session: &Live<'_>, key: &str, entries: &[(&str, &str)]) -> Option<Vec<Candidate>> {
    let host = session.variable("host").filter(|host| !host.is_unit())?;
    if key == "volume" {
        let (_, pool) = entries.iter().find(|(key, _)| *key == "pool")?;
        let pool = session.call(&host, "pool", ((*pool).to_string(),))?;
        return Some(of(session, &pool, "volumes"));
    }
    let listing = Reference::shared().listing("Host", key)?;
    Some(of(session, &host, &listing.name))
}

fn of(session: &Live<'_>, owner: &Dynamic, listing: &str) -> Vec<Candidate> {
    let (owner, listing) = (owner.clone(), listing.to_string());
    // All in one question: several hundred threads would take their time.
    let names = session.ask(move || {
        let items = script::call(&owner, &listing, ()).and_then(Dynamic::try_cast::<Array>).unwrap_or_default();
        let names = items.iter().filter_map(|item| script::call(item, "get$name", ()));
        names.map(|name| name.to_string()).collect::<Vec<_>>()
    });
    names.unwrap_or_default().iter().map(|name| Candidate::plain(name)).collect()
}
