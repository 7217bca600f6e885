//! What is on a host, for comparing it with what was there before.

use super::Host;
use crate::floor::Result;
use std::collections::BTreeMap;

/// What there is, by name, with all that tells whether it was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory(BTreeMap<String, String>);

impl Host {
    /// The domains with what is kept of them, networks, pools and volumes that there are now; of pools that are started, their
    /// volumes.
    pub fn inventory(&self) -> Result<Inventory> {
        let mut found = BTreeMap::new();
        for domain in self.domains()? {
            let state = domain.state()?;
            let marks = format!("{state} {} {}", domain.is_persistent()?, domain.autostart().unwrap_or(false));
            found.insert(domain.object().to_string(), format!("{marks}\n{}", domain.inactive_xml()?));
            for snapshot in domain.snapshots()? {
                let name = format!("{} of {}", snapshot.object(), domain.object());
                found.insert(name, snapshot.is_current()?.to_string());
            }
            if domain.has_managed_save()? {
                found.insert(format!("saved state of {}", domain.object()), String::new());
            }
        }
        for network in self.networks()? {
            let marks = format!("{} {} {}", network.is_active()?, network.is_persistent()?, network.autostart()?);
            found.insert(network.object().to_string(), format!("{marks}\n{}", network.xml()?));
        }
        for pool in self.pools()? {
            let active = pool.is_active()?;
            // Its XML tells how much of it is used, of which the volumes tell.
            let marks = format!("{active} {} {}", pool.is_persistent()?, pool.autostart()?);
            found.insert(pool.object().to_string(), marks);
            for volume in if active { pool.volumes()? } else { Vec::new() } {
                let name = format!("{} in {}", volume.object(), pool.object());
                found.insert(name, format!("{} {}", volume.path()?, volume.info()?.capacity));
            }
        }
        Ok(Inventory(found))
    }
}

impl Inventory {
    /// What is new, gone or changed since an earlier one, a line each.
    pub fn changes_since(&self, before: &Self) -> Vec<String> {
        let new = self.0.keys().filter(|name| !before.0.contains_key(*name)).map(|name| format!("{name} is new"));
        let rest = before.0.iter().filter_map(|(name, was)| match self.0.get(name) {
            None => Some(format!("{name} is gone")),
            Some(is) => (is != was).then(|| format!("{name} is changed")),
        });
        new.chain(rest).collect()
    }
}
