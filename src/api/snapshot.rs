//! Snapshots of domains.

use super::definition::definition;
use super::{RhaiResultOf, dynamic, list, value};
use crate::floor::{Options, Result};
use crate::libvirt::Snap;
use crate::schema::Kind;
use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

/// A definition of a kind as XML, where a plain text is a name.
pub(super) fn named_xml(kind: Kind, given: &Dynamic) -> Result<String> {
    match given.as_immutable_string_ref() {
        Ok(name) if !name.trim_start().starts_with('<') => {
            let map = Map::from([("name".into(), name.as_str().into())]);
            Ok(definition(kind, &map.into())?.xml())
        }
        _ => Ok(definition(kind, given)?.xml()),
    }
}

fn snap(given: Map) -> Result<Snap> {
    const KNOWN: &[&str] = &["atomic", "disk_only", "halt", "live", "no_metadata", "quiesce", "reuse_external"];
    let options = Options::from_value("create_snapshot", value(&given.into(), "")?, KNOWN)?;
    let flag = |key: &str| options.bool(key).map(Option::unwrap_or_default);
    Ok(Snap {
        disk_only: flag("disk_only")?,
        quiesce: flag("quiesce")?,
        atomic: flag("atomic")?,
        live: flag("live")?,
        halt: flag("halt")?,
        reuse_external: flag("reuse_external")?,
        no_metadata: flag("no_metadata")?,
    })
}

#[export_module]
mod functions {
    use crate::libvirt::{DeleteSnapshot, Domain, Revert};
    use crate::schema::Definition;

    /// A snapshot of a domain.
    pub type Snapshot = crate::libvirt::Snapshot;

