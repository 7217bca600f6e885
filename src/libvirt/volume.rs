//! Storage volumes.

use super::cause::Explain;
use super::link::Live;
use super::object::{Kind, Object};
use super::retry::{ask, while_busy};
use super::undo::{self, Made};
use super::{Host, Pool, verify};
use crate::floor::Result;
use virt::sys;

/// A storage volume on a host.
#[derive(Debug, Clone)]
pub struct Volume {
    host: Host,
    raw: Live<virt::storage_vol::StorageVol>,
    object: Object,
}

/// A volume's kind and sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumeInfo {
    /// `file`, `block`, `dir`, `network`, `netdir` or `ploop`.
    pub kind: &'static str,
    /// The bytes that a guest sees.
    pub capacity: u64,
    /// The bytes in use on the host.
    pub allocation: u64,
}

impl Volume {
    pub(super) fn new(host: &Host, raw: virt::storage_vol::StorageVol) -> Result<Self> {
        let name = raw.name().explain("ask for a volume's name on", host.object())?;
        Ok(Self { host: host.clone(), raw: Live::new(host.link(), raw), object: Object::new(Kind::Volume, &name) })
    }

    /// The same, with the pool in which it was found.
    pub(super) fn within(self, pool: &Pool) -> Self {
        Self { object: self.object.within(pool.name()), ..self }
    }

    /// The host it is on.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.object.name
    }

    /// What tells it from all volumes of the host.
    pub fn key(&self) -> Result<String> {
        ask(&self.host, || self.raw()?.key().explain("ask for the key of", &self.object))
    }

    /// Its path on the host.
    pub fn path(&self) -> Result<String> {
        ask(&self.host, || self.raw()?.path().explain("ask for the path of", &self.object))
    }

    /// The pool it is in.
    pub fn pool(&self) -> Result<Pool> {
        Pool::new(
            &self.host,
            ask(&self.host, || self.raw()?.lookup_storage_pool().explain("ask for the pool of", &self.object))?,
        )
    }

    /// Its kind and sizes.
    pub fn info(&self) -> Result<VolumeInfo> {
        let info = ask(&self.host, || self.raw()?.info().explain("ask for the size of", &self.object))?;
        let kind = match info.kind {
            sys::VIR_STORAGE_VOL_BLOCK => "block",
            sys::VIR_STORAGE_VOL_DIR => "dir",
            sys::VIR_STORAGE_VOL_NETWORK => "network",
            sys::VIR_STORAGE_VOL_NETDIR => "netdir",
            sys::VIR_STORAGE_VOL_PLOOP => "ploop",
            _ => "file",
        };
        Ok(VolumeInfo { kind, capacity: info.capacity, allocation: info.allocation })
    }

    /// Its XML.
    pub fn xml(&self) -> Result<String> {
        ask(&self.host, || self.raw()?.xml_desc(0).explain("read the XML of", &self.object))
    }

    /// Sets its capacity in bytes; making it smaller must be asked for, as data may be lost.
    pub fn resize(&self, capacity: u64, shrink: bool) -> Result<()> {
        let flags = if shrink { sys::VIR_STORAGE_VOL_RESIZE_SHRINK } else { 0 };
        let skipped = while_busy(&self.host, || {
            let skipped = self.host.is_skipped("resize", &self.object)?;
            let done =
                if skipped { Ok(()) } else { self.raw()?.resize(capacity, flags).explain("resize", &self.object) };
            match done {
                // QEMU's lock stays for as long as the guest runs that has it.
                Err(error) if error.cause.as_ref().is_some_and(|cause| cause.contains("\" lock")) => Ok(Err(error)),
                done => done.map(|()| Ok(skipped)),
            }
        })??;
        if skipped {
            return Ok(());
        }
        verify::is_as_large(self, if shrink { 0 } else { capacity })?;
        self.pool()?.settle()
    }

    /// Deletes it with its data.
    pub fn delete(&self) -> Result<()> {
        while_busy(&self.host, || {
            self.host.attempt("delete", &self.object)?;
            self.raw()?.delete(0).explain("delete", &self.object)
        })?;
        undo::gone(&self.host, |made| match made {
            Made::Volume { name, .. } | Made::Spare { name, .. } => name == self.name(),
            _ => false,
        });
        Ok(())
    }

    pub(super) fn raw(&self) -> Result<virt::storage_vol::StorageVol> {
        self.raw.get(self.host.link(), |connect, raw| connect.lookup_storage_vol_by_key(&raw.key()?))
    }

    pub(super) fn object(&self) -> &Object {
        &self.object
    }
}
