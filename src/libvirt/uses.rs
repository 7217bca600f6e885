//! Who needs which files, as it was at one moment: to ask about many volumes at the cost of one.

use super::beneath;
use super::lookup::if_there;
use super::snapshot::memory_of;
use super::{Domain, Filter, Host, Users, Volume};
use crate::floor::{Code, Result};
use crate::schema::xml::{self, Elem};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

/// All volumes, and what all domains and their kept states need.
#[derive(Debug, Clone)]
pub struct Uses {
    volumes: Vec<Standing>,
    domains: Vec<Holder>,
    /// Files that no pool knows, each with the file that it stands on.
    outside: HashMap<String, String>,
    /// Whether the files are this machine's, so that links can be followed.
    is_here: bool,
}

/// A volume of a started pool.
#[derive(Debug, Clone)]
struct Standing {
    volume: Volume,
    path: String,
    /// The file that it stands on.
    base: Option<String>,
}

/// A domain with the files that it needs.
#[derive(Debug, Clone)]
struct Holder {
    domain: Domain,
    /// Tells it, whatever it is called by now.
    uuid: String,
    files: Vec<String>,
    /// Those that its devices write, such as the log of its console.
    logs: Vec<String>,
    /// What is kept of it, such as ``snapshot `before` ``, with the files that it needs to come back.
    kept: Vec<(String, Vec<String>)>,
}

impl Host {
    /// Looks at all volumes and all domains: one call for each, and one for each snapshot and saved state.
    pub fn volume_uses(&self) -> Result<Uses> {
        let is_here = self.is_here();
        let mut volumes = Vec::new();
        let mut paths = HashMap::new();
        for pool in self.pools_where(&Filter { active: Some(true), ..Filter::default() })? {
            for volume in if_there(pool.volumes())?.unwrap_or_default() {
                // A volume may go away meanwhile.
                let Ok(root) = volume.xml().and_then(|text| xml::parse(&text)) else { continue };
                let path = match root.find_text("target/path") {
                    Some(path) => path,
                    None => match if_there(volume.path())? {
                        Some(path) => path,
                        None => continue,
                    },
                };
                let path = real(&path, is_here).into_owned();
                paths.insert((pool.name().to_string(), volume.name().to_string()), path.clone());
                let base = backing(&root).map(|base| real(&base, is_here).into_owned());
                volumes.push(Standing { volume, path, base });
            }
        }
        let mut domains = Vec::new();
        let mut layered = Vec::new();
        for domain in self.domains()? {
            let Files { all: files, layered: more, logs } = files(&domain, &paths)?;
            layered.extend(more);
            let uuid = domain.uuid()?;
            domains.push(Holder { domain, uuid, files, logs, kept: Vec::new() });
        }
        let mut uses = Uses { volumes, domains, outside: HashMap::new(), is_here };
        layered.extend(uses.add_kept(self, &paths)?);
        uses.look_outside(layered);
        Ok(uses)
    }
}

impl Uses {
    /// Follows the chains of files that no pool knows, from those that a domain or a volume has. Usually there are none, and
    /// nothing is read.
    fn look_outside(&mut self, layered: Vec<String>) {
        if !self.is_here {
            return;
        }
        let known: HashSet<&String> = self.volumes.iter().map(|one| &one.path).collect();
        let mut open = layered;
        open.extend(self.volumes.iter().filter_map(|one| one.base.clone()));
        while let Some(file) = open.pop() {
            if !known.contains(&file)
                && !self.outside.contains_key(&file)
                && let Some(base) = beneath::base(&file)
            {
                let base = real(&base, true).into_owned();
                open.push(base.clone());
                self.outside.insert(file, base);
            }
        }
    }

    /// Adds what snapshots and saved states need, and gives what may stand on other files. Two calls tell who has some.
    fn add_kept(&mut self, host: &Host, paths: &Paths) -> Result<Vec<String>> {
        let is_here = self.is_here;
        let mut layered = Vec::new();
        for domain in host.domains_where(&Filter { snapshots: Some(true), ..Filter::default() })? {
            let mut kept = Vec::new();
            for snapshot in if_there(domain.snapshots())?.unwrap_or_default() {
                let Some(text) = if_there(snapshot.xml())? else { continue };
                let root = xml::parse(&text)?;
                let mut files = Files::default();
                for definition in [root.child("domain"), root.child("inactiveDomain")].into_iter().flatten() {
                    needed(definition, paths, is_here, &mut files);
                }
                files.all.extend(memory_of(&root).map(|path| real(&path, is_here).into_owned()));
                layered.extend(files.layered);
                kept.push((snapshot.object().to_string(), files.all));
            }
            self.keep(&domain.uuid()?, kept);
        }
        for domain in host.domains_where(&Filter { managed_save: Some(true), ..Filter::default() })? {
            // It may be started meanwhile.
            let Some(text) = if_there(domain.saved_xml())?.flatten() else { continue };
            let mut files = Files::default();
            needed(&xml::parse(&text)?, paths, is_here, &mut files);
            layered.extend(files.layered);
            self.keep(&domain.uuid()?, vec![("saved state".to_string(), files.all)]);
        }
        Ok(layered)
    }

