//! Snapshots of a domain.

use super::cause::Explain;
use super::define::{name_or_new, validated};
use super::link::Live;
use super::object::{Kind, Object};
use super::undo::{self, Made};
use super::{BlockJobOptions, Domain, Start};
use crate::floor::{Code, Error, Map, Result, Value, did_you_mean};
use crate::schema::xml::{self, Elem};
use virt::domain::Domain as Raw;
use virt::error::ErrorNumber;
use virt::sys;

/// A snapshot of a domain.
#[derive(Debug, Clone)]
pub struct Snapshot {
    domain: Domain,
    raw: Live<virt::domain_snapshot::DomainSnapshot>,
    object: Object,
}

/// How a snapshot is made; the default is libvirt's: internal, with the memory of a running guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools, reason = "libvirt's flags are independent of each other")]
pub struct Snap {
    /// Without the memory: the disks become overlays.
    pub disk_only: bool,
    /// Have the guest agent freeze the file systems meanwhile.
    pub quiesce: bool,
    /// All disks or none.
    pub atomic: bool,
    /// Do not stop the guest while its memory is written.
    pub live: bool,
    /// Leave the domain off afterwards.
    pub halt: bool,
    /// Use files that are there already.
    pub reuse_external: bool,
    /// Let libvirt forget about the snapshot.
    pub no_metadata: bool,
}

/// How a domain goes back to a snapshot; the default is the state that it was in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Revert {
    /// Run afterwards.
    pub running: bool,
    /// Be paused afterwards.
    pub paused: bool,
    /// Go back even if the running domain has to be replaced.
    pub force: bool,
}

/// What goes with a snapshot that is deleted; the default is nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeleteSnapshot {
    /// Its children too.
    pub children: bool,
    /// Its children only.
    pub children_only: bool,
    /// Only what libvirt knows of it; its data stays.
    pub metadata_only: bool,
}

impl Domain {
    /// Makes a snapshot from its XML.
    pub fn create_snapshot(&self, xml: &str, snap: Snap) -> Result<Snapshot> {
        let (name, xml) = name_or_new(Kind::Snapshot, xml)?;
        let flag = |on: bool, value| if on { value } else { 0 };
        let flags = flag(snap.disk_only, sys::VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY)
            | flag(snap.quiesce, sys::VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE)
            | flag(snap.atomic, sys::VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC)
            | flag(snap.live, sys::VIR_DOMAIN_SNAPSHOT_CREATE_LIVE)
            | flag(snap.halt, sys::VIR_DOMAIN_SNAPSHOT_CREATE_HALT)
            | flag(snap.reuse_external, sys::VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT)
            | flag(snap.no_metadata, sys::VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA);
        let xml = if snap.reuse_external { xml } else { self.with_layers(&xml, snap.disk_only)? };
        // Known before it is there: what is broken off leaves none that nobody has.
        let memory = memory_of(&xml::parse(&xml)?).filter(|_| !snap.reuse_external);
        let object = Object::new(Kind::Snapshot, &name).within(self.name());
        let create = || {
            self.host().attempt("create_snapshot", self.object())?;
            if let Some(file) = &memory {
                self.own_memory(file, true)?;
            }
            let domain = self.raw()?;
            let create = |flags| domain.create_snapshot_xml(&xml, flags);
            let raw = validated(|| create(flags | sys::VIR_DOMAIN_SNAPSHOT_CREATE_VALIDATE), || create(flags));
            let made = Snapshot::new(self, raw.explain("create", &object)?)?;
            self.know_layers(&xml);
            Ok(made)
        };
        // What libvirt forgets cannot be found again, and one that is there is replaced only if that is asked for.
        if snap.no_metadata || self.snapshots()?.iter().any(|one| one.name() == name) {
            return create();
        }
        let made = Made::Snapshot { domain: self.name().to_string(), uuid: self.uuid()?, name: name.clone() };
        let ran = self.state()?.word() == "running";
        undo::record(self.host(), made, create).map_err(|error| match error.code {
            Code::NoConnection | Code::GuestStopped if ran => self.go_on(error),
            _ => error,
        })
    }

