//! A Release of RFC 8415: what a client of `DHCPv6` tells the servers of its link when it needs its address no more.

use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn6, bind, setsockopt, socket, sockopt};
use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// The address and the port that the servers of a link listen on, and the port of clients.
const SERVERS: (Ipv6Addr, u16) = (Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2), 547);
const CLIENT: u16 = 546;

/// How long a server may take to answer.
const ANSWERED: Duration = Duration::from_secs(5);

// Messages and options, by their numbers.
const REPLY: u8 = 7;
const RELEASE: u8 = 8;
const INFORMATION_REQUEST: u8 = 11;
const CLIENT_ID: u16 = 1;
const SERVER_ID: u16 = 2;
const ADDRESSES: u16 = 3;
const ADDRESS: u16 = 5;
const ELAPSED: u16 = 8;

/// Gives an address back in the name of a client, which is known by its DUID and the number of its interface.
pub(super) fn give_back(bridge: &str, ip: Ipv6Addr, client: &[u8], iaid: u32) -> io::Result<()> {
    let socket = open(bridge)?;
    let client = [option(CLIENT_ID, client), option(ELAPSED, &[0, 0])].concat();
    // A Release names its server, which is known to whoever asks for no more than general information.
    let answer = ask(&socket, INFORMATION_REQUEST, &client)?;
    let server = find(&answer, SERVER_ID).ok_or_else(|| io::Error::other("the DHCP server does not tell who it is"))?;
    ask(&socket, RELEASE, &[client, option(SERVER_ID, server), addresses(ip, iaid)].concat()).map(drop)
}

/// A socket on the link of a bridge, as a client has it.
fn open(bridge: &str) -> io::Result<UdpSocket> {
    let own = socket(AddressFamily::Inet6, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&own, sockopt::BindToDevice, &OsString::from(bridge))?;
    // The machine may have clients of its own, on other links.
    setsockopt(&own, sockopt::ReuseAddr, &true)?;
    bind(own.as_raw_fd(), &SockaddrIn6::from(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, CLIENT, 0, 0)))?;
    Ok(UdpSocket::from(own))
}

/// Asks the servers; gives the options of the answer.
fn ask(socket: &UdpSocket, kind: u8, options: &[u8]) -> io::Result<Vec<u8>> {
    let [.., a, b, c] = RandomState::new().hash_one(kind).to_be_bytes();
    socket.send_to(&[&[kind, a, b, c], options].concat(), SERVERS)?;
    let end = Instant::now() + ANSWERED;
    let mut buffer = [0; 2048];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the DHCP server does not answer"));
        }
        socket.set_read_timeout(Some(left))?;
        match socket.recv(&mut buffer) {
            Ok(length) if buffer[..length].starts_with(&[REPLY, a, b, c]) => return Ok(buffer[4..length].to_vec()),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
}

/// An option with its number and its length.
fn option(number: u16, data: &[u8]) -> Vec<u8> {
    // What libvirt tells of a client is shorter than 64 KiB.
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    [&number.to_be_bytes(), &length.to_be_bytes(), data].concat()
}

/// The address that goes back, among those of the client's interface; nothing of it lasts any longer.
fn addresses(ip: Ipv6Addr, iaid: u32) -> Vec<u8> {
    let address = option(ADDRESS, &[ip.octets().as_slice(), &[0; 8]].concat());
    option(ADDRESSES, &[iaid.to_be_bytes().as_slice(), &[0; 8], &address].concat())
}

/// What an option holds.
fn find(mut options: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (number, rest) = options.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (data, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        if u16::from_be_bytes(*number) == wanted {
            return Some(data);
        }
        options = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_written_and_found() {
        let client = [0, 3, 0, 1, 0x52, 0x54, 0, 0, 0, 7];
        let ip = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 5);
        let written = [option(CLIENT_ID, &client), addresses(ip, 7)].concat();
        assert_eq!(find(&written, CLIENT_ID), Some(client.as_slice()));
        let held = find(&written, ADDRESSES).expect("it is there");
        assert_eq!(held[..12], [0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
        let address = find(&held[12..], ADDRESS).expect("it is there");
        assert_eq!((&address[..16], &address[16..]), (ip.octets().as_slice(), [0; 8].as_slice()));
        assert_eq!(find(&written, SERVER_ID), None);
        assert_eq!(find(&written[..7], CLIENT_ID), None, "it is cut off");
    }
}
