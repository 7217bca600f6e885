//! Lists of what is wanted only: the host filters by state, we by name.

use super::cause::Explain;
use super::lookup::sorted;
use super::retry::ask;
use super::{Domain, Host, Network, Pool, Selector};
use crate::floor::Result;
use virt::sys;

/// Which objects to list; the default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Running or started, or not.
    pub active: Option<bool>,
    /// Those that stay when they stop, or those that do not.
    pub persistent: Option<bool>,
    /// Those that start with the host, or those that do not.
    pub autostart: Option<bool>,
    /// Domains with a snapshot, or without.
    pub snapshots: Option<bool>,
    /// Domains with a managed save, or without.
    pub managed_save: Option<bool>,
    /// A name; `*` stands for any text and `?` for any letter.
    pub name: Option<String>,
    /// What the labels of a domain must be.
    pub labels: Selector,
}

impl Filter {
    pub(super) fn matches(&self, name: &str) -> bool {
        self.name.as_deref().is_none_or(|pattern| crate::floor::planned::glob(pattern, name))
    }
}

impl Host {
    /// The domains that a filter lets through, by name.
    pub fn domains_where(&self, filter: &Filter) -> Result<Vec<Domain>> {
        let flags = either(filter.active, sys::VIR_CONNECT_LIST_DOMAINS_ACTIVE, sys::VIR_CONNECT_LIST_DOMAINS_INACTIVE)
            | either(
                filter.persistent,
                sys::VIR_CONNECT_LIST_DOMAINS_PERSISTENT,
                sys::VIR_CONNECT_LIST_DOMAINS_TRANSIENT,
            )
            | either(
                filter.autostart,
                sys::VIR_CONNECT_LIST_DOMAINS_AUTOSTART,
                sys::VIR_CONNECT_LIST_DOMAINS_NO_AUTOSTART,
            )
            | either(
                filter.snapshots,
                sys::VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT,
                sys::VIR_CONNECT_LIST_DOMAINS_NO_SNAPSHOT,
            )
            | either(
                filter.managed_save,
                sys::VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE,
                sys::VIR_CONNECT_LIST_DOMAINS_NO_MANAGEDSAVE,
            );
        let found = ask(self, || self.raw()?.list_all_domains(flags).explain("list the domains of", self.object()))?;
        let mut all = found.into_iter().map(|raw| Domain::new(self, raw)).collect::<Result<Vec<_>>>()?;
        all.retain(|one| filter.matches(one.name()));
        if !filter.labels.is_empty() {
            let mut labelled = Vec::new();
            for one in all {
                if filter.labels.fits(&one.record()?.labels) {
                    labelled.push(one);
                }
            }
            all = labelled;
        }
        Ok(sorted(all, Domain::name))
    }

    /// The networks that a filter lets through, by name.
    pub fn networks_where(&self, filter: &Filter) -> Result<Vec<Network>> {
        let flags =
            either(filter.active, sys::VIR_CONNECT_LIST_NETWORKS_ACTIVE, sys::VIR_CONNECT_LIST_NETWORKS_INACTIVE)
                | either(
                    filter.persistent,
                    sys::VIR_CONNECT_LIST_NETWORKS_PERSISTENT,
                    sys::VIR_CONNECT_LIST_NETWORKS_TRANSIENT,
                )
                | either(
                    filter.autostart,
                    sys::VIR_CONNECT_LIST_NETWORKS_AUTOSTART,
                    sys::VIR_CONNECT_LIST_NETWORKS_NO_AUTOSTART,
                );
        let found = ask(self, || self.raw()?.list_all_networks(flags).explain("list the networks of", self.object()))?;
        let mut all = found.into_iter().map(|raw| Network::new(self, raw)).collect::<Result<Vec<_>>>()?;
        all.retain(|one| filter.matches(one.name()));
        Ok(sorted(all, Network::name))
    }

    /// The pools that a filter lets through, by name.
    pub fn pools_where(&self, filter: &Filter) -> Result<Vec<Pool>> {
        let flags = either(
            filter.active,
            sys::VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE,
            sys::VIR_CONNECT_LIST_STORAGE_POOLS_INACTIVE,
        ) | either(
            filter.persistent,
            sys::VIR_CONNECT_LIST_STORAGE_POOLS_PERSISTENT,
            sys::VIR_CONNECT_LIST_STORAGE_POOLS_TRANSIENT,
        ) | either(
            filter.autostart,
            sys::VIR_CONNECT_LIST_STORAGE_POOLS_AUTOSTART,
            sys::VIR_CONNECT_LIST_STORAGE_POOLS_NO_AUTOSTART,
        );
        let found =
            ask(self, || self.raw()?.list_all_storage_pools(flags).explain("list the pools of", self.object()))?;
        let mut all = found.into_iter().map(|raw| Pool::new(self, raw)).collect::<Result<Vec<_>>>()?;
        all.retain(|one| filter.matches(one.name()));
        Ok(sorted(all, Pool::name))
    }
}

/// libvirt's two flags for "is" and "is not"; none for "either".
fn either(wanted: Option<bool>, yes: u32, no: u32) -> u32 {
    match wanted {
        None => 0,
        Some(true) => yes,
        Some(false) => no,
    }
}
