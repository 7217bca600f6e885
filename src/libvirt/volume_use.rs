//! What a volume stands on and what stands on it: backing chains, users, wiping, and deleting without harm.

use super::cause::Explain;
use super::retry::while_busy;
use super::turn::{Over, Side};
use super::uses::backing;
use super::{Domain, Pool, Volume};
use crate::floor::{Area, Code, Error, Result};
use crate::schema::xml;
use std::collections::{BTreeMap, HashSet};
use virt::sys;

/// Who needs a volume.
#[derive(Debug, Clone, Default)]
pub struct Users {
    /// The domains that need it, or something that stands on it: a disk, a kernel, a kept state.
    pub domains: Vec<Domain>,
    /// The volumes that stand on it directly, with their paths.
    pub overlays: Vec<(Volume, String)>,
    /// The files that no pool knows and that stand on it directly. Domains that have them are among those that need it.
    pub files: Vec<String>,
    /// Of the domains, by name, what is kept of them and needs it to come back: snapshots, a saved state.
    pub kept: BTreeMap<String, Vec<String>>,
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
        // Who puts something on it from now on waits, and does not find it.
        let _alone = Side::Gone.over(Over::Bases)?;
        self.check_deletable()?;
        self.delete()
    }

    /// Fails if somebody needs it, as deleting it does unless that is forced.
    pub fn check_deletable(&self) -> Result<()> {
        self.check_unused().map_err(|error| error.hint_for(Code::Busy, "`force: true` deletes it all the same"))
    }

    /// Fails if somebody needs it.
    pub fn check_unused(&self) -> Result<()> {
        self.check_free_of(&self.users()?)
    }

    /// Fails if one of these needs it.
    pub(super) fn check_free_of(&self, users: &Users) -> Result<()> {
        self.unless_needed("delete", users).map_err(|error| error.hint("remove those first"))
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
            users.files.clear();
        }
        let mut needing = Vec::new();
        for domain in std::mem::take(&mut users.domains) {
            if domain.is_active().unwrap_or(false) || (content && users.kept.contains_key(domain.name())) {
                needing.push(domain);
            }
        }
        let hint = match needing.first() {
            Some(domain) if users.kept.contains_key(domain.name()) => "they could not come back".to_string(),
            Some(domain) => format!("it runs: `{}.shutdown()` first", domain.object().expression()),
            None => "what stands on it would be lost".to_string(),
        };
        users.domains = needing;
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
        let all = self.host().volume_uses()?;
        let places: Vec<String> =
            folder.map(|folder| all.real(&folder).into_owned()).into_iter().chain([self.name().to_string()]).collect();
        let is_inside = |file: &str| {
            let (place, _) = file.rsplit_once('/').unwrap_or_default();
            places.iter().any(|one| one.trim_end_matches('/') == place)
        };
        let mut users = all.of(&all.all_files().filter(|file| is_inside(file)).cloned().collect());
        users.overlays.retain(|(_, path)| !is_inside(path));
        users.files.retain(|file| !is_inside(file));
        Ok(users)
    }
}

impl Users {
    /// Whether nobody else than kept states of a domain need it.
    pub(super) fn is_kept_by(&self, domain: &Domain) -> bool {
        let is_own = |one: &Domain| one.name() == domain.name() && self.kept.contains_key(one.name());
        !self.domains.is_empty() && self.domains.iter().all(is_own) && self.overlays.is_empty()
    }

    /// What they are called.
    pub(super) fn named(&self) -> Vec<String> {
        let domains = self.domains.iter().map(|one| match self.kept.get(one.name()) {
            Some(kept) => format!("domain `{}` ({})", one.name(), kept.join(", ")),
            None => format!("domain `{}`", one.name()),
        });
        let overlays = self.overlays.iter().map(|(one, _)| one.name()).chain(self.files.iter().map(String::as_str));
        domains.chain(overlays.map(|name| format!("its overlay `{name}`"))).collect()
    }
}
