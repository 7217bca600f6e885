//! The few calls that `virt` lacks or gets wrong, each wrapped so that nothing outside this file is unsafe.
//!
//! `virt` 0.5.0 has no DHCP leases and no holes in streams, leaks the interfaces of a domain at each call, and reports
//! no failure of a domain's state.

#![allow(unsafe_code, reason = "the only file that calls C")]

use super::address::{Address, Family, Interface, Source};
use super::network::Lease;
use std::ffi::{CStr, CString, c_char, c_int, c_uint};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::Error;
use virt::network::Network;
use virt::stream::Stream;
use virt::sys;

/// What a stream gives next.
pub(super) enum Received {
    /// So many bytes of data; none at the end.
    Data(usize),
    /// A hole of so many bytes.
    Hole(u64),
}

/// A domain's state and reason as libvirt's numbers.
pub(super) fn domain_state(domain: &Domain) -> Result<(c_uint, c_int), Error> {
    let (mut state, mut reason) = (0, 0);
    // SAFETY: the domain is alive while it is borrowed, and both numbers outlive the call.
    check(unsafe { sys::virDomainGetState(domain.as_ptr(), &raw mut state, &raw mut reason, 0) })?;
    Ok((c_uint::try_from(state).unwrap_or_default(), reason))
}

/// A domain's interfaces with their addresses, as one source knows them.
pub(super) fn interface_addresses(domain: &Domain, source: Source) -> Result<Vec<Interface>, Error> {
    let number = match source {
        Source::Agent => sys::VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT,
        Source::Arp => sys::VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP,
        Source::Lease => sys::VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE,
    };
    let mut array = ptr::null_mut();
    // SAFETY: the domain is alive while it is borrowed; libvirt sets the array to memory that is ours from then on.
    let count = check(unsafe { sys::virDomainInterfaceAddresses(domain.as_ptr(), &raw mut array, number, 0) })?;
    // SAFETY: libvirt returned `count` pointers in `array`; each is read once and then freed by its own function.
    Ok(unsafe { take(array, count, |item| read_interface(item, source), |item| sys::virDomainInterfaceFree(item)) })
}

/// A network's DHCP leases.
pub(super) fn dhcp_leases(network: &Network) -> Result<Vec<Lease>, Error> {
    let mut array = ptr::null_mut();
    // SAFETY: the network is alive while it is borrowed; a null MAC asks for all leases; the array becomes ours.
    let count = check(unsafe { sys::virNetworkGetDHCPLeases(network.as_ptr(), ptr::null(), &raw mut array, 0) })?;
    // SAFETY: libvirt returned `count` pointers in `array`; each is read once and then freed by its own function.
    Ok(unsafe { take(array, count, |item| read_lease(item), |item| sys::virNetworkDHCPLeaseFree(item)) })
}

/// Defines a network after validating its XML.
pub(super) fn define_network_validated(connect: &Connect, xml: &str) -> Result<Network, Error> {
    let xml = CString::new(xml)?;
    // SAFETY: connection and text outlive the call; a pointer that is not null is a reference that is ours.
    unsafe {
        let network =
            sys::virNetworkDefineXMLFlags(connect.as_ptr(), xml.as_ptr(), sys::VIR_NETWORK_DEFINE_VALIDATE as c_uint);
        if network.is_null() { Err(Error::last_error()) } else { Ok(Network::from_ptr(network)) }
    }
}

/// Starts a transient network after validating its XML.
pub(super) fn create_network_validated(connect: &Connect, xml: &str) -> Result<Network, Error> {
    let xml = CString::new(xml)?;
    // SAFETY: connection and text outlive the call; a pointer that is not null is a reference that is ours.
    unsafe {
        let network =
            sys::virNetworkCreateXMLFlags(connect.as_ptr(), xml.as_ptr(), sys::VIR_NETWORK_CREATE_VALIDATE as c_uint);
        if network.is_null() { Err(Error::last_error()) } else { Ok(Network::from_ptr(network)) }
    }
}

/// Sends a hole of so many bytes.
pub(super) fn send_hole(stream: &Stream, length: u64) -> Result<(), Error> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    // SAFETY: the stream is alive while it is borrowed.
    check(unsafe { sys::virStreamSendHole(stream.as_ptr(), length, 0) }).map(drop)
}