    fn keep(&mut self, uuid: &str, kept: Vec<(String, Vec<String>)>) {
        if let Some(holder) = self.domains.iter_mut().find(|one| one.uuid == uuid) {
            holder.kept.extend(kept);
        }
    }

    /// The volumes that no domain has, as it runs, is defined or is kept, and that nothing stands on.
    pub fn unused(&self) -> Vec<Volume> {
        let kept = self.domains.iter().flat_map(|one| one.kept.iter().flat_map(|(_, files)| files));
        let of_domains = self.domains.iter().flat_map(|one| one.files.iter().chain(&one.logs)).chain(kept);
        let bases = self.volumes.iter().filter_map(|one| one.base.as_ref()).chain(self.outside.values());
        let needed: HashSet<&String> = of_domains.chain(bases).collect();
        self.volumes.iter().filter(|one| !needed.contains(&one.path)).map(|one| one.volume.clone()).collect()
    }

    /// Who needs the file at a path.
    pub fn of_file(&self, path: &str) -> Users {
        self.of(&HashSet::from([path.to_string()]))
    }

    /// Who needs one of these files.
    pub(super) fn of(&self, paths: &HashSet<String>) -> Users {
        let paths: HashSet<String> = paths.iter().map(|path| real(path, self.is_here).into_owned()).collect();
        let of_volumes = self.volumes.iter().filter_map(|one| Some((&one.path, one.base.as_ref()?)));
        let mut overlays: HashMap<&str, Vec<&String>> = HashMap::new();
        for (path, base) in of_volumes.chain(&self.outside) {
            overlays.entry(base).or_default().push(path);
        }
        // What stands on something that stands on it needs it too.
        let mut needed = paths.clone();
        let mut next: Vec<&str> = paths.iter().map(String::as_str).collect();
        while let Some(base) = next.pop() {
            let new = overlays.get(base).into_iter().flatten().filter(|path| needed.insert((**path).clone()));
            next.extend(new.map(|path| path.as_str()));
        }
        let is_needed = |files: &[String]| files.iter().any(|file| needed.contains(file));
        let mut users = Users::default();
        for Holder { domain, files, logs, kept, .. } in &self.domains {
            let kept = kept.iter().filter(|(_, files)| is_needed(files)).map(|(what, _)| what.clone());
            let kept: Vec<String> = kept.collect();
            if is_needed(files) || is_needed(logs) || !kept.is_empty() {
                users.domains.push(domain.clone());
            }
            if !kept.is_empty() {
                users.kept.insert(domain.name().to_string(), kept);
            }
        }
        let overlays = self.volumes.iter().filter(|one| one.base.as_ref().is_some_and(|base| paths.contains(base)));
        users.files =
            self.outside.iter().filter(|(_, base)| paths.contains(*base)).map(|(file, _)| file.clone()).collect();
        users.files.sort_unstable();
        users.overlays = overlays.map(|one| (one.volume.clone(), one.path.clone())).collect();
        users
    }

    /// All files that are named anywhere.
    pub(super) fn all_files(&self) -> impl Iterator<Item = &String> {
        let volumes = self.volumes.iter().flat_map(|one| one.base.iter().chain([&one.path]));
        let of_domains =
            self.domains.iter().flat_map(|one| one.files.iter().chain(one.kept.iter().flat_map(|kept| &kept.1)));
        volumes.chain(of_domains).chain(self.outside.values())
    }

