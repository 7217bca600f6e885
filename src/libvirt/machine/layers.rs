//! What snapshots make beside a machine. Layers on its volumes nobody records, and they are worth nothing without what they
//! stand on: they go with it. Files with its memory are recorded as its own, and go if a snapshot has them still.

use super::{MachineRecord, Owned};
use crate::floor::Result;
use crate::libvirt::lookup::if_there;
use crate::libvirt::snapshot::memory_of;
use crate::libvirt::{Domain, Uses, Volume};
use crate::schema::xml;
use std::collections::HashSet;

impl Domain {
    /// These volumes and the machine's own layers on them, each before what it stands on. Fails if somebody else needs one of
    /// them. What was looked at earlier is enough to say that nobody does; a user may be gone since, so that is looked at again.
    /// Volumes with the memory of its snapshots are among those that go; the files with memory that stay are given beside.
    pub(in crate::libvirt) fn going(
        &self,
        record: &MachineRecord,
        volumes: &[Volume],
        seen: Option<&Uses>,
    ) -> Result<(Vec<Volume>, Vec<String>)> {
        let (kept, memories) = self.kept_files()?;
        let (own, staying) = self.own_memories(record, memories)?;
        let volumes = &[volumes, &own].concat()[..];
        if volumes.is_empty() {
            return Ok((Vec::new(), staying));
        }
        if let Some(uses) = seen
            && uses.unknown(self, &kept)?.is_empty()
        {
            let going = uses.pile(self, volumes, &kept)?;
            if self.nobody_else_needs(&going, uses, "remove").is_ok() {
                return Ok((going, staying));
            }
        }
        let mut uses = self.host().volume_uses()?;
        if self.look_for(&uses.unknown(self, &kept)?)? {
            uses = self.host().volume_uses()?;
        }
        let going = uses.pile(self, volumes, &kept)?;
        self.nobody_else_needs(&going, &uses, "remove")?;
        Ok((going, staying))
    }

    /// The files that its snapshots name: those of disks, and those with memory.
    fn kept_files(&self) -> Result<(Vec<String>, Vec<String>)> {
        let (mut files, mut memories) = (Vec::new(), Vec::new());
        for snapshot in self.snapshots()? {
            let root = xml::parse(&snapshot.xml()?)?;
            for path in ["disks/disk", "domain/devices/disk", "inactiveDomain/devices/disk"] {
                let sources = root.find_all(path).into_iter().filter_map(|disk| disk.child("source"));
                files.extend(sources.filter_map(|source| source.attr("file")).map(str::to_string));
            }
            memories.extend(memory_of(&root));
        }
        Ok((files, memories))
    }

    /// The volumes with its memory that go with it, which its snapshots name, and its record as its own; and the other files
    /// that its snapshots name.
    fn own_memories(&self, record: &MachineRecord, memories: Vec<String>) -> Result<(Vec<Volume>, Vec<String>)> {
        let (mut own, mut staying) = (Vec::new(), Vec::new());
        self.look_for(&memories)?;
        for file in memories {
            let found = self.host().find_volume_by_path(&file)?;
            match found.filter(|_| record.memories.contains(&file)) {
                Some(volume) => own.push(volume),
                None => staying.push(file),
            }
        }
        Ok((own, staying))
    }

    /// Records a file as one with its memory, or as none.
    pub(in crate::libvirt) fn own_memory(&self, file: &str, is_own: bool) -> Result<()> {
        self.change_record(|record| {
            record.memories.retain(|known| known != file);
            record.memories.extend(is_own.then(|| file.to_string()));
            Ok(())
        })
    }

    /// Has pools look again for files in their folders: what libvirt makes for a snapshot, it tells no pool. Gives whether
    /// one did.
    pub(in crate::libvirt) fn look_for(&self, files: &[String]) -> Result<bool> {
        let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_string());
        let folders: HashSet<String> = files.iter().filter_map(|file| folder(file)).collect();
        if folders.is_empty() {
            return Ok(false);
        }
        let mut looked = false;
        for pool in self.host().pools()? {
            let Some(text) = if_there(pool.xml())? else { continue };
            let path = xml::parse(&text)?.find_text("target/path");
            if path.is_some_and(|path| folders.contains(path.trim_end_matches('/')))
                && if_there(pool.is_active())? == Some(true)
            {
                looked |= if_there(pool.refresh())?.is_some();
            }
        }
        Ok(looked)
    }
}

/// What is recorded, and volumes that go with it.
pub(super) fn with(recorded: &[Owned], going: &[Volume]) -> Result<Vec<Owned>> {
    let mut all = recorded.to_vec();
    for volume in going {
        let owned = Owned { pool: volume.pool()?.name().to_string(), name: volume.name().to_string() };
        if !all.contains(&owned) {
            all.push(owned);
        }
    }
    Ok(all)
}
