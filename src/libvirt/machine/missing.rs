//! Volumes that a machine should have and that are not there any more, as after a removal that was broken off.

use super::{MachineRecord, Owned};
use crate::floor::Result;
use crate::libvirt::{Domain, Host};
use crate::schema::xml::{self, Elem};
use std::collections::{HashMap, HashSet};

/// The names of the volumes of pools, each pool asked once; nothing for one that is stopped, of which nobody can say.
pub(in crate::libvirt) type Held = HashMap<String, Option<HashSet<String>>>;

impl Domain {
    /// The volumes that its record or a disk names and that its host does not know any more.
    pub fn missing_volumes(&self) -> Result<Vec<Owned>> {
        missing(self.host(), &xml::parse(&self.inactive_xml()?)?, &mut Held::new())
    }
}

/// What is missing of the machine of a document.
pub(in crate::libvirt) fn missing(host: &Host, domain: &Elem, held: &mut Held) -> Result<Vec<Owned>> {
    let mut wanted = MachineRecord::read(domain).volumes;
    for disk in domain.find_all("devices/disk") {
        let Some(source) = disk.child("source") else { continue };
        if let (Some(pool), Some(name)) = (source.attr("pool"), source.attr("volume")) {
            let named = Owned { pool: pool.to_string(), name: name.to_string() };
            if !wanted.contains(&named) {
                wanted.push(named);
            }
        }
    }
    let mut missing = Vec::new();
    for one in wanted {
        if !held.contains_key(&one.pool) {
            held.insert(one.pool.clone(), names(host, &one.pool)?);
        }
        if held[&one.pool].as_ref().is_some_and(|names| !names.contains(&one.name)) {
            missing.push(one);
        }
    }
    Ok(missing)
}

/// The names of a pool's volumes; none if there is no such pool.
fn names(host: &Host, pool: &str) -> Result<Option<HashSet<String>>> {
    let Some(pool) = host.find_pool(pool)? else { return Ok(Some(HashSet::new())) };
    if !pool.is_active()? {
        return Ok(None);
    }
    Ok(Some(pool.volumes()?.iter().map(|volume| volume.name().to_string()).collect()))
}
