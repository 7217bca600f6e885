//! Giving a machine other disks: whatever can fail is done first, and a single call of libvirt's makes the change.

use super::passwords::with_passwords;
use super::undo::{self, Made, Named, Transaction, record};
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
    /// A failure leaves it as it was. A run that is killed, or that loses its connection, leaves all disks of both to `vmscript
    /// recover`: a domain that runs with its new ones keeps them, and one that does not gets back those that it had.
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
            .and_then(|()| self.switch(&xml::to_string(&root), how));
        if let Err(error) = switched {
            let error = transaction.roll_back(error);
            // Who breaks it off wants to know what there is.
            let is_broken_off = matches!(error.code, Code::Interrupted | Code::NoConnection);
            let is_former = || interrupt::shielded(|| self.has_other_disks(&old)).is_ok_and(|is_other| !is_other);
            let told = is_broken_off && is_former();
            return Err(if told { error.note(format!("{} has the disks that it had", self.object())) } else { error });
        }
        undo::settled(|made| matches!(made, Made::Former { .. }));
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

    /// Stops it, and starts it as another one. From before it stops until it runs, undoing gives it back what it was.
    fn switch(&self, new: &str, how: &Rebuild) -> Result<()> {
        let domain = Named { name: self.name().to_string(), uuid: self.uuid()? };
        // Passwords are not for a journal: the new definition has them, too.
        let made = Made::Former { domain, xml: self.inactive_xml()?, ran: self.is_active()? };
        record(self.host(), made, || Ok(()))?;
        self.stop(how.timeout)?;
        interrupt::check()?;
        self.host().attempt("define_domain", self.object())?;
        self.redefine(new)?;
        if how.start { timed(&self.object().plain(), "start", || self.start()) } else { Ok(()) }
    }

    /// Makes it what it was before a change that failed: this definition, and running if it ran.
    pub(super) fn go_back(&self, former: &str, ran: bool) -> Result<()> {
        // A start that lost its connection may be going on.
        self.runs_for_good()?;
        if self.inactive_xml()? != former {
            // What runs would not be what is defined.
            self.stop(None)?;
            let former = with_passwords(xml::parse(former)?, &xml::parse(&self.secure_xml()?)?);
            self.redefine(&xml::to_string(&former))?;
        }
        if ran
            && !self.is_active()?
            && let Err(failed) = self.start()
        {
            tracing::warn!("{} is what it was, and off: cannot start it again: {failed}", self.object());
        }
        Ok(())
    }

    /// Whether it runs. A start that is going on is waited for: it may fail yet.
    pub(super) fn runs_for_good(&self) -> Result<bool> {
        if self.is_active()? {
            // It is answered when the domain's job is done; what it says does not matter.
            drop(self.raw()?.memory_stats(0));
        }
        self.is_active()
    }

    /// Whether its definition has other disks than this one.
    pub(super) fn has_other_disks(&self, definition: &str) -> Result<bool> {
        let sources = |text: &str| -> Result<Vec<String>> {
            Ok(xml::parse(text)?.find_all("devices/disk/source").into_iter().map(xml::to_string).collect())
        };
        Ok(sources(&self.inactive_xml()?)? != sources(definition)?)
    }
}
