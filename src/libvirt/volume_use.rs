//! What a volume stands on and what stands on it: backing chains, users, wiping, and deleting without harm.

use super::cause::Explain;
use super::retry::while_busy;
use super::{Domain, Filter, Host, Pool, Volume};
use crate::floor::{Area, Code, Error, Result};
use crate::schema::xml::{self, Elem};
use std::collections::{HashMap, HashSet};
use virt::sys;

/// Who needs a volume.
#[derive(Debug, Clone, Default)]
pub struct Users {
    /// The domains with a disk on it or on something that stands on it.
    pub domains: Vec<Domain>,
    /// The volumes that stand on it directly, with their paths.
    pub overlays: Vec<(Volume, String)>,
}

impl Volume {
    /// Its path and those of the files that it stands on, downwards.
    pub fn chain(&self) -> Result<Vec<String>> {
        let mut chain = vec![self.path()?];
        let mut next = backing(&xml::parse(&self.xml()?)?);
        // A file that names itself as its base would keep this going for ever.
        while let Some(path) = next.filter(|path| !chain.contains(path)) {
            next = match self.host().find_volume_by_path(&path)? {
                Some(volume) => backing(&xml::parse(&volume.xml()?)?),
                None => None,
            };
            chain.push(path);
        }
        Ok(chain)
    }

    /// The domains and volumes that need it.
    pub fn users(&self) -> Result<Users> {
        Ok(self.host().volume_uses()?.of(&HashSet::from([self.path()?])))
    }

    /// Deletes it with its data, unless somebody needs it.
    pub fn delete_unused(&self) -> Result<()> {
        self.check_deletable()?;
        self.delete()
    }

    /// Fails if somebody needs it, as deleting it does unless that is forced.
    pub fn check_deletable(&self) -> Result<()> {
        self.check_unused().map_err(|error| error.hint("`force: true` deletes it all the same"))
    }

    /// Fails if somebody needs it.
    pub fn check_unused(&self) -> Result<()> {
        self.unless_needed("delete", &self.users()?).map_err(|error| error.hint("remove those first"))
    }

    fn unless_needed(&self, verb: &str, users: &Users) -> Result<()> {
        let users = users.named();
        if users.is_empty() {
            return Ok(());
        }
        let message = format!("cannot {verb} {}: it is needed by {}", self.object(), users.join(" and "));
        Err(Error::new(Code::Busy, Area::Storage, message).about(self.object().plain()))
    }

    /// Fails if it is not to be changed behind somebody's back: a domain runs with a disk on it, or, where what it holds
    /// changes, volumes stand on it. `verb` is what is about to be done.
    pub fn check_writable(&self, verb: &str, content: bool) -> Result<()> {
        let mut users = self.users()?;
        if !content {
            users.overlays.clear();
        }
        let mut running = Vec::new();
        for domain in std::mem::take(&mut users.domains) {
            if domain.is_active().unwrap_or(false) {
                running.push(domain);
            }
        }
        let hint = match running.first() {
            Some(domain) => format!("it runs: `{}.shutdown()` first", domain.object().expression()),
            None => "what stands on it would be lost".to_string(),
        };
        users.domains = running;
        self.unless_needed(verb, &users).map_err(|error| error.hint(hint))
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
        while_busy(self.host(), || {
            if self.host().is_skipped("wipe", self.object())? {
                return Ok(());
            }
            self.raw()?.wipe_pattern(number, 0).map(drop).explain("wipe", self.object())
        })
    }
}

impl Pool {
    /// Who needs what is in it: the domains with a disk there or on something that stands there, and the volumes of other
    /// pools that do so. A pool that is stopped can be asked as well.
    pub fn users(&self) -> Result<Users> {
        let folder = xml::parse(&self.xml()?)?.find_text("target/path");
        let places: Vec<String> = folder.into_iter().chain([self.name().to_string()]).collect();
        let is_inside = |file: &str| {
            let (place, _) = file.rsplit_once('/').unwrap_or_default();
            places.iter().any(|one| one.trim_end_matches('/') == place)
        };
        let all = self.host().volume_uses()?;
        let volumes = all.volumes.iter().flat_map(|one| one.base.iter().chain([&one.path]));
        let files = volumes.chain(all.domains.iter().flat_map(|(_, files)| files));
        let mut users = all.of(&files.filter(|file| is_inside(file)).cloned().collect());
        users.overlays.retain(|(_, path)| !is_inside(path));
        Ok(users)
    }
}

