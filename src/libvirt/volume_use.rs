//! What a volume stands on and what stands on it: backing chains, users, wiping, and deleting without harm.

use super::cause::Explain;
use super::retry::while_busy;
use super::{Domain, Host, Volume};
use crate::floor::{Area, Code, Error, Result};
use crate::schema::xml::{self, Elem};
use std::collections::HashSet;
use virt::sys;

/// Who needs a volume.
#[derive(Debug, Clone, Default)]
pub struct Users {
    /// The domains with a disk on it or on something that stands on it.
    pub domains: Vec<Domain>,
    /// The volumes that stand on it directly.
    pub overlays: Vec<Volume>,
}

impl Volume {
    /// Its path and those of the files that it stands on, downwards.
    pub fn chain(&self) -> Result<Vec<String>> {
        let mut chain = vec![self.path()?];
        let mut next = backing(&self.xml()?)?;
        // A file that names itself as its base would keep this going for ever.
        while let Some(path) = next.filter(|path| !chain.contains(path)) {
            next = match self.host().find_volume_by_path(&path)? {
                Some(volume) => backing(&volume.xml()?)?,
                None => None,
            };
            chain.push(path);
        }
        Ok(chain)
    }

    /// The domains and volumes that need it.
    pub fn users(&self) -> Result<Users> {
        users(self.host(), &HashSet::from([self.path()?]))
    }

    /// Deletes it with its data, unless somebody needs it.
    pub fn delete_unused(&self) -> Result<()> {
        let users = self.users()?.named();
        if users.is_empty() {
            return self.delete();
        }
        let message = format!("cannot delete {}: it is needed by {}", self.object(), users.join(" and "));
        Err(Error::new(Code::Busy, Area::Storage, message)
            .about(self.object().plain())
            .hint("remove those first, or pass `force: true`"))
    }

    /// Overwrites its data with zeros, or as an algorithm of libvirt's (`nnsa`, `dod`, `bsi`, `random`, `trim`, ...) says.
    pub fn wipe(&self, algorithm: Option<&str>) -> Result<()> {
        let number = match algorithm {
            None | Some("zero") => sys::VIR_STORAGE_VOL_WIPE_ALG_ZERO,
            Some("nnsa") => sys::VIR_STORAGE_VOL_WIPE_ALG_NNSA,
            Some("dod") => sys::VIR_STORAGE_VOL_WIPE_ALG_DOD,
            Some("bsi") => sys::VIR_STORAGE_VOL_WIPE_ALG_BSI,
            Some("gutmann") => sys::VIR_STORAGE_VOL_WIPE_ALG_GUTMANN,
            Some("schneier") => sys::VIR_STORAGE_VOL_WIPE_ALG_SCHNEIER,
            Some("random") => sys::VIR_STORAGE_VOL_WIPE_ALG_RANDOM,
            Some("trim") => sys::VIR_STORAGE_VOL_WIPE_ALG_TRIM,
            Some(other) => {
                return Err(Error::argument(format!("there is no way of wiping `{other}`"))
                    .hint("`zero`, `nnsa`, `dod`, `bsi`, `gutmann`, `schneier`, `random` or `trim`"));
            }
        };
        if self.host().is_skipped("wipe", self.object())? {
            return Ok(());
        }
        while_busy(self.host(), || self.raw()?.wipe_pattern(number, 0).map(drop).explain("wipe", self.object()))
    }
}

impl Users {
    fn named(&self) -> Vec<String> {
        let domains = self.domains.iter().map(|one| format!("domain `{}`", one.name()));
        domains.chain(self.overlays.iter().map(|one| format!("its overlay `{}`", one.name()))).collect()
    }
}

/// Who needs one of these volumes beside the domain of this name and the volumes themselves.
pub(super) fn needed_by(host: &Host, volumes: &[Volume], but: &str) -> Result<Vec<String>> {
    if volumes.is_empty() {
        return Ok(Vec::new());
    }
    let paths = volumes.iter().map(Volume::path).collect::<Result<_>>()?;
    let mut users = users(host, &paths)?;
    users.domains.retain(|domain| domain.name() != but);
    users.overlays.retain(|overlay| overlay.path().is_ok_and(|path| !paths.contains(&path)));
    Ok(users.named())
}

fn users(host: &Host, paths: &HashSet<String>) -> Result<Users> {
    let bases = overlays(host)?;
    let mut needed = paths.clone();
    // What stands on something that stands on it needs it too.
    while let Some((volume, _)) = bases
        .iter()
        .find(|(volume, base)| needed.contains(base) && volume.path().is_ok_and(|path| !needed.contains(&path)))
    {
        needed.insert(volume.path()?);
    }
    let mut domains = Vec::new();
    for domain in host.domains()? {
        if files(&domain)?.iter().any(|file| needed.contains(file)) {
            domains.push(domain);
        }
    }
    let overlays = bases.into_iter().filter(|(_, base)| paths.contains(base)).map(|(volume, _)| volume).collect();
    Ok(Users { domains, overlays })
}

/// The file that a volume stands on, from its XML.
fn backing(volume: &str) -> Result<Option<String>> {
    Ok(xml::parse(volume)?.find_text("backingStore/path").filter(|path| !path.is_empty()))
}

/// All volumes of started pools that stand on something, with what that is.
fn overlays(host: &Host) -> Result<Vec<(Volume, String)>> {
    let mut found = Vec::new();
    for pool in host.pools()? {
        if !pool.is_active()? {
            continue;
        }
        for volume in pool.volumes()? {
            // A volume may go away meanwhile.
            if let Ok(Some(base)) = volume.xml().and_then(|xml| backing(&xml)) {
                found.push((volume, base));
            }
        }
    }
    Ok(found)
}

/// The files of a domain's disks, as it runs and as it is defined.
fn files(domain: &Domain) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for text in [domain.xml(), domain.inactive_xml()] {
        let text = match text {
            // Gone since it was listed.
            Err(error) if error.code == Code::NotFound => continue,
            other => other?,
        };
        let root = xml::parse(&text)?;
        for disk in root.find_all("devices/disk") {
            collect(domain.host(), disk, &mut files);
        }
    }
    Ok(files)
}

/// The files in a disk's sources, those of its whole chain included.
fn collect(host: &Host, element: &Elem, files: &mut Vec<String>) {
    if element.local() == "source" {
        files.extend(["file", "dev"].iter().filter_map(|name| element.attr(name)).map(str::to_string));
        if let (Some(pool), Some(volume)) = (element.attr("pool"), element.attr("volume")) {
            let volume = host.find_pool(pool).ok().flatten().and_then(|pool| pool.find_volume(volume).ok().flatten());
            files.extend(volume.and_then(|volume| volume.path().ok()));
        }
    }
    for child in element.children() {
        collect(host, child, files);
    }
}
