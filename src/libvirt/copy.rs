//! Volumes that are copies of other ones.

use super::cause::Explain;
use super::retry::while_busy;
use super::undo::{Made, Transaction, complete, record};
use super::{Pool, Volume, verify};
use crate::floor::{Area, Code, Error, Result, format_size, timing};
use crate::schema::xml;
use virt::storage_vol::StorageVol;
use virt::sys;

impl Volume {
    /// The format of its content, such as `qcow2`, as the host sees it.
    pub fn format(&self) -> Result<Option<String>> {
        Ok(self.looks()?.0)
    }

    /// The format of its content, and the bytes that a guest sees of it.
    pub fn looks(&self) -> Result<(Option<String>, u64)> {
        let xml = xml::parse(&self.xml()?)?;
        let format = xml.find("target/format").and_then(|format| format.attr("type")).map(str::to_string);
        let capacity = xml.find("capacity").and_then(|size| size.text().trim().parse().ok());
        Ok((format, capacity.unwrap_or_default()))
    }
}

impl Pool {
    /// Creates a volume of this XML as a full copy of another one, then grows it. A failure leaves no volume.
    /// A thick one takes all of its space at once.
    pub fn copy_volume(&self, xml: &str, base: &Volume, grow: Option<u64>, thick: bool) -> Result<Volume> {
        let object = self.absent(xml)?;
        let found = base.info()?;
        let room = if thick { grow.unwrap_or(found.capacity) } else { found.allocation };
        self.need(room, &object.to_string())?;
        let transaction = Transaction::begin();
        let made = Made::copy(self, xml, found.capacity)?;
        let copied = record(self.host(), made.clone(), || {
            timing::timed(&object.plain(), "copy", || {
                self.making(&object, &made, || {
                    StorageVol::create_xml_from(&self.raw()?, xml, &base.raw()?, 0).explain("create", &object)
                })
            })
        });
        let grown = copied.and_then(|volume| {
            self.settle()?;
            match grow {
                Some(capacity) if thick => while_busy(self.host(), || {
                    volume.raw()?.resize(capacity, sys::VIR_STORAGE_VOL_RESIZE_ALLOCATE).explain("resize", &object)
                })?,
                Some(capacity) => volume.resize(capacity, false)?,
                None => {}
            }
            verify::is_as_defined_in_size(&volume, xml)?;
            Ok(volume)
        });
        match grown {
            Ok(volume) => {
                complete(&made);
                transaction.commit();
                Ok(volume)
            }
            Err(error) => Err(transaction.roll_back(error)),
        }
    }

    /// Fails if so many bytes do not fit; `what` needs them.
    pub fn need(&self, bytes: u64, what: &str) -> Result<()> {
        let free = self.info()?.available;
        if bytes <= free {
            return Ok(());
        }
        let message =
            format!("{what} needs {} in {}, which has {} free", format_size(bytes), self.object(), format_size(free));
        Err(Error::new(Code::NoSpace, Area::Storage, message).about(self.object().to_string()))
    }
}
