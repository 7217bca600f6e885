//! Events: callbacks that hand what libvirt tells to a sink.

use super::text;
use crate::libvirt::events::{Raw, Sink};
use std::ffi::{c_char, c_int, c_longlong, c_ulonglong, c_void};
use std::{mem, ptr};
use virt::connect::Connect;
use virt::error::Error;
use virt::sys;

/// Calls the sink for each event of the domains with this number.
pub(in super::super) fn on_domain(connect: &Connect, id: u32, sink: Sink) -> Result<c_int, Error> {
    use sys::*;
    type Generic = unsafe extern "C" fn(virConnectPtr, virDomainPtr, *mut c_void);
    // SAFETY: libvirt calls a callback with the arguments of its event's number; each of these has exactly those.
    let callback: Generic = unsafe {
        match id {
            VIR_DOMAIN_EVENT_ID_LIFECYCLE => mem::transmute::<*const (), Generic>(on_lifecycle as *const ()),
            VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE => mem::transmute::<*const (), Generic>(on_two_numbers as *const ()),
            VIR_DOMAIN_EVENT_ID_WATCHDOG
            | VIR_DOMAIN_EVENT_ID_PMWAKEUP
            | VIR_DOMAIN_EVENT_ID_PMSUSPEND
            | VIR_DOMAIN_EVENT_ID_PMSUSPEND_DISK
            | VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION => mem::transmute::<*const (), Generic>(on_number as *const ()),
            VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE | VIR_DOMAIN_EVENT_ID_RTC_CHANGE => {
                mem::transmute::<*const (), Generic>(on_long as *const ())
            }
            VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2 => mem::transmute::<*const (), Generic>(on_block_job as *const ()),
            VIR_DOMAIN_EVENT_ID_TRAY_CHANGE => mem::transmute::<*const (), Generic>(on_text_and_number as *const ()),
            VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON => mem::transmute::<*const (), Generic>(on_io_error as *const ()),
            VIR_DOMAIN_EVENT_ID_METADATA_CHANGE => mem::transmute::<*const (), Generic>(on_metadata as *const ()),
            VIR_DOMAIN_EVENT_ID_DEVICE_ADDED
            | VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED
            | VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED => mem::transmute::<*const (), Generic>(on_text as *const ()),
            VIR_DOMAIN_EVENT_ID_BLOCK_THRESHOLD => mem::transmute::<*const (), Generic>(on_threshold as *const ()),
            VIR_DOMAIN_EVENT_ID_JOB_COMPLETED => mem::transmute::<*const (), Generic>(on_job as *const ()),
            _ => on_nothing,
        }
    };
    let opaque = Box::into_raw(Box::new(sink)).cast();
    // SAFETY: the connection is alive while it is borrowed; the sink is freed by `free_sink` when libvirt is done with it.
    let id = unsafe {
        let id = c_int::try_from(id).unwrap_or_default();
        virConnectDomainEventRegisterAny(connect.as_ptr(), ptr::null_mut(), id, Some(callback), opaque, Some(free_sink))
    };
    registered(id, opaque)
}

/// Calls the sink for each event of a network's life.
pub(in super::super) fn on_network(connect: &Connect, sink: Sink) -> Result<c_int, Error> {
    type Generic = unsafe extern "C" fn(sys::virConnectPtr, sys::virNetworkPtr, *mut c_void);
    let opaque = Box::into_raw(Box::new(sink)).cast();
    // SAFETY: as in `on_domain`.
    let id = unsafe {
        let callback = Some(mem::transmute::<*const (), Generic>(on_network_lifecycle as *const ()));
        let (connect, id) = (connect.as_ptr(), sys::VIR_NETWORK_EVENT_ID_LIFECYCLE.cast_signed());
        sys::virConnectNetworkEventRegisterAny(connect, ptr::null_mut(), id, callback, opaque, Some(free_sink))
    };
    registered(id, opaque)
}

/// Calls the sink for each event of the pools with this number.
pub(in super::super) fn on_pool(connect: &Connect, id: u32, sink: Sink) -> Result<c_int, Error> {
    type Generic = unsafe extern "C" fn(sys::virConnectPtr, sys::virStoragePoolPtr, *mut c_void);
    let opaque = Box::into_raw(Box::new(sink)).cast();
    // SAFETY: as in `on_domain`.
    let id = unsafe {
        let callback = Some(match id {
            sys::VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE => {
                mem::transmute::<*const (), Generic>(on_pool_lifecycle as *const ())
            }
            _ => on_pool_nothing,
        });
        let (connect, id) = (connect.as_ptr(), id.cast_signed());
        sys::virConnectStoragePoolEventRegisterAny(connect, ptr::null_mut(), id, callback, opaque, Some(free_sink))
    };
    registered(id, opaque)
}

