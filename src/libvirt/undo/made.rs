//! What can be made, and how it is removed again: by what tells it from everything else, with a look afterwards.

use super::certain::Shape;
use crate::floor::{Area, Code, Error, Result};
use crate::libvirt::cause::Explain;
use crate::libvirt::object::{Kind, Object};
use crate::libvirt::replace::beside;
use crate::libvirt::retry::while_busy;
use crate::libvirt::uses::is_on;
use crate::libvirt::{Domain, Host, Network, NwFilter, Pool, Remove, Volume};
use crate::schema::xml::{self, Elem, Node};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// How often what has a UUID is removed: a call of a killed program may still be on its way.
const ROUNDS: u32 = 3;

/// Something that was made, or was about to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub(in crate::libvirt) enum Made {
    /// A network filter at work on a device, for the owner of this UUID.
    Binding { device: String, owner: String },
    /// What a pool stands on, such as its directory.
    Built { pool: String, uuid: String },
    /// A checkpoint of the domain of this UUID.
    Checkpoint { domain: String, uuid: String, name: String },
    /// A domain.
    Domain { name: String, uuid: String },
    /// Not made, but begun: the change of a domain's disks. It had this definition, and may have run.
    Former { domain: Named, xml: String, ran: bool },
    /// A network filter.
    Filter { name: String, uuid: String },
    /// A network interface of the host.
    Interface { name: String },
    /// A network.
    Network { name: String, uuid: String },
    /// A file that no pool knows: it cannot be deleted, and is named.
    Outside { file: String },
    /// A part of a network, such as a name that its DNS server knows.
    Part { network: Named, section: String, xml: String, parent: Option<i32> },
    /// A pool; its directory is not part of it.
    Pool { name: String, uuid: String },
    /// A port of the network of this name.
    Port { network: String, uuid: String },
    /// Not made, but begun: the removal of the domain of this UUID, of which something is gone.
    Removal { name: String, uuid: String },
    /// Not made, but begun: a volume goes, and the one that is complete beside it (`NAME.new`) takes its place.
    Replacement { pool: Named, name: String, xml: String },
    /// An address that a network's DHCP server keeps; for a card, or for a name as IPv6 has it.
    Reservation { network: Named, ip: IpAddr, mac: Option<String> },
    /// A secret.
    Secret { uuid: String },
    /// A snapshot of the domain of this UUID.
    Snapshot { domain: String, uuid: String, name: String },
    /// Not made: a pool that goes if it holds nothing. The run is about to empty it, or to put volumes there.
    Vacant { pool: Named, folder: bool, fills: bool },
    /// A volume that a machine had before a change of its disks, or has after it: one of the two is left over.
    Spare {
        pool: Named,
        name: String,
        machine: Named,
        #[serde(default)]
        shape: Option<Shape>,
    },
    /// The file of UEFI variables that a machine had before a change of its name, or has after it: one of the two is left over.
    Variables { path: String, machine: Named },
    /// A volume.
    Volume {
        pool: Named,
        name: String,
        #[serde(default)]
        shape: Option<Shape>,
    },
}

/// A domain, a network or a pool that is there. Another one may have its name some day, but not its UUID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::libvirt) struct Named {
    pub(in crate::libvirt) name: String,
    pub(in crate::libvirt) uuid: String,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binding { device, .. } => write!(f, "take the network filter from device `{device}`"),
            Self::Built { pool, .. } => write!(f, "delete what pool `{pool}` stands on"),
            Self::Checkpoint { domain, name, .. } => write!(f, "delete checkpoint `{name}` of domain `{domain}`"),
            Self::Domain { name, .. } => write!(f, "remove domain `{name}`"),
            Self::Former { domain, .. } => write!(f, "give domain `{}` back the disks that it had", domain.name),
            Self::Filter { name, .. } => write!(f, "remove network filter `{name}`"),
            Self::Interface { name } => write!(f, "remove host interface `{name}`"),
            Self::Network { name, .. } => write!(f, "remove network `{name}`"),
            Self::Outside { file } => write!(f, "leave `{file}`, a file that no pool knows"),
            Self::Part { network, section, .. } => {
                write!(f, "take a part (`{section}`) out of network `{}`", network.name)
            }
            Self::Pool { name, .. } => write!(f, "remove pool `{name}`"),
            Self::Port { network, uuid } => write!(f, "delete port `{uuid}` of network `{network}`"),
            Self::Removal { name, .. } => write!(f, "finish removing domain `{name}`"),
            Self::Replacement { pool, name, .. } => {
                write!(f, "finish putting volume `{}` of pool `{}` in the place of `{name}`", beside(name), pool.name)
            }
            Self::Reservation { network, ip, .. } => write!(f, "release {ip} on network `{}`", network.name),
            Self::Secret { uuid } => write!(f, "remove secret `{uuid}`"),
            Self::Snapshot { domain, name, .. } => write!(f, "delete snapshot `{name}` of domain `{domain}`"),
            Self::Spare { pool, name, machine, .. } => {
                write!(
                    f,
                    "delete volume `{name}` of pool `{}`, which domain `{}` does not use",
                    pool.name, machine.name
                )
            }
            Self::Vacant { pool, .. } => write!(f, "remove pool `{}` if it holds nothing", pool.name),
            Self::Variables { path, machine } => {
                write!(f, "delete `{path}`, UEFI variables that domain `{}` does not use", machine.name)
            }
            Self::Volume { pool, name, .. } => write!(f, "delete volume `{name}` of pool `{}`", pool.name),
        }
    }
}

