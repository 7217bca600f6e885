//! Volumes that take the place of others.

use super::undo::Transaction;
use super::{Content, Pool, Volume};
use crate::floor::Result;
use crate::schema::xml::{self, Node};

impl Pool {
    /// Creates and fills a volume in place of the one of this name, which nobody may need. The new one is complete beside it,
    /// as `NAME.new`, before the old one goes: a failure leaves one of them, also one later in a transaction. As libvirt renames
    /// no volume, it is sent twice.
    pub fn replace_volume(&self, old: &Volume, xml: &str, content: &Content) -> Result<Volume> {
        old.check_unused()?;
        let beside = beside(old.name());
        let complete = self.create_for_good(&called(xml, &beside)?, content)?;
        if let Err(error) = old.delete_unused() {
            return Err(match complete.delete() {
                Ok(()) => error,
                Err(failure) => error.note(format!("volume `{beside}` is left: {failure}")),
            });
        }
        let new = self
            .create_for_good(xml, content)
            .map_err(|error| error.note(format!("the new one is complete as `{beside}`, and the old one is gone")))?;
        complete.delete()?;
        Ok(new)
    }

    /// Creates and fills a volume that no undoing takes back once it is complete: what it takes the place of cannot come back.
    fn create_for_good(&self, xml: &str, content: &Content) -> Result<Volume> {
        let transaction = Transaction::begin_apart();
        match self.create_filled_volume(xml, content) {
            Ok(volume) => {
                transaction.commit();
                Ok(volume)
            }
            Err(error) => Err(transaction.roll_back(error)),
        }
    }
}

/// What the volume is called that will take the place of the one of this name.
pub(super) fn beside(name: &str) -> String {
    format!("{name}.new")
}

/// A volume's definition under another name.
fn called(text: &str, name: &str) -> Result<String> {
    let mut document = xml::parse(text)?;
    for node in &mut document.nodes {
        if let Node::Elem(elem) = node
            && elem.local() == "name"
        {
            elem.nodes = vec![Node::Text(name.to_string())];
        }
    }
    Ok(xml::to_string(&document))
}
