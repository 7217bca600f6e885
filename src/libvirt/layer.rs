//! Which layers the disks of an external snapshot get: libvirt names none for disks that are volumes of pools.

use super::{Domain, Pool, Volume};
use crate::floor::{Area, Code, Error, Result};
use crate::schema::xml::{self, Elem, Node};

impl Domain {
    /// A snapshot's document that names the layer of each disk which gets one, and leaves out what is only read.
    /// `is_external` tells that disks of which it does not speak get layers.
    pub(super) fn with_layers(&self, text: &str, is_external: bool) -> Result<String> {
        let mut document = xml::parse(text)?;
        let is_external =
            is_external || document.child("memory").is_some_and(|memory| memory.attr("snapshot") == Some("external"));
        let listed = document.find_all("disks/disk");
        if !is_external && !listed.iter().any(|one| one.attr("snapshot") == Some("external")) {
            return Ok(text.to_string());
        }
        let snapshot = document.find_text("name").unwrap_or_default();
        let domain = xml::parse(&if self.is_active()? { self.xml()? } else { self.inactive_xml()? })?;
        let mut disks: Vec<Elem> = listed.into_iter().cloned().collect();
        for disk in domain.find_all("devices/disk") {
            let Some(target) = disk.child("target").and_then(|target| target.attr("dev")) else { continue };
            let file = disk.child("source").and_then(|source| source.attr("file").or_else(|| source.attr("dev")));
            let known = disks.iter().position(|one| one.attr("name").is_some_and(|n| n == target || Some(n) == file));
            let one = match known {
                Some(known) => &mut disks[known],
                None if !is_external => continue,
                None if is_drive(disk) => {
                    disks.push(Elem::plain("disk", &[("name", target), ("snapshot", "no")]));
                    continue;
                }
                // The definition says itself what becomes of such a disk.
                None if disk.attr("snapshot").is_some_and(|says| says != "external") => continue,
                None => {
                    disks.push(Elem::plain("disk", &[("name", target)]));
                    disks.last_mut().expect("it was added")
                }
            };
            let gets_one = one.attr("snapshot").map_or(is_external, |says| says == "external");
            if !gets_one || one.child("source").is_some() {
                continue;
            }
            one.set("snapshot", "external");
            if let Some(path) = self.layer_path(disk, target, &snapshot)? {
                one.set("type", "file");
                one.nodes.push(Node::Elem(Elem::plain("source", &[("file", &path)])));
            }
        }
        document.child_or_new("disks").nodes = disks.into_iter().map(Node::Elem).collect();
        Ok(xml::to_string(&document))
    }

    /// The XML of a snapshot in which the disks of the domain are the files of its volumes; nothing if they are no volumes.
    pub(super) fn name_files(&self, text: &str) -> Result<Option<String>> {
        let mut root = xml::parse(text)?;
        let mut is_changed = false;
        for part in root.children_mut().filter(|part| matches!(part.local(), "domain" | "inactiveDomain")) {
            let devices = part.children_mut().filter(|child| child.local() == "devices");
            for disk in devices.flat_map(Elem::children_mut).filter(|device| device.local() == "disk") {
                let is_volume = disk.attr("type") == Some("volume") && !is_drive(disk);
                let Some(volume) = (if is_volume { self.volume_of(disk)? } else { None }) else { continue };
                disk.set("type", "file");
                let path = volume.path()?;
                for source in disk.children_mut().filter(|child| child.local() == "source") {
                    source.attrs.retain(|attr| !matches!(attr.name.local.as_str(), "pool" | "volume"));
                    source.set("file", &path);
                }
                is_changed = true;
            }
        }
        Ok(is_changed.then(|| xml::to_string(&root)))
    }

