//! Making a machine in one go: check, storage, define, start, wait; and undo all of it if any of it fails.

use super::define::{already, name_of};
use super::object::{Kind, Object};
use super::undo::{self, Made};
use super::wiring::Wiring;
use super::{
    Claim, Current, Domain, Found, Host, MachineRecord, NetworkCondition, Owned, Phase, Pool, SeedDisk, Start,
    Transaction, Volume, WaitIp, verify,
};
use crate::floor::interrupt::{self, Group};
use crate::floor::{Code, Error, Result, timing};
use crate::schema::xml::{self, Elem};
use std::path::PathBuf;
use std::thread;

/// What goes into a new volume.
#[derive(Debug, Clone)]
pub enum Content {
    /// Nothing: it stays empty.
    None,
    /// A file of this machine.
    File(PathBuf),
    /// Data in memory, such as a seed.
    Bytes(Vec<u8>),
    /// A full copy of another volume.
    Copy {
        /// The other volume.
        from: Volume,
        /// To how many bytes it grows.
        grow: Option<u64>,
        /// Whether it takes all of its space at once.
        thick: bool,
    },
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

impl Storage {
    /// Whether it is made in a moment: it grows as it is written, and holds nothing yet, or what is in memory.
    fn is_quick(&self) -> bool {
        let grows = || {
            let root = xml::parse(&self.xml).ok()?;
            let of = |field: &str| root.find_text(field).and_then(|text| text.parse::<u64>().ok());
            let is_thin = root.find("target/format").and_then(|format| format.attr("type")) == Some("qcow2");
            Some(is_thin || of("allocation") == Some(0) || of("capacity") == Some(0))
        };
        matches!(&self.content, Content::Bytes(_)) || matches!(&self.content, Content::None) && grows().unwrap_or(false)
    }
}

/// How to provision a domain.
#[derive(Debug, Clone)]
pub struct Provision {
    /// The volumes to make first.
    pub storage: Vec<Storage>,
    /// How to start it, if that is wanted.
    pub start: Option<Start>,
    /// Whether it starts with the host.
    pub autostart: bool,
    /// The addresses to wait for: the interface's place among the domain's interfaces, and how to wait.
    pub wait: Vec<(usize, WaitIp)>,
    /// Whether to leave a failed domain for inspection.
    pub keep: bool,
    /// What to keep of the machine beside the volumes that are made for it.
    pub record: MachineRecord,
}

impl Default for Provision {
    fn default() -> Self {
        let record = MachineRecord::default();
        Self {
            storage: Vec::new(),
            start: Some(Start::default()),
            autostart: false,
            wait: Vec::new(),
            keep: false,
            record,
        }
    }
}

impl Provision {
    /// The document of a machine with the record of what is made for it.
    pub fn recorded(&self, root: &Elem, seed: Option<&SeedDisk>) -> Result<Elem> {
        let mut record = self.record.clone();
        for storage in &self.storage {
            record.volumes.push(Owned { pool: storage.pool.clone(), name: name_of(Kind::Volume, &storage.xml)? });
        }
        record.volumes.extend(seed.map(|seed| Owned { pool: seed.pool.clone(), name: seed.volume.clone() }));
        let mut root = root.clone();
        record.write(&mut root);
        Ok(root)
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
        let pools = self.empty_places(&options.storage)?;
        let xml = xml::to_string(&options.recorded(&xml::parse(xml)?, None)?);
        let transaction = Transaction::begin();
        let made = self.fill_and_define(&pools, options, &object, &xml).and_then(|domain| run(domain, options));
        finish(made, &object, options, transaction)
    }

