//! What a script sees: one file per script type, functions of a few lines each.

#![allow(unreachable_pub, reason = "`#[export_module]` exports what is `pub`")]
#![allow(clippy::unnecessary_wraps, clippy::needless_pass_by_value, reason = "the signatures are Rhai's")]

mod assertions;
mod block_job;
mod checkpoint;
mod console;
mod convert;
mod data;
mod definition;
mod delivery;
mod device;
mod devices;
mod documents;
mod domain;
mod element;
mod elements;
mod error;
mod events;
mod files;
mod first_boot;
mod guest;
mod handler;
mod hidden;
mod host;
mod host_info;
mod host_object;
mod image;
mod images;
mod ip;
mod ipam;
mod life;
mod machine;
mod migrate;
mod names;
mod network;
mod network_edit;
mod outside;
mod parallel;
mod pool;
mod port;
mod provision;
mod records;
mod saved;
mod script;
mod secret;
mod seed;
mod snapshot;
mod source;
mod system;
mod testing;
mod together;
mod update;
mod volume;
mod volume_use;
mod waiting;

use crate::floor::{Area, Code, Error, did_you_mean, libvirts_host};
pub use crate::image::serve_alone;
use crate::libvirt::EventKind;
use crate::libvirt::Host;
pub use crate::libvirt::{
    Event, Events, Kept, Recovered, Transaction, cut_connections, forget, leave, left_over, load, load_ahead,
    qemu_hook, recover, set_ssh_persist, settle,
};
pub use convert::{dynamic, shown, value};
use handler::Handlers;
pub use names::{names, names_of_images};
pub use parallel::hold_back;
use rhai::{Array, Dynamic, Engine, EvalAltResult, Module, NativeCallContext};
pub use source::{Source, script_of};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
pub use system::stop_unread;
pub(crate) use together::in_transaction;

/// Whether this thread is making something that would be undone if it stopped now.
pub fn is_making() -> bool {
    crate::libvirt::Current::get().has_made()
}

/// The result of a fallible script function; the name is one that Rhai's metadata shows as its `T`.
pub(crate) type RhaiResultOf<T> = Result<T, Box<EvalAltResult>>;

/// What native functions know of the session that calls them. Clones share the connections.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The URI that `connect()` uses.
    uri: Option<String>,
    /// The connections that the session has opened: URI, whether it is read-only, and the host.
    hosts: Arc<Mutex<Vec<Opened>>>,
    /// URIs by the names that stand for them.
    aliases: Arc<BTreeMap<String, String>>,
    /// Whether the default host stands for all but those of libvirt's test driver.
    confined: bool,
    /// The functions that are called when something happens.
    handlers: Handlers,
    /// The default host, while it is being connected to.
    coming: Arc<Mutex<Option<Coming>>>,
    /// The failures that a test has planned.
    failures: Arc<Mutex<Vec<testing::PlannedFailure>>>,
    /// What `exit` gave beside a code.
    left: Arc<Mutex<Option<Dynamic>>>,
}

type Coming = mpsc::Receiver<Result<Host, Error>>;

type Opened = (Option<String>, bool, Host);

impl Context {
    /// A context whose `connect()` uses this URI, or libvirt's own default.
    pub fn new(uri: Option<String>) -> Self {
        crate::schema::set_library(crate::libvirt::library);
        Self { uri, ..Self::default() }
    }

    /// With names that stand for URIs.
    #[must_use]
    pub fn with_hosts(self, aliases: BTreeMap<String, String>) -> Self {
        Self { aliases: Arc::new(aliases), ..self }
    }

    /// The same, whose default host stands for all but those of libvirt's test driver.
    #[must_use]
    pub fn confined(self) -> Self {
        Self { confined: true, ..self }
    }

    /// The same connections for another session, whose handlers run on the engine that this makes.
    #[must_use]
    pub fn for_session(&self, engine: impl Fn(&Self) -> Engine + Send + Sync + 'static) -> Self {
        Self { handlers: Handlers::new(engine), ..self.clone() }
    }

