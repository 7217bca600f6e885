//! Giving leases back in the name of a guest that is gone, so that its address is free at once.
//!
//! libvirt has no call for that. Where the host is this machine, the DHCP server is told what the guest would have told
//! it: a DHCPRELEASE of RFC 2131. Elsewhere, and for IPv6, a lease runs out by itself.

use super::subnet::Subnet;
use crate::addressing::Mac;
use crate::libvirt::{Lease, Network};
use nix::sys::socket::{setsockopt, sockopt};
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

/// How long libvirt may take to notice that a lease is over.
const NOTICED: Duration = Duration::from_secs(10);

/// The port that DHCP servers listen on.
const SERVER: u16 = 67;

impl Network {
    /// Gives back what the DHCP server leased to these cards, as far as that can be done. Nothing depends on it, so a
    /// failure is only logged.
    pub(super) fn release_leases(&self, cards: &[Mac]) {
        let Some(bridge) = self.bridge().filter(|_| self.host().is_here()) else { return };
        let of_cards = || -> Vec<(Lease, Ipv4Addr, Mac)> {
            let leases = self.dhcp_leases().unwrap_or_default().into_iter();
            let read = leases.filter_map(|lease| Some((lease.addr.parse().ok()?, lease.mac.parse().ok()?, lease)));
            read.filter(|(_, mac, _)| cards.contains(mac)).map(|(ip, mac, lease)| (lease, ip, mac)).collect()
        };
        let leases = of_cards();
        if leases.is_empty() {
            return;
        }
        let subnets = self.subnets().unwrap_or_default();
        for (lease, ip, mac) in leases {
            let sent = server(&subnets, ip).ok_or_else(|| io::Error::other("no DHCP server")).and_then(|server| {
                let client = lease.client_id.as_deref().and_then(octets);
                send(&bridge, server, &release(ip, mac, server, client.as_deref()))
            });
            match sent {
                Ok(()) => tracing::info!(network = self.name(), %ip, %mac, "lease given back"),
                Err(error) => tracing::warn!(network = self.name(), %ip, %mac, %error, "the lease runs out by itself"),
            }
        }
        // There is no answer to a release; what libvirt tells of it changes a moment later.
        let end = Instant::now() + NOTICED;
        while !of_cards().is_empty() && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The DHCP server of an address: the host's own address in its subnet.
fn server(subnets: &[Subnet], ip: Ipv4Addr) -> Option<Ipv4Addr> {
    subnets.iter().filter(|subnet| subnet.dhcp && subnet.own.contains(&IpAddr::V4(ip))).find_map(|subnet| match subnet
        .own
        .addr()
    {
        IpAddr::V4(own) => Some(own),
        IpAddr::V6(_) => None,
    })
}

/// Sends a packet so that it comes in through the bridge, which is where the server listens.
fn send(bridge: &str, server: Ipv4Addr, packet: &[u8]) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    setsockopt(&socket, sockopt::BindToDevice, &OsString::from(bridge))?;
    socket.send_to(packet, (server, SERVER)).map(drop)
}

/// A DHCPRELEASE.
fn release(ip: Ipv4Addr, mac: Mac, server: Ipv4Addr, client: Option<&[u8]>) -> Vec<u8> {
    // A request from an Ethernet card; number, flags and seconds are of no use here.
    let mut packet = vec![1, 1, 6, 0];
    packet.extend([0; 8]);
    packet.extend(ip.octets());
    packet.extend([0; 12]);
    packet.extend(mac.0);
    packet.resize(236, 0);
    packet.extend([99, 130, 83, 99]);
    packet.extend([53, 1, 7]);
    packet.extend([54, 4]);
    packet.extend(server.octets());
    if let Some((client, length)) = client.and_then(|client| Some((client, u8::try_from(client.len()).ok()?))) {
        packet.extend([61, length]);
        packet.extend(client);
    }
    packet.push(255);
    // What RFC 951 has as the size of a message; shorter ones are dropped by some.
    packet.resize(packet.len().max(300), 0);
    packet
}

/// The octets of `01:52:54:00`.
fn octets(text: &str) -> Option<Vec<u8>> {
    text.split(':').map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_names_address_card_server_and_client() {
        let server = Ipv4Addr::new(10, 0, 0, 1);
        let client = octets("01:52:54:00:00:00:07").expect("a client's number");
        let packet = release(Ipv4Addr::new(10, 0, 0, 7), Mac::qemu([0, 0, 7]), server, Some(&client));
        assert_eq!(packet[12..16], [10, 0, 0, 7]);
        assert_eq!(packet[28..34], [0x52, 0x54, 0, 0, 0, 7]);
        assert_eq!(packet[236..249], [99, 130, 83, 99, 53, 1, 7, 54, 4, 10, 0, 0, 1]);
        assert_eq!(packet[249..259], [61, 7, 1, 0x52, 0x54, 0, 0, 0, 7, 255]);
        assert_eq!(packet.len(), 300);
        assert_eq!(release(server, Mac::qemu([0, 0, 7]), server, None)[249], 255);
        assert_eq!(octets("N/A"), None);
    }
}