impl Users {
    fn named(&self) -> Vec<String> {
        let domains = self.domains.iter().map(|one| format!("domain `{}`", one.name()));
        domains.chain(self.overlays.iter().map(|(one, _)| format!("its overlay `{}`", one.name()))).collect()
    }
}

/// All disks of a host and what they stand on, as it was at one moment: to ask about many volumes at the cost of one.
#[derive(Debug, Clone)]
pub struct Uses {
    volumes: Vec<Standing>,
    /// Each domain with the files of its disks.
    domains: Vec<(Domain, Vec<String>)>,
}

/// A volume of a started pool.
#[derive(Debug, Clone)]
struct Standing {
    volume: Volume,
    path: String,
    /// The file that it stands on.
    base: Option<String>,
}

impl Host {
    /// Looks at all volumes and all disks: one call for each.
    pub fn volume_uses(&self) -> Result<Uses> {
        let mut volumes = Vec::new();
        let mut paths = HashMap::new();
        for pool in self.pools_where(&Filter { active: Some(true), ..Filter::default() })? {
            for volume in pool.volumes()? {
                // A volume may go away meanwhile.
                let Ok(root) = volume.xml().and_then(|text| xml::parse(&text)) else { continue };
                let path = match root.find_text("target/path") {
                    Some(path) => path,
                    None => volume.path()?,
                };
                paths.insert((pool.name().to_string(), volume.name().to_string()), path.clone());
                volumes.push(Standing { volume, path, base: backing(&root) });
            }
        }
        let mut domains = Vec::new();
        for domain in self.domains()? {
            let files = files(&domain, &paths)?;
            domains.push((domain, files));
        }
        Ok(Uses { volumes, domains })
    }
}

impl Uses {
    fn of(&self, paths: &HashSet<String>) -> Users {
        let mut needed = paths.clone();
        // What stands on something that stands on it needs it too.
        while let Some(one) = self
            .volumes
            .iter()
            .find(|one| one.base.as_ref().is_some_and(|base| needed.contains(base)) && !needed.contains(&one.path))
        {
            needed.insert(one.path.clone());
        }
        let domains = self.domains.iter().filter(|(_, files)| files.iter().any(|file| needed.contains(file)));
        let overlays = self.volumes.iter().filter(|one| one.base.as_ref().is_some_and(|base| paths.contains(base)));
        Users {
            domains: domains.map(|(domain, _)| domain.clone()).collect(),
            overlays: overlays.map(|one| (one.volume.clone(), one.path.clone())).collect(),
        }
    }

    /// Who needs one of these volumes beside this domain and the volumes themselves.
    pub(super) fn needed_by(&self, volumes: &[Volume], but: &Domain) -> Result<Vec<String>> {
        let paths = volumes.iter().map(Volume::path).collect::<Result<_>>()?;
        let mut users = self.of(&paths);
        users.domains.retain(|domain| domain.name() != but.name());
        users.overlays.retain(|(_, path)| !paths.contains(path));
        Ok(users.named())
    }

    /// The files of a domain's disks and these, which no volume is.
    pub(super) fn unknown(&self, domain: &Domain, files: &[String]) -> Vec<String> {
        let all = self.files(domain).chain(files).filter(|file| file.starts_with('/'));
        all.filter(|file| self.volumes.iter().all(|one| one.path != **file)).cloned().collect()
    }