/// Calls the sink for each event of the secrets with this number.
pub(in super::super) fn on_secret(connect: &Connect, id: u32, sink: Sink) -> Result<c_int, Error> {
    type Generic = unsafe extern "C" fn(sys::virConnectPtr, sys::virSecretPtr, *mut c_void);
    let opaque = Box::into_raw(Box::new(sink)).cast();
    // SAFETY: as in `on_domain`.
    let id = unsafe {
        let callback = Some(match id {
            sys::VIR_SECRET_EVENT_ID_LIFECYCLE => {
                mem::transmute::<*const (), Generic>(on_secret_lifecycle as *const ())
            }
            _ => on_secret_nothing,
        });
        let (connect, id) = (connect.as_ptr(), id.cast_signed());
        sys::virConnectSecretEventRegisterAny(connect, ptr::null_mut(), id, callback, opaque, Some(free_sink))
    };
    registered(id, opaque)
}

/// Calls the sink for each event of the host's devices with this number.
pub(in super::super) fn on_node_device(connect: &Connect, id: u32, sink: Sink) -> Result<c_int, Error> {
    type Generic = unsafe extern "C" fn(sys::virConnectPtr, sys::virNodeDevicePtr, *mut c_void);
    let opaque = Box::into_raw(Box::new(sink)).cast();
    // SAFETY: as in `on_domain`.
    let id = unsafe {
        let callback = Some(match id {
            sys::VIR_NODE_DEVICE_EVENT_ID_LIFECYCLE => {
                mem::transmute::<*const (), Generic>(on_node_device_lifecycle as *const ())
            }
            _ => on_node_device_nothing,
        });
        let (connect, id) = (connect.as_ptr(), id.cast_signed());
        sys::virConnectNodeDeviceEventRegisterAny(connect, ptr::null_mut(), id, callback, opaque, Some(free_sink))
    };
    registered(id, opaque)
}

/// Calls the sink when the connection is lost.
pub(in super::super) fn on_close(connect: &Connect, sink: Sink) -> Result<(), Error> {
    let opaque = Box::into_raw(Box::new(sink)).cast();
    // SAFETY: as in `on_domain`.
    let done =
        unsafe { sys::virConnectRegisterCloseCallback(connect.as_ptr(), Some(on_closed), opaque, Some(free_sink)) };
    registered(done, opaque).map(drop)
}

/// Ends [`on_domain`].
pub(in super::super) fn off_domain(connect: &Connect, id: c_int) {
    // SAFETY: the connection is alive while it is borrowed. A failure means that it is lost, and the event with it.
    unsafe { sys::virConnectDomainEventDeregisterAny(connect.as_ptr(), id) };
}

/// Ends [`on_network`].
pub(in super::super) fn off_network(connect: &Connect, id: c_int) {
    // SAFETY: as in `off_domain`.
    unsafe { sys::virConnectNetworkEventDeregisterAny(connect.as_ptr(), id) };
}

/// Ends [`on_pool`].
pub(in super::super) fn off_pool(connect: &Connect, id: c_int) {
    // SAFETY: as in `off_domain`.
    unsafe { sys::virConnectStoragePoolEventDeregisterAny(connect.as_ptr(), id) };
}

/// Ends [`on_secret`].
pub(in super::super) fn off_secret(connect: &Connect, id: c_int) {
    // SAFETY: as in `off_domain`.
    unsafe { sys::virConnectSecretEventDeregisterAny(connect.as_ptr(), id) };
}

/// Ends [`on_node_device`].
pub(in super::super) fn off_node_device(connect: &Connect, id: c_int) {
    // SAFETY: as in `off_domain`.
    unsafe { sys::virConnectNodeDeviceEventDeregisterAny(connect.as_ptr(), id) };
}

/// Ends [`on_close`].
pub(in super::super) fn off_close(connect: &Connect) {
    // SAFETY: as in `off_domain`.
    unsafe { sys::virConnectUnregisterCloseCallback(connect.as_ptr(), Some(on_closed)) };
}

/// What a registration returned; libvirt does not take the sink if it failed.
fn registered(id: c_int, opaque: *mut c_void) -> Result<c_int, Error> {
    if id < 0 {
        let error = Error::last_error();
        // SAFETY: `opaque` came from a boxed sink, and libvirt did not keep it.
        unsafe { free_sink(opaque) };
        return Err(error);
    }
    Ok(id)
}

unsafe extern "C" fn free_sink(opaque: *mut c_void) {
    // SAFETY: `opaque` came from a boxed sink, and libvirt calls this once, after the last event.
    drop(unsafe { Box::from_raw(opaque.cast::<Sink>()) });
}

