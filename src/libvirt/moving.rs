//! What belongs to a domain that moves to a host with storage and networks of its own: what must not be there before, what
//! libvirt does not bring along, and what is to be taken back if the move fails. What is off libvirt does not move with its
//! disks at all: that is done here.

use super::undo::{self, Made, Transaction};
use super::uses::backing;
use super::variables::Variables;
use super::{Content, Domain, Host, MachineRecord, Migrate, Owned, Pool, Volume};
use crate::floor::{Area, Code, Error, Result};
use crate::schema::xml::{self, Elem, Node};

/// The disks of a domain that is about to move.
#[derive(Debug)]
pub(super) struct Moving<'a> {
    domain: &'a Domain,
    to: &'a Host,
    /// Those that libvirt copies.
    disks: Vec<Disk>,
    /// What else is its own, such as its seed and the log of its console: libvirt copies no disk that is only read.
    others: Vec<Disk>,
}

#[derive(Debug)]
struct Disk {
    from: Volume,
    to: Pool,
    /// Whether QEMU reads it, and nobody writes to it.
    is_read: bool,
}

impl<'a> Moving<'a> {
    /// Looks at what is copied. Fails if what it would be copied over is there, or what libvirt does not copy is not.
    pub(super) fn plan(domain: &'a Domain, to: &'a Host) -> Result<Self> {
        let is_off = !domain.is_active()?;
        if is_off {
            domain.can_be_carried()?;
        }
        let root = xml::parse(&domain.xml()?)?;
        let mut owned = MachineRecord::read(&root).volumes;
        let mut moving = Self { domain, to, disks: Vec::new(), others: Vec::new() };
        let mut in_the_way = Vec::new();
        let mut looked = Vec::new();
        for disk in root.find_all("devices/disk") {
            // libvirt leaves out what others write to as well, and an empty drive has nothing.
            let Some(source) = disk.child("source").filter(|_| disk.child("shareable").is_none()) else { continue };
            let target = disk.child("target").and_then(|target| target.attr("dev")).unwrap_or_default();
            let Some((pool, name)) = moving.place(source, target)? else { continue };
            let there = find_again(&pool, &name, &mut looked)?;
            let from = domain.volume_of(disk)?;
            let own = from.as_ref().map(|volume| {
                volume.pool().map(|pool| Owned { pool: pool.name().to_string(), name: volume.name().to_string() })
            });
            let own = own.transpose()?;
            let place = owned.iter().position(|one| Some(one) == own.as_ref());
            let is_own = place.map(|place| owned.remove(place)).is_some();
            let is_read = disk.child("readonly").is_some();
            match (there, from) {
                // Whoever brought it there knew that libvirt does not.
                (Some(_), _) if is_read && !is_own => {}
                (Some(there), _) => in_the_way.push(there),
                (None, Some(from)) if !is_read && !is_off => moving.disks.push(Disk { from, to: pool, is_read }),
                (None, Some(from)) if !is_read || is_own => moving.others.push(Disk { from, to: pool, is_read }),
                (None, _) if is_read => return Err(moving.not_copied(target, &pool, &name)),
                (None, _) => {}
            }
        }
        for owned in owned {
            let Some(from) = domain.find_owned(&owned)? else { continue };
            let pool = moving.pool(&owned.pool, &format!("volume `{}`", owned.name))?;
            match find_again(&pool, &owned.name, &mut looked)? {
                Some(there) => in_the_way.push(there),
                None => moving.others.push(Disk { from, to: pool, is_read: false }),
            }
        }
        if !in_the_way.is_empty() {
            return Err(moving.covered(&in_the_way)?);
        }
        moving.fits().map(|()| moving)
    }

