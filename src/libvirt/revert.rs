//! Going back to an external snapshot where libvirt cannot (before 9.9): a shut-off domain gets new layers on the files
//! that the snapshot kept, so that the snapshot stays as it is, and the layer with the discarded changes goes.

use super::cause::Explain;
use super::object::{Kind, Object};
use super::undo::Transaction;
use super::{DeleteSnapshot, Domain, Revert, Snapshot, Start};
use crate::floor::{Area, Code, Error, Result};
use crate::schema::xml::{self, Elem, Name, Node};

/// A disk as it was at the time of the snapshot, and the layer that it gets.
struct Layer {
    disk: String,
    pool: String,
    volume: String,
    path: String,
}

impl Snapshot {
    /// Whether the changes after it are in files of their own, beside those of the snapshot.
    pub fn is_external(&self) -> Result<bool> {
        let root = xml::parse(&self.xml()?)?;
        let memory = root.child("memory").into_iter();
        let kept = root.find_all("disks/disk").into_iter().chain(memory).any(is_external);
        Ok(kept)
    }

    /// Takes a domain that is off back to this external snapshot.
    pub(super) fn revert_external(&self, revert: Revert) -> Result<()> {
        let domain = self.domain();
        let text = self.secure_xml()?;
        let root = xml::parse(&text)?;
        self.check_revertible(domain, &root)?;
        let now = xml::parse(&domain.inactive_xml()?)?;
        let discarded = active_files(&now);
        let mut definition = root
            .child("inactiveDomain")
            .or_else(|| root.child("domain"))
            .cloned()
            .ok_or_else(|| self.refusal("libvirt did not keep the definition of that time"))?;
        definition.name = Name::plain("domain");
        // It may be called otherwise since, and so its file of UEFI variables.
        for path in ["name", "os/nvram"] {
            if let (Some(text), true) = (now.find_text(path), definition.find(path).is_some()) {
                path.split('/').fold(&mut definition, Elem::child_or_new).nodes = vec![Node::Text(text)];
            }
        }
        let disks: Vec<String> = root
            .find_all("disks/disk")
            .into_iter()
            .filter(|disk| is_external(disk))
            .filter_map(|disk| disk.attr("name").map(str::to_string))
            .collect();
        let transaction = Transaction::begin();
        let done = self.add_layers(&mut definition, &disks).and_then(|layers| {
            let xml = xml::to_string(&definition);
            let host = domain.host();
            host.raw()?.define_domain_xml(&xml).explain("redefine", domain.object())?;
            Ok(layers)
        });
        let layers = match done {
            Ok(layers) => layers,
            Err(error) => return Err(transaction.roll_back(error)),
        };
        transaction.commit();
        // The next snapshot stands on this one.
        self.redefine(&text, true)?;
        self.discard(discarded, &layers)?;
        if revert.running || revert.paused {
            domain.start_with(Start { paused: revert.paused, ..Start::default() })?;
        }
        Ok(())
    }

    fn check_revertible(&self, domain: &Domain, root: &Elem) -> Result<()> {
        if domain.is_active()? {
            let why = format!("{} runs, and this libvirt cannot do it by itself", domain.object());
            let mut refusal = self.refusal(&why);
            refusal.code = Code::Busy;
            return Err(refusal.hint(format!(
                "stop it first: `{}.shutdown(#{{ timeout: \"1m\", force: true }})`",
                domain.object().expression()
            )));
        }
        if root.child("memory").is_some_and(is_external) {
            return Err(self
                .refusal("it has the memory in a file, and this libvirt cannot do it by itself")
                .hint("libvirt 9.9 and later can; snapshots with `disk_only: true` work with any"));
        }
        if root.find_all("disks/disk").into_iter().any(|disk| disk.attr("snapshot") == Some("internal")) {
            return Err(self.refusal("some of its disks are kept internally, some externally"));
        }
        Ok(())
    }

    /// Makes a layer on the file of each disk, and puts it into the definition.
    fn add_layers(&self, definition: &mut Elem, disks: &[String]) -> Result<Vec<Layer>> {
        let mut layers = Vec::new();
        let devices = definition.children_mut().find(|child| child.local() == "devices");
        let devices = devices.into_iter().flat_map(Elem::children_mut).filter(|device| device.local() == "disk");
        for disk in devices {
            let target = disk.child("target").and_then(|target| target.attr("dev")).unwrap_or_default().to_string();
            if disks.contains(&target) {
                let layer = self.add_layer(disk, target)?;
                plug_in(disk, &layer);
                layers.push(layer);
            }
        }
        Ok(layers)
    }