    /// Ends the session's handlers, after what has happened until now; fails if one of them failed.
    pub fn end_handlers(&self) -> Result<(), Box<EvalAltResult>> {
        self.handlers.end()
    }

    /// The result that `exit` gave beside a code, if it did.
    pub fn left(&self) -> Option<Dynamic> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Connects to a host as `connect()` does, for whoever has it ready before a script asks.
    pub fn host(&self, uri: Option<&str>) -> Result<Dynamic, Error> {
        self.connect(uri, false).map(Dynamic::from)
    }

    /// Begins to connect to the default host, for a run that is going to ask for it: its scripts are read meanwhile. Then
    /// reads the schemas of what it is going to look into. Elsewhere than here it does so only where a connection
    /// over ssh is open: a run that fails before it asks would leave an `ssh` behind, which goes on trying.
    pub fn connect_ahead(&self, reads: &'static [crate::schema::Kind]) {
        let uri = self.default_uri().map_or_else(libvirts_host, |uri| Some(uri.to_string()));
        let is_quick = |uri: &str| uri.contains(":///") && !uri.contains("+ext:") || crate::libvirt::is_ssh_open(uri);
        if uri.is_some_and(|uri| !is_quick(&uri)) {
            return;
        }
        let own = self.clone();
        let (sender, receiver) = mpsc::channel();
        let thread = thread::Builder::new().name("connect".to_string()).spawn(move || {
            // The release of the host decides which schema it is.
            drop(sender.send(own.open(None, false)));
            for kind in reads {
                crate::schema::prepare(*kind);
            }
        });
        // Without a thread, who asks connects.
        *self.coming.lock().unwrap_or_else(PoisonError::into_inner) = thread.is_ok().then_some(receiver);
    }

    /// Whether a host that the session asked may only be looked at over this connection, though nobody wanted it so.
    pub fn may_only_read(&self) -> bool {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.iter().any(|(_, read_only, host)| !read_only && host.may_only_read())
    }

    /// The URI that `connect()` uses; nothing where libvirt chooses.
    fn default_uri(&self) -> Option<&str> {
        self.uri.as_deref().map(|uri| self.meant(uri))
    }

    /// The context of the session that makes this call.
    fn of(call: &NativeCallContext) -> Self {
        call.tag().and_then(|tag| tag.clone().try_cast::<Self>()).unwrap_or_default()
    }

    /// The connection to a host, `None` being the default one. A session has one for each URI: recipes that call each
    /// other do not connect anew. A connection that died is replaced.
    fn connect(&self, uri: Option<&str>, read_only: bool) -> Result<Host, Error> {
        let coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner).take();
        match coming.map(|coming| coming.recv()) {
            Some(Ok(result)) if uri.is_none() && !read_only => result,
            _ => self.open(uri, read_only),
        }
    }

    fn open(&self, uri: Option<&str>, read_only: bool) -> Result<Host, Error> {
        // Another connection to a host of the test driver would be another host.
        let read_only = read_only && !self.confined;
        let uri = uri.or(self.uri.as_deref()).map(|uri| self.meant(uri));
        let known = || {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            hosts.retain(|(_, _, host)| host.is_alive());
            let found = hosts.iter().find(|(known, kind, _)| known.as_deref() == uri && *kind == read_only);
            found.map(|(_, _, host)| host.clone())
        };
        if let Some(host) = known() {
            return Ok(host);
        }
        // Connecting takes its time: meanwhile others can have the hosts that are there.
        let host = if read_only { Host::connect_read_only(uri) } else { Host::connect(uri) };
        let host = host.map_err(|error| self.unknown(uri, error))?;
        if self.confined {
            host.begin_plan()?;
        }
        if let Some(sooner) = known() {
            return Ok(sooner);
        }
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.push((uri.map(str::to_string), read_only, host.clone()));
        Ok(host)
    }

    /// The default host if there is a plan for it: then the rest of the world is planned, too.
    fn planned(&self) -> Result<Option<Host>, Error> {
        if self.confined {
            return self.connect(None, false).map(Some);
        }
        let uri = self.uri.as_deref().map(|uri| self.meant(uri));
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let own = hosts.iter().find(|(known, read_only, _)| known.as_deref() == uri && !read_only);
        Ok(own.map(|(_, _, host)| host.clone()).filter(Host::has_plan))
    }

    /// A connection to the host of a URI that nobody else uses, and whether it can be closed: another one to the host of
    /// a confined session would be another host.
    fn connect_anew(&self, uri: &str) -> Result<(Host, bool), Error> {
        let uri = self.meant(uri);
        if self.confined && self.uri.as_deref() == Some(uri) {
            return Ok((self.connect(None, false)?, false));
        }
        let host = Host::connect(Some(uri)).map_err(|error| self.unknown(Some(uri), error))?;
        Ok((host, true))
    }

    /// An error of connecting to what is no URI, so that an alias was meant which nobody has configured; others as they are.
    fn unknown(&self, uri: Option<&str>, error: Error) -> Error {
        // libvirt has aliases of its own, which it has looked for.
        let Some(name) = uri.filter(|uri| error.code == Code::NoConnection && !uri.contains(':')) else { return error };
        let known = || self.aliases.keys().map(String::as_str);
        let hint = did_you_mean(name, known()).unwrap_or_else(|| match known().collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "write a URI such as `qemu:///system`, or name it under `[hosts]`".to_string(),
            all => format!("hosts: {all}"),
        });
        let message = format!("there is no host `{name}` in the configuration, and it is no URI");
        Error::new(Code::NoConnection, Area::Connection, message).hint(hint)
    }

    /// The URI that an alias stands for, or the URI itself; if the session is confined, its own host's.
    fn meant<'u>(&'u self, uri: &'u str) -> &'u str {
        let uri = self.aliases.get(uri).map_or(uri, String::as_str);
        match &self.uri {
            Some(own) if self.confined && !uri.starts_with("test:") => own,
            _ => uri,
        }
    }
}