    /// A path as all paths are here.
    pub(super) fn real<'a>(&self, path: &'a str) -> Cow<'a, str> {
        real(path, self.is_here)
    }

    /// Who needs one of these volumes beside this domain and the volumes themselves.
    pub(super) fn needed_by(&self, volumes: &[Volume], but: &Domain) -> Result<Vec<String>> {
        let paths = self.paths(volumes)?.into_iter().collect();
        let mut users = self.of(&paths);
        let uuid = but.uuid()?;
        let own = self.domains.iter().filter(|one| one.uuid == uuid).map(|one| one.domain.name());
        let own: Vec<&str> = own.collect();
        users.domains.retain(|domain| !own.contains(&domain.name()));
        users.overlays.retain(|(_, path)| !paths.contains(path));
        // Its own layers; who else has one is named.
        users.files.clear();
        Ok(users.named())
    }

    /// The files of a domain's disks and these, which no volume is.
    pub(super) fn unknown(&self, domain: &Domain, files: &[String]) -> Result<Vec<String>> {
        let all = self.files(domain, files)?.into_iter().filter(|file| file.starts_with('/'));
        Ok(all.filter(|file| self.volumes.iter().all(|one| one.path != *file)).collect())
    }

    /// These volumes, and what a domain has on them: its disks, these files, and what is between. Each comes before what it
    /// stands on.
    pub(super) fn pile(&self, domain: &Domain, volumes: &[Volume], files: &[String]) -> Result<Vec<Volume>> {
        let base = |path: &String| self.volumes.iter().find(|one| one.path == *path)?.base.as_ref();
        let mut own = HashSet::new();
        for file in &self.files(domain, files)? {
            let mut next = Some(file);
            while let Some(path) = next.filter(|path| own.insert((*path).clone())) {
                next = base(path);
            }
        }
        let mut pile: Vec<_> = self.paths(volumes)?.into_iter().zip(volumes.iter().cloned()).collect();
        while let Some(one) = self.volumes.iter().find(|one| {
            let is_in = |path: &String| pile.iter().any(|(known, _)| known == path);
            own.contains(&one.path) && !is_in(&one.path) && one.base.as_ref().is_some_and(is_in)
        }) {
            pile.push((one.path.clone(), one.volume.clone()));
        }
        // A file that names itself as its base would keep this going for ever.
        let depth = |path: &String| {
            let below = std::iter::successors(base(path), |path| base(path)).take(self.volumes.len());
            below.filter(|path| pile.iter().any(|(known, _)| known == *path)).count()
        };
        let mut sorted: Vec<_> = pile.iter().map(|(path, volume)| (depth(path), volume.clone())).collect();
        sorted.sort_by_key(|(depth, _)| std::cmp::Reverse(*depth));
        Ok(sorted.into_iter().map(|(_, volume)| volume).collect())
    }

    /// The files that a domain needs, and these.
    fn files(&self, domain: &Domain, more: &[String]) -> Result<Vec<String>> {
        let uuid = domain.uuid()?;
        let own = self.domains.iter().filter(|one| one.uuid == uuid).flat_map(|one| one.files.clone());
        Ok(own.chain(more.iter().map(|file| self.real(file).into_owned())).collect())
    }

    fn paths(&self, volumes: &[Volume]) -> Result<Vec<String>> {
        let path = |volume: &Volume| match volume.path() {
            // Somebody else deleted it meanwhile: nobody needs it, and its name is no path.
            Err(error) if error.code == Code::NotFound => Ok(volume.name().to_string()),
            path => Ok(self.real(&path?).into_owned()),
        };
        volumes.iter().map(path).collect()
    }
}

impl Domain {
    /// Whether one of its disks is on a volume, as it runs or as it is defined.
    pub(super) fn stands_on(&self, volume: &Volume) -> Result<bool> {
        let (path, paths) = place(volume)?;
        Ok(files(self, &paths)?.all.contains(&path))
    }
}

/// Whether a domain's document has a disk on a volume.
pub(super) fn is_on(domain: &Elem, volume: &Volume) -> Result<bool> {
    let (path, paths) = place(volume)?;
    let mut files = Files::default();
    needed(domain, &paths, volume.host().is_here(), &mut files);
    Ok(files.all.contains(&path))
}

fn place(volume: &Volume) -> Result<(String, Paths)> {
    let path = real(&volume.path()?, volume.host().is_here()).into_owned();
    let named = (volume.pool()?.name().to_string(), volume.name().to_string());
    Ok((path.clone(), HashMap::from([(named, path)])))
}

/// The file that a volume stands on, from its document.
pub(super) fn backing(volume: &Elem) -> Option<String> {
    volume.find_text("backingStore/path").filter(|path| !path.is_empty())
}

