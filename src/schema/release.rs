//! A host whose libvirt is of another release than the schemas here knows better than they do.

use super::installed;
use crate::floor::Finding;
use std::sync::{Mutex, PoisonError};

/// The releases of libvirt here and on a host.
#[derive(Debug, Clone)]
struct Releases {
    here: String,
    host: String,
}

/// A host of another release, once one was met.
static OTHER: Mutex<Option<Releases>> = Mutex::new(None);

/// Tells the release of the client library here, whose schemas these are, and that of a host that was connected to. Where
/// they differ, what the exact check finds is said as a warning, and the host decides. Schemas that were chosen are taken
/// for the host's own.
pub fn meet(here: &str, host: &str) {
    if here != host && !installed::is_chosen() {
        tracing::debug!(here, host, "the host's libvirt is of another release");
        let met = Releases { here: here.to_string(), host: host.to_string() };
        *OTHER.lock().unwrap_or_else(PoisonError::into_inner) = Some(met);
    }
}

/// What the exact check found, unless a host of another release was met: then it is only said.
pub(super) fn judged(findings: Vec<Finding>) -> Vec<Finding> {
    let other = OTHER.lock().unwrap_or_else(PoisonError::into_inner).clone();
    judged_beside(findings, other.as_ref())
}

fn judged_beside(findings: Vec<Finding>, other: Option<&Releases>) -> Vec<Finding> {
    let Some(Releases { here, host }) = other else { return findings };
    for Finding { path, message, .. } in findings {
        tracing::warn!("{message} (`{path}`): libvirt {here} here would refuse it, libvirt {host} of the host decides");
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_another_release_mistakes_are_only_said() {
        let found = vec![Finding { message: "`dev` is not allowed here".to_string(), ..Finding::default() }];
        assert_eq!(judged_beside(found.clone(), None), found);
        let other = Releases { here: "9.0.0".to_string(), host: "11.3.0".to_string() };
        assert_eq!(judged_beside(found, Some(&other)), []);
    }
}
