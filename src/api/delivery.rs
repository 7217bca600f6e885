//! The option `seed` of `provision`: what a guest reads at its first boot, and how it comes to it.

use super::convert::options_of;
use super::provision::sized_volume;
use super::seed;
use crate::floor::{Error, Map as Plain, Result};
use crate::libvirt::{Bus, Content, Host, Storage, add_fw_cfg, add_seed_disk, add_smbios_seed};
use crate::schema::xml::{self, Elem};
use crate::seed::Guest;
use rhai::{Dynamic, Map};

const KEYS: &[&str] = &["bus", "from", "key", "name", "pool", "url", "via"];

/// Where Ignition looks in the firmware's configuration.
const IGNITION: &str = "opt/com.coreos/config";

/// A seed on its way.
pub(super) enum Delivery {
    /// As a disk.
    Disk { from: Dynamic, bus: Option<Bus>, pool: String, name: String },
    /// As a file of the host in the firmware's configuration.
    Firmware { text: String, key: String, pool: String, name: String },
    /// By the serial number of the machine.
    Url(String),
}

/// Reads the option; a seed or a guest alone comes by the usual way. `machine` is the name of the domain.
pub(super) fn read(given: &Dynamic, machine: &str) -> Result<Option<Delivery>> {
    if given.is_unit() {
        return Ok(None);
    }
    let mut plain = match given.as_map_ref() {
        Ok(map) => map.clone(),
        Err(_) => Map::from([("from".into(), given.clone())]),
    };
    let from = plain.remove("from");
    let options = options_of("seed", &plain, KEYS)?;
    let via = options.one_of("via", &["disk", "fw_cfg", "smbios"])?.unwrap_or("disk");
    let unfit = |keys: &[&str]| match keys.iter().find(|key| options.get(key).is_some()) {
        Some(key) => Err(Error::argument(format!("`{key}` of `seed` does not go with `via: \"{via}\"`"))),
        None => Ok(()),
    };
    let pool = options.str("pool")?.unwrap_or("default").to_string();
    let name =
        |end: &str| options.str("name").map(|name| name.map_or_else(|| format!("{machine}{end}"), str::to_string));
    let needed = || from.clone().ok_or_else(|| Error::argument("`seed` needs `from`: a seed, a guest or a folder"));
    Ok(Some(match via {
        "smbios" => {
            unfit(&["bus", "key", "name", "pool"])?;
            let url = options.str("url")?.ok_or_else(|| Error::argument("`via: \"smbios\"` needs `url`"))?;
            let right = ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme));
            // A semicolon would begin another field of cloud-init's.
            if !right || url.contains(|c: char| c.is_whitespace() || c.is_control() || c == ';') {
                return Err(Error::argument("`url` of `seed` must be an `http` or `https` address"));
            }
            Delivery::Url(url.to_string())
        }
        "fw_cfg" => {
            unfit(&["bus", "url"])?;
            let from = needed()?;
            let guest = from.read_lock::<Guest>().map(|guest| guest.ignition()).transpose()?;
            let text = match guest {
                Some(text) => text,
                None => from.into_string().map_err(|_| {
                    Error::argument("`from` of a seed by `fw_cfg` must be a guest or text")
                        .hint("such as `guest.ignition()`")
                })?,
            };
            let key = options.str("key")?.unwrap_or(IGNITION).to_string();
            Delivery::Firmware { text, key, pool, name: name("-config.ign")? }
        }
        _ => {
            unfit(&["key", "url"])?;
            let bus = options.one_of("bus", Bus::WORDS)?.and_then(Bus::from_word);
            Delivery::Disk { from: needed()?, bus, pool, name: name("-seed.iso")? }
        }
    }))
}

impl Delivery {
    /// Whether it is a disk that can carry a network configuration.
    pub(super) fn is_disk(&self) -> bool {
        matches!(self, Self::Disk { .. })
    }

    /// Adds to a domain what brings it there.
    pub(super) fn add_to(&self, root: &mut Elem, host: &Host) -> Result<()> {
        match self {
            Self::Disk { bus, pool, name, .. } => add_seed_disk(root, *bus, pool, name),
            Self::Firmware { key, pool, name, .. } => add_fw_cfg(root, key, &host.pool(pool)?.path_of(name)?),
            Self::Url(url) => add_smbios_seed(root, url),
        }
        Ok(())
    }

    /// The volume that it needs.
    pub(super) fn storage(&self, host: &Host, config: Option<&Plain>) -> Result<Option<Storage>> {
        let (pool, name, bytes) = match self {
            Self::Disk { from, pool, name, .. } => {
                let seed = seed::of(from)?;
                let seed = config.map_or(Ok(seed.clone()), |config| seed.with_network_config(config))?;
                (pool, name, seed.iso()?)
            }
            Self::Firmware { text, pool, name, .. } => (pool, name, text.clone().into_bytes()),
            Self::Url(_) => return Ok(None),
        };
        let mut root = sized_volume(name, bytes.len() as u64)?.root();
        if let Self::Firmware { .. } = self {
            // libvirt gives QEMU the disks of a machine, but not this file.
            host.let_qemu_read(&mut root)?;
        }
        Ok(Some(Storage { pool: pool.clone(), xml: xml::to_string(&root), content: Content::Bytes(bytes) }))
    }
}
