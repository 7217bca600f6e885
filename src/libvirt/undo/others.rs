//! Whose a thing is by now: the names of volumes and the addresses of a killed run may be those of another machine since.

use super::journal::{self, Known, Left};
use super::made::volume_of;
use super::{Made, Named};
use crate::floor::{Code, Result};
use crate::libvirt::replace::beside;
use crate::libvirt::{Domain, Host, MachineRecord, Owned};
use crate::schema::xml::{self, Elem};
use std::net::IpAddr;
use std::path::Path;

/// Who has what a killed run made, beside the machines of these UUIDs; nothing if nobody has.
pub(super) fn owner(host: &Host, made: &Made, own: &[String]) -> Result<Option<String>> {
    match made {
        Made::Volume { pool, name, .. } | Made::Spare { pool, name, .. } => of_volume(host, pool, name, own),
        Made::Replacement { pool, name, .. } => of_volume(host, pool, &beside(name), own),
        Made::Reservation { network, ip, mac } => {
            let is_kept = |root: &Elem| has_address(root, &network.name, *ip, mac.as_deref());
            domain(host, own, is_kept)
        }
        Made::Part { network, xml, .. } => {
            let part = xml::parse(xml)?;
            let Some(ip) = part.attr("ip").and_then(|ip| ip.parse().ok()) else { return Ok(None) };
            domain(host, own, |root| has_address(root, &network.name, ip, part.attr("mac")))
        }
        _ => user(host, made, own),
    }
}

/// Another domain that is on a network, or has volumes in a pool; nothing for everything else.
pub(super) fn user(host: &Host, made: &Made, own: &[String]) -> Result<Option<String>> {
    let sources = |root: &Elem, of: &str, key: &str, name: &str| {
        let all = root.find_all(of).into_iter();
        all.filter_map(|one| one.child("source")?.attr(key)).any(|one| one == name)
    };
    match made {
        Made::Network { name, .. } => domain(host, own, |root| sources(root, "devices/interface", "network", name)),
        Made::Pool { name, .. } | Made::Built { pool: name, .. } => domain(host, own, |root| {
            sources(root, "devices/disk", "pool", name)
                || MachineRecord::read(root).volumes.iter().any(|owned| owned.pool == *name)
        }),
        _ => Ok(None),
    }
}

/// Whether a machine has a disk in a pool, or volumes there that are its own.
pub(in crate::libvirt) fn is_needed(host: &Host, pool: Named) -> Result<bool> {
    Ok(user(host, &Made::Pool { name: pool.name, uuid: pool.uuid }, &[])?.is_some())
}

/// Whether another run of this machine is about to make volumes in a pool: it has no machine yet that would tell. What the asking
/// run itself made there is undone by then, or cannot be undone without the pool.
pub(super) fn comes_to(made: &Made) -> bool {
    let (Made::Pool { uuid, .. } | Made::Built { uuid, .. }) = made else { return false };
    let journals = journal::folder().map(|folder| journal::all(&folder).unwrap_or_default()).unwrap_or_default();
    journals.iter().any(|path| journal::read(path).is_ok_and(|left| left.iter().any(|left| fills(&left.made, uuid))))
}

/// Whether a run that has this in its journal is about to put volumes into the pool of this UUID.
fn fills(made: &Made, own: &str) -> bool {
    matches!(made,
        Made::Volume { pool, .. } | Made::Spare { pool, .. } | Made::Vacant { pool, fills: true, .. } if pool.uuid == own)
}

/// Whether another living run of this machine is about to put volumes into the pool of this UUID, or has just made it for that.
/// What is done here is not asked: the transaction of this thread, and the journal that is recovered.
pub(in crate::libvirt) fn is_being_filled(own: &str) -> bool {
    let is_it = |left: &Left| {
        fills(&left.made, own)
            || matches!(&left.made, Made::Pool { uuid, .. } | Made::Built { uuid, .. } if *uuid == own)
    };
    let here = super::own_journals();
    let journals = journal::folder().map(|folder| journal::all(&folder).unwrap_or_default()).unwrap_or_default();
    journals.iter().filter(|path| !here.contains(path)).any(|path| is_noted(path, is_it))
}

/// Whether the journal of a living run has this.
fn is_noted(journal: &Path, is_it: impl Fn(&Left) -> bool) -> bool {
    journal::read(journal).is_ok_and(|left| left.iter().any(is_it)) && matches!(journal::claim(journal), Ok(None))
}

/// Whether a living run of this machine is making a volume right now, in this pool or in any: it does not have yet what it is to hold.
pub(in crate::libvirt) fn is_being_made(pool: Option<&Named>, name: &str) -> bool {
    let is_it = |left: &Left| {
        matches!(left.known, Known::Asked | Known::Answered)
            && matches!(&left.made, Made::Volume { pool: of, name: known, .. } | Made::Spare { pool: of, name: known, .. }
                | Made::Replacement { pool: of, name: known, .. }
                if pool.is_none_or(|pool| of.uuid == pool.uuid) && known == name)
    };
    let journals = journal::folder().map(|folder| journal::all(&folder).unwrap_or_default()).unwrap_or_default();
    journals.iter().any(|path| is_noted(path, is_it))
}

/// Whether a living run of this machine is removing the domain of this UUID right now: something of it is gone.
pub(in crate::libvirt) fn is_being_removed(domain: &str) -> bool {
    let is_it = |left: &Left| matches!(&left.made, Made::Removal { uuid, .. } if uuid == domain);
    let journals = journal::folder().map(|folder| journal::all(&folder).unwrap_or_default()).unwrap_or_default();
    journals.iter().any(|path| is_noted(path, is_it))
}

fn of_volume(host: &Host, pool: &Named, name: &str, own: &[String]) -> Result<Option<String>> {
    let Some(volume) = volume_of(host, pool, name)? else { return Ok(None) };
    let users = volume.users()?;
    for domain in users.domains {
        if !own.contains(&domain.uuid()?) {
            return Ok(Some(domain.object().to_string()));
        }
    }
    if let Some((overlay, _)) = users.overlays.first() {
        return Ok(Some(overlay.object().to_string()));
    }
    let owned = Owned { pool: pool.name.clone(), name: name.to_string() };
    domain(host, own, |root| MachineRecord::read(root).volumes.contains(&owned))
}

/// The first other domain with such a document.
fn domain(host: &Host, own: &[String], is_meant: impl Fn(&Elem) -> bool) -> Result<Option<String>> {
    let foreign = |domain: &Domain| -> Result<bool> {
        if own.contains(&domain.uuid()?) {
            return Ok(false);
        }
        let root = xml::parse(&domain.xml()?)?;
        // What runs may have something else from its next start on.
        Ok(is_meant(&root) || root.attr("id").is_some() && is_meant(&xml::parse(&domain.inactive_xml()?)?))
    };
    for domain in host.domains()? {
        match foreign(&domain) {
            Ok(true) => return Ok(Some(domain.object().to_string())),
            Ok(false) => {}
            // Gone since it was listed.
            Err(error) if error.code == Code::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Whether a machine was given this address, or has this card, on a network.
fn has_address(root: &Elem, network: &str, ip: IpAddr, mac: Option<&str>) -> bool {
    crate::libvirt::ipam::keeps(root, network, ip)
        || root.find_all("devices/interface").into_iter().any(|card| {
            let source = card.find("source").and_then(|source| source.attr("network"));
            let own = card.find("mac").and_then(|mac| mac.attr("address"));
            source == Some(network) && own.is_some_and(|own| mac.is_some_and(|mac| own.eq_ignore_ascii_case(mac)))
        })
}