    /// Only what runs can merge its layers, be it that no guest runs in it: one that is off is started paused meanwhile.
    fn started_paused(&self, is_needed: bool, merge: impl FnOnce() -> Result<()>) -> Result<()> {
        let is_off = is_needed && !self.is_active()?;
        if is_off {
            self.start_with(Start { paused: true, ..Start::default() })?;
        }
        let merged = merge();
        if is_off {
            self.destroy(false)?;
        }
        merged
    }

    /// A daemon that dies while it saves a guest's memory leaves the guest paused.
    fn go_on(&self, error: Error) -> Error {
        let is = |word: &str| self.state().is_ok_and(|state| state.word() == word);
        if is("paused") && self.resume().is_ok() {
            return error.note(format!("{} was paused by it, and runs again", self.object()));
        }
        match self.state() {
            Ok(state) if state.word() == "running" => error,
            Ok(state) => error.note(format!("{} ran before, and is {state} now", self.object())),
            Err(failed) => error.note(format!("{} ran before, and may be paused: {failed}", self.object())),
        }
    }

    /// Its snapshots, parents before their children.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> {
        let domain = self.raw()?;
        let list = |flags| domain.list_all_snapshots(flags);
        let found = list(sys::VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL).or_else(|_| list(0));
        found.explain("list the snapshots of", self.object())?.into_iter().map(|raw| Snapshot::new(self, raw)).collect()
    }

    /// Its snapshots as a tree: name, whether it is current and external, and what was made on it.
    pub fn snapshot_tree(&self) -> Result<Vec<Map>> {
        let current = self.current_snapshot()?.map(|current| current.name().to_string());
        let mut nodes = Vec::new();
        for snapshot in self.snapshots()? {
            let parent = xml::parse(&snapshot.xml()?)?.find_text("parent/name");
            let mut node = Map::new();
            node.insert("name".to_string(), snapshot.name().into());
            node.insert("current".to_string(), (current.as_deref() == Some(snapshot.name())).into());
            node.insert("external".to_string(), snapshot.is_external()?.into());
            nodes.push((parent, node));
        }
        Ok(children_of(None, &nodes))
    }

    /// The snapshot of that name; an error if there is none.
    pub fn snapshot(&self, name: &str) -> Result<Snapshot> {
        let object = Object::new(Kind::Snapshot, name).within(self.name());
        let error = match Raw::lookup_snapshot_by_name(&self.raw()?, name, 0) {
            Ok(raw) => return Snapshot::new(self, raw),
            Err(error) if error.code().is_known_and(|code| code == ErrorNumber::NoDomainSnapshot) => error,
            Err(error) => return Err(error).explain("look up", &object),
        };
        let names: Vec<String> = self.snapshots()?.iter().map(|one| one.name().to_string()).collect();
        let hint = did_you_mean(name, names.iter().map(String::as_str))
            .unwrap_or_else(|| format!("`host.domain(\"{}\").snapshots()` lists what is there", self.name()));
        let message = format!("{} has no {object}", self.object());
        Err(Error::new(Code::NotFound, Kind::Snapshot.area(), message)
            .about(object.plain())
            .told_by_libvirt(error.message())
            .hint(hint))
    }

    /// The snapshot that its disks stand on, if there is one.
    pub fn current_snapshot(&self) -> Result<Option<Snapshot>> {
        match self.raw()?.current_snapshot(0) {
            Ok(raw) => Snapshot::new(self, raw).map(Some),
            Err(error) if error.code().is_known_and(|code| code == ErrorNumber::NoDomainSnapshot) => Ok(None),
            Err(error) => Err(error).explain("look up the current snapshot of", self.object()),
        }
    }
}