/// Receives data up to the next hole, or the hole.
pub(super) fn receive(stream: &Stream, buffer: &mut [u8]) -> Result<Received, Error> {
    // SAFETY: libvirt writes at most `buffer.len()` bytes into the buffer, which outlives the call.
    let got = unsafe {
        sys::virStreamRecvFlags(
            stream.as_ptr(),
            buffer.as_mut_ptr().cast::<c_char>(),
            buffer.len(),
            sys::VIR_STREAM_RECV_STOP_AT_HOLE,
        )
    };
    // -3 is how libvirt says "a hole comes next".
    if got != -3 {
        return check(got).map(Received::Data);
    }
    let mut length = 0;
    // SAFETY: the stream is alive while it is borrowed, and the length outlives the call.
    check(unsafe { sys::virStreamRecvHole(stream.as_ptr(), &raw mut length, 0) })?;
    Ok(Received::Hole(u64::try_from(length).unwrap_or_default()))
}

/// The first piece of data of a file at or after `offset`, as start and end; nothing if only a hole is left.
pub(super) fn next_data(file: &File, offset: u64) -> io::Result<Option<(u64, u64)>> {
    let start = match seek(file, offset, libc::SEEK_DATA) {
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => return Ok(None),
        other => other?,
    };
    Ok(Some((start, seek(file, start, libc::SEEK_HOLE)?)))
}

fn seek(file: &File, offset: u64, whence: c_int) -> io::Result<u64> {
    let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open while the file is borrowed.
    let found = unsafe { libc::lseek(file.as_raw_fd(), offset, whence) };
    u64::try_from(found).map_err(|_| io::Error::last_os_error())
}

/// libvirt's numbers: negative is a failure, of which libvirt keeps the details for this thread.
fn check(returned: c_int) -> Result<usize, Error> {
    usize::try_from(returned).map_err(|_| Error::last_error())
}

/// Reads and frees an array of pointers that libvirt allocated.
///
/// # Safety
/// `array` holds `count` valid pointers, allocated by libvirt and owned by the caller.
unsafe fn take<P: Copy, T>(array: *mut P, count: usize, read: impl Fn(P) -> T, free: impl Fn(P)) -> Vec<T> {
    let mut found = Vec::with_capacity(count);
    for index in 0..count {
        // SAFETY: `index` is below the count that the caller vouches for.
        let item = unsafe { *array.add(index) };
        found.push(read(item));
        free(item);
    }
    // SAFETY: the array itself was allocated with `malloc` and is not used again; a null pointer is allowed.
    unsafe { libc::free(array.cast()) };
    found
}

/// # Safety
/// `item` points to a valid interface.
unsafe fn read_interface(item: sys::virDomainInterfacePtr, source: Source) -> Interface {
    // SAFETY: the caller vouches for the interface, and libvirt for its strings and its `naddrs` addresses.
    unsafe {
        let interface = &*item;
        let addrs = (0..interface.naddrs as usize).map(|index| {
            let address = &*interface.addrs.add(index);
            Address {
                family: family(address.type_),
                addr: text(address.addr).unwrap_or_default(),
                prefix: address.prefix,
                source,
            }
        });
        Interface {
            name: text(interface.name).unwrap_or_default(),
            hwaddr: text(interface.hwaddr).map(|mac| mac.to_ascii_lowercase()),
            addrs: addrs.collect(),
        }
    }
}

/// # Safety
/// `item` points to a valid lease.
unsafe fn read_lease(item: sys::virNetworkDHCPLeasePtr) -> Lease {
    // SAFETY: the caller vouches for the lease, and libvirt for its strings, any of which may be null.
    unsafe {
        let lease = &*item;
        Lease {
            mac: text(lease.mac).unwrap_or_default().to_ascii_lowercase(),
            family: family(lease.type_),
            addr: text(lease.ipaddr).unwrap_or_default(),
            prefix: lease.prefix,
            hostname: text(lease.hostname),
            client_id: text(lease.clientid),
            expiry: lease.expirytime,
            interface: text(lease.iface).unwrap_or_default(),
        }
    }
}

fn family(number: c_int) -> Family {
    if c_uint::try_from(number) == Ok(sys::VIR_IP_ADDR_TYPE_IPV6) { Family::V6 } else { Family::V4 }
}

/// # Safety
/// `text` is null or points to a string that ends in NUL.
unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: not null here, and the caller vouches for the rest.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}
