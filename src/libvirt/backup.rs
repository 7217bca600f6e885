//! Checkpoints of a domain and backups of its disks: whole, or of what changed since a checkpoint.

use super::cause::Explain;
use super::define::name_or_new;
use super::events::EventKind;
use super::ffi::{self, RawCheckpoint};
use super::link::Live;
use super::object::{Kind, Object};
use super::undo::{self, Made, Named};
use super::{Domain, Pool};
use crate::floor::{Area, Code, Error, Result, Value, did_you_mean, interrupt};
use std::sync::Arc;
use std::time::{Duration, Instant};
use virt::sys;

const PAUSE: Duration = Duration::from_millis(100);

/// A moment from which on a domain's disks know what changes.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    domain: Domain,
    raw: Live<Arc<RawCheckpoint>>,
    object: Object,
}

impl Domain {
    /// Makes a checkpoint from its XML.
    pub fn create_checkpoint(&self, xml: &str) -> Result<Checkpoint> {
        let (name, xml) = name_or_new(Kind::Checkpoint, xml)?;
        let made = Made::Checkpoint { domain: self.name().to_string(), uuid: self.uuid()?, name: name.clone() };
        undo::record(self.host(), made, || {
            let object = Object::new(Kind::Checkpoint, &name).within(self.name());
            Ok(Checkpoint::new(self, RawCheckpoint::create(&self.raw()?, &xml).explain("create", &object)?))
        })
    }

    /// Its checkpoints, parents before their children.
    pub fn checkpoints(&self) -> Result<Vec<Checkpoint>> {
        let found = RawCheckpoint::list(&self.raw()?).explain("list the checkpoints of", self.object())?;
        Ok(found.into_iter().map(|raw| Checkpoint::new(self, raw)).collect())
    }

    /// The checkpoint of that name; an error if there is none.
    pub fn checkpoint(&self, name: &str) -> Result<Checkpoint> {
        let all = self.checkpoints()?;
        if let Some(found) = all.iter().find(|one| one.name() == name) {
            return Ok(found.clone());
        }
        let object = Object::new(Kind::Checkpoint, name).within(self.name());
        let hint = did_you_mean(name, all.iter().map(Checkpoint::name))
            .unwrap_or_else(|| format!("`{}.checkpoints()` lists what is there", self.object().expression()));
        let message = format!("{} has no {object}", self.object());
        Err(Error::new(Code::NotFound, Area::Domain, message).about(object.plain()).hint(hint))
    }

    /// Backs its disks up while it runs, as the XML of a backup says, and makes a checkpoint of the same moment if there
    /// is XML of one. Waits for the end; a time out or Ctrl-C gives the backup up. Files that it makes go if it is undone.
    pub fn backup(&self, xml: &str, checkpoint: Option<&str>, timeout: Duration) -> Result<()> {
        let document = crate::schema::xml::parse(xml)?;
        let targets = document.find_all("disks/disk/target");
        let files: Vec<_> = targets.iter().filter_map(|target| target.attr("file").map(str::to_string)).collect();
        self.look_for(&files)?;
        let mut job = || {
            let done = self.back_up(xml, checkpoint, timeout);
            // What libvirt makes for a backup, it tells no pool.
            self.look_for(&files)?;
            done
        };
        self.making(&files, &mut job)
    }

    /// Does something that makes files, each of which is written down unless it is there.
    fn making(&self, files: &[String], job: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        let Some((file, others)) = files.split_first() else { return job() };
        let (folder, name) = file.rsplit_once('/').unwrap_or_default();
        let made = match self.host().raw()?.lookup_storage_pool_by_target_path(folder) {
            Ok(raw) => {
                let pool = Pool::new(self.host(), raw)?;
                if pool.is_active()? && pool.find_volume(name)?.is_some() {
                    return self.making(others, job);
                }
                let pool = Named { name: pool.name().to_string(), uuid: pool.uuid()? };
                Made::Volume { pool, name: name.to_string(), shape: None }
            }
            Err(_) => Made::Outside { file: file.clone() },
        };
        undo::record(self.host(), made, || self.making(others, job))
    }

    fn back_up(&self, xml: &str, checkpoint: Option<&str>, timeout: Duration) -> Result<()> {
        let events = self.host().events(&[EventKind::JobCompleted])?;
        let uuid = self.uuid()?;
        ffi::backup_begin(&self.raw()?, xml, checkpoint).explain("back up", self.object())?;
        let begin = Instant::now();
        loop {
            while let Some(event) = events.try_next() {
                if event.uuid == uuid {
                    return self.backup_ended();
                }
            }
            if self.job()?.is_empty() && events_are_late(begin) {
                return self.backup_ended();
            }
            let stop =
                interrupt::check().err().or_else(|| (begin.elapsed() > timeout).then(|| self.backup_late(timeout)));
            if let Some(error) = stop {
                // The error at hand says more than whatever this may meet.
                drop(self.abort_job());
                return Err(error);
            }
            // A wish to stop is seen at the next turn.
            drop(interrupt::pause(PAUSE));
        }
    }

    fn backup_ended(&self) -> Result<()> {
        let (_, job) = ffi::job_stats(&self.raw()?, true).explain("ask for the last job of", self.object())?;
        if job.get("success") != Some(&Value::Bool(false)) {
            return Ok(());
        }
        let message = format!("the backup of {} failed", self.object());
        Err(Error::new(Code::Failed, Area::Domain, message)
            .about(self.object().plain())
            .hint("is there enough space for it?"))
    }

    fn backup_late(&self, timeout: Duration) -> Error {
        let message = format!("the backup of {} takes longer than {} s", self.object(), timeout.as_secs_f64());
        Error::new(Code::Timeout, Area::Domain, message).about(self.object().plain())
    }
}

impl Checkpoint {
    fn new(domain: &Domain, raw: RawCheckpoint) -> Self {
        let object = Object::new(Kind::Checkpoint, &raw.name()).within(domain.name());
        Self { domain: domain.clone(), raw: Live::new(domain.host().link(), Arc::new(raw)), object }
    }

    fn raw(&self) -> Result<Arc<RawCheckpoint>> {
        let domain = self.domain.raw()?;
        self.raw.get(self.domain.host().link(), |_, old| {
            let found = RawCheckpoint::list(&domain)?.into_iter().find(|one| one.name() == self.name());
            Ok(found.map_or_else(|| old.clone(), Arc::new))
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.object.name
    }

    /// Its XML.
    pub fn xml(&self) -> Result<String> {
        self.raw()?.xml().explain("read the XML of", &self.object)
    }

    /// Deletes it; what changed since then is still known by its parent. `children` deletes its children too.
    pub fn delete(&self, children: bool) -> Result<()> {
        let flags = if children { sys::VIR_DOMAIN_CHECKPOINT_DELETE_CHILDREN } else { 0 };
        self.raw()?.delete(flags).explain("delete", &self.object)?;
        let own = self.domain.uuid()?;
        undo::gone(self.domain.host(), |made| matches!(made, Made::Checkpoint { uuid, .. } if *uuid == own));
        Ok(())
    }
}

/// A backup of nothing may be over before its event is on its way.
fn events_are_late(begin: Instant) -> bool {
    begin.elapsed() > Duration::from_secs(3)
}
