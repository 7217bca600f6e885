//! A call now and then, so that no other one is slept through.
//!
//! A daemon hands each call to one of its threads that wait for work. Rarely, one of many runs under load was seen to wait for
//! ever for an answer while all of these threads slept and keepalive was answered, which needs none of them: as if the wake-up
//! was lost, as glibc's bug 25847 does. Another call wakes a thread, which takes what came first. libvirt's own client has the
//! like of it: a thread that has a call for the one that is at the wire may wake it just before that one goes to sleep. A
//! program whose calls all wait for one never makes another: here is one.

use std::thread;
use std::time::Duration;
use virt::connect::Connect;

/// So long a call is slept through at most.
const EVERY: Duration = Duration::from_secs(5);

/// Calls over the connection of the moment, as long as there is one to ask for: `None` ends it.
pub(super) fn begin(current: impl Fn() -> Option<Option<Connect>> + Send + 'static) {
    let nudging = move || {
        loop {
            thread::sleep(EVERY);
            let Some(connect) = current() else { return };
            // What it says is known, and a connection that is lost is somebody else's business.
            drop(connect.map(|connect| connect.lib_version()));
        }
    };
    if let Err(error) = thread::Builder::new().name("nudge".to_string()).spawn(nudging) {
        tracing::warn!(%error, "calls that the host sleeps through are not noticed");
    }
}
