//! A connection to a host.

use super::cause::Explain;
use super::events::Hub;
use super::ffi;
use super::link::{self, Link, Open, first};
use super::object::{Kind, Object};
use super::plan::Plan;
use super::retry::RetryPolicy;
use super::ssh::Way;
use super::taps::Taps;
use super::wait::Poll;
use super::wiring::Before;
use super::words::without_nul;
use crate::floor::{Area, Code, Error, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError};
use virt::connect::Connect;

/// A connection to a libvirt host. Clones share it; it closes with the last one.
#[derive(Debug, Clone)]
pub struct Host(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    link: Link,
    uri: String,
    object: Object,
    /// The leases that were there before a domain was started, by the domain's UUID.
    before: Mutex<HashMap<String, Before>>,
    hub: Hub,
    poll: Poll,
    taps: Taps,
    retry: Mutex<RetryPolicy>,
    plan: OnceLock<Plan>,
    /// Held while something is made in a pool or changed in a network: libvirt refuses what meets a scan, and loses one of
    /// two changes.
    locks: Mutex<HashMap<String, Arc<Mutex<()>>>>,
}

impl Host {
    /// Connects to a URI, or to libvirt's own default.
    pub fn connect(uri: Option<&str>) -> Result<Self> {
        Self::open(uri, Connect::open)
    }

    /// Whether its URI leads to the socket on which a daemon lets nobody change anything.
    pub fn may_only_read(&self) -> bool {
        let query = self.uri().split_once('?').map_or("", |(_, query)| query);
        query.split('&').filter_map(|one| one.strip_prefix("socket=")).any(|socket| socket.ends_with("-ro"))
    }

    /// Connects so that one can look but not touch.
    pub fn connect_read_only(uri: Option<&str>) -> Result<Self> {
        Self::open(uri, Connect::open_read_only)
    }

    fn open(uri: Option<&str>, open: Open) -> Result<Self> {
        static ONCE: Once = Once::new();
        if let Err(cause) = ffi::load() {
            let hint = if cause.contains("failed to map") || cause.contains("cannot allocate") {
                "the memory of this process is limited: `ulimit -v` tells by how much"
            } else {
                "install it (again): `apt-get install libvirt0`, `dnf install libvirt-libs` or what your system calls it"
            };
            return Err(Error::new(Code::NoConnection, Area::Connection, "cannot load libvirt")
                .caused_by(cause)
                .hint(hint));
        }
        ONCE.call_once(|| {
            // Else libvirt prints every error to standard error by itself.
            virt::error::clear_error_callback();
            if let Err(error) = ffi::start_event_loop() {
                tracing::warn!(%error, "no events");
            }
        });
        without_nul("a URI", &[uri])?;
        let connect = link::connect(uri, open, first(uri))?;
        let name = uri.unwrap_or("default");
        let told = connect.uri().explain("ask for the URI of", &Object::new(Kind::Host, name))?;
        let uri = uri.and_then(Way::of).map_or(told.clone(), |way| way.without(&told));
        super::cut::note(&uri);
        tracing::debug!(uri, "connected");
        if let (Ok(here), Ok(there)) = (Connect::version(), connect.lib_version()) {
            crate::schema::meet(&dotted(here), &dotted(there));
        }
        let object = Object::new(Kind::Host, &uri);
        let hub = Hub::default();
        Ok(Self(Arc::new(Inner {
            link: Link::new(connect, uri.clone(), open, hub.clone()),
            uri,
            object,
            before: Mutex::default(),
            hub,
            poll: Poll::default(),
            taps: Taps::default(),
            retry: Mutex::default(),
            plan: OnceLock::new(),
            locks: Mutex::default(),
        })))
    }

    /// The URI that libvirt says this is.
    pub fn uri(&self) -> &str {
        &self.0.uri
    }

    /// The host's name.
    pub fn hostname(&self) -> Result<String> {
        self.raw()?.hostname().explain("ask for the name of", &self.0.object)
    }

    /// The hypervisor's version, such as `7.2.22`.
    pub fn version(&self) -> Result<String> {
        self.raw()?.hyp_version().map(dotted).explain("ask for the version of", &self.0.object)
    }

    /// The version of libvirt on the host, such as `9.0.0`.
    pub fn lib_version(&self) -> Result<String> {
        self.raw()?.lib_version().map(dotted).explain("ask for the libvirt version of", &self.0.object)
    }

    /// Whether the connection still stands.
    pub fn is_alive(&self) -> bool {
        self.0.link.is_alive()
    }

    /// Makes the connection anew, whether it stands, was lost or was closed: all that was had from the host goes on over
    /// the new one.
    pub fn reconnect(&self) -> Result<()> {
        self.0.link.reconnect()
    }

    /// Gives the connection up. What was had from the host stays, and says that it was closed; libvirt's own end of it is
    /// closed with the last of these.
    pub fn close(&self) {
        self.0.link.close();
    }

    /// The connection; one that was lost is made anew first. An error if it was closed.
    pub(super) fn raw(&self) -> Result<Connect> {
        Ok(self.0.link.get()?.0)
    }

    pub(super) fn link(&self) -> &Link {
        &self.0.link
    }

    pub(super) fn object(&self) -> &Object {
        &self.0.object
    }

    pub(super) fn hub(&self) -> &Hub {
        &self.0.hub
    }

    /// How this host's operations are tried again.
    pub fn retry(&self) -> RetryPolicy {
        self.0.retry.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets how this host's operations are tried again.
    pub fn set_retry(&self, policy: RetryPolicy) {
        *self.0.retry.lock().unwrap_or_else(PoisonError::into_inner) = policy;
    }

    /// What one thread at a time holds while it makes something in this pool or changes this network.
    pub(super) fn lock(&self, object: &str) -> Arc<Mutex<()>> {
        self.0.locks.lock().unwrap_or_else(PoisonError::into_inner).entry(object.to_string()).or_default().clone()
    }

    /// What is planned to go wrong, if anything is.
    pub(super) fn plan(&self) -> Option<&Plan> {
        self.0.plan.get()
    }

    /// The same, from now on.
    pub(super) fn plan_or_new(&self) -> &Plan {
        self.0.plan.get_or_init(Plan::default)
    }

    /// The answers that all waits on this host share.
    pub(super) fn poll(&self) -> &Poll {
        &self.0.poll
    }

    /// The MAC addresses behind the devices of running domains.
    pub(super) fn taps(&self) -> &Taps {
        &self.0.taps
    }

    /// Remembers the leases from before a start.
    pub(super) fn remember(&self, uuid: String, before: Before) {
        self.0.before.lock().unwrap_or_else(PoisonError::into_inner).insert(uuid, before);
    }

    /// The leases from before a domain's last start in this process.
    pub(super) fn before(&self, uuid: &str) -> Before {
        self.0.before.lock().unwrap_or_else(PoisonError::into_inner).get(uuid).cloned().unwrap_or_default()
    }
}

/// libvirt's versions are one number: 9001002 is 9.1.2.
fn dotted(version: u32) -> String {
    format!("{}.{}.{}", version / 1_000_000, version / 1000 % 1000, version % 1000)
}
