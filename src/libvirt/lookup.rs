//! Finding what a host holds: lists in one call each, and look-ups that know what was meant.

use super::cause::Explain;
use super::filter::Filter;
use super::object::{Kind, Object};
use super::retry::ask;
use super::{Domain, Host, Network, Pool, Volume};
use crate::floor::{Code, Error, Result, did_you_mean};
use virt::error::Error as VirtError;

impl Host {
    /// All domains, by name.
    pub fn domains(&self) -> Result<Vec<Domain>> {
        self.domains_where(&Filter::default())
    }

    /// All networks, by name.
    pub fn networks(&self) -> Result<Vec<Network>> {
        self.networks_where(&Filter::default())
    }

    /// All pools, by name.
    pub fn pools(&self) -> Result<Vec<Pool>> {
        self.pools_where(&Filter::default())
    }

    /// The domain of that name; an error if there is none.
    pub fn domain(&self, name: &str) -> Result<Domain> {
        self.find_domain(name)?
            .ok_or_else(|| missing(Kind::Domain, name, "host.domains()", &names(self.domains(), Domain::name)))
    }

    /// The network of that name; an error if there is none.
    pub fn network(&self, name: &str) -> Result<Network> {
        self.find_network(name)?
            .ok_or_else(|| missing(Kind::Network, name, "host.networks()", &names(self.networks(), Network::name)))
    }

    /// The pool of that name; an error if there is none.
    pub fn pool(&self, name: &str) -> Result<Pool> {
        self.find_pool(name)?.ok_or_else(|| missing(Kind::Pool, name, "host.pools()", &names(self.pools(), Pool::name)))
    }

    /// The domain of that name, if there is one.
    pub fn find_domain(&self, name: &str) -> Result<Option<Domain>> {
        let found = ask(self, || maybe(self.raw()?.lookup_domain_by_name(name), Kind::Domain, name))?;
        found.map(|raw| Domain::new(self, raw)).transpose()
    }

    /// The network of that name, if there is one.
    pub fn find_network(&self, name: &str) -> Result<Option<Network>> {
        let found = ask(self, || maybe(self.raw()?.lookup_network_by_name(name), Kind::Network, name))?;
        found.map(|raw| Network::new(self, raw)).transpose()
    }

    /// The pool of that name, if there is one.
    pub fn find_pool(&self, name: &str) -> Result<Option<Pool>> {
        let found = ask(self, || maybe(self.raw()?.lookup_storage_pool_by_name(name), Kind::Pool, name))?;
        found.map(|raw| Pool::new(self, raw)).transpose()
    }

    /// The volume at that path on the host, if a pool knows it.
    pub fn find_volume_by_path(&self, path: &str) -> Result<Option<Volume>> {
        let found = ask(self, || maybe(self.raw()?.lookup_storage_vol_by_path(path), Kind::Volume, path))?;
        found.map(|raw| Volume::new(self, raw)).transpose()
    }

    /// The volume at that path on the host; an error if no pool knows it.
    pub fn volume_by_path(&self, path: &str) -> Result<Volume> {
        self.find_volume_by_path(path)?.ok_or_else(|| {
            missing(Kind::Volume, path, "pool.volumes()", &[])
                .hint("a file that libvirt did not make is known after `pool.refresh()`")
        })
    }
}

impl Pool {
    /// All volumes, by name.
    pub fn volumes(&self) -> Result<Vec<Volume>> {
        let found = ask(self.host(), || self.raw()?.list_all_volumes(0).explain("list the volumes of", self.object()))?;
        let volume = |raw| Volume::new(self.host(), raw).map(|volume| volume.within(self));
        let all: Result<Vec<_>> = found.into_iter().map(volume).collect();
        all.map(|all| sorted(all, Volume::name))
    }

    /// The volume of that name, if there is one.
    pub fn find_volume(&self, name: &str) -> Result<Option<Volume>> {
        let found = ask(self.host(), || maybe(self.raw()?.lookup_storage_vol_by_name(name), Kind::Volume, name))?;
        found.map(|raw| Volume::new(self.host(), raw).map(|volume| volume.within(self))).transpose()
    }

    /// The volume of that name; an error if there is none.
    pub fn volume(&self, name: &str) -> Result<Volume> {
        self.find_volume(name)?.ok_or_else(|| {
            let listing = format!("{}.volumes()", self.object().expression());
            missing(Kind::Volume, name, &listing, &names(self.volumes(), Volume::name))
        })
    }
}

/// What an object was asked; nothing if another run has taken it away since it was listed, or has stopped it to do so.
pub(super) fn if_there<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if matches!(error.code, Code::NotFound | Code::InvalidState) => Ok(None),
        Err(error) => Err(error),
    }
}

fn maybe<T>(found: Result<T, VirtError>, kind: Kind, name: &str) -> Result<Option<T>> {
    match found.explain("look up", &Object::new(kind, name)) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.code == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn sorted<T>(mut all: Vec<T>, name: impl Fn(&T) -> &str) -> Vec<T> {
    all.sort_by(|a, b| name(a).cmp(name(b)));
    all
}

/// Names for a suggestion; without them the error still says what is missing.
fn names<T>(all: Result<Vec<T>>, name: impl Fn(&T) -> &str) -> Vec<String> {
    all.unwrap_or_default().iter().map(|one| name(one).to_string()).collect()
}

/// More names than this are not told for one that is missing.
const MOST_NAMES: usize = 8;

pub(super) fn missing(kind: Kind, name: &str, listing: &str, names: &[String]) -> Error {
    let object = Object::new(kind, name);
    let error = Error::new(Code::NotFound, kind.area(), format!("there is no {object}")).about(object.plain());
    match did_you_mean(name, names.iter().map(String::as_str)) {
        Some(hint) => error.hint(hint),
        None if names.is_empty() || names.len() > MOST_NAMES => error.hint(format!("`{listing}` lists what is there")),
        None => {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            error.hint(format!("`{listing}` lists what is there: {}", names.join(", ")))
        }
    }
}
