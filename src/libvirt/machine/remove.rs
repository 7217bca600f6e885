//! Removing a machine completely: the domain, all that libvirt keeps for it, and the volumes that were made for it.

use super::layers::with;
use super::{MachineRecord, Owned};
use crate::floor::timing::timed;
use crate::floor::{Area, Code, Error, Result, interrupt};
use crate::libvirt::undo::{Made, is_being_removed, removing};
use crate::libvirt::{Domain, Lease, Mode, Uses, Volume};
use crate::schema::xml;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often it is looked whether another run is done with the same machine.
const LOOK: Duration = Duration::from_millis(50);

/// How a machine is removed; the default stops it at once.
#[derive(Debug, Clone, Default)]
pub struct Remove {
    /// How long the guest may take to shut down by itself; without it, it is stopped at once.
    pub timeout: Option<Duration>,
    /// Whether to leave its volumes.
    pub keep_volumes: bool,
    /// Whether to remove it though it is protected.
    pub force: bool,
    /// Whether to change nothing: only to find what would fail, and to tell what would go.
    pub dry_run: bool,
    /// Pools that go with its last volume if they hold nothing then; whether their folders go, too.
    pub pools: BTreeMap<String, bool>,
    /// Who uses which volume, where many machines are removed: looking at each disk of the host once is enough.
    pub uses: Option<Uses>,
}

/// What went with a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// The volumes that were deleted.
    pub volumes: Vec<Owned>,
    /// The recorded volumes that were not there any more.
    pub missing: Vec<Owned>,
    /// The files with memory of its snapshots that stay: this tool did not make them for it, or no pool knows them.
    pub memories: Vec<String>,
    /// The leases of its cards that nobody could end, with the names of their networks: they run out by themselves.
    pub leases: Vec<(String, Lease)>,
}

impl Domain {
    /// Stops it, deletes the volumes that the record names with its layers on them and the memory of its snapshots, and undefines it with everything that
    /// libvirt keeps for it; nothing else. What would fail is found before anything is touched: a protected machine, a volume that somebody
    /// else needs.
    pub fn remove(&self, how: &Remove) -> Result<Removed> {
        let _turn = if how.dry_run { None } else { Some(self.alone()?) };
        let mut record = MachineRecord::read(&xml::parse(&self.inactive_xml()?)?);
        if !how.force {
            self.is_free(&record, "remove")?;
        }
        let mut removed = Removed::default();
        let mut volumes = Vec::new();
        for owned in record.volumes.iter().filter(|_| !how.keep_volumes) {
            match self.find_owned(owned)? {
                Some(volume) => {
                    volumes.push(volume);
                    removed.volumes.push(owned.clone());
                }
                None => removed.missing.push(owned.clone()),
            }
        }
        let recorded = volumes.len();
        let volumes = if how.keep_volumes {
            volumes
        } else {
            let (going, memories) = self.going(&record, &volumes, how.uses.as_ref())?;
            removed.memories = memories;
            going
        };
        let has_layers = volumes.len() > recorded;
        if has_layers {
            removed.volumes = with(&removed.volumes, &volumes)?;
            record.volumes = with(&record.volumes, &volumes)?;
        }
        if how.dry_run {
            return Ok(removed);
        }
        let pools = if how.keep_volumes { Vec::new() } else { self.emptied(&record.volumes, &how.pools)? };
        let belongings = self.belongings()?;
        let held = belongings.reservations()?;
        self.stop(how.timeout).and_then(|()| interrupt::check()).map_err(|error| self.stands(error))?;
        self.forget_host_key();
        // What is begun is ended: half a machine is of no use to anybody.
        interrupt::shielded(|| match volumes.as_slice() {
            [] if pools.is_empty() && held.is_empty() => self.delete_with(&volumes),
            _ => removing(self, &pools, &held, || {
                // What is broken off is finished by the record.
                if has_layers && self.host().find_domain(self.name())?.is_some() {
                    self.set_record(&record)?;
                }
                self.delete_with(&volumes)
            }),
        })?;
        removed.leases = belongings.leases();
        interrupt::check().map_err(|error| error.note(format!("{} is removed, with its volumes", self.object())))?;
        Ok(removed)
    }