impl Snapshot {
    fn new(domain: &Domain, raw: virt::domain_snapshot::DomainSnapshot) -> Result<Self> {
        let name = raw.name().explain("ask for a snapshot's name of", domain.object())?;
        let raw = Live::new(domain.host().link(), raw);
        Ok(Self { domain: domain.clone(), raw, object: Object::new(Kind::Snapshot, &name).within(domain.name()) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.object.name
    }

    /// The domain it is of.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Its XML.
    pub fn xml(&self) -> Result<String> {
        self.raw()?.xml_desc(0).explain("read the XML of", &self.object)
    }

    /// Whether the domain's disks stand on it.
    pub fn is_current(&self) -> Result<bool> {
        self.raw()?.is_current(0).explain("ask for the state of", &self.object)
    }

    /// The snapshot that it was made on, if there is one.
    pub fn parent(&self) -> Result<Option<Self>> {
        match self.raw()?.parent(0) {
            Ok(raw) => Self::new(&self.domain, raw).map(Some),
            Err(error) if error.code().is_known_and(|code| code == ErrorNumber::NoDomainSnapshot) => Ok(None),
            Err(error) => Err(error).explain("look up the parent of", &self.object),
        }
    }

    /// The snapshots that were made on it.
    pub fn children(&self) -> Result<Vec<Self>> {
        let found = self.raw()?.list_all_children(0).explain("list the children of", &self.object)?;
        found.into_iter().map(|raw| Self::new(&self.domain, raw)).collect()
    }

    /// Takes the domain back to it. What an older libvirt cannot do with external snapshots is done here, if the domain is off.
    pub fn revert(&self, revert: Revert) -> Result<()> {
        let flag = |on: bool, value| if on { value } else { 0 };
        let flags = flag(revert.running, sys::VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING)
            | flag(revert.paused, sys::VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED)
            | flag(revert.force, sys::VIR_DOMAIN_SNAPSHOT_REVERT_FORCE);
        // The record is about the machine, not about its state: what goes with it and who protected it holds on.
        let record = self.domain.record()?;
        let before = self.domain.secure_xml()?;
        self.domain.host().attempt("revert", &self.object)?;
        let done = match self.raw()?.revert(flags) {
            Err(error)
                if error.code().is_known_and(|code| code == ErrorNumber::ConfigUnsupported)
                    && self.is_external()? =>
            {
                tracing::debug!(libvirt = error.message(), "libvirt cannot go back by itself");
                self.revert_external(revert)
            }
            done => done.explain("revert to", &self.object),
        };
        done?;
        self.domain.forget_host_key();
        if self.domain.record()? != record {
            self.domain.set_record(&record)?;
        }
        self.domain.keep_variables(&before)?;
        self.domain.note_left(&before)
    }

    /// Its XML with passwords.
    pub(super) fn secure_xml(&self) -> Result<String> {
        self.raw()?.xml_desc(sys::VIR_DOMAIN_SNAPSHOT_XML_SECURE).explain("read the XML of", &self.object)
    }

    /// Has libvirt know it by this XML; the next one may be to stand on it.
    pub(super) fn redefine(&self, text: &str, is_current: bool) -> Result<()> {
        let current = if is_current { sys::VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT } else { 0 };
        let flags = sys::VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE | current;
        self.domain.raw()?.create_snapshot_xml(text, flags).explain("redefine", &self.object).map(drop)
    }

    pub(super) fn raw(&self) -> Result<virt::domain_snapshot::DomainSnapshot> {
        let domain = self.domain.raw()?;
        self.raw.get(self.domain.host().link(), |_, _| Raw::lookup_snapshot_by_name(&domain, self.name(), 0))
    }

    pub(super) fn object(&self) -> &Object {
        &self.object
    }

    /// Deletes it. The layers that an external snapshot put on the disks of a domain are merged, and deleted where a pool
    /// knows them, as libvirt does not do so itself; so is the file with the memory.
    pub(super) fn take_back(&self) -> Result<()> {
        let document = xml::parse(&self.xml()?)?;
        let is_external = |part: &&Elem| part.attr("snapshot") == Some("external");
        let memory = memory_of(&document);
        let layers: Vec<_> = document.find_all("disks/disk").into_iter().filter(is_external).collect();
        let files = layers.iter().filter_map(|layer| file_of(layer)).chain(memory.clone());
        self.domain.look_for(&files.collect::<Vec<_>>())?;
        self.domain.started_paused(!layers.is_empty(), || layers.iter().try_for_each(|layer| self.merge(layer)))?;
        let host = self.domain.host();
        for file in layers.iter().filter_map(|layer| file_of(layer)) {
            if let Some(volume) = host.find_volume_by_path(&file)? {
                volume.delete()?;
            }
        }
        if let Some(file) = &memory {
            self.domain.own_memory(file, false)?;
            if let Some(volume) = host.find_volume_by_path(file)? {
                volume.delete()?;
            } else {
                tracing::warn!("the memory of {} stays in `{file}`, a file that no pool knows", self.object);
            }
        }
        let metadata_only = !layers.is_empty() || memory.is_some();
        self.delete(DeleteSnapshot { metadata_only, ..DeleteSnapshot::default() })
    }

    /// Merges a layer into what it stands on.
    fn merge(&self, layer: &Elem) -> Result<()> {
        let Some(disk) = layer.attr("name") else { return Ok(()) };
        let now = xml::parse(&self.domain.device(disk)?)?;
        // An earlier undoing that was broken off may have done so.
        if file_of(&now) == file_of(layer)
            && let Some(base) = self.domain.backing_file(disk)?
        {
            let options = BlockJobOptions { base: Some(base), ..BlockJobOptions::default() };
            self.domain.block_commit(disk, &options)?;
        }
        Ok(())
    }

    /// Deletes it. The layers of an external one are merged into what they stand on.
    pub fn delete(&self, how: DeleteSnapshot) -> Result<()> {
        const CONFUSED: &[&str] = &["could not find base disk source", "parent disk source are not the same"];
        let is_confused =
            |error: &Error| error.cause.as_ref().is_some_and(|told| CONFUSED.iter().any(|words| told.contains(words)));
        let text = self.secure_xml()?;
        match self.delete_by_libvirt(how) {
            Err(error) if how == DeleteSnapshot::default() && is_confused(&error) && self.is_aside(&text)? => {
                self.forget_aside(&text)?;
            }
            // libvirt 9.0 takes a disk that is a pool's volume for another one, and knows no chains of domains that are off.
            Err(error) if how == DeleteSnapshot::default() && is_confused(&error) => {
                if let Some(text) = self.domain.name_files(&text)? {
                    self.redefine(&text, self.is_current()?)?;
                }
                self.domain.started_paused(true, || self.delete_by_libvirt(how))?;
            }
            done => done?,
        }
        // libvirt deletes merged layers, and tells no pool.
        self.domain.know_layers(&text);
        Ok(())
    }

    fn delete_by_libvirt(&self, how: DeleteSnapshot) -> Result<()> {
        let flag = |on: bool, value| if on { value } else { 0 };
        let flags = flag(how.children, sys::VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN)
            | flag(how.children_only, sys::VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY)
            | flag(how.metadata_only, sys::VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY);
        self.domain.host().attempt("delete", &self.object)?;
        self.raw()?.delete(flags).explain("delete", &self.object)?;
        let own = self.domain.uuid()?;
        undo::gone(self.domain.host(), |made| matches!(made, Made::Snapshot { uuid, .. } if *uuid == own));
        Ok(())
    }
}

/// The file that a snapshot's document names for the memory.
pub(super) fn memory_of(snapshot: &Elem) -> Option<String> {
    let memory = snapshot.child("memory").filter(|memory| memory.attr("snapshot") == Some("external"))?;
    memory.attr("file").map(str::to_string)
}

fn file_of(disk: &Elem) -> Option<String> {
    disk.child("source")?.attr("file").map(str::to_string)
}

fn children_of(parent: Option<&str>, nodes: &[(Option<String>, Map)]) -> Vec<Map> {
    let of_parent = nodes.iter().filter(|(of, _)| of.as_deref() == parent);
    let with_children = of_parent.map(|(_, node)| {
        let mut node = node.clone();
        let name = node.get("name").and_then(|name| name.as_str()).unwrap_or_default().to_string();
        let children = children_of(Some(&name), nodes).into_iter().map(Value::Map).collect();
        node.insert("children".to_string(), Value::List(children));
        node
    });
    with_children.collect()
}
