//! The names that a shell can complete.

use super::images::catalogue;
use crate::floor::Result;
use crate::libvirt::{Domain, Host};
use std::collections::BTreeSet;

/// The names of what a host has: of its domains, networks and pools, the volumes of its started pools, the snapshots of its
/// domains, their disks (`vda`) or labels (`role` and `role=web`), or the addresses that its networks keep. Where `words` name
/// networks, pools or domains, what is part of such is of those alone.
/// A host that does not answer has none.
pub fn names(uri: Option<&str>, kind: &str, words: &[String]) -> Vec<String> {
    Host::connect_read_only(uri).and_then(|host| of(&host, kind, words)).unwrap_or_default()
}

/// The names of the images that the catalogues know.
pub fn names_of_images() -> Vec<String> {
    let Ok((catalogue, _)) = catalogue("images", &rhai::Map::new(), &[]) else { return Vec::new() };
    let names: BTreeSet<&str> = catalogue.search("", None).into_iter().map(|image| image.name.as_str()).collect();
    names.into_iter().map(str::to_string).collect()
}

fn of(host: &Host, kind: &str, words: &[String]) -> Result<Vec<String>> {
    let mut names = BTreeSet::new();
    match kind {
        "network" => names.extend(host.networks()?.iter().map(|one| one.name().to_string())),
        "reservation" => {
            for network in named(host.networks()?, words, |network| network.name()) {
                names.extend(network.reservations()?.into_iter().map(|kept| kept.ip.to_string()));
            }
        }
        "disk" => {
            for vm in named(host.domains()?, words, Domain::name) {
                names.extend(vm.disk_names()?);
            }
        }
        "pool" => names.extend(host.pools()?.iter().map(|one| one.name().to_string())),
        "volume" => {
            let pools = host.pools()?.into_iter().filter(|pool| pool.is_active().unwrap_or(false)).collect();
            for pool in named(pools, words, |pool| pool.name()) {
                names.extend(pool.volumes()?.iter().map(|one| one.name().to_string()));
            }
        }
        "snapshot" => {
            for vm in named(host.domains()?, words, Domain::name) {
                names.extend(vm.snapshots()?.iter().map(|one| one.name().to_string()));
            }
        }
        "label" => {
            for vm in host.domains()? {
                for (label, value) in vm.record()?.labels {
                    names.extend([format!("{label}={value}"), label]);
                }
            }
        }
        _ => names.extend(host.domains()?.iter().map(|one| one.name().to_string())),
    }
    Ok(names.into_iter().collect())
}

/// Those that words name; all, if they name none.
fn named<T>(all: Vec<T>, words: &[String], name: impl Fn(&T) -> &str) -> Vec<T> {
    let is_named = |one: &T| words.iter().any(|word| word == name(one));
    let any = all.iter().any(is_named);
    all.into_iter().filter(|one| !any || is_named(one)).collect()
}
