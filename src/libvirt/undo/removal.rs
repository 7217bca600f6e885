//! The removal of a machine, written down as long as it lasts: what a kill or a failure broke off can be finished.

use super::journal::Journal;
use super::{Made, strike};
use crate::floor::Result;
use crate::libvirt::Domain;

/// Deletes what belongs to a machine, and the machine at last, and then those pools that hold nothing any more. Where that ends
/// half-way, `vmscript recover` knows of it, and of the addresses that networks keep for it (`held`), which nothing tells any
/// more when its definition is gone.
pub(in crate::libvirt) fn removing(
    domain: &Domain,
    pools: &[Made],
    held: &[Made],
    delete: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let (host, name, domain_uuid) = (domain.host(), domain.name().to_string(), domain.uuid()?);
    let made = Made::Removal { name, uuid: domain_uuid.clone() };
    let mut journal = Journal::default();
    // What is noted first is recovered last.
    for other in pools.iter().chain(held) {
        journal.note(host.uri(), other);
    }
    journal.note(host.uri(), &made);
    let done = delete();
    // What is whole still, or gone altogether with its addresses, needs nobody.
    let is_gone = || matches!(host.domain_of_uuid(&domain_uuid), Ok(None));
    let holds = || is_gone() && held.iter().any(|one| one.exists(host).unwrap_or(true));
    if done.is_err() && (made.exists(host).unwrap_or(true) || holds()) {
        journal.leave();
    }
    if done.is_ok() {
        for pool in pools {
            // The machine is gone in any case.
            if let Err(error) = pool.remove(host) {
                tracing::warn!("cannot {pool}: {error}");
                journal.leave();
            }
        }
    }
    journal.close([]);
    strike::gone(host, |other| other.is(&made));
    done
}