impl Made {
    /// What a definition will make, its UUID, and the definition with it. The UUID is chosen here if the definition has none.
    pub(in crate::libvirt) fn identify(kind: Kind, name: &str, text: &str) -> Result<(Self, String, String)> {
        let mut document = xml::parse(text)?;
        let (uuid, text) = if let Some(uuid) = document.find_text("uuid") {
            (uuid, text.to_string())
        } else {
            let uuid = new_uuid()?;
            let elem = Elem::plain("uuid", &[]).with_text(&uuid);
            document.nodes.insert(0, Node::Elem(elem));
            (uuid, xml::to_string(&document))
        };
        let (name, known) = (name.to_string(), uuid.clone());
        let made = match kind {
            Kind::Domain => Self::Domain { name, uuid },
            Kind::Network => Self::Network { name, uuid },
            Kind::NwFilter => Self::Filter { name, uuid },
            Kind::NetworkPort => Self::Port { network: name, uuid },
            Kind::Secret => Self::Secret { uuid },
            _ => Self::Pool { name, uuid },
        };
        Ok((made, known, text))
    }

    /// The machine that is made, or for which a volume is: by its UUID.
    pub(super) fn machine(&self) -> Option<&str> {
        match self {
            Self::Domain { uuid, .. }
            | Self::Removal { uuid, .. }
            | Self::Spare { machine: Named { uuid, .. }, .. } => Some(uuid),
            _ => None,
        }
    }