    /// Makes the volumes, and meanwhile defines the domain and gets it ready to start: libvirt checks a definition for as long
    /// as it takes to make a disk.
    fn fill_and_define(&self, pools: &[Pool], options: &Provision, object: &Object, xml: &str) -> Result<Domain> {
        let wanted = &options.storage;
        let define = || {
            let domain = self.define_absent_domain(object, xml)?;
            verify::is_as_defined(&domain, xml)?;
            ready(&domain, options)?;
            Ok(domain)
        };
        // What is defined can be started by others, with disks that are half full if they take long. On the test driver all of it
        // is done at once, and what is planned for its calls counts them in their order.
        if wanted.is_empty() || !wanted.iter().all(Storage::is_quick) || self.uri().starts_with("test:") {
            return fill(pools, wanted).and_then(|()| define());
        }
        let (current, outer, group) = (Current::get(), Group::current(), Group::new());
        let stops = |failed: bool| {
            if failed {
                group.stop();
            }
        };
        let (filled, defined) = thread::scope(|scope| {
            let work = || {
                current.adopt();
                group.join();
                let defined = define();
                stops(defined.is_err());
                defined
            };
            let other = thread::Builder::new().name("define".to_string()).spawn_scoped(scope, work);
            group.join();
            let filled = fill(pools, wanted);
            stops(filled.is_err());
            outer.join();
            let defined = match other {
                Ok(other) => other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                Err(_) => define(),
            };
            (filled, defined)
        });
        match (filled, defined) {
            (Ok(()), Ok(domain)) => domain.remove_first().map(|()| domain),
            // Who was stopped because of the other one has nothing to say.
            (Err(error), Err(other)) if error.code == Code::Interrupted => Err(other),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    /// The same for a machine that is defined already and has its addresses.
    pub fn provision_claimed(&self, claim: Claim, options: &Provision) -> Result<Provisioned> {
        let Claim { domain, transaction, .. } = claim;
        let made = self.empty_places(&options.storage).and_then(|pools| {
            fill(&pools, &options.storage)?;
            domain.remove_first()?;
            ready(&domain, options)?;
            run(domain.clone(), options)
        });
        let kept = match &made {
            Ok(_) => {
                let ready =
                    NetworkCondition::now("Ready", "True", "Provisioned", "made, started and waited for as asked");
                domain.keep_phase(Phase::Running, Some(ready))
            }
            Err(error) if options.keep => {
                // What was waited for in vain is an address.
                let reason =
                    if error.code == Code::Timeout { "StaticIPAssignmentFailed" } else { "ProvisioningFailed" };
                let failed = NetworkCondition::now("Ready", "False", reason, error.to_string());
                domain.keep_phase(Phase::Failed, Some(failed))
            }
            Err(_) => Ok(()),
        };
        finish(made.and_then(|made| kept.map(|()| made)), domain.object(), options, transaction)
    }

    /// The pool of each volume to make, none of which has one of that name.
    pub(super) fn empty_places(&self, wanted: &[Storage]) -> Result<Vec<Pool>> {
        let mut pools: Vec<Pool> = Vec::new();
        for storage in wanted {
            let pool = match pools.iter().find(|pool| pool.name() == storage.pool) {
                Some(pool) => pool.clone(),
                None => self.pool(&storage.pool)?,
            };
            pool.absent(&storage.xml)?;
            pools.push(pool);
        }
        Ok(pools)
    }
}

pub(super) fn fill(pools: &[Pool], wanted: &[Storage]) -> Result<()> {
    // They were looked for just now, as long as nothing has taken its time.
    let mut is_now = true;
    for (pool, storage) in pools.iter().zip(wanted) {
        interrupt::check()?;
        if is_now {
            pool.fill_absent_volume(&storage.xml, &storage.content)?;
        } else {
            pool.create_filled_volume(&storage.xml, &storage.content)?;
        }
        is_now &= storage.is_quick();
    }
    interrupt::check()
}

impl Domain {
    /// Has the transaction remove it before whatever was made since: a running machine holds its volumes.
    fn remove_first(&self) -> Result<()> {
        let made = Made::Domain { name: self.name().to_string(), uuid: self.uuid()? };
        undo::record(self.host(), made, || Ok(()))
    }
}

/// What comes between the definition and the start.
fn ready(domain: &Domain, options: &Provision) -> Result<()> {
    if options.autostart {
        domain.set_autostart(true)?;
    }
    if options.start.is_some() {
        domain.remember_leases()?;
    }
    Ok(())
}

fn run(domain: Domain, options: &Provision) -> Result<Provisioned> {
    if let Some(how) = options.start {
        interrupt::check()?;
        timing::timed(&domain.object().plain(), "start", || domain.start_now(how))?;
    }
    let addresses = wait(&domain, &options.wait)?;
    Ok(Provisioned { domain, addresses })
}

fn finish(
    made: Result<Provisioned>,
    object: &Object,
    options: &Provision,
    transaction: Transaction,
) -> Result<Provisioned> {
    match made {
        Ok(made) => {
            transaction.commit();
            Ok(made)
        }
        Err(mut error) if options.keep && error.code != Code::AlreadyExists => {
            transaction.commit();
            let expression = object.expression();
            error.hints.retain(|hint| !hint.starts_with("`keep: true`"));
            if error.code == Code::Timeout {
                error = error.hint(format!("`virsh console {}` shows how far it came", object.name));
            }
            Err(error
                .note("what was made is left for inspection, as `keep` asks")
                .hint(format!("remove it with `{expression}.destroy()` and `{expression}.undefine()`")))
        }
        Err(error) => Err(transaction.roll_back(error)),
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
