//! Jobs of domains, checkpoints and backups.

use super::{check, owned, read_params, text};
use crate::floor::Map;
use std::ffi::{CString, c_int};
use std::ptr;
use virt::domain::Domain;
use virt::error::Error;
use virt::sys;

/// A domain's job as its type and libvirt's flat names: the one it is busy with, or the last one that ended.
pub(in super::super) fn job_stats(domain: &Domain, ended: bool) -> Result<(c_int, Map), Error> {
    let (mut kind, mut params, mut count) = (0, ptr::null_mut(), 0);
    let flags = if ended { sys::VIR_DOMAIN_JOB_STATS_COMPLETED } else { 0 };
    // SAFETY: the domain is alive while it is borrowed; libvirt sets the array to memory that is ours from then on.
    check(unsafe {
        sys::virDomainGetJobStats(domain.as_ptr(), &raw mut kind, &raw mut params, &raw mut count, flags)
    })?;
    // SAFETY: libvirt returned `count` valid parameters, which are read once and then freed.
    Ok(unsafe {
        let map = read_params(params, usize::try_from(count).unwrap_or_default());
        sys::virTypedParamsFree(params, count);
        (kind, map)
    })
}

/// Gives up a domain's job.
pub(in super::super) fn abort_job(domain: &Domain) -> Result<(), Error> {
    // SAFETY: the domain is alive while it is borrowed.
    check(unsafe { sys::virDomainAbortJob(domain.as_ptr()) }).map(drop)
}

/// Writes a domain's memory to a file of the host.
pub(in super::super) fn save(domain: &Domain, path: &str, flags: u32) -> Result<(), Error> {
    let path = CString::new(path)?;
    // SAFETY: domain and path outlive the call; no XML leaves the domain as it is.
    check(unsafe { sys::virDomainSaveFlags(domain.as_ptr(), path.as_ptr(), ptr::null(), flags) }).map(drop)
}

/// The definition in a domain's managed save.
pub(in super::super) fn saved_xml(domain: &Domain) -> Result<String, Error> {
    // SAFETY: the domain is alive while it is borrowed; the text is ours to free.
    unsafe { owned(sys::virDomainManagedSaveGetXMLDesc(domain.as_ptr(), 0)) }
}

/// A checkpoint of a domain.
#[derive(Debug)]
pub(in super::super) struct RawCheckpoint(sys::virDomainCheckpointPtr);

// SAFETY: libvirt's objects may be used from several threads, and the pointer is one reference of our own.
unsafe impl Send for RawCheckpoint {}
// SAFETY: see above.
unsafe impl Sync for RawCheckpoint {}

impl RawCheckpoint {
    /// Makes a checkpoint.
    pub(in super::super) fn create(domain: &Domain, xml: &str) -> Result<Self, Error> {
        let xml = CString::new(xml)?;
        // SAFETY: domain and text outlive the call; a pointer that is not null is a reference that is ours.
        let raw = unsafe { sys::virDomainCheckpointCreateXML(domain.as_ptr(), xml.as_ptr(), 0) };
        if raw.is_null() { Err(Error::last_error()) } else { Ok(Self(raw)) }
    }

    /// The checkpoints of a domain, parents before their children.
    pub(in super::super) fn list(domain: &Domain) -> Result<Vec<Self>, Error> {
        let mut array = ptr::null_mut();
        let flags = sys::VIR_DOMAIN_CHECKPOINT_LIST_TOPOLOGICAL;
        // SAFETY: the domain is alive while it is borrowed; libvirt sets the array to memory that is ours from then on.
        let count = check(unsafe { sys::virDomainListAllCheckpoints(domain.as_ptr(), &raw mut array, flags) })?;
        // SAFETY: libvirt returned `count` references in `array`, each of which becomes ours.
        Ok(unsafe { super::take(array, count, Self, |_| ()) })
    }

    /// Its name.
    pub(in super::super) fn name(&self) -> String {
        // SAFETY: the checkpoint is alive, and so is its name while we copy it.
        unsafe { text(sys::virDomainCheckpointGetName(self.0)) }.unwrap_or_default()
    }

    /// Its XML.
    pub(in super::super) fn xml(&self) -> Result<String, Error> {
        // SAFETY: the checkpoint is alive; a text that is not null is ours to free.
        unsafe { owned(sys::virDomainCheckpointGetXMLDesc(self.0, 0)) }
    }

    /// Deletes it.
    pub(in super::super) fn delete(&self, flags: u32) -> Result<(), Error> {
        // SAFETY: the checkpoint is alive.
        check(unsafe { sys::virDomainCheckpointDelete(self.0, flags) }).map(drop)
    }
}

impl Drop for RawCheckpoint {
    fn drop(&mut self) {
        // SAFETY: the reference is ours and is not used again.
        unsafe { sys::virDomainCheckpointFree(self.0) };
    }
}

/// Starts a backup, and makes a checkpoint of the same moment if there is XML of one.
pub(in super::super) fn backup_begin(domain: &Domain, backup: &str, checkpoint: Option<&str>) -> Result<(), Error> {
    let backup = CString::new(backup)?;
    let checkpoint = checkpoint.map(CString::new).transpose()?;
    let checkpoint = checkpoint.as_ref().map_or(ptr::null(), |text| text.as_ptr());
    // SAFETY: domain and texts outlive the call; a null pointer means no checkpoint.
    check(unsafe { sys::virDomainBackupBegin(domain.as_ptr(), backup.as_ptr(), checkpoint, 0) }).map(drop)
}
