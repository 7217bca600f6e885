//! Why an address did not come: the facts that tell a missing DHCP server from a guest that did not boot.

use super::wiring::{Channel, Wiring};
use super::{Domain, Network};
use crate::floor::Error;
use crate::schema::xml;

/// Adds to a timeout what is known about the domain, its networks and its agent, and what to do.
pub(super) fn explain(mut error: Error, domain: &Domain, networks: &[Network]) -> Error {
    if let Ok(state) = domain.state() {
        error = error.note(format!("state: {state}"));
    }
    for network in networks {
        match dhcp(network) {
            Some(true) => error = error.note(format!("network `{}` has DHCP", network.name())),
            Some(false) => {
                error = error.note(format!("network `{}` has no DHCP", network.name())).hint(format!(
                    "give network `{}` a DHCP range, or the guest a static address and the agent, which tells it",
                    network.name()
                ));
            }
            None => {}
        }
    }
    match domain.xml().and_then(|xml| Wiring::read(&xml)).map(|wiring| wiring.agent) {
        Ok(Channel::Absent) => error.note("agent channel: none").hint(
            "with a channel to the guest agent (`org.qemu.guest_agent.0`) the guest can tell its address itself",
        ),
        Ok(Channel::Disconnected) => error.note("agent channel: not connected").hint(
            "the guest has not opened the agent's channel: it is still booting, did not boot, or has no `qemu-guest-agent`",
        ),
        Ok(Channel::Connected) => error.note("agent channel: connected"),
        Ok(Channel::Unknown) | Err(_) => error,
    }
    .hint("`keep: true` leaves the guest for inspection; its console shows how far it came")
}

/// Whether a network gives addresses away, if it can be asked.
fn dhcp(network: &Network) -> Option<bool> {
    let document = xml::parse(&network.xml().ok()?).ok()?;
    Some(document.find("ip/dhcp").is_some())
}