    /// Fails unless the pools there have room for it all.
    fn fits(&self) -> Result<()> {
        let mut needs: Vec<(&Pool, u64)> = Vec::new();
        for disk in self.disks.iter().chain(&self.others) {
            let need = disk.size()?;
            match needs.iter_mut().find(|(pool, _)| pool.name() == disk.to.name()) {
                Some((_, sum)) => *sum += need,
                None => needs.push((&disk.to, need)),
            }
        }
        let (object, uri) = (self.domain.object(), self.to.uri());
        needs.into_iter().try_for_each(|(pool, sum)| {
            pool.need(sum, &object.to_string()).map_err(|error| error.hint(format!("make room at `{uri}` first")))
        })
    }

    /// Fails if the other host lacks a disk: the definition alone would be worth nothing there.
    pub(super) fn need_disks(domain: &'a Domain, to: &'a Host) -> Result<()> {
        let root = xml::parse(&domain.xml()?)?;
        let moving = Self { domain, to, disks: Vec::new(), others: Vec::new() };
        let mut looked = Vec::new();
        let mut missing = Vec::new();
        for disk in root.find_all("devices/disk") {
            let Some(source) = disk.child("source") else { continue };
            let target = disk.child("target").and_then(|target| target.attr("dev")).unwrap_or_default();
            // What is in no pool there cannot be looked for.
            let Some((pool, name)) = moving.place(source, target)? else { continue };
            if find_again(&pool, &name, &mut looked)?.is_none() {
                missing.push(format!("`{name}` in pool `{}`", pool.name()));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let message =
            format!("cannot migrate {}: `{}` has no {}", domain.object(), to.uri(), missing.join(", and no "));
        Err(Error::new(Code::NotFound, Area::Storage, message)
            .about(domain.object().plain())
            .hint("`copy_storage: true` in place of `offline` brings the disks along"))
    }

    /// Defines a domain that is off there as it is here, once its disks are there.
    pub(super) fn carry(&self, how: &Migrate, variables: Option<&str>) -> Result<Domain> {
        let domain = self.domain;
        let mut root = xml::parse(&domain.secure_xml()?)?;
        if let Some(name) = &how.name {
            root.child_or_new("name").nodes = vec![Node::Text(name.clone())];
        }
        let devices = root.children_mut().filter(|child| child.local() == "devices");
        for disk in devices.flat_map(Elem::children_mut).filter(|device| device.local() == "disk") {
            // Each stands on nothing there.
            disk.nodes.retain(|node| !matches!(node, Node::Elem(child) if child.local() == "backingStore"));
        }
        let moved = self.to.define_domain(&xml::to_string(&root))?;
        if let Some(path) = variables {
            moved.bring_variables(domain.host(), path)?;
        }
        if domain.is_active()? {
            let message = format!("cannot migrate {}: it was started meanwhile", domain.object());
            return Err(Error::new(Code::InvalidState, Area::Domain, message).about(domain.object().plain()));
        }
        if how.undefine_source {
            domain.undefine()?;
        }
        Ok(moved)
    }

    /// Moves it. What was made there goes if that fails, or if the transaction fails in which the domain was made.
    pub(super) fn around(&self, go: impl FnOnce() -> Result<Domain>) -> Result<Domain> {
        let uuid = self.domain.uuid()?;
        let is_made_here = undo::is_made_here(&uuid);
        // A machine that was there before stays where it went, with its disks.
        let transaction = if is_made_here { Transaction::begin() } else { Transaction::begin_apart() };
        match self.prepare(is_made_here.then_some(uuid)).and_then(|()| go()) {
            Ok(moved) => {
                transaction.commit();
                Ok(moved)
            }
            Err(error) => Err(transaction.roll_back(error)),
        }
    }

    fn prepare(&self, made: Option<String>) -> Result<()> {
        for other in &self.others {
            other.bring(self.to)?;
        }
        for disk in &self.disks {
            // One that libvirt makes itself takes all of its space at once.
            let mut document = disk.document()?;
            document.child_or_new("allocation").nodes = vec![Node::Text("0".to_string())];
            disk.to.create_volume(&xml::to_string(&document))?;
        }
        if let Some(uuid) = made {
            undo::expect(self.to, Made::Domain { name: self.domain.name().to_string(), uuid });
        }
        Ok(())
    }

    /// Deletes the volumes that were copied, or names them; the file of UEFI variables is worth nothing without its machine.
    pub(super) fn leave(&self, remove: bool, variables: Option<&str>) {
        if let Some(path) = variables {
            self.forget(self.domain.host(), path);
        }
        let mut stay = Vec::new();
        for Disk { from, .. } in self.disks.iter().chain(&self.others) {
            match if remove { from.delete_unused().map(|()| true) } else { Ok(false) } {
                Ok(true) => {}
                Ok(false) => stay.push(format!("`{}`", from.name())),
                Err(error) => tracing::warn!("{} stays at `{}`: {error}", from.object(), from.host().uri()),
            }
        }
        if !stay.is_empty() {
            let (object, uri) = (self.domain.object(), self.domain.host().uri());
            tracing::warn!(
                "what {object} had at `{uri}` stays there: {} (`remove_source` deletes it)",
                stay.join(", ")
            );
        }
    }

    /// Deletes a file of UEFI variables at one of the hosts, unless another domain has it.
    pub(super) fn forget(&self, host: &Host, path: &str) {
        let user = self.domain.uuid().and_then(|own| host.user_of(&Variables::from(path), &own));
        if let Err(error) = user.and_then(|user| if user.is_none() { host.delete_file(path) } else { Ok(()) }) {
            tracing::warn!("`{path}` stays at `{}`: {error}", host.uri());
        }
    }

    /// The pool there that is to have the volume of a disk, and the volume's name; nothing if it is in none.
    fn place(&self, source: &Elem, target: &str) -> Result<Option<(Pool, String)>> {
        if let (Some(pool), Some(volume)) = (source.attr("pool"), source.attr("volume")) {
            return Ok(Some((self.pool(pool, &format!("disk `{target}`"))?, volume.to_string())));
        }
        let Some((folder, name)) = source.attr("file").and_then(|file| file.rsplit_once('/')) else { return Ok(None) };
        let Ok(raw) = self.to.raw()?.lookup_storage_pool_by_target_path(folder) else { return Ok(None) };
        let pool = Pool::new(self.to, raw)?;
        Ok(if pool.is_active()? { Some((pool, name.to_string())) } else { None })
    }

    fn pool(&self, name: &str, what: &str) -> Result<Pool> {
        self.to.find_pool(name)?.filter(|pool| pool.is_active().unwrap_or(false)).ok_or_else(|| {
            let message = format!("cannot migrate {}: its {what} is in pool `{name}`", self.domain.object());
            Error::new(Code::NotFound, Area::Storage, message)
                .about(self.domain.object().plain())
                .hint(format!("`{}` needs a started pool of that name", self.to.uri()))
        })
    }

    fn covered(&self, volumes: &[Volume]) -> Result<Error> {
        let mut told = Vec::new();
        for volume in volumes {
            let users = volume.users()?.named();
            let users = if users.is_empty() { String::new() } else { format!(", needed by {}", users.join(" and ")) };
            told.push(format!("`{}` in pool `{}`{users}", volume.name(), volume.pool()?.name()));
        }
        let message = format!(
            "cannot migrate {}: `{}` has already what it would be copied over: {}",
            self.domain.object(),
            self.to.uri(),
            told.join("; ")
        );
        Ok(Error::new(Code::AlreadyExists, Area::Storage, message)
            .about(self.domain.object().plain())
            .hint("delete it there, or leave `copy_storage` out if both hosts have the same storage"))
    }

    fn not_copied(&self, target: &str, pool: &Pool, name: &str) -> Error {
        let message = format!(
            "cannot migrate {}: disk `{target}` is only read, which libvirt does not copy, and `{}` has no `{name}` in pool `{}`",
            self.domain.object(),
            self.to.uri(),
            pool.name()
        );
        Error::new(Code::NotFound, Area::Storage, message)
            .about(self.domain.object().plain())
            .hint("bring it there, or eject it")
    }
}

/// Looks for a volume in a pool that may have files that it was not told of.
fn find_again(pool: &Pool, name: &str, looked: &mut Vec<String>) -> Result<Option<Volume>> {
    if !looked.iter().any(|known| known == pool.name()) {
        pool.refresh()?;
        looked.push(pool.name().to_string());
    }
    pool.find_volume(name)
}

impl Domain {
    /// Fails if it has something that stays where it is, or that its disks alone do not tell.
    fn can_be_carried(&self) -> Result<()> {
        let snapshots = self.snapshots()?.len();
        let tpms = xml::parse(&self.xml()?)?.find_all("devices/tpm/backend").len();
        let (what, hint) = if snapshots > 0 {
            (format!("it has {snapshots} snapshots, which stay behind"), "delete them first")
        } else if self.has_managed_save()? {
            (
                "its state is saved, which stays behind".to_string(),
                "start it, or drop that with `remove_managed_save()`",
            )
        } else if tpms > 0 {
            ("it is off, and the state of its TPM stays behind".to_string(), "start it: libvirt takes that along then")
        } else {
            return Ok(());
        };
        let message = format!("cannot migrate {}: {what}", self.object());
        Err(Error::new(Code::InvalidState, Area::Domain, message).about(self.object().plain()).hint(hint))
    }
}

impl Disk {
    /// How much it takes there: as much as it and what it stands on take here, and at most all that it can hold.
    fn size(&self) -> Result<u64> {
        let mut sum = 0;
        for path in self.from.chain()? {
            if let Some(volume) = self.from.host().find_volume_by_path(&path)? {
                sum += volume.info()?.allocation;
            }
        }
        Ok(sum.min(self.from.info()?.capacity))
    }

    /// What its volume is going to be there.
    fn document(&self) -> Result<Elem> {
        let has = xml::parse(&self.from.xml()?)?;
        let format = has.find("target/format").and_then(|format| format.attr("type")).unwrap_or("raw");
        let compat = has.find_text("target/compat").map(|compat| Elem::plain("compat", &[]).with_text(compat));
        let parts = [Elem::plain("format", &[("type", format)])].into_iter().chain(compat);
        Ok(Elem::plain("volume", &[]).with([
            Elem::plain("name", &[]).with_text(self.from.name()),
            Elem::plain("capacity", &[]).with_text(self.from.info()?.capacity.to_string()),
            Elem::plain("target", &[]).with(parts),
        ]))
    }

    /// Copies it by way of this machine.
    fn bring(&self, to: &Host) -> Result<()> {
        let mut document = self.document()?;
        if self.is_read {
            to.let_qemu_read(&mut document)?;
        }
        let folder = tempfile::tempdir().map_err(|error| {
            Error::new(Code::Failed, Area::Storage, "cannot make a folder").caused_by(error.to_string())
        })?;
        let file = folder.path().join("disk");
        match self.alone()? {
            Some(whole) => {
                whole.download(&file)?;
                whole.delete()?;
            }
            None => drop(self.from.download(&file)?),
        }
        self.to.create_filled_volume(&xml::to_string(&document), &Content::File(file)).map(drop)
    }

    /// A copy that stands on nothing, if it stands on something: what is called so there may be something else.
    fn alone(&self) -> Result<Option<Volume>> {
        if backing(&xml::parse(&self.from.xml()?)?).is_none() {
            return Ok(None);
        }
        let mut document = self.document()?;
        let name = format!("{}.moving-{}", self.from.name(), std::process::id());
        document.child_or_new("name").nodes = vec![Node::Text(name)];
        self.from.pool()?.copy_volume(&xml::to_string(&document), &self.from, None, false).map(Some)
    }
}
