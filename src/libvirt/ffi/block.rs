//! Disks at work: limits and block jobs.

use super::check;
use std::ffi::{CStr, CString, c_int, c_uint};
use std::ptr;
use virt::domain::Domain;
use virt::error::Error;
use virt::sys;

/// A block job as libvirt counts it.
pub(in super::super) struct BlockJobInfo {
    pub(in super::super) kind: c_uint,
    pub(in super::super) bandwidth: u64,
    pub(in super::super) done: u64,
    pub(in super::super) total: u64,
}

/// Limits a disk's speed.
pub(in super::super) fn set_block_io_tune(
    domain: &Domain,
    disk: &str,
    limits: &[(&str, u64)],
    flags: c_uint,
) -> Result<(), Error> {
    let disk = CString::new(disk)?;
    let mut params = Params::default();
    for (name, value) in limits {
        params.add(&CString::new(*name)?, *value)?;
    }
    // SAFETY: domain, name and parameters outlive the call.
    check(unsafe { sys::virDomainSetBlockIoTune(domain.as_ptr(), disk.as_ptr(), params.array, params.count, flags) })
        .map(drop)
}

/// Starts to copy a disk.
pub(in super::super) fn block_copy(
    domain: &Domain,
    disk: &str,
    xml: &str,
    bandwidth: u64,
    flags: c_uint,
) -> Result<(), Error> {
    let (disk, xml) = (CString::new(disk)?, CString::new(xml)?);
    let mut params = Params::default();
    if bandwidth > 0 {
        params.add(sys::VIR_DOMAIN_BLOCK_COPY_BANDWIDTH, bandwidth)?;
    }
    // SAFETY: domain, texts and parameters outlive the call.
    check(unsafe {
        sys::virDomainBlockCopy(domain.as_ptr(), disk.as_ptr(), xml.as_ptr(), params.array, params.count, flags)
    })
    .map(drop)
}

/// Starts to merge a disk's overlays into what they stand on.
pub(in super::super) fn block_commit(
    domain: &Domain,
    disk: &str,
    base: Option<&str>,
    top: Option<&str>,
    bandwidth: u64,
    flags: c_uint,
) -> Result<(), Error> {
    let disk = CString::new(disk)?;
    let (base, top) = (base.map(CString::new).transpose()?, top.map(CString::new).transpose()?);
    let flags = flags | sys::VIR_DOMAIN_BLOCK_COMMIT_BANDWIDTH_BYTES;
    // SAFETY: domain and texts outlive the call; a null pointer leaves the choice to libvirt.
    check(unsafe {
        sys::virDomainBlockCommit(
            domain.as_ptr(),
            disk.as_ptr(),
            base.as_ref().map_or(ptr::null(), |text| text.as_ptr()),
            top.as_ref().map_or(ptr::null(), |text| text.as_ptr()),
            bandwidth,
            flags,
        )
    })
    .map(drop)
}

/// Starts to copy what a disk stands on into it, down to `base` or all of it.
pub(in super::super) fn block_rebase(
    domain: &Domain,
    disk: &str,
    base: Option<&str>,
    bandwidth: u64,
) -> Result<(), Error> {
    let disk = CString::new(disk)?;
    let base = base.map(CString::new).transpose()?;
    let base = base.as_ref().map_or(ptr::null(), |text| text.as_ptr());
    let flags = sys::VIR_DOMAIN_BLOCK_REBASE_BANDWIDTH_BYTES;
    // SAFETY: domain and texts outlive the call; a null pointer means the whole chain.
    check(unsafe { sys::virDomainBlockRebase(domain.as_ptr(), disk.as_ptr(), base, bandwidth, flags) }).map(drop)
}

/// The disk's job, if it has one.
pub(in super::super) fn block_job_info(domain: &Domain, disk: &str) -> Result<Option<BlockJobInfo>, Error> {
    let disk = CString::new(disk)?;
    let mut info = sys::virDomainBlockJobInfo { type_: 0, bandwidth: 0, cur: 0, end: 0 };
    let flags = sys::VIR_DOMAIN_BLOCK_JOB_INFO_BANDWIDTH_BYTES;
    // SAFETY: domain and name outlive the call, which fills the record.
    let found = check(unsafe { sys::virDomainGetBlockJobInfo(domain.as_ptr(), disk.as_ptr(), &raw mut info, flags) })?;
    Ok((found > 0).then_some(BlockJobInfo {
        kind: c_uint::try_from(info.type_).unwrap_or_default(),
        bandwidth: info.bandwidth,
        done: info.cur,
        total: info.end,
    }))
}

/// Ends the disk's job.
pub(in super::super) fn block_job_abort(domain: &Domain, disk: &str, flags: c_uint) -> Result<(), Error> {
    let disk = CString::new(disk)?;
    // SAFETY: domain and name outlive the call.
    check(unsafe { sys::virDomainBlockJobAbort(domain.as_ptr(), disk.as_ptr(), flags) }).map(drop)
}

/// Parameters for libvirt, freed when they are dropped.
struct Params {
    array: sys::virTypedParameterPtr,
    count: c_int,
    room: c_int,
}

impl Default for Params {
    fn default() -> Self {
        Self { array: ptr::null_mut(), count: 0, room: 0 }
    }
}

impl Params {
    fn add(&mut self, name: &CStr, value: u64) -> Result<(), Error> {
        let Self { array, count, room } = self;
        // SAFETY: the three describe one array that libvirt allocates and enlarges.
        check(unsafe {
            sys::virTypedParamsAddULLong(&raw mut *array, &raw mut *count, &raw mut *room, name.as_ptr(), value)
        })
        .map(drop)
    }
}

impl Drop for Params {
    fn drop(&mut self) {
        // SAFETY: libvirt allocated the array, or it is null, which is allowed; it is not used again.
        unsafe { sys::virTypedParamsFree(self.array, self.count) };
    }
}