    fn add_layer(&self, disk: &Elem, target: String) -> Result<Layer> {
        let base = self.domain().volume_of(disk)?;
        let base = base.ok_or_else(|| {
            self.refusal(&format!("the file of its disk `{target}` is in no started pool"))
                .hint("define a pool of type `dir` for its folder, start it, and try again")
        })?;
        let format = disk.child("driver").and_then(|driver| driver.attr("type")).unwrap_or("raw");
        let pool = base.pool()?;
        let name = self.domain().layer_name(&pool, base.name(), self.name())?;
        let elem = |name| Elem::plain(name, &[]);
        let format_of = |format| Elem::plain("format", &[("type", format)]);
        let volume = elem("volume").with([
            elem("name").with_text(&name),
            elem("capacity").with_text(base.info()?.capacity.to_string()),
            elem("target").with([format_of("qcow2")]),
            elem("backingStore").with([elem("path").with_text(base.path()?), format_of(format)]),
        ]);
        let made = pool.create_volume(&xml::to_string(&volume))?;
        Ok(Layer { disk: target, pool: pool.name().to_string(), volume: name, path: made.path()? })
    }

    /// Deletes the layers with the discarded changes, unless somebody needs them.
    fn discard(&self, files: Vec<(String, String)>, layers: &[Layer]) -> Result<()> {
        let host = self.domain().host();
        // What a snapshot stands on must stay, whoever else needs it or not.
        let mut kept = Vec::new();
        for snapshot in self.domain().snapshots()? {
            let root = xml::parse(&snapshot.xml()?)?;
            for definition in [root.child("domain"), root.child("inactiveDomain")].into_iter().flatten() {
                kept.extend(active_files(definition).into_iter().map(|(_, file)| file));
            }
        }
        for (disk, file) in files {
            if kept.contains(&file) || !layers.iter().any(|layer| layer.disk == disk) {
                continue;
            }
            if let Some(volume) = host.find_volume_by_path(&file)?
                && let Err(error) = volume.delete_unused()
            {
                tracing::warn!(%error, "the discarded changes stay");
            }
        }
        Ok(())
    }

    /// Whether the domain went back to another snapshot since, so that nothing stands on the layers of this one.
    pub(super) fn is_aside(&self, text: &str) -> Result<bool> {
        let layers = layer_files(&xml::parse(text)?);
        if layers.is_empty() || self.is_current()? || !self.children()?.is_empty() {
            return Ok(false);
        }
        let domain = self.domain();
        for disk in xml::parse(&domain.inactive_xml()?)?.find_all("devices/disk") {
            if let Some(volume) = domain.volume_of(disk)?
                && volume.chain()?.iter().any(|path| layers.contains(path))
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Deletes it with the files that nobody else needs: there is nothing to merge.
    pub(super) fn forget_aside(&self, text: &str) -> Result<()> {
        let domain = self.domain();
        let named = domain.name_files(text)?;
        let root = xml::parse(named.as_deref().unwrap_or(text))?;
        let external: Vec<_> = root.find_all("disks/disk").into_iter().filter(|disk| is_external(disk)).collect();
        let is_kept = |target: &String| external.iter().any(|disk| disk.attr("name") == Some(target));
        let of_then = root.child("inactiveDomain").or_else(|| root.child("domain")).map(active_files);
        let kept = of_then.unwrap_or_default().into_iter().filter(|(target, _)| is_kept(target)).map(|(_, file)| file);
        let files: Vec<_> = kept.chain(layer_files(&root)).collect();
        self.delete(DeleteSnapshot { metadata_only: true, ..DeleteSnapshot::default() })?;
        let own = domain.record()?.volumes;
        for file in files {
            let Some(volume) = domain.host().find_volume_by_path(&file)? else { continue };
            let pool = volume.pool()?;
            // The machine's own disk stays whatever stands on it.
            if own.iter().any(|one| one.pool == pool.name() && one.name == volume.name()) {
                continue;
            }
            if let Err(error) = volume.delete_unused() {
                tracing::debug!(%error, "a layer of {} stays", self.object());
            }
        }
        Ok(())
    }

    fn refusal(&self, why: &str) -> Error {
        Error::new(Code::Unsupported, Area::Domain, format!("cannot revert to {}: {why}", self.object()))
            .about(Object::new(Kind::Snapshot, self.name()).plain())
    }
}

fn is_external(part: &Elem) -> bool {
    part.attr("snapshot") == Some("external")
}

/// The files of the layers that a snapshot's document names.
fn layer_files(snapshot: &Elem) -> Vec<String> {
    let layers = snapshot.find_all("disks/disk").into_iter().filter(|disk| is_external(disk));
    layers.filter_map(|layer| layer.child("source")?.attr("file").map(str::to_string)).collect()
}

/// The files of a definition's disks by their targets.
fn active_files(domain: &Elem) -> Vec<(String, String)> {
    let disks = domain.find_all("devices/disk").into_iter();
    let file = |disk: &Elem| {
        let target = disk.child("target")?.attr("dev")?;
        Some((target.to_string(), disk.child("source")?.attr("file")?.to_string()))
    };
    disks.filter_map(file).collect()
}

/// Replaces what a disk stands on.
fn plug_in(disk: &mut Elem, layer: &Layer) {
    disk.nodes.retain(|node| !matches!(node, Node::Elem(child) if child.local() == "backingStore"));
    for child in disk.children_mut() {
        match child.local() {
            "driver" => child.set("type", "qcow2"),
            "source" if child.attr("pool").is_some() => {
                child.set("pool", &layer.pool);
                child.set("volume", &layer.volume);
            }
            "source" => child.set("file", &layer.path),
            _ => {}
        }
    }
}