/// Paths of volumes by pool and name.
type Paths = HashMap<(String, String), String>;

/// The files that a definition names.
#[derive(Default)]
struct Files {
    all: Vec<String>,
    /// Those of them that may stand on others, which the definition does not name.
    layered: Vec<String>,
    /// What its devices write.
    logs: Vec<String>,
}

/// The files that a domain needs, as it runs and as it is defined.
fn files(domain: &Domain, paths: &Paths) -> Result<Files> {
    let is_here = domain.host().is_here();
    let mut files = Files::default();
    let mut read = |text: Result<String>| match text {
        // Gone since it was listed.
        Err(error) if error.code == Code::NotFound => Ok(false),
        text => {
            let root = xml::parse(&text?)?;
            needed(&root, paths, is_here, &mut files);
            // Only what runs has a number, and may be defined differently.
            Ok(root.attr("id").is_some())
        }
    };
    if read(domain.xml())? {
        read(domain.inactive_xml())?;
    }
    Ok(files)
}

/// The files that a definition needs: disks with their chains, kernels and the like, what the firmware tells the guest.
fn needed(domain: &Elem, paths: &Paths, is_here: bool, files: &mut Files) {
    let mut named = Vec::new();
    for disk in domain.find_all("devices/disk") {
        let before = named.len();
        collect(disk, paths, &mut named);
        // In a raw disk a guest writes what it likes. A running domain tells its chains.
        let is_raw = disk.child("driver").and_then(|driver| driver.attr("type")).is_none_or(|kind| kind == "raw");
        if !is_raw && disk.child("backingStore").is_none() {
            files.layered.extend(named[before..].iter().map(|path| real(path, is_here).into_owned()));
        }
    }
    for path in ["os/kernel", "os/initrd", "os/dtb", "os/loader", "os/nvram", "os/acpi/table"] {
        named.extend(domain.find_text(path));
    }
    let entries = domain.find_all("sysinfo/entry").into_iter();
    named.extend(entries.filter_map(|entry| entry.attr("file")).map(str::to_string));
    files.all.extend(named.iter().map(|path| real(path, is_here).into_owned()));
    for kind in ["serial", "console", "parallel", "channel"] {
        for device in domain.find_all(&format!("devices/{kind}")) {
            let log = device.child("log").and_then(|log| log.attr("file"));
            let file = device.child("source").and_then(|source| source.attr("path"));
            let file = file.filter(|_| device.attr("type") == Some("file"));
            files.logs.extend(log.into_iter().chain(file).map(|path| real(path, is_here).into_owned()));
        }
    }
}

/// The files in a disk's sources, those of its whole chain included.
fn collect(element: &Elem, paths: &Paths, files: &mut Vec<String>) {
    if element.local() == "source" {
        files.extend(["file", "dev"].iter().filter_map(|name| element.attr(name)).map(str::to_string));
        if let (Some(pool), Some(volume)) = (element.attr("pool"), element.attr("volume")) {
            // A volume of a pool that is stopped has no path that anybody knows: its names stand for it.
            let path = paths.get(&(pool.to_string(), volume.to_string())).cloned();
            files.push(path.unwrap_or_else(|| format!("{pool}/{volume}")));
        }
    }
    for child in element.children() {
        collect(child, paths, files);
    }
}

/// A path without detours, so that two that lead to one file are equal. Links can be followed on this machine only.
fn real(path: &str, is_here: bool) -> Cow<'_, str> {
    if !path.starts_with('/') {
        return Cow::Borrowed(path);
    }
    if is_here && let Ok(found) = Path::new(path).canonicalize() {
        return Cow::Owned(found.to_string_lossy().into_owned());
    }
    let mut straight = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => drop(straight.pop()),
            Component::CurDir => {}
            part => straight.push(part),
        }
    }
    Cow::Owned(straight.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::real;

    #[test]
    fn paths_are_straight() {
        assert_eq!(real("/a//b/./../c/", false), "/a/c");
        assert_eq!(real("/..", false), "/");
        assert_eq!(real("default/../disk", false), "default/../disk");
    }

    #[test]
    fn links_of_this_machine_are_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("disk"), folder.path().join("link"));
        std::fs::write(&file, "").expect("written");
        std::os::unix::fs::symlink(folder.path(), &link).expect("linked");
        let file = file.canonicalize().expect("it is there");
        assert_eq!(real(&link.join("disk").display().to_string(), true), file.display().to_string());
    }
}
