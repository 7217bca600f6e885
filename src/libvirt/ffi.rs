//! The few calls that `virt` lacks or gets wrong, each wrapped so that nothing outside this file is unsafe.
//!
//! `virt` 0.5.0 has no events, no DHCP leases and no holes in streams, leaks the interfaces of a domain at each call, and
//! reports no failure of a domain's state.

#![allow(unsafe_code, reason = "the only place that calls C")]

mod agent;
mod block;
mod events;
mod jobs;
mod load;
mod loops;
mod net;
mod stats;
mod tune;
mod watches;

pub(super) use agent::{fs_freeze, fs_thaw, fs_trim, guest_info};
pub(super) use block::{block_commit, block_copy, block_job_abort, block_job_info, block_rebase, set_block_io_tune};
pub(super) use events::{
    off_close, off_domain, off_network, off_node_device, off_pool, off_secret, on_close, on_domain, on_network,
    on_node_device, on_pool, on_secret,
};
pub(super) use jobs::{RawCheckpoint, abort_job, backup_begin, job_stats, save, saved_xml};
pub(super) use load::{library, load};
pub(super) use loops::{Downloading, flush_events};
pub(super) use net::{RawBinding, RawPort};
pub(super) use stats::{domain_stats, node_cpu, node_memory};
pub(super) use tune::{CType, Family as TuneFamily, set_tuning, tuning};
pub(super) use watches::start_event_loop;

use super::address::{Address, Family, Interface, Source};
use super::network::Lease;
use super::state::State;
use crate::floor::{Map, Value};
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::Error;
use virt::network::Network;
use virt::nwfilter::NWFilter;
use virt::secret::Secret;
use virt::stream::Stream;
use virt::sys;

/// What a stream gives next.
pub(super) enum Received {
    /// So many bytes of data; none at the end.
    Data(usize),
    /// A hole of so many bytes.
    Hole(u64),
}

/// Ends the process at once, without what libraries do at its end: another thread may be in the middle of libvirt, and would
/// find taken away what it works with.
pub fn leave(code: u8) -> ! {
    // SAFETY: nothing of this process is used any more.
    unsafe { libc::_exit(c_int::from(code)) }
}

/// Has libxml2 load the types of its schemas now. It does so at the first use, up to 2.10 without a lock: of several
/// definitions that this process checks at once, some fail ("is not exported by type library").
///
/// Source: `xmlRelaxNGInitTypes`, `xmlSchemaInitTypes`, <https://gnome.pages.gitlab.gnome.org/libxml2/html/relaxng_8h.html>.
pub(super) fn load_schema_types() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        for name in [c"xmlSchemaInitTypes", c"xmlRelaxNGInitTypes"] {
            // SAFETY: the name is a C string; libvirt has loaded libxml2, whose function takes nothing, and what it returns
            // (a number, or nothing in other versions) is not looked at.
            unsafe {
                let found = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
                if !found.is_null() {
                    std::mem::transmute::<*mut c_void, extern "C" fn()>(found)();
                }
            }
        }
    });
}

/// A domain's state and reason as libvirt's numbers.
pub(super) fn domain_state(domain: &Domain) -> Result<(c_uint, c_int), Error> {
    let (mut state, mut reason) = (0, 0);
    // SAFETY: the domain is alive while it is borrowed, and both numbers outlive the call.
    check(unsafe { sys::virDomainGetState(domain.as_ptr(), &raw mut state, &raw mut reason, 0) })?;
    Ok((c_uint::try_from(state).unwrap_or_default(), reason))
}

/// The states of all domains in one call, by UUID.
pub(super) fn domain_states(connect: &Connect) -> Result<HashMap<String, State>, Error> {
    let mut list = ptr::null_mut();
    // SAFETY: the connection is alive while it is borrowed; libvirt sets the list to memory that is ours from then on.
    let count = unsafe {
        check(sys::virConnectGetAllDomainStats(connect.as_ptr(), sys::VIR_DOMAIN_STATS_STATE, &raw mut list, 0))?
    };
    let number = |record: &sys::virDomainStatsRecord, name: &CStr| {
        let mut value = 0;
        // SAFETY: the record holds `nparams` parameters; the value outlives the call.
        let found = unsafe { sys::virTypedParamsGetInt(record.params, record.nparams, name.as_ptr(), &raw mut value) };
        (found == 1).then_some(value)
    };
    let states = (0..count).filter_map(|index| {
        let mut uuid: [c_char; sys::VIR_UUID_STRING_BUFLEN as usize] = [0; _];
        // SAFETY: libvirt returned `count` records; the buffer is as long as libvirt asks.
        let (record, uuid) = unsafe {
            let record = &**list.add(index);
            sys::virDomainGetUUIDString(record.dom, uuid.as_mut_ptr());
            (record, text(uuid.as_ptr())?)
        };
        let state = number(record, c"state.state")?;
        let reason = number(record, c"state.reason").unwrap_or_default();
        Some((uuid, State::new(c_uint::try_from(state).unwrap_or_default(), reason)))
    });
    let states = states.collect();
    // SAFETY: the list came from libvirt and is not used again.
    unsafe { sys::virDomainStatsRecordListFree(list) };
    Ok(states)
}

