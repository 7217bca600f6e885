//! Storage pools.

use super::Host;
use super::cause::Explain;
use super::link::Live;
use super::object::{Kind, Object};
use super::retry::{ask, while_busy};
use super::undo::{self, Made, Named};
use crate::floor::{Area, Code, Error, Result, clock};
use crate::schema::xml;
use virt::sys;

/// A storage pool on a host.
#[derive(Debug, Clone)]
pub struct Pool {
    host: Host,
    raw: Live<virt::storage_pool::StoragePool>,
    object: Object,
}

/// A pool's state and sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolInfo {
    /// `inactive`, `building`, `running`, `degraded` or `inaccessible`.
    pub state: &'static str,
    /// All bytes.
    pub capacity: u64,
    /// The bytes in use.
    pub allocation: u64,
    /// The free bytes.
    pub available: u64,
}

impl Pool {
    pub(super) fn new(host: &Host, raw: virt::storage_pool::StoragePool) -> Result<Self> {
        let name = raw.name().explain("ask for a pool's name on", host.object())?;
        Ok(Self { host: host.clone(), raw: Live::new(host.link(), raw), object: Object::new(Kind::Pool, &name) })
    }

    /// The host it is on.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.object.name
    }

    /// Its UUID.
    pub fn uuid(&self) -> Result<String> {
        self.raw()?.uuid_string().explain("ask for the UUID of", &self.object)
    }

    /// Its state and sizes.
    pub fn info(&self) -> Result<PoolInfo> {
        let info = ask(&self.host, || self.raw()?.info().explain("ask for the state of", &self.object))?;
        let state = match info.state {
            sys::VIR_STORAGE_POOL_BUILDING => "building",
            sys::VIR_STORAGE_POOL_RUNNING => "running",
            sys::VIR_STORAGE_POOL_DEGRADED => "degraded",
            sys::VIR_STORAGE_POOL_INACCESSIBLE => "inaccessible",
            _ => "inactive",
        };
        Ok(PoolInfo { state, capacity: info.capacity, allocation: info.allocation, available: info.available })
    }

    /// What tells it from all pools.
    pub(super) fn named(&self) -> Result<Named> {
        Ok(Named { name: self.name().to_string(), uuid: self.uuid()? })
    }

    /// Whether it is started.
    pub fn is_active(&self) -> Result<bool> {
        ask(&self.host, || self.raw()?.is_active().explain("ask for the state of", &self.object))
    }

    /// Whether it stays when it is destroyed.
    pub fn is_persistent(&self) -> Result<bool> {
        ask(&self.host, || self.raw()?.is_persistent().explain("ask for the state of", &self.object))
    }

    /// Whether it starts with the host.
    pub fn autostart(&self) -> Result<bool> {
        ask(&self.host, || self.raw()?.autostart().explain("ask for the autostart of", &self.object))
    }

    /// Sets whether it starts with the host.
    pub fn set_autostart(&self, on: bool) -> Result<()> {
        self.host.attempt("set_autostart", &self.object)?;
        self.raw()?.set_autostart(on).explain("set the autostart of", &self.object)
    }

    /// Makes what it stands on: the directory, the file system, the volume group. With `overwrite`, whatever is on its
    /// device is gone; with `Some(false)`, something there is an error. Without, libvirt makes no file system at all.
    pub fn build(&self, overwrite: Option<bool>) -> Result<()> {
        let flags = match overwrite {
            None => sys::VIR_STORAGE_POOL_BUILD_NEW,
            Some(true) => sys::VIR_STORAGE_POOL_BUILD_OVERWRITE,
            Some(false) => sys::VIR_STORAGE_POOL_BUILD_NO_OVERWRITE,
        };
        let build = || {
            self.raw()?.build(flags).explain("build", &self.object)?;
            self.settle()
        };
        // What was there before is not ours to delete.
        let build = || self.host.attempt("build", &self.object).and_then(|()| build());
        if !undo::is_on() || self.stands() {
            return build();
        }
        let made = Made::Built { pool: self.name().to_string(), uuid: self.uuid()? };
        undo::record(&self.host, made, build)
    }

    /// Whether what it stands on is there: it can be started, if it is not.
    pub fn stands(&self) -> bool {
        if self.is_active().unwrap_or(false) {
            return true;
        }
        let started = self.raw().is_ok_and(|raw| raw.create(sys::VIR_STORAGE_POOL_CREATE_NORMAL).is_ok());
        if started && let Err(error) = self.destroy() {
            tracing::warn!(%error, "the pool was started to see whether it stands, and goes on");
        }
        started
    }

    /// Deletes what [`Pool::build`] made.
    pub(super) fn unbuild(&self) -> Result<()> {
        if self.is_active()? {
            self.destroy()?;
        }
        self.delete()
    }

    /// Starts it.
    pub fn start(&self) -> Result<()> {
        self.host.attempt("start", &self.object)?;
        self.raw()?.create(sys::VIR_STORAGE_POOL_CREATE_NORMAL).explain("start", &self.object)?;
        self.settle()
    }

    /// Lets the pool come to rest for as long as the host's policy says for its type.
    pub(super) fn settle(&self) -> Result<()> {
        let policy = self.host.retry();
        let mut pause = policy.settle;
        if !policy.settle_by_type.is_empty() {
            let document = xml::parse(&self.xml()?)?;
            let own = document.attr("type").and_then(|kind| policy.settle_by_type.get(kind));
            pause = own.copied().unwrap_or(pause);
        }
        clock::sleep(pause)
    }

    /// Stops it; the volumes stay.
    pub fn destroy(&self) -> Result<()> {
        while_busy(&self.host, || {
            self.host.attempt("destroy", &self.object)?;
            self.raw()?.destroy().explain("destroy", &self.object)
        })?;
        self.may_be_gone()
    }

    /// Deletes what it stands on; it must be stopped and empty.
    pub fn delete(&self) -> Result<()> {
        while_busy(&self.host, || {
            self.host.attempt("delete", &self.object)?;
            self.raw()?.delete(0).explain("delete", &self.object)
        })
    }

    /// Removes its definition.
    pub fn undefine(&self) -> Result<()> {
        while_busy(&self.host, || {
            self.host.attempt("undefine", &self.object)?;
            self.raw()?.undefine().explain("undefine", &self.object)
        })?;
        self.may_be_gone()
    }

    fn may_be_gone(&self) -> Result<()> {
        let own = self.uuid()?;
        undo::gone(
            &self.host,
            |made| matches!(made, Made::Pool { uuid, .. } | Made::Built { uuid, .. } if *uuid == own),
        );
        Ok(())
    }

    /// Looks again at what is in it.
    pub fn refresh(&self) -> Result<()> {
        while_busy(&self.host, || {
            self.host.attempt("refresh", &self.object)?;
            self.raw()?.refresh(0).explain("refresh", &self.object)
        })
    }

    /// The path that a volume of this name has or will have, where volumes are files in a folder.
    pub fn path_of(&self, volume: &str) -> Result<String> {
        let folder = xml::parse(&self.xml()?)?
            .find_text("target/path")
            .ok_or_else(|| Error::new(Code::Unsupported, Area::Storage, format!("{} has no folder", self.object)))?;
        Ok(format!("{}/{volume}", folder.trim_end_matches('/')))
    }

    /// Its XML.
    pub fn xml(&self) -> Result<String> {
        ask(&self.host, || self.raw()?.xml_desc(0).explain("read the XML of", &self.object))
    }

    pub(super) fn raw(&self) -> Result<virt::storage_pool::StoragePool> {
        self.raw.get(self.host.link(), |connect, raw| connect.lookup_storage_pool_by_uuid_string(&raw.uuid_string()?))
    }

    pub(super) fn object(&self) -> &Object {
        &self.object
    }
}
