//! Whether the volume of a name is the one that a run made: somebody else may have made one of that name since.

use super::Made;
use super::journal::{Known, Left};
use super::made::volume_of;
use super::others;
use crate::floor::{Result, shell_word, size};
use crate::libvirt::define::name_of;
use crate::libvirt::object::Kind;
use crate::libvirt::{Host, MachineRecord, Owned, Pool, Volume};
use crate::schema::xml::{self, Elem};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

/// By so much volume groups round up.
const EXTENT: u64 = 4 << 20;
/// By so much files are rounded up at most.
const SECTORS: u64 = 64 << 10;
/// How long a call of a killed run may go on, and how far clocks may differ.
const SLACK: Duration = Duration::from_secs(10);

/// What a volume was asked to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::libvirt) struct Shape {
    capacity: u64,
    format: Option<String>,
    base: Option<String>,
    /// Whether it is a device.
    #[serde(skip)]
    is_device: bool,
}

impl Shape {
    fn read(document: &Elem) -> Self {
        let capacity = document.find("capacity").and_then(|found| {
            let unit = found.attr("unit").unwrap_or("bytes");
            size(&format!("{} {unit}", found.text().trim()).into()).ok()
        });
        Self {
            capacity: capacity.unwrap_or_default(),
            format: document.find("target/format").and_then(|format| format.attr("type")).map(str::to_string),
            base: document.find_text("backingStore/path").filter(|path| !path.is_empty()),
            is_device: document.find_text("target/path").is_some_and(|path| path.starts_with("/dev/")),
        }
    }

    /// Whether that is what was asked for. A format that nobody named may be any; libvirt tells a base by its whole path.
    fn is_of(&self, has: &Self) -> bool {
        let format = self.format.is_none() || has.format.is_none() || self.format == has.format;
        let base = match (&self.base, &has.base) {
            (Some(asked), Some(has)) => asked == has || !asked.starts_with('/'),
            (asked, has) => asked.is_none() && has.is_none(),
        };
        let larger = has.capacity.checked_sub(self.capacity);
        format && base && larger.is_some_and(|larger| larger < if has.is_device { EXTENT } else { SECTORS })
    }
}

impl Made {
    /// The volume that a definition will make.
    pub(in crate::libvirt) fn volume(pool: &Pool, text: &str) -> Result<Self> {
        let shape = Some(Shape::read(&xml::parse(text)?));
        Ok(Self::Volume { pool: pool.named()?, name: name_of(Kind::Volume, text)?, shape })
    }

    /// The same, as a copy of one of this capacity: it is never smaller.
    pub(in crate::libvirt) fn copy(pool: &Pool, text: &str, capacity: u64) -> Result<Self> {
        let mut made = Self::volume(pool, text)?;
        if let Self::Volume { shape: Some(shape), .. } = &mut made {
            shape.capacity = shape.capacity.max(capacity);
        }
        Ok(made)
    }

    /// Why what is there may not be what a call made that was never answered; `own` are the machines of the run. What has a
    /// UUID is never in doubt.
    pub(in crate::libvirt) fn doubt(&self, host: &Host, own: &[String]) -> Result<Option<String>> {
        let Some((volume, shape)) = self.there(host)? else { return Ok(None) };
        if let Some(owner) = others::owner(host, self, own)? {
            return Ok(Some(format!("{owner} has it")));
        }
        let asked = match shape {
            Some(shape) => shape.is_of(&Shape::read(&xml::parse(&volume.xml()?)?)),
            None => false,
        };
        Ok((!asked)
            .then(|| format!("it is not what was asked for, so somebody else may have made it; {}", by_hand(&volume))))
    }

    /// The volume of that name, if this is one.
    fn there(&self, host: &Host) -> Result<Option<(Volume, Option<&Shape>)>> {
        let (Self::Volume { pool, name, shape } | Self::Spare { pool, name, shape, .. }) = self else {
            return Ok(None);
        };
        Ok(volume_of(host, pool, name)?.map(|volume| (volume, shape.as_ref())))
    }
}

impl Left {
    /// Whether one of the machines that the killed run made stands on it, or has it in its record: then it is the run's.
    pub(super) fn is_of(&self, host: &Host, machines: &[String]) -> Result<bool> {
        let Some((volume, _)) = self.made.there(host)? else { return Ok(false) };
        let owned = Owned { pool: volume.pool()?.name().to_string(), name: volume.name().to_string() };
        for uuid in machines {
            let Some(domain) = host.domain_of_uuid(uuid)? else { continue };
            let recorded = MachineRecord::read(&xml::parse(&domain.xml()?)?).volumes.contains(&owned);
            if recorded || domain.stands_on(&volume)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Why what is there may not be what a killed run made, which lived until `end`. What nobody changed since then is the
    /// run's, if libvirt said that it was made, or if it is what was asked for.
    pub(super) fn doubt(&self, host: &Host, end: SystemTime) -> Result<Option<String>> {
        if self.known == Known::Own {
            return Ok(None);
        }
        if self.known == Known::Asked
            && let Some(doubt) = self.made.doubt(host, &[])?
        {
            return Ok(Some(doubt));
        }
        let Some((volume, _)) = self.made.there(host)? else { return Ok(None) };
        let why = match changed(&xml::parse(&volume.xml()?)?) {
            Some(changed) if changed <= end + SLACK => return Ok(None),
            Some(_) => "it was changed after that run ended",
            None => "its host does not tell when it was changed",
        };
        Ok(Some(format!("{why}, so somebody else may have made it; {}", by_hand(&volume))))
    }
}

/// When the file of a volume was changed: what it holds, or whose it is.
fn changed(document: &Elem) -> Option<SystemTime> {
    let times = document.find("target/timestamps")?;
    let of = |name: &str| {
        let seconds = times.find_text(name)?.parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok().map(|time| SystemTime::UNIX_EPOCH + time)
    };
    of("mtime").max(of("ctime"))
}

fn by_hand(volume: &Volume) -> String {
    let pool = volume.pool().map_or_else(|_| "POOL".to_string(), |pool| pool.name().to_string());
    format!("`vmscript volume delete {} {}` deletes it", shell_word(&pool), shell_word(volume.name()))
}
