//! Giving leases back in the name of a guest that is gone, so that its address is free at once.
//!
//! libvirt has no call for that. Where the host is this machine, the DHCP server is told what the guest would have told
//! it: a DHCPRELEASE of RFC 2131, or a Release of RFC 8415. Elsewhere a lease runs out by itself.

use super::release6;
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
        let leases = self.leases_of(cards);
        if leases.is_empty() {
            return;
        }
        let subnets = self.subnets().unwrap_or_default();
        let mut told = Vec::new();
        for lease in leases {
            let (ip, mac) = (&lease.addr, &lease.mac);
            match give_back(&bridge, &subnets, &lease) {
                Ok(()) => {
                    tracing::info!(network = self.name(), %ip, %mac, "lease given back");
                    told.push(lease.addr);
                }
                Err(error) => tracing::warn!(network = self.name(), %ip, %mac, %error, "the lease runs out by itself"),
            }
        }
        // What libvirt tells of it changes a moment later.
        let end = Instant::now() + NOTICED;
        while self.leases_of(cards).iter().any(|lease| told.contains(&lease.addr)) && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the DHCP server has leased to these cards; nothing where that cannot be told.
    pub(super) fn leases_of(&self, cards: &[Mac]) -> Vec<Lease> {
        let mut leases = self.dhcp_leases().unwrap_or_default();
        leases.retain(|lease| lease.mac.parse().is_ok_and(|mac| cards.contains(&mac)));
        leases
    }
}

/// Tells the DHCP server that a client needs its lease no more.
fn give_back(bridge: &str, subnets: &[Subnet], lease: &Lease) -> io::Result<()> {
    let incomplete = || io::Error::other("libvirt tells too little of it");
    let client = lease.client_id.as_deref().and_then(octets);
    match lease.addr.parse().map_err(|_| incomplete())? {
        IpAddr::V4(ip) => {
            let mac = lease.mac.parse().map_err(|_| incomplete())?;
            let server = server(subnets, ip).ok_or_else(|| io::Error::other("no DHCP server"))?;
            send(bridge, server, &release(ip, mac, server, client.as_deref()))
        }
        IpAddr::V6(ip) => {
            let (client, iaid) = client.zip(lease.iaid).ok_or_else(incomplete)?;
            release6::give_back(bridge, ip, &client, iaid)
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
