//! Volumes that take the place of others.

use super::undo::{self, Made, Transaction};
use super::{Content, Pool, Volume};
use crate::floor::{Area, Code, Error, Result};
use crate::schema::xml::{self, Node};

impl Pool {
    /// Creates and fills a volume in place of the one of this name, which nobody may need. The new one is complete beside it,
    /// as `NAME.new`, before the old one goes. As libvirt renames no volume, it is sent twice. What fails before the old one goes
    /// leaves that, also later in a transaction; what fails afterwards is finished with the one beside, by `recover` if need be.
    pub fn replace_volume(&self, old: &Volume, xml: &str, content: &Content) -> Result<Volume> {
        old.check_unused()?;
        let name = old.name().to_string();
        let transaction = Transaction::begin_apart();
        let complete = match self.create_filled_volume(&called(xml, &beside(&name))?, content) {
            Ok(complete) => complete,
            Err(error) => return Err(transaction.roll_back(error)),
        };
        let made = Made::Replacement { pool: self.named()?, name: name.clone(), xml: xml.to_string() };
        let switched = old.give_up_for(made).and_then(|()| {
            let new = self.create_filled_volume(xml, content)?;
            undo::settled(|made| matches!(made, Made::Volume { name: known, .. } if *known == name));
            complete.delete().map(|()| new)
        });
        match switched {
            Ok(new) => {
                transaction.commit();
                Ok(new)
            }
            Err(error) => Err(transaction.roll_back(error)),
        }
    }

    /// Makes the volume of this name of the one beside it, if it is gone, and deletes that one.
    pub(super) fn finish_replacing(&self, name: &str, xml: &str) -> Result<()> {
        let Some(complete) = self.find_volume(&beside(name))? else { return Ok(()) };
        if self.find_volume(name)?.is_none() {
            tracing::warn!(
                "the former volume `{name}` is gone: it is made of `{}`, which is complete",
                complete.name()
            );
            let transaction = Transaction::begin_apart();
            let made = tempfile::tempdir()
                .map_err(|error| {
                    Error::new(Code::Failed, Area::Storage, "cannot make a folder").caused_by(error.to_string())
                })
                .and_then(|folder| {
                    let file = folder.path().join("volume");
                    complete.download(&file)?;
                    self.create_filled_volume(xml, &Content::File(file))
                });
            if let Err(error) = made {
                return Err(transaction.roll_back(error));
            }
            transaction.commit();
        }
        complete.delete()
    }
}

impl Volume {
    /// Deletes it, unless somebody needs it, from where on the one beside it is to take its place.
    fn give_up_for(&self, made: Made) -> Result<()> {
        let beside = beside(self.name());
        undo::record(self.host(), made, || self.delete_unused())?;
        undo::settled(|made| matches!(made, Made::Volume { name, .. } if *name == beside));
        Ok(())
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