    /// Tells pools of the layers that a snapshot's document names. Where that fails it stands nevertheless.
    pub(super) fn know_layers(&self, text: &str) {
        let files = xml::parse(text).map(|document| {
            let layers = document.find_all("disks/disk/source").into_iter();
            layers.filter_map(|layer| layer.attr("file").map(str::to_string)).collect::<Vec<_>>()
        });
        if let Err(error) = files.and_then(|files| self.look_for(&files)) {
            tracing::debug!(%error, "pools do not know the new layers yet");
        }
    }

    /// Where the layer of a disk goes: beside the volume that it is; nothing for a file of no pool, for which libvirt has a name.
    fn layer_path(&self, disk: &Elem, target: &str, snapshot: &str) -> Result<Option<String>> {
        let Some(base) = self.volume_of(disk)? else { return Ok(None) };
        let path = base.path()?;
        let is_file = xml::parse(&base.xml()?)?.attr("type").is_none_or(|kind| kind == "file");
        match path.rsplit_once('/').filter(|_| is_file) {
            Some((folder, _)) => {
                Ok(Some(format!("{folder}/{}", self.layer_name(&base.pool()?, base.name(), snapshot)?)))
            }
            None if disk.attr("type") != Some("volume") => Ok(None),
            None => {
                let message = format!(
                    "cannot create snapshot `{snapshot}`: disk `{target}` of {} is `{path}`, beside which there is no place for a layer",
                    self.object()
                );
                Err(Error::new(Code::InvalidDefinition, Area::Domain, message).about(self.object().plain()).hint(format!(
                    "name a file for it, or leave it out: `disks: #{{ disks: [ #{{ name: \"{target}\", snapshot: \"no\" }} ] }}`"
                )))
            }
        }
    }

    /// The volume that a disk is, if a pool knows it.
    pub(super) fn volume_of(&self, disk: &Elem) -> Result<Option<Volume>> {
        let attr = |name| disk.child("source").and_then(|source| source.attr(name));
        match (attr("pool"), attr("volume"), attr("file")) {
            (Some(pool), Some(volume), _) => {
                self.host().find_pool(pool)?.map_or(Ok(None), |pool| pool.find_volume(volume))
            }
            (_, _, Some(file)) => self.host().find_volume_by_path(file),
            _ => Ok(None),
        }
    }

    /// A free name for a layer on a volume: `web.qcow2` has `web.before-1.qcow2`, and so has a layer of another snapshot on it.
    pub(super) fn layer_name(&self, pool: &Pool, base: &str, snapshot: &str) -> Result<String> {
        let mut stem = base.rsplit_once('.').map_or(base, |(stem, _)| stem);
        let snapshots = self.snapshots()?;
        // Else names would grow with each snapshot.
        while let Some(short) = snapshots.iter().find_map(|one| without(stem, one.name())) {
            stem = short;
        }
        for number in 1.. {
            let name = format!("{stem}.{snapshot}-{number}.qcow2");
            if pool.find_volume(&name)?.is_none() {
                return Ok(name);
            }
        }
        unreachable!("numbers do not end")
    }
}

/// What stands before `.SNAPSHOT-NUMBER`.
fn without<'a>(stem: &'a str, snapshot: &str) -> Option<&'a str> {
    let (before, number) = stem.rsplit_once('-')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    before.strip_suffix(snapshot)?.strip_suffix('.').filter(|stem| is_number && !stem.is_empty())
}

/// Whether it is a drive for what is put in, or is only read: nothing in it changes.
fn is_drive(disk: &Elem) -> bool {
    let is_removable = matches!(disk.attr("device"), Some("cdrom" | "floppy"));
    is_removable || disk.child("readonly").is_some() || disk.child("source").is_none()
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn a_layer_is_known_by_the_snapshot_in_its_name() {
        assert_eq!(without("web.before-1", "before"), Some("web"));
        assert_eq!(without("web.night-20261122-3", "night-20261122"), Some("web"));
        for (stem, snapshot) in [("web", "before"), ("web.before", "before"), ("web.before-x", "before"), (".a-1", "a")]
        {
            assert_eq!(without(stem, snapshot), None);
        }
    }
}