/// Hands an event to its sink.
///
/// # Safety
/// `opaque` points to a sink that is not freed yet.
unsafe fn tell(opaque: *mut c_void, raw: Raw) {
    // SAFETY: the caller vouches for it.
    unsafe { (*opaque.cast::<Sink>())(raw) };
}

/// # Safety
/// The domain is alive, `opaque` points to a sink, and the texts are null or end in NUL.
unsafe fn tell_domain(domain: sys::virDomainPtr, opaque: *mut c_void, numbers: &[i64], texts: &[*const c_char]) {
    let mut uuid: [c_char; sys::VIR_UUID_STRING_BUFLEN as usize] = [0; _];
    // SAFETY: the caller vouches for domain, sink and texts; the buffer is as long as libvirt asks.
    unsafe {
        let name = text(sys::virDomainGetName(domain)).unwrap_or_default();
        sys::virDomainGetUUIDString(domain, uuid.as_mut_ptr());
        let uuid = text(uuid.as_ptr()).unwrap_or_default();
        let texts = texts.iter().map(|one| text(*one)).collect();
        tell(opaque, Raw { name, uuid, numbers: numbers.to_vec(), texts });
    }
}

// SAFETY of all callbacks below: libvirt calls them with a live object, the sink that was registered, and texts that are
// null or end in NUL.

unsafe extern "C" fn on_nothing(_: sys::virConnectPtr, domain: sys::virDomainPtr, opaque: *mut c_void) {
    // SAFETY: see above.
    unsafe { tell_domain(domain, opaque, &[], &[]) };
}

unsafe extern "C" fn on_number(_: sys::virConnectPtr, domain: sys::virDomainPtr, number: c_int, opaque: *mut c_void) {
    // SAFETY: see above.
    unsafe { tell_domain(domain, opaque, &[number.into()], &[]) };
}

unsafe extern "C" fn on_long(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    number: c_longlong,
    opaque: *mut c_void,
) {
    // SAFETY: see above.
    unsafe { tell_domain(domain, opaque, &[number], &[]) };
}

unsafe extern "C" fn on_two_numbers(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    first: c_int,
    second: c_int,
    opaque: *mut c_void,
) {
    // SAFETY: see above.
    unsafe { tell_domain(domain, opaque, &[first.into(), second.into()], &[]) };
}

unsafe extern "C" fn on_lifecycle(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    event: c_int,
    detail: c_int,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: see above.
    unsafe { tell_domain(domain, opaque, &[event.into(), detail.into()], &[]) };
    0
}

unsafe extern "C" fn on_text(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    name: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: see above.
    unsafe { tell_domain(domain, opaque, &[], &[name]) };
}

unsafe extern "C" fn on_text_and_number(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    name: *const c_char,
    number: c_int,
    opaque: *mut c_void,
) {
    // SAFETY: see above.
    unsafe { tell_domain(domain, opaque, &[number.into()], &[name]) };
}

unsafe extern "C" fn on_metadata(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    number: c_int,
    namespace: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: see above.
    unsafe { tell_domain(domain, opaque, &[number.into()], &[namespace]) };
}

unsafe extern "C" fn on_block_job(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    disk: *const c_char,
    kind: c_int,
    status: c_int,
    opaque: *mut c_void,
) {
    // SAFETY: see above.
    unsafe { tell_domain(domain, opaque, &[kind.into(), status.into()], &[disk]) };
}

unsafe extern "C" fn on_io_error(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    path: *const c_char,
    alias: *const c_char,
    action: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: see above.
    unsafe { tell_domain(domain, opaque, &[action.into()], &[path, alias, reason]) };
}

unsafe extern "C" fn on_threshold(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    disk: *const c_char,
    path: *const c_char,
    threshold: c_ulonglong,
    excess: c_ulonglong,
    opaque: *mut c_void,
) {
    let sizes = [threshold, excess].map(|size| i64::try_from(size).unwrap_or(i64::MAX));
    // SAFETY: see above.
    unsafe { tell_domain(domain, opaque, &sizes, &[disk, path]) };
}

unsafe extern "C" fn on_job(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    _: sys::virTypedParameterPtr,
    _: c_int,
    opaque: *mut c_void,
) {
    // SAFETY: see above.
    unsafe { tell_domain(domain, opaque, &[], &[]) };
}