    /// Whether both are the same thing, whatever its name was when it was written down.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Domain { uuid, .. }, Self::Domain { uuid: other, .. })
            | (Self::Removal { uuid, .. }, Self::Removal { uuid: other, .. }) => uuid == other,
            (Self::Snapshot { uuid, name, .. }, Self::Snapshot { uuid: other, name: known, .. })
            | (Self::Checkpoint { uuid, name, .. }, Self::Checkpoint { uuid: other, name: known, .. }) => {
                (uuid, name) == (other, known)
            }
            (
                Self::Volume { pool, name, .. } | Self::Spare { pool, name, .. },
                Self::Volume { pool: other, name: known, .. } | Self::Spare { pool: other, name: known, .. },
            ) => (&pool.uuid, name) == (&other.uuid, known),
            _ => self == other,
        }
    }

    /// Whether it can only be undone when the other one is.
    pub(super) fn hangs_on(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Spare { machine, .. }, Self::Former { domain, .. }) => machine.uuid == domain.uuid,
            (Self::Replacement { pool, name, .. }, Self::Volume { pool: of, name: known, .. }) => {
                (&pool.uuid, name) == (&of.uuid, known)
            }
            (Self::Volume { pool, name, .. }, Self::Replacement { pool: of, name: known, .. }) => {
                pool.uuid == of.uuid && *name == beside(known)
            }
            _ => false,
        }
    }

    /// Whether it is there.
    pub(super) fn exists(&self, host: &Host) -> Result<bool> {
        Ok(match self {
            Self::Binding { device, owner } => {
                match host.nwfilter_bindings()?.into_iter().find(|one| one.device() == device) {
                    Some(binding) => binding.owner()?.unwrap_or_default() == *owner,
                    None => false,
                }
            }
            Self::Built { uuid, .. } => host.pool_of_uuid(uuid)?.is_some_and(|pool| pool.stands()),
            Self::Checkpoint { uuid, name, .. } => match host.domain_of_uuid(uuid)? {
                Some(domain) => domain.checkpoints()?.iter().any(|one| one.name() == name),
                None => false,
            },
            Self::Domain { uuid, .. } => host.domain_of_uuid(uuid)?.is_some(),
            // What runs by now has its new disks.
            Self::Former { domain, xml, .. } => match host.domain_of_uuid(&domain.uuid)? {
                Some(domain) => !domain.runs_for_good()? && domain.has_other_disks(xml)?,
                None => false,
            },
            Self::Filter { uuid, .. } => filter_of(host, uuid)?.is_some(),
            Self::Interface { name } => host.host_interfaces()?.iter().any(|one| one.name() == name),
            Self::Network { uuid, .. } => host.network_of_uuid(uuid)?.is_some(),
            Self::Outside { .. } => true,
            Self::Part { network, section, xml, .. } => match host.network_of_uuid(&network.uuid)? {
                Some(network) => network.has_part(section, xml)?,
                None => false,
            },
            Self::Pool { uuid, .. } => host.pool_of_uuid(uuid)?.is_some(),
            Self::Port { network, uuid } => match host.find_network(network)? {
                Some(network) => network.ports()?.iter().any(|one| one.uuid() == uuid),
                None => false,
            },
            // One that has all its volumes again was mended since.
            Self::Removal { uuid, .. } => match host.domain_of_uuid(uuid)? {
                Some(domain) => !domain.missing_volumes()?.is_empty(),
                None => false,
            },
            Self::Replacement { pool, name, .. } => volume_of(host, pool, &beside(name))?.is_some(),
            Self::Reservation { network, ip, mac } => match host.network_of_uuid(&network.uuid)? {
                Some(network) => network.reservations()?.iter().any(|kept| kept.is_for(*ip, mac.as_deref())),
                None => false,
            },
            Self::Secret { uuid } => host.secrets()?.iter().any(|secret| secret.uuid() == uuid),
            Self::Snapshot { uuid, name, .. } => match host.domain_of_uuid(uuid)? {
                Some(domain) => domain.snapshots()?.iter().any(|one| one.name() == name),
                None => false,
            },
            Self::Spare { pool, name, machine, .. } => match volume_of(host, pool, name)? {
                Some(volume) => match host.domain_of_uuid(&machine.uuid)? {
                    Some(domain) => !domain.stands_on(&volume)?,
                    None => true,
                },
                None => false,
            },
            Self::Vacant { pool, .. } => match host.pool_of_uuid(&pool.uuid)? {
                Some(pool) => pool.is_vacant()?,
                None => false,
            },
            Self::Variables { path, .. } => host.is_left_file(path)?,
            Self::Volume { pool, name, .. } => volume_of(host, pool, name)?.is_some(),
        })
    }

    /// Whether a volume is left over when its machine has the disks again that it had before.
    pub(super) fn is_spare_after(&self, former: &Self, host: &Host) -> Result<bool> {
        let (Self::Spare { pool, name, .. }, Self::Former { xml, .. }) = (self, former) else { return Ok(false) };
        volume_of(host, pool, name)?.map_or(Ok(false), |volume| is_on(&xml::parse(xml)?, &volume).map(|is_on| !is_on))
    }

    /// Removes it, and looks whether it is gone if it has a UUID: who has its name by then may be another one. It is no
    /// failure if it never was there.
    pub(super) fn remove(&self, host: &Host) -> Result<()> {
        if let Self::Former { .. } | Self::Replacement { .. } | Self::Vacant { .. } = self {
            // They look by themselves.
            return self.remove_once(host).or_else(gone);
        }
        if self.is_known_by_name() {
            return if self.exists(host)? { self.remove_once(host).or_else(gone) } else { Ok(()) };
        }
        for round in 0..ROUNDS {
            if !self.exists(host)? {
                return Ok(());
            }
            if round > 0 {
                std::thread::sleep(Duration::from_millis(200));
            }
            self.remove_once(host).or_else(gone)?;
        }
        if self.exists(host)? {
            return Err(Error::new(Code::Failed, Area::Host, format!("cannot {self}: it is still there")));
        }
        Ok(())
    }

    /// Whether another one may be there under its name as soon as it is gone.
    fn is_known_by_name(&self) -> bool {
        matches!(
            self,
            Self::Binding { .. }
                | Self::Checkpoint { .. }
                | Self::Interface { .. }
                | Self::Outside { .. }
                | Self::Part { .. }
                | Self::Reservation { .. }
                | Self::Snapshot { .. }
                | Self::Spare { .. }
                | Self::Variables { .. }
                | Self::Volume { .. }
        )
    }

    fn remove_once(&self, host: &Host) -> Result<()> {
        match self {
            Self::Binding { device, .. } => host.nwfilter_binding(device)?.delete(),
            Self::Built { uuid, .. } => host.pool_of_uuid(uuid)?.map_or(Ok(()), |pool| pool.unbuild()),
            Self::Checkpoint { uuid, name, .. } => match host.domain_of_uuid(uuid)? {
                Some(domain) => domain.checkpoint(name)?.delete(false),
                None => Ok(()),
            },
            Self::Domain { uuid, .. } => host.domain_of_uuid(uuid)?.map_or(Ok(()), |domain| domain.purge()),
            Self::Former { domain, xml, ran } => {
                host.domain_of_uuid(&domain.uuid)?.map_or(Ok(()), |domain| domain.go_back(xml, *ran))
            }
            Self::Filter { uuid, .. } => filter_of(host, uuid)?.map_or(Ok(()), |filter| filter.undefine()),
            Self::Interface { name } => host.host_interface(name)?.take_back(),
            Self::Network { uuid, .. } => {
                let Some(network) = host.network_of_uuid(uuid)? else { return Ok(()) };
                let persistent = network.is_persistent()?;
                if network.is_active()? {
                    network.destroy()?;
                }
                if persistent { network.undefine() } else { Ok(()) }
            }
            Self::Outside { file } => {
                tracing::warn!("`{file}` stays, a file that no pool knows");
                Ok(())
            }
            Self::Part { network, section, xml, parent } => host
                .network_of_uuid(&network.uuid)?
                .map_or(Ok(()), |network| network.remove_part(section, xml, *parent)),
            Self::Pool { uuid, .. } => {
                let Some(pool) = host.pool_of_uuid(uuid)? else { return Ok(()) };
                let persistent = pool.is_persistent()?;
                if pool.is_active()? {
                    pool.destroy()?;
                }
                if persistent { pool.undefine() } else { Ok(()) }
            }
            Self::Port { network, uuid } => host.network(network)?.port(uuid)?.delete(),
            Self::Removal { uuid, .. } => {
                host.domain_of_uuid(uuid)?.map_or(Ok(()), |domain| domain.remove(&Remove::default()).map(drop))
            }
            Self::Replacement { pool, name, xml } => {
                host.pool_of_uuid(&pool.uuid)?.map_or(Ok(()), |pool| pool.finish_replacing(name, xml))
            }
            Self::Reservation { network, ip, mac } => host
                .network_of_uuid(&network.uuid)?
                .map_or(Ok(()), |network| network.release_for(*ip, mac.as_deref()).map(drop)),
            Self::Secret { uuid } => host.secret(uuid)?.undefine(),
            Self::Snapshot { uuid, name, .. } => match host.domain_of_uuid(uuid)? {
                Some(domain) => domain.snapshot(name)?.take_back(),
                None => Ok(()),
            },
            Self::Vacant { pool, folder, .. } => {
                host.pool_of_uuid(&pool.uuid)?.map_or(Ok(()), |pool| pool.remove_if_empty(*folder).map(drop))
            }
            Self::Variables { path, .. } => host.delete_file(path),
            Self::Spare { pool, name, .. } | Self::Volume { pool, name, .. } => {
                let Some(volume) = volume_of(host, pool, name)? else { return Ok(()) };
                while_busy(host, || volume.delete())
            }
        }
    }
}

