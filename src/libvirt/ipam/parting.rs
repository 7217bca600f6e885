//! Cards that a machine loses by a change, or gets back: what is kept of their addresses goes and comes with them.

use super::readdress::forget;
use super::record::{Kept, Record};
use super::survey::Card;
use crate::floor::Result;
use crate::libvirt::{Domain, Transaction};
use crate::schema::xml::{Elem, Node};

/// What a change of a machine means for what networks keep for it.
pub(in crate::libvirt) struct Parting {
    gone: Vec<Kept>,
    back: Vec<Kept>,
    former: Vec<Card>,
}

impl Parting {
    /// Compares two documents of a machine; from the later one it takes what is kept of cards that it does not have.
    pub(in crate::libvirt) fn between(old: &Elem, new: &mut Elem) -> Self {
        let (former, cards) = (Card::all(old), Card::all(new));
        let has = |kept: &Kept| cards.iter().any(|card| card.mac == Some(kept.mac));
        let known = Record::read(old).unwrap_or_default().addresses;
        let mut back = Vec::new();
        if let Some(mut record) = Record::read(new) {
            let had = |kept: &Kept| known.iter().any(|one| one.net == kept.net && one.mac == kept.mac);
            back = record.addresses.iter().filter(|kept| has(kept) && !had(kept)).cloned().collect();
            let count = record.addresses.len();
            record.addresses.retain(has);
            if record.addresses.len() < count {
                forget(new);
                if !record.addresses.is_empty() {
                    new.child_or_new("metadata").nodes.push(Node::Elem(record.elem()));
                }
            }
        }
        let gone = known.into_iter().filter(|kept| !has(kept)).collect();
        Self { gone, back, former }
    }

    /// Makes a change: what comes back is reserved before it, what goes is given back after it.
    pub(in crate::libvirt) fn around<T>(self, domain: &Domain, change: impl FnOnce() -> Result<T>) -> Result<T> {
        // What networks keep follows the machine's definition, which stays when a transaction around it is undone.
        let apart = Transaction::begin_apart();
        let held = domain.hold_again(&self.back);
        apart.commit();
        match held.and_then(|()| change()) {
            Ok(done) => {
                if let Err(error) = self.release(domain, &self.gone) {
                    tracing::warn!("what networks keep for cards that {} had stays: {error}", domain.object());
                }
                Ok(done)
            }
            Err(error) => Err(match self.release(domain, &self.back) {
                Ok(()) => error,
                Err(failed) => error.note(format!("cannot undo: {failed}")),
            }),
        }
    }

    fn release(&self, domain: &Domain, kept: &[Kept]) -> Result<()> {
        if kept.is_empty() { Ok(()) } else { domain.former(kept, &self.former)?.release() }
    }
}