/// What libvirt has to say of a domain that runs.
pub(super) fn domain_messages(domain: &Domain) -> Result<Vec<String>, Error> {
    let mut array = ptr::null_mut();
    // SAFETY: the domain is alive while it is borrowed; libvirt sets the array to memory that is ours from then on.
    let count = check(unsafe { sys::virDomainGetMessages(domain.as_ptr(), &raw mut array, 0) })?;
    // SAFETY: libvirt returned `count` texts, each of which is read and freed once, as is the array.
    let texts = unsafe { take(array, count, |item| text(item), |item| libc::free(item.cast())) };
    Ok(texts.into_iter().flatten().collect())
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

/// Defines a network filter after validating its XML.
pub(super) fn define_nwfilter_validated(connect: &Connect, xml: &str) -> Result<NWFilter, Error> {
    let xml = CString::new(xml)?;
    // SAFETY: connection and text outlive the call; a pointer that is not null is a reference that is ours.
    unsafe {
        let filter =
            sys::virNWFilterDefineXMLFlags(connect.as_ptr(), xml.as_ptr(), sys::VIR_NWFILTER_DEFINE_VALIDATE as c_uint);
        if filter.is_null() { Err(Error::last_error()) } else { Ok(NWFilter::from_ptr(filter)) }
    }
}

/// What a secret is used for. `virt` 0.5.0 frees the text, which is libvirt's own.
pub(super) fn secret_usage(secret: &Secret) -> Option<String> {
    // SAFETY: the secret is alive while it is borrowed, and so is the text, which we copy.
    unsafe { text(sys::virSecretGetUsageID(secret.as_ptr())) }
}

/// Puts a guest to sleep through its agent.
pub(super) fn pm_suspend(domain: &Domain, target: c_uint) -> Result<(), Error> {
    // SAFETY: the domain is alive while it is borrowed.
    check(unsafe { sys::virDomainPMSuspendForDuration(domain.as_ptr(), target, 0, 0) }).map(drop)
}

/// Sends a non-maskable interrupt.
pub(super) fn inject_nmi(domain: &Domain) -> Result<(), Error> {
    // SAFETY: the domain is alive while it is borrowed.
    check(unsafe { sys::virDomainInjectNMI(domain.as_ptr(), 0) }).map(drop)
}

/// Sends a hole of so many bytes.
pub(super) fn send_hole(stream: &Stream, length: u64) -> Result<(), Error> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    // SAFETY: the stream is alive while it is borrowed.
    check(unsafe { sys::virStreamSendHole(stream.as_ptr(), length, 0) }).map(drop)
}

/// Receives data up to the next hole, or the hole.
pub(super) fn receive(stream: &Stream, buffer: &mut [u8]) -> Result<Received, Error> {
    loops::taking();
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

/// Parameters by their names; numbers beyond a script's integers become the greatest one.
///
/// # Safety
/// `params` holds `count` valid parameters.
unsafe fn read_params(params: sys::virTypedParameterPtr, count: usize) -> Map {
    let mut map = Map::with_capacity(count);
    for index in 0..count {
        // SAFETY: the caller vouches for the parameters; which field of the value counts is what its type says.
        unsafe {
            let param = &*params.add(index);
            let value = match c_uint::try_from(param.type_).unwrap_or_default() {
                sys::VIR_TYPED_PARAM_INT => i64::from(param.value.i).into(),
                sys::VIR_TYPED_PARAM_UINT => i64::from(param.value.ui).into(),
                sys::VIR_TYPED_PARAM_LLONG => param.value.l.into(),
                sys::VIR_TYPED_PARAM_ULLONG => i64::try_from(param.value.ul).unwrap_or(i64::MAX).into(),
                sys::VIR_TYPED_PARAM_DOUBLE => Value::Float(param.value.d),
                sys::VIR_TYPED_PARAM_BOOLEAN => (param.value.b != 0).into(),
                _ => text(param.value.s).into(),
            };
            map.insert(text(param.field.as_ptr()).unwrap_or_default(), value);
        }
    }
    map
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
            iaid: text(lease.iaid).and_then(|number| number.parse().ok()),
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

/// # Safety
/// `text` is null, and libvirt says why, or it ends in NUL and is ours to free.
unsafe fn owned(text: *mut c_char) -> Result<String, Error> {
    if text.is_null() {
        return Err(Error::last_error());
    }
    // SAFETY: the caller vouches for it; it is freed once and not used again.
    unsafe {
        let copy = self::text(text).unwrap_or_default();
        libc::free(text.cast());
        Ok(copy)
    }
}