/// The volume of that name, if its pool can be asked.
pub(super) fn volume_of(host: &Host, pool: &Named, name: &str) -> Result<Option<Volume>> {
    match host.pool_of_uuid(&pool.uuid)? {
        Some(pool) if pool.is_active()? => pool.find_volume(name),
        _ => Ok(None),
    }
}

fn filter_of(host: &Host, uuid: &str) -> Result<Option<NwFilter>> {
    for filter in host.nwfilters()? {
        if filter.uuid()? == uuid {
            return Ok(Some(filter));
        }
    }
    Ok(None)
}

/// What is gone by itself meanwhile is no failure.
fn gone(error: Error) -> Result<()> {
    if error.code == Code::NotFound { Ok(()) } else { Err(error) }
}

fn new_uuid() -> Result<String> {
    let path = std::path::Path::new("/proc/sys/kernel/random/uuid");
    let text = std::fs::read_to_string(path).map_err(|cause| Error::io(path, "read", &cause))?;
    Ok(text.trim().to_string())
}

impl Host {
    pub(in crate::libvirt) fn domain_of_uuid(&self, uuid: &str) -> Result<Option<Domain>> {
        let found = self.raw()?.lookup_domain_by_uuid_string(uuid);
        known(found, Kind::Domain, uuid)?.map(|raw| Domain::new(self, raw)).transpose()
    }

    pub(in crate::libvirt) fn network_of_uuid(&self, uuid: &str) -> Result<Option<Network>> {
        let found = self.raw()?.lookup_network_by_uuid_string(uuid);
        known(found, Kind::Network, uuid)?.map(|raw| Network::new(self, raw)).transpose()
    }

    pub(in crate::libvirt) fn pool_of_uuid(&self, uuid: &str) -> Result<Option<Pool>> {
        let found = self.raw()?.lookup_storage_pool_by_uuid_string(uuid);
        known(found, Kind::Pool, uuid)?.map(|raw| Pool::new(self, raw)).transpose()
    }
}

fn known<T>(found: Result<T, virt::error::Error>, kind: Kind, uuid: &str) -> Result<Option<T>> {
    match found.explain("look up", &Object::new(kind, uuid)) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.code == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