/// The token with which a run is stopped from outside.
#[derive(Debug, Clone, Copy)]
pub struct Stopped;

/// Puts some functions into a module.
pub type Fill = fn(&mut Module);

/// Every part of the API with the title of its reference page, sorted.
pub fn parts() -> Vec<(&'static str, Fill)> {
    vec![
        ("Assertions", assertions::fill),
        ("Chains", volume_use::fill),
        ("Checkpoint", checkpoint::fill),
        ("Console", console::fill),
        ("Definition", definition::fill),
        ("Devices", devices::fill),
        ("Disks", block_job::fill),
        ("Documents", documents::fill),
        ("Domain", domain::fill),
        ("Edits", network_edit::fill),
        ("Element", element::fill),
        ("Elements", elements::fill),
        ("Error", error::fill),
        ("Events", events::fill),
        ("Files", files::fill),
        ("Firstboot", first_boot::fill),
        ("Guest", guest::fill),
        ("Handler", handler::fill),
        ("Hardware", host_info::fill),
        ("Hidden", hidden::fill),
        ("Host", host::fill),
        ("Hotplug", device::fill),
        ("Image", image::fill),
        ("Ip", ip::fill),
        ("Ipam", ipam::fill),
        ("Lifecycle", life::fill),
        ("Machine", machine::fill),
        ("Migration", migrate::fill),
        ("Network", network::fill),
        ("Node", host_object::fill),
        ("Outside", outside::fill),
        ("Pool", pool::fill),
        ("Port", port::fill),
        ("Saved", saved::fill),
        ("Script", script::fill),
        ("Secret", secret::fill),
        ("Seed", seed::fill),
        ("Snapshot", snapshot::fill),
        ("System", system::fill),
        ("Testing", testing::fill),
        ("Together", together::fill),
        ("Update", update::fill),
        ("Volume", volume::fill),
        ("Waiting", waiting::fill),
    ]
}

/// The events of a host from now on.
pub fn events(host: &Dynamic) -> Result<Events, Error> {
    let host = host.read_lock::<Host>().ok_or_else(|| Error::argument("only a host has events"))?;
    host.events(EventKind::ALL)
}

/// Handles as a script list.
fn list<T: Clone + Send + Sync + 'static>(items: Vec<T>) -> Array {
    items.into_iter().map(Dynamic::from).collect()
}