    /// Removes it as [`Domain::remove`] does, or waits while another run of this machine is about it; gives what went, and nothing if
    /// it is gone by then.
    pub fn remove_if_exists(&self, how: &Remove) -> Result<Option<Removed>> {
        let uuid = self.uuid()?;
        loop {
            let error = match self.remove(how) {
                // It goes piece by piece, and the pool of its volumes may stop before it is gone.
                Err(error) if matches!(error.code, Code::NotFound | Code::InvalidState) => error,
                done => return done.map(Some),
            };
            // In this order, as the other run may end in between.
            let is_going = is_being_removed(&uuid);
            if self.host().domain_of_uuid(&uuid)?.is_none() {
                return Ok(None);
            }
            if !is_going {
                return Err(error);
            }
            interrupt::sleep(LOOK)?;
        }
    }

    /// Those of the pools that hold its volumes and are there.
    fn emptied(&self, owned: &[Owned], pools: &BTreeMap<String, bool>) -> Result<Vec<Made>> {
        let mut found = Vec::new();
        for (name, folder) in pools.iter().filter(|(name, _)| owned.iter().any(|owned| owned.pool == **name)) {
            if let Some(pool) = self.host().find_pool(name)? {
                found.push(pool.vacant(*folder, false)?);
            }
        }
        Ok(found)
    }

    /// The record goes last: what fails half-way can be done again.
    fn delete_with(&self, volumes: &[Volume]) -> Result<()> {
        for volume in volumes {
            timed(&volume.object().plain(), "delete", || match volume.delete() {
                Err(error) if error.code == Code::NotFound => Ok(()),
                done => done,
            })?;
        }
        if self.host().find_domain(self.name())?.is_some() {
            timed(&self.object().plain(), "undefine", || self.undefine())?;
        }
        Ok(())
    }

    /// Tells somebody who wants to stop that nothing is gone.
    fn stands(&self, error: Error) -> Error {
        if error.code != Code::Interrupted {
            return error;
        }
        let off = if self.is_active().unwrap_or(true) { "" } else { ", and is off" };
        error.note(format!("{} is there with all its volumes{off}", self.object())).hint("the same again removes it")
    }

    /// Fails if the record protects it.
    pub(in crate::libvirt) fn is_free(&self, record: &MachineRecord, verb: &str) -> Result<()> {
        if !record.protected {
            return Ok(());
        }
        let message = format!("cannot {verb} {}: it is protected", self.object());
        Err(Error::new(Code::InvalidState, Area::Domain, message)
            .about(self.object().plain())
            .hint(format!("`{}.is_protected = false` lifts that", self.object().expression())))
    }

    pub(in crate::libvirt) fn find_owned(&self, owned: &Owned) -> Result<Option<Volume>> {
        match self.host().find_pool(&owned.pool)? {
            Some(pool) => pool.find_volume(&owned.name),
            None => Ok(None),
        }
    }

    /// Fails if another domain, or another volume, stands on one of these.
    pub(in crate::libvirt) fn nobody_else_needs(&self, volumes: &[Volume], uses: &Uses, verb: &str) -> Result<()> {
        let others = uses.needed_by(volumes, self)?;
        if others.is_empty() {
            return Ok(());
        }
        let message = format!("cannot {verb} {}: its volumes are needed by {}", self.object(), others.join(" and "));
        let error = Error::new(Code::Busy, Area::Storage, message).about(self.object().plain());
        let keeps = if verb == "remove" { ", or pass `keep_volumes: true`" } else { "" };
        Err(error.hint(format!("remove those first{keeps}")))
    }

    pub(in crate::libvirt) fn stop(&self, timeout: Option<Duration>) -> Result<()> {
        if !self.is_active()? {
            return Ok(());
        }
        let stopped = timed(&self.object().plain(), "stop", || match timeout {
            Some(timeout) => self.shutdown_and_wait(Mode::Any, timeout, true),
            None => self.destroy(false),
        });
        match stopped {
            // It may stop by itself at this very moment.
            Err(error) if self.is_active().unwrap_or(false) => Err(error),
            _ => Ok(()),
        }
    }
}
