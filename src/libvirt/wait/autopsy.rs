//! Why a wait was in vain: the facts that tell a missing DHCP server from a guest that did not boot, as text and as
//! fields.

use super::{TimedOut, tail};
use crate::floor::{Error, Map, Value};
use crate::libvirt::wiring::{Channel, Wiring};
use crate::libvirt::{Domain, Network, undo};
use crate::schema::xml;

/// How many lines of a console or a log are shown.
const LINES: usize = 5;

/// Adds to a timeout what is known about the domain, its networks, its agent, its seed, its firmware and its console,
/// and what to do.
pub(super) fn explain(mut error: Error, domain: &Domain, networks: Option<&[Network]>, how: TimedOut) -> Error {
    if let Ok(state) = domain.state() {
        error = error.note(format!("state: {state}"));
        error = fact(error, "state", state.word());
        error = fact(error, "reason", state.reason());
    }
    let text = domain.xml().unwrap_or_default();
    if let Ok(wiring) = Wiring::read(&text) {
        let addressless = networks.is_some();
        for network in networks.unwrap_or_default() {
            error = with_network(error, network);
        }
        if addressless {
            error = with_leases(error, domain, &wiring);
        }
        error = with_agent(error, wiring.agent);
    }
    if let Ok(document) = xml::parse(&text) {
        error = with_seed(error, &document);
        error = with_firmware(error, &document);
    }
    if let Some(lines) = tail::serial_log(&text).and_then(|path| tail::last_lines(&path, LINES)) {
        error = error.note("serial console:");
        for line in &lines {
            error = error.note(format!("  {line}"));
        }
        error = fact(error, "serial", lines.join("\n"));
    }
    error = fact(error, "elapsed", Value::Float(how.elapsed.as_secs_f64()));
    error = fact(error, "polls", i64::from(how.polls));
    // One that is taken back now has no console any more.
    if domain.uuid().is_ok_and(|uuid| undo::is_made_here(&uuid)) {
        return error.hint("`keep: true` leaves the guest for inspection");
    }
    let next = format!("virsh console {}", domain.name());
    error = fact(error, "next", next.clone());
    error.hint(format!("`{next}` shows how far it came"))
}

/// Adds the end of QEMU's log, where this machine has it, to an error about a guest that stopped.
pub(super) fn with_log(error: Error, domain: &Domain) -> Error {
    let path = format!("/var/log/libvirt/qemu/{}.log", domain.name());
    let local = domain.host().uri().starts_with("qemu:///");
    match tail::last_lines(&path, LINES).filter(|_| local) {
        Some(lines) => {
            let error = fact(error, "log", lines.join("\n"));
            lines.iter().fold(error.note(format!("`{path}` ends with:")), |error, line| error.note(format!("  {line}")))
        }
        None => error.hint(format!("its console and QEMU's log (`{path}` on the host) may say why")),
    }
}

fn fact(mut error: Error, name: &str, value: impl Into<Value>) -> Error {
    error.facts.insert(name.to_string(), value.into());
    error
}

fn with_network(mut error: Error, network: &Network) -> Error {
    let Some(dhcp) = dhcp(network) else { return error };
    let mut known = error.facts.get("networks").and_then(Value::as_map).cloned().unwrap_or_default();
    known.insert(network.name().to_string(), Map::from([("dhcp".to_string(), dhcp.into())]).into());
    error = fact(error, "networks", known);
    if dhcp {
        return error.note(format!("network `{}` has DHCP", network.name()));
    }
    error.note(format!("network `{}` has no DHCP", network.name())).hint(format!(
        "give network `{}` a DHCP range, or the guest a static address and the agent, which tells it",
        network.name()
    ))
}

fn with_leases(error: Error, domain: &Domain, wiring: &Wiring) -> Error {
    let leases = wiring.leases(domain.host());
    let shown: Vec<String> = leases.iter().map(|lease| format!("{} for {}", lease.addr, lease.mac)).collect();
    let error = fact(error, "leases", Value::List(shown.iter().map(|one| one.clone().into()).collect()));
    if shown.is_empty() { error } else { error.note(format!("leases of its interfaces: {}", shown.join(", "))) }
}

fn with_agent(error: Error, agent: Channel) -> Error {
    match agent {
        Channel::Absent => fact(error, "agent", "none").note("agent channel: none").hint(
            "with a channel to the guest agent (`org.qemu.guest_agent.0`) the guest can tell its address itself",
        ),
        Channel::Disconnected => {
            fact(error, "agent", "not connected").note("agent channel: not connected").hint(
                "the guest has not opened the agent's channel: it is still booting, did not boot, or has no `qemu-guest-agent`",
            )
        }
        Channel::Connected => fact(error, "agent", "connected").note("agent channel: connected"),
        Channel::Unknown => error,
    }
}

/// What looks like a seed: a CD-ROM with a medium, or a disk that cannot be written.
pub(super) fn seed(document: &xml::Elem) -> Option<&xml::Elem> {
    document.find_all("devices/disk").into_iter().find(|disk| {
        let source = disk.find("source").is_some();
        source && (disk.attr("device") == Some("cdrom") || disk.find("readonly").is_some())
    })
}

/// Adds where the seed is, and why a guest may not see it there.
pub(super) fn with_seed(error: Error, document: &xml::Elem) -> Error {
    let Some(seed) = seed(document) else { return fact(error, "seed", "none") };
    let target = seed.find("target");
    let name = |key: &str| target.and_then(|target| target.attr(key)).unwrap_or("?").to_string();
    let (dev, bus) = (name("dev"), name("bus"));
    let error = fact(error, "seed", format!("{dev} on {bus}")).note(format!("seed: `{dev}` on bus `{bus}`"));
    let q35 =
        document.find("os/type").and_then(|kind| kind.attr("machine")).is_some_and(|machine| machine.contains("q35"));
    let uefi = document.find("os/loader").is_some() || document.find("os").and_then(|os| os.attr("firmware")).is_some();
    match bus.as_str() {
        "sata" => error.hint(
            "kernels for the cloud often have no driver for `sata` and never see this seed: `seed_bus: virtio` in a file of machines, or a read-only disk on `virtio`, is what they see",
        ),
        "ide" if q35 || uefi => {
            error.hint("a guest with UEFI or machine `q35` may not see a seed on `ide`: attach it as a read-only disk on `virtio`")
        }
        _ => error,
    }
}

/// Firmware that refuses a boot loader without a signature ends silently in its own menu.
fn with_firmware(error: Error, document: &xml::Elem) -> Error {
    let Some(loader) = document.find_text("os/loader") else { return error };
    let vars = document.find("os/nvram").and_then(|nvram| nvram.attr("template")).unwrap_or_default().to_string();
    let error = fact(error, "firmware", loader.clone());
    let signed_only = loader.contains(".ms.") || vars.contains(".ms.");
    if !signed_only {
        return error;
    }
    error.note(format!("firmware: `{loader}`, with Secure Boot")).hint(
        "this firmware starts only signed boot loaders; if the image has none, ask for `firmware: #{ features: [#{ name: \"secure-boot\", enabled: \"no\" }] }`",
    )
}

/// Whether a network gives addresses away, if it can be asked.
fn dhcp(network: &Network) -> Option<bool> {
    let document = xml::parse(&network.xml().ok()?).ok()?;
    Some(document.find("ip/dhcp").is_some())
}
