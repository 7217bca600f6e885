//! Ports of networks and bindings of network filters, which `virt` does not know.

use super::{check, owned, take, text};
use std::ffi::{CString, c_char};
use std::ptr;
use virt::connect::Connect;
use virt::error::Error;
use virt::network::Network;
use virt::sys;

/// A port of a network.
#[derive(Debug)]
pub(in super::super) struct RawPort(sys::virNetworkPortPtr);

// SAFETY: libvirt's objects may be used from several threads, and the pointer is one reference of our own.
unsafe impl Send for RawPort {}
// SAFETY: see above.
unsafe impl Sync for RawPort {}

impl RawPort {
    /// Makes a port.
    pub(in super::super) fn create(network: &Network, xml: &str) -> Result<Self, Error> {
        let xml = CString::new(xml)?;
        // SAFETY: network and text outlive the call; a pointer that is not null is a reference that is ours.
        let raw = unsafe { sys::virNetworkPortCreateXML(network.as_ptr(), xml.as_ptr(), 0) };
        if raw.is_null() { Err(Error::last_error()) } else { Ok(Self(raw)) }
    }

    /// The ports of a network.
    pub(in super::super) fn list(network: &Network) -> Result<Vec<Self>, Error> {
        let mut array = ptr::null_mut();
        // SAFETY: the network is alive while it is borrowed; libvirt sets the array to memory that is ours from then on.
        let count = check(unsafe { sys::virNetworkListAllPorts(network.as_ptr(), &raw mut array, 0) })?;
        // SAFETY: libvirt returned `count` references in `array`, each of which becomes ours.
        Ok(unsafe { take(array, count, Self, |_| ()) })
    }

    /// Its UUID.
    pub(in super::super) fn uuid(&self) -> String {
        let mut uuid: [c_char; sys::VIR_UUID_STRING_BUFLEN as usize] = [0; _];
        // SAFETY: the port is alive, and the buffer is as long as libvirt asks.
        unsafe {
            sys::virNetworkPortGetUUIDString(self.0, uuid.as_mut_ptr());
            text(uuid.as_ptr()).unwrap_or_default()
        }
    }

    /// Its XML.
    pub(in super::super) fn xml(&self) -> Result<String, Error> {
        // SAFETY: the port is alive; a text that is not null is ours to free.
        unsafe { owned(sys::virNetworkPortGetXMLDesc(self.0, 0)) }
    }

    /// Deletes it.
    pub(in super::super) fn delete(&self) -> Result<(), Error> {
        // SAFETY: the port is alive.
        check(unsafe { sys::virNetworkPortDelete(self.0, 0) }).map(drop)
    }
}

impl Drop for RawPort {
    fn drop(&mut self) {
        // SAFETY: the reference is ours and is not used again.
        unsafe { sys::virNetworkPortFree(self.0) };
    }
}

/// A network filter at work on a device of the host.
#[derive(Debug)]
pub(in super::super) struct RawBinding(sys::virNWFilterBindingPtr);

// SAFETY: libvirt's objects may be used from several threads, and the pointer is one reference of our own.
unsafe impl Send for RawBinding {}
// SAFETY: see above.
unsafe impl Sync for RawBinding {}

impl RawBinding {
    /// Makes a binding.
    pub(in super::super) fn create(connect: &Connect, xml: &str) -> Result<Self, Error> {
        let xml = CString::new(xml)?;
        // SAFETY: connection and text outlive the call; a pointer that is not null is a reference that is ours.
        let raw = unsafe { sys::virNWFilterBindingCreateXML(connect.as_ptr(), xml.as_ptr(), 0) };
        if raw.is_null() { Err(Error::last_error()) } else { Ok(Self(raw)) }
    }

    /// The bindings of a host.
    pub(in super::super) fn list(connect: &Connect) -> Result<Vec<Self>, Error> {
        let mut array = ptr::null_mut();
        // SAFETY: the connection is alive while it is borrowed; libvirt sets the array to memory that becomes ours.
        let count = check(unsafe { sys::virConnectListAllNWFilterBindings(connect.as_ptr(), &raw mut array, 0) })?;
        // SAFETY: libvirt returned `count` references in `array`, each of which becomes ours.
        Ok(unsafe { take(array, count, Self, |_| ()) })
    }

    /// The device that is filtered.
    pub(in super::super) fn device(&self) -> String {
        // SAFETY: the binding is alive, and so is the text while we copy it.
        unsafe { text(sys::virNWFilterBindingGetPortDev(self.0)) }.unwrap_or_default()
    }

    /// The name of the filter.
    pub(in super::super) fn filter(&self) -> String {
        // SAFETY: the binding is alive, and so is the text while we copy it.
        unsafe { text(sys::virNWFilterBindingGetFilterName(self.0)) }.unwrap_or_default()
    }

    /// Its XML.
    pub(in super::super) fn xml(&self) -> Result<String, Error> {
        // SAFETY: the binding is alive; a text that is not null is ours to free.
        unsafe { owned(sys::virNWFilterBindingGetXMLDesc(self.0, 0)) }
    }

    /// Deletes it.
    pub(in super::super) fn delete(&self) -> Result<(), Error> {
        // SAFETY: the binding is alive.
        check(unsafe { sys::virNWFilterBindingDelete(self.0) }).map(drop)
    }
}

impl Drop for RawBinding {
    fn drop(&mut self) {
        // SAFETY: the reference is ours and is not used again.
        unsafe { sys::virNWFilterBindingFree(self.0) };
    }
}
