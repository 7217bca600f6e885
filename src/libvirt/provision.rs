//! Making a machine in one go: check, storage, define, start, wait; and undo all of it if any of it fails.

use super::define::{already, name_of};
use super::object::{Kind, Object};
use super::wiring::Wiring;
use super::{Domain, Found, Host, Transaction, Volume, WaitIp, verify};
use crate::floor::{Code, Error, Result, interrupt, timing};
use std::path::PathBuf;

/// What goes into a new volume.
#[derive(Debug, Clone)]
pub enum Content {
    /// Nothing: it stays empty.
    None,
    /// A file of this machine.
    File(PathBuf),
    /// Data in memory, such as a seed.
    Bytes(Vec<u8>),
    /// A full copy of another volume, and to what it grows.
    Copy(Volume, Option<u64>),
}

/// A volume to make.
#[derive(Debug, Clone)]
pub struct Storage {
    /// The name of its pool.
    pub pool: String,
    /// Its definition.
    pub xml: String,
    /// What goes into it.
    pub content: Content,
}

/// How to provision a domain.
#[derive(Debug, Clone)]
pub struct Provision {
    /// The volumes to make first.
    pub storage: Vec<Storage>,
    /// Whether to start it.
    pub start: bool,
    /// Whether it starts with the host.
    pub autostart: bool,
    /// The addresses to wait for: the interface's place among the domain's interfaces, and how to wait.
    pub wait: Vec<(usize, WaitIp)>,
    /// Whether to leave a failed domain for inspection.
    pub keep: bool,
}

impl Default for Provision {
    fn default() -> Self {
        Self { storage: Vec::new(), start: true, autostart: false, wait: Vec::new(), keep: false }
    }
}

/// A provisioned domain.
#[derive(Debug, Clone)]
pub struct Provisioned {
    /// The domain.
    pub domain: Domain,
    /// The addresses that were waited for, in the order of the waits.
    pub addresses: Vec<Found>,
}

impl Host {
    /// Makes volumes and a domain, starts it and waits for its addresses. If any of it fails or is interrupted, all
    /// that was made is removed again; what was there before is never touched.
    pub fn provision(&self, xml: &str, options: &Provision) -> Result<Provisioned> {
        let object = Object::new(Kind::Domain, &name_of(Kind::Domain, xml)?);
        if self.find_domain(&object.name)?.is_some() {
            return Err(already(&object));
        }
        for storage in &options.storage {
            let volume = Object::new(Kind::Volume, &name_of(Kind::Volume, &storage.xml)?);
            if self.pool(&storage.pool)?.find_volume(&volume.name)?.is_some() {
                return Err(already(&volume));
            }
        }
        let transaction = Transaction::begin();
        match self.make(xml, options) {
            Ok(made) => {
                transaction.commit();
                Ok(made)
            }
            Err(error) if options.keep && error.code != Code::AlreadyExists => {
                transaction.commit();
                let expression = object.expression();
                Err(error
                    .note("what was made is left for inspection, as `keep` asks")
                    .hint(format!("remove it with `{expression}.destroy()` and `{expression}.undefine()`")))
            }
            Err(error) => Err(transaction.roll_back(error)),
        }
    }

    fn make(&self, xml: &str, options: &Provision) -> Result<Provisioned> {
        for storage in &options.storage {
            interrupt::check()?;
            self.pool(&storage.pool)?.create_filled_volume(&storage.xml, &storage.content)?;
        }
        interrupt::check()?;
        let domain = self.define_domain(xml)?;
        verify::is_as_defined(&domain, xml)?;
        if options.autostart {
            domain.set_autostart(true)?;
        }
        if options.start {
            interrupt::check()?;
            timing::timed(&domain.object().plain(), "start", || domain.start())?;
            verify::runs(&domain)?;
        }
        let addresses = wait(&domain, &options.wait)?;
        Ok(Provisioned { domain, addresses })
    }
}

/// Waits for each address in turn; the guest gets them side by side, so this takes as long as the slowest.
fn wait(domain: &Domain, waits: &[(usize, WaitIp)]) -> Result<Vec<Found>> {
    if waits.is_empty() {
        return Ok(Vec::new());
    }
    let nics = Wiring::read(&domain.xml()?)?.nics;
    let waits = waits.iter().map(|(index, wait)| {
        let mac = nics.get(*index).and_then(|nic| nic.mac.clone()).ok_or_else(|| {
            Error::argument(format!("{} has no interface number {index} to wait for", domain.object()))
        })?;
        domain.wait_for_ip(&WaitIp { interface: Some(mac), ..wait.clone() })
    });
    waits.collect()
}
