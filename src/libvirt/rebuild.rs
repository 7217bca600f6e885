//! Giving a machine other disks: whatever can fail is done first, and a single call of libvirt's makes the change.

use super::undo::{Made, Named, Transaction, record};
use super::uses::is_on;
use super::{Domain, Owned, Storage, Volume, define::name_of, object::Kind, provision::fill};
use crate::floor::timing::timed;
use crate::floor::{Area, Code, Error, Result, interrupt};
use crate::schema::{self, Definition, xml};
use std::time::Duration;

/// How a machine is given other disks.
#[derive(Debug, Clone, Default)]
pub struct Rebuild {
    /// The volumes to make first.
    pub storage: Vec<Storage>,
    /// How long the guest may take to shut down by itself; without it, it is stopped at once.
    pub timeout: Option<Duration>,
    /// Whether to start it afterwards.
    pub start: bool,
}

impl Domain {
    /// Makes volumes, stops the domain, makes it what the definition says, and starts it; then deletes those of its volumes
    /// that it had a disk on and has none on any more, and gives them. Nothing else is deleted.
    ///
    /// A failure leaves it as it was. A run that is killed leaves a domain that is either the old or the new one: which it
    /// is decides what `vmscript recover` deletes.
    pub fn rebuild(&self, wanted: &Definition, how: &Rebuild) -> Result<Vec<Owned>> {
        let _turn = self.alone()?;
        let mut kept = self.record()?;
        self.is_free(&kept, "rebuild")?;
        self.has_one_state()?;
        let old = self.secure_xml()?;
        let wanted = self.completed(&Definition::from_xml(schema::Kind::Domain, &old)?, wanted)?;
        let pools = self.host().empty_places(&how.storage)?;
        let (mut gone, mut volumes) = (Vec::new(), Vec::new());
        for owned in &kept.volumes {
            let Some(volume) = self.find_owned(owned)? else { continue };
            if self.stands_on(&volume)? && !is_on(&wanted.root(), &volume)? {
                gone.push(owned.clone());
                volumes.push(volume);
            }
        }
        if !volumes.is_empty() {
            self.nobody_else_needs(&volumes, &self.host().volume_uses()?, "rebuild")?;
        }
        kept.volumes.retain(|owned| !gone.contains(owned));
        for storage in &how.storage {
            kept.volumes.push(Owned { pool: storage.pool.clone(), name: name_of(Kind::Volume, &storage.xml)? });
        }
        let mut root = wanted.root();
        kept.write(&mut root);
        let transaction = Transaction::beside(Named { name: self.name().to_string(), uuid: self.uuid()? });
        let switched = fill(&pools, &how.storage)
            .and_then(|()| self.spare(&volumes))
            .and_then(|()| self.switch(&old, &xml::to_string(&root), how));
        if let Err(error) = switched {
            return Err(transaction.roll_back(error));
        }
        if let Err(error) = self.note_left(&old) {
            tracing::warn!(%error, "what its former definition had may stay when it is removed");
        }
        // What is undone is the making of what the machine does not use: now, that is what it had before.
        for note in transaction.undo() {
            tracing::warn!("{note}");
        }
        self.forget_host_key();
        Ok(gone)
    }

    /// A snapshot and a saved state belong to the disks that it has.
    fn has_one_state(&self) -> Result<()> {
        let snapshots = self.snapshots()?.len();
        let (what, hint) = if snapshots > 0 {
            (format!("it has {snapshots} snapshots of its disks"), "delete them first")
        } else if self.has_managed_save()? {
            ("its state is saved".to_string(), "start it, or drop that with `remove_managed_save()`")
        } else {
            return Ok(());
        };
        let message = format!("cannot rebuild {}: {what}", self.object());
        Err(Error::new(Code::InvalidState, Area::Domain, message).about(self.object().plain()).hint(hint))
    }

    /// From now on these may be left over.
    fn spare(&self, volumes: &[Volume]) -> Result<()> {
        for volume in volumes {
            let (pool, name) = (volume.pool()?.named()?, volume.name().to_string());
            let made = Made::Volume { pool, name, shape: None };
            record(self.host(), made, || Ok(()))?;
        }
        Ok(())
    }

    /// Stops it, and starts it as another one; what fails puts it back.
    fn switch(&self, old: &str, new: &str, how: &Rebuild) -> Result<()> {
        let ran = self.is_active()?;
        let done = self.stop(how.timeout).and_then(|()| interrupt::check()).and_then(|()| {
            self.host().attempt("define_domain", self.object())?;
            let started = self.redefine(new).and_then(|()| {
                if how.start { timed(&self.object().plain(), "start", || self.start()) } else { Ok(()) }
            });
            started.map_err(|error| {
                // What runs would not be what is defined.
                let stopped = self.stop(None);
                let error = self.put_back(old, error);
                stopped.err().into_iter().fold(error, |error, failed| error.note(format!("cannot undo: {failed}")))
            })
        });
        done.map_err(|error| {
            interrupt::shielded(|| match self.is_active() {
                Ok(false) if ran => match self.start() {
                    Ok(()) => error,
                    Err(failed) => error.note(format!("cannot start it again: {failed}")),
                },
                _ => error,
            })
        })
    }
}
