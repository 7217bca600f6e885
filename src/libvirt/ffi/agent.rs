//! What libvirt asks the guest agent.

use super::{check, read_params};
use crate::floor::Map;
use std::ffi::c_uint;
use std::ptr;
use virt::domain::Domain;
use virt::error::Error;
use virt::sys;

/// What the agent tells of its guest, by libvirt's flat names.
pub(in super::super) fn guest_info(domain: &Domain) -> Result<Map, Error> {
    const ALL: c_uint = 0;
    let (mut params, mut count) = (ptr::null_mut(), 0);
    // SAFETY: the domain is alive while it is borrowed; libvirt sets the array to memory that is ours from then on.
    check(unsafe { sys::virDomainGetGuestInfo(domain.as_ptr(), ALL, &raw mut params, &raw mut count, 0) })?;
    // SAFETY: libvirt returned `count` valid parameters, which are read once and then freed.
    Ok(unsafe {
        let map = read_params(params, usize::try_from(count).unwrap_or_default());
        sys::virTypedParamsFree(params, count);
        map
    })
}

/// Freezes all file systems; gives their number.
pub(in super::super) fn fs_freeze(domain: &Domain) -> Result<usize, Error> {
    // SAFETY: the domain is alive while it is borrowed; no list of mount points means all of them.
    check(unsafe { sys::virDomainFSFreeze(domain.as_ptr(), ptr::null_mut(), 0, 0) })
}

/// Thaws all file systems; gives their number.
pub(in super::super) fn fs_thaw(domain: &Domain) -> Result<usize, Error> {
    // SAFETY: the domain is alive while it is borrowed; no list of mount points means all of them.
    check(unsafe { sys::virDomainFSThaw(domain.as_ptr(), ptr::null_mut(), 0, 0) })
}

/// Trims all file systems.
pub(in super::super) fn fs_trim(domain: &Domain) -> Result<(), Error> {
    // SAFETY: the domain is alive while it is borrowed; no mount point means all of them.
    check(unsafe { sys::virDomainFSTrim(domain.as_ptr(), ptr::null(), 0, 0) }).map(drop)
}