    /// These volumes, and what a domain has on them: its disks, these files, and what is between. Each comes before what it
    /// stands on.
    pub(super) fn pile(&self, domain: &Domain, volumes: &[Volume], files: &[String]) -> Result<Vec<Volume>> {
        let base = |path: &String| self.volumes.iter().find(|one| one.path == *path)?.base.as_ref();
        let mut own = HashSet::new();
        for file in self.files(domain).chain(files) {
            let mut next = Some(file);
            while let Some(path) = next.filter(|path| own.insert((*path).clone())) {
                next = base(path);
            }
        }
        let mut pile = Vec::new();
        for volume in volumes {
            pile.push((volume.path()?, volume.clone()));
        }
        while let Some(one) = self.volumes.iter().find(|one| {
            let is_in = |path: &String| pile.iter().any(|(known, _)| known == path);
            own.contains(&one.path) && !is_in(&one.path) && one.base.as_ref().is_some_and(is_in)
        }) {
            pile.push((one.path.clone(), one.volume.clone()));
        }
        // A file that names itself as its base would keep this going for ever.
        let depth = |path: &String| {
            let below = std::iter::successors(base(path), |path| base(path)).take(self.volumes.len());
            below.filter(|path| pile.iter().any(|(known, _)| known == *path)).count()
        };
        let mut sorted: Vec<_> = pile.iter().map(|(path, volume)| (depth(path), volume.clone())).collect();
        sorted.sort_by_key(|(depth, _)| std::cmp::Reverse(*depth));
        Ok(sorted.into_iter().map(|(_, volume)| volume).collect())
    }

    fn files(&self, domain: &Domain) -> impl Iterator<Item = &String> {
        let own = self.domains.iter().filter(|(one, _)| one.name() == domain.name());
        own.flat_map(|(_, files)| files)
    }
}

impl Domain {
    /// Whether one of its disks is on a volume, as it runs or as it is defined.
    pub(super) fn stands_on(&self, volume: &Volume) -> Result<bool> {
        let (path, paths) = place(volume)?;
        Ok(files(self, &paths)?.contains(&path))
    }
}

/// Whether a domain's document has a disk on a volume.
pub(super) fn is_on(domain: &Elem, volume: &Volume) -> Result<bool> {
    let (path, paths) = place(volume)?;
    let mut files = Vec::new();
    for disk in domain.find_all("devices/disk") {
        collect(disk, &paths, &mut files);
    }
    Ok(files.contains(&path))
}

fn place(volume: &Volume) -> Result<(String, Paths)> {
    let path = volume.path()?;
    let named = (volume.pool()?.name().to_string(), volume.name().to_string());
    Ok((path.clone(), HashMap::from([(named, path)])))
}

/// The file that a volume stands on, from its document.
fn backing(volume: &Elem) -> Option<String> {
    volume.find_text("backingStore/path").filter(|path| !path.is_empty())
}

/// Paths of volumes by pool and name.
type Paths = HashMap<(String, String), String>;

/// The files of a domain's disks, as it runs and as it is defined.
fn files(domain: &Domain, paths: &Paths) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let mut read = |text: Result<String>| match text {
        // Gone since it was listed.
        Err(error) if error.code == Code::NotFound => Ok(false),
        text => {
            let root = xml::parse(&text?)?;
            for disk in root.find_all("devices/disk") {
                collect(disk, paths, &mut files);
            }
            // Only what runs has a number, and may be defined differently.
            Ok(root.attr("id").is_some())
        }
    };
    if read(domain.xml())? {
        read(domain.inactive_xml())?;
    }
    Ok(files)
}

/// The files in a disk's sources, those of its whole chain included.
fn collect(element: &Elem, paths: &Paths, files: &mut Vec<String>) {
    if element.local() == "source" {
        files.extend(["file", "dev"].iter().filter_map(|name| element.attr(name)).map(str::to_string));
        if let (Some(pool), Some(volume)) = (element.attr("pool"), element.attr("volume")) {
            // A volume of a pool that is stopped has no path that anybody knows: its names stand for it.
            let path = paths.get(&(pool.to_string(), volume.to_string())).cloned();
            files.push(path.unwrap_or_else(|| format!("{pool}/{volume}")));
        }
    }
    for child in element.children() {
        collect(child, paths, files);
    }
}