    /// Makes a snapshot: a name, a definition, a map or XML. libvirt's default is an internal snapshot, with the memory of a running guest.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let before = vm.create_snapshot("before");
    /// assert_eq(before.name, "before");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn create_snapshot(vm: &mut Domain, definition: Dynamic) -> RhaiResultOf<Snapshot> {
        create_snapshot_with(vm, definition, Map::new())
    }

    /// Makes a snapshot in a special way.
    ///
    /// A disk that is kept outside gets a layer, a qcow2 file beside its volume, and the volume stays as it is. A layer that `disks` does not name is called after volume and snapshot, such as `web.before-1.qcow2`, and so are those of a snapshot with `memory: #{ snapshot: "external", file: PATH }`. CD-ROMs, floppies, and disks that are only read, such as a seed, are left out unless `disks` names them.
    ///
    /// Options:
    /// * `disk_only`: without the memory; the disks get layers, which raw and UEFI guests need.
    /// * `quiesce`: the guest agent freezes the file systems meanwhile.
    /// * `atomic`: all disks or none.
    /// * `live`: the guest runs on while its memory is written.
    /// * `halt`: the domain is off afterwards.
    /// * `reuse_external`: the overlays are there already.
    /// * `no_metadata`: libvirt forgets about the snapshot.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.create_snapshot("overlay", #{ disk_only: true, no_metadata: true });
    /// vm.block_commit("vda");
    /// ```
    #[rhai_fn(name = "create_snapshot", pure, return_raw)]
    pub fn create_snapshot_with(vm: &mut Domain, definition: Dynamic, options: Map) -> RhaiResultOf<Snapshot> {
        Ok(vm.create_snapshot(&named_xml(Kind::Snapshot, &definition)?, snap(options)?)?)
    }

    /// Its snapshots, parents before their children.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.create_snapshot("one");
    /// vm.create_snapshot("two");
    /// assert_eq(vm.snapshots().len(), 2);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn snapshots(vm: &mut Domain) -> RhaiResultOf<Array> {
        Ok(list(vm.snapshots()?))
    }

    /// The snapshot of this name; an error if there is none.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.create_snapshot("before");
    /// assert(vm.snapshot("before").is_current);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn snapshot(vm: &mut Domain, name: &str) -> RhaiResultOf<Snapshot> {
        Ok(vm.snapshot(name)?)
    }

    /// The snapshot that its disks stand on, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// assert_eq(vm.current_snapshot, ());
    /// vm.create_snapshot("before");
    /// assert_eq(vm.current_snapshot.name, "before");
    /// ```
    #[rhai_fn(get = "current_snapshot", pure, return_raw)]
    pub fn current_snapshot(vm: &mut Domain) -> RhaiResultOf<Dynamic> {
        Ok(vm.current_snapshot()?.map_or(Dynamic::UNIT, Dynamic::from))
    }

    /// Its snapshots as a tree: a list of `#{ name, current, external, children }`, the children being such a list too.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.create_snapshot("one");
    /// vm.create_snapshot("two");
    /// assert_eq(vm.snapshot_tree()[0].children[0].name, "two");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn snapshot_tree(vm: &mut Domain) -> RhaiResultOf<Array> {
        let tree = vm.snapshot_tree()?;
        Ok(tree.into_iter().map(|node| dynamic(node.into())).collect())
    }

    /// Whether the changes after it are in files of their own, beside those of the snapshot.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// assert(!vm.create_snapshot("before").is_external);
    /// ```
    #[rhai_fn(get = "is_external", pure, return_raw)]
    pub fn is_external(snapshot: &mut Snapshot) -> RhaiResultOf<bool> {
        Ok(snapshot.is_external()?)
    }

    /// Its name.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let snapshot = vm.create_snapshot("before");
    /// print(snapshot.name);
    /// ```
    #[rhai_fn(get = "name", pure)]
    pub fn name(snapshot: &mut Snapshot) -> String {
        snapshot.name().to_string()
    }

    /// The domain it is of.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let snapshot = vm.create_snapshot("before");
    /// assert_eq(snapshot.domain.name, "web");
    /// ```
    #[rhai_fn(get = "domain", pure)]
    pub fn domain(snapshot: &mut Snapshot) -> Domain {
        snapshot.domain().clone()
    }

    /// Its XML.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let snapshot = vm.create_snapshot("before");
    /// print(snapshot.xml);
    /// ```
    #[rhai_fn(get = "xml", pure, return_raw)]
    pub fn xml(snapshot: &mut Snapshot) -> RhaiResultOf<String> {
        Ok(snapshot.xml()?)
    }

    /// Its definition: when it was made, of which disks, and the domain as it was.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let snapshot = vm.create_snapshot("before");
    /// print(snapshot.definition.to_map().creation_time);
    /// ```
    #[rhai_fn(get = "definition", pure, return_raw)]
    pub fn definition_of(snapshot: &mut Snapshot) -> RhaiResultOf<Definition> {
        Ok(Definition::from_xml(Kind::Snapshot, &snapshot.xml()?)?)
    }

    /// Whether the domain's disks stand on it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let snapshot = vm.create_snapshot("before");
    /// assert(snapshot.is_current);
    /// ```
    #[rhai_fn(get = "is_current", pure, return_raw)]
    pub fn is_current(snapshot: &mut Snapshot) -> RhaiResultOf<bool> {
        Ok(snapshot.is_current()?)
    }

    /// The snapshot that it was made on, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let snapshot = vm.create_snapshot("before");
    /// assert_eq(snapshot.parent, ());
    /// assert_eq(vm.create_snapshot("after").parent.name, "before");
    /// ```
    #[rhai_fn(get = "parent", pure, return_raw)]
    pub fn parent(snapshot: &mut Snapshot) -> RhaiResultOf<Dynamic> {
        Ok(snapshot.parent()?.map_or(Dynamic::UNIT, Dynamic::from))
    }

    /// The snapshots that were made on it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let snapshot = vm.create_snapshot("before");
    /// vm.create_snapshot("after");
    /// assert_eq(snapshot.children()[0].name, "after");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn children(snapshot: &mut Snapshot) -> RhaiResultOf<Array> {
        Ok(list(snapshot.children()?))
    }

    /// Takes the domain back to it, to the state that it was in.
    ///
    /// libvirt before 9.9 cannot do that with external snapshots. If the domain is off and its disks are in pools, it is done here: the disks get new layers on the files that the snapshot kept, and the layers with the discarded changes are deleted.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let snapshot = vm.create_snapshot("before");
    /// vm.destroy();
    /// snapshot.revert();
    /// assert_eq(vm.state, "running");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn revert(snapshot: &mut Snapshot) -> RhaiResultOf<()> {
        Ok(snapshot.revert(Revert::default())?)
    }

    /// Takes the domain back to it.
    ///
    /// Options:
    /// * `running`: it runs afterwards.
    /// * `paused`: it is paused afterwards.
    /// * `force`: a running domain may be replaced.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let snapshot = vm.create_snapshot("before");
    /// snapshot.revert(#{ running: true });
    /// ```
    #[rhai_fn(name = "revert", pure, return_raw)]
    pub fn revert_with(snapshot: &mut Snapshot, options: Map) -> RhaiResultOf<()> {
        let options = Options::from_value("revert", value(&options.into(), "")?, &["force", "paused", "running"])?;
        let flag = |key: &str| options.bool(key).map(Option::unwrap_or_default);
        Ok(snapshot.revert(Revert { running: flag("running")?, paused: flag("paused")?, force: flag("force")? })?)
    }

    /// Deletes it; its children stay.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let snapshot = vm.create_snapshot("before");
    /// snapshot.delete();
    /// assert_eq(vm.snapshots().len(), 0);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn delete(snapshot: &mut Snapshot) -> RhaiResultOf<()> {
        Ok(snapshot.delete(DeleteSnapshot::default())?)
    }

    /// Deletes it.
    ///
    /// Options:
    /// * `children`: its children too.
    /// * `children_only`: its children, but not itself.
    /// * `metadata_only`: only what libvirt knows of it; its data stays.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let snapshot = vm.create_snapshot("before");
    /// vm.create_snapshot("after");
    /// snapshot.delete(#{ children: true });
    /// assert_eq(vm.snapshots().len(), 0);
    /// ```
    #[rhai_fn(name = "delete", pure, return_raw)]
    pub fn delete_with(snapshot: &mut Snapshot, options: Map) -> RhaiResultOf<()> {
        let known = &["children", "children_only", "metadata_only"];
        let options = Options::from_value("delete", value(&options.into(), "")?, known)?;
        let flag = |key: &str| options.bool(key).map(Option::unwrap_or_default);
        Ok(snapshot.delete(DeleteSnapshot {
            children: flag("children")?,
            children_only: flag("children_only")?,
            metadata_only: flag("metadata_only")?,
        })?)
    }

    /// What it is and its name.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let snapshot = vm.create_snapshot("before");
    /// print(snapshot);
    /// ```
    #[rhai_fn(pure)]
    pub fn to_string(snapshot: &mut Snapshot) -> String {
        format!("snapshot {}", snapshot.name())
    }
}