unsafe extern "C" fn on_network_lifecycle(
    _: sys::virConnectPtr,
    network: sys::virNetworkPtr,
    event: c_int,
    detail: c_int,
    opaque: *mut c_void,
) {
    let mut uuid: [c_char; sys::VIR_UUID_STRING_BUFLEN as usize] = [0; _];
    // SAFETY: see above; the buffer is as long as libvirt asks.
    unsafe {
        sys::virNetworkGetUUIDString(network, uuid.as_mut_ptr());
        let name = text(sys::virNetworkGetName(network)).unwrap_or_default();
        let uuid = text(uuid.as_ptr()).unwrap_or_default();
        tell(opaque, Raw { name, uuid, numbers: vec![event.into(), detail.into()], texts: Vec::new() });
    }
}

unsafe extern "C" fn on_pool_lifecycle(
    _: sys::virConnectPtr,
    pool: sys::virStoragePoolPtr,
    event: c_int,
    detail: c_int,
    opaque: *mut c_void,
) {
    // SAFETY: see above.
    unsafe { tell_pool(pool, opaque, &[event.into(), detail.into()]) };
}

unsafe extern "C" fn on_pool_nothing(_: sys::virConnectPtr, pool: sys::virStoragePoolPtr, opaque: *mut c_void) {
    // SAFETY: see above.
    unsafe { tell_pool(pool, opaque, &[]) };
}

/// # Safety
/// The pool is alive, and `opaque` points to a sink.
unsafe fn tell_pool(pool: sys::virStoragePoolPtr, opaque: *mut c_void, numbers: &[i64]) {
    let mut uuid: [c_char; sys::VIR_UUID_STRING_BUFLEN as usize] = [0; _];
    // SAFETY: the caller vouches for pool and sink; the buffer is as long as libvirt asks.
    unsafe {
        sys::virStoragePoolGetUUIDString(pool, uuid.as_mut_ptr());
        let name = text(sys::virStoragePoolGetName(pool)).unwrap_or_default();
        let uuid = text(uuid.as_ptr()).unwrap_or_default();
        tell(opaque, Raw { name, uuid, numbers: numbers.to_vec(), texts: Vec::new() });
    }
}

unsafe extern "C" fn on_secret_lifecycle(
    _: sys::virConnectPtr,
    secret: sys::virSecretPtr,
    event: c_int,
    detail: c_int,
    opaque: *mut c_void,
) {
    // SAFETY: see above.
    unsafe { tell_secret(secret, opaque, &[event.into(), detail.into()]) };
}

unsafe extern "C" fn on_secret_nothing(_: sys::virConnectPtr, secret: sys::virSecretPtr, opaque: *mut c_void) {
    // SAFETY: see above.
    unsafe { tell_secret(secret, opaque, &[]) };
}

/// # Safety
/// The secret is alive, and `opaque` points to a sink.
unsafe fn tell_secret(secret: sys::virSecretPtr, opaque: *mut c_void, numbers: &[i64]) {
    let mut uuid: [c_char; sys::VIR_UUID_STRING_BUFLEN as usize] = [0; _];
    // SAFETY: the caller vouches for secret and sink; the buffer is as long as libvirt asks.
    unsafe {
        sys::virSecretGetUUIDString(secret, uuid.as_mut_ptr());
        let name = text(sys::virSecretGetUsageID(secret)).unwrap_or_default();
        let uuid = text(uuid.as_ptr()).unwrap_or_default();
        tell(opaque, Raw { name, uuid, numbers: numbers.to_vec(), texts: Vec::new() });
    }
}

unsafe extern "C" fn on_node_device_lifecycle(
    _: sys::virConnectPtr,
    device: sys::virNodeDevicePtr,
    event: c_int,
    detail: c_int,
    opaque: *mut c_void,
) {
    // SAFETY: see above.
    unsafe { tell_node_device(device, opaque, &[event.into(), detail.into()]) };
}

unsafe extern "C" fn on_node_device_nothing(_: sys::virConnectPtr, device: sys::virNodeDevicePtr, opaque: *mut c_void) {
    // SAFETY: see above.
    unsafe { tell_node_device(device, opaque, &[]) };
}

/// # Safety
/// The device is alive, and `opaque` points to a sink.
unsafe fn tell_node_device(device: sys::virNodeDevicePtr, opaque: *mut c_void, numbers: &[i64]) {
    // SAFETY: the caller vouches for device and sink.
    unsafe {
        let name = text(sys::virNodeDeviceGetName(device)).unwrap_or_default();
        tell(opaque, Raw { name, numbers: numbers.to_vec(), ..Raw::default() });
    }
}

unsafe extern "C" fn on_closed(_: sys::virConnectPtr, reason: c_int, opaque: *mut c_void) {
    // SAFETY: see above.
    unsafe { tell(opaque, Raw { numbers: vec![reason.into()], ..Raw::default() }) };
}
