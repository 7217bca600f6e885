//! What belongs to a domain that moves to a host with storage and networks of its own: what must not be there before, what
//! libvirt does not bring along, and what is to be taken back if the move fails.

use super::undo::{self, Made, Transaction};
use super::variables::Variables;
use super::{Content, Domain, Host, MachineRecord, Owned, Pool, Volume};
use crate::floor::{Area, Code, Error, Result};
use crate::schema::xml::{self, Elem};

/// The disks of a domain that is about to move.
#[derive(Debug)]
pub(super) struct Moving<'a> {
    domain: &'a Domain,
    to: &'a Host,
    /// Those that libvirt makes there and copies.
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
                (None, Some(from)) if !is_read => moving.disks.push(Disk { from, to: pool, is_read }),
                (None, Some(from)) if is_own => moving.others.push(Disk { from, to: pool, is_read }),
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
        if in_the_way.is_empty() { Ok(moving) } else { Err(moving.covered(&in_the_way)?) }
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
            undo::expect(self.to, Made::volume(&disk.to, &xml::to_string(&disk.document()?))?);
        }
        if let Some(uuid) = made {
            undo::expect(self.to, Made::Domain { name: self.domain.name().to_string(), uuid });
        }
        Ok(())
    }

    /// Deletes the volumes that were copied, or names them; the file of UEFI variables is worth nothing without its machine.
    pub(super) fn leave(&self, remove: bool, variables: Option<&str>) {
        if let Some(path) = variables
            && let Err(error) = self.forget(path)
        {
            tracing::warn!("`{path}` stays at `{}`: {error}", self.domain.host().uri());
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

    fn forget(&self, variables: &str) -> Result<()> {
        let (host, own) = (self.domain.host(), self.domain.uuid()?);
        if host.user_of(&Variables::from(variables), &own)?.is_none() { host.delete_file(variables) } else { Ok(()) }
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

impl Disk {
    /// What its volume is going to be there.
    fn document(&self) -> Result<Elem> {
        let has = xml::parse(&self.from.xml()?)?;
        let format = has.find("target/format").and_then(|format| format.attr("type")).unwrap_or("raw");
        Ok(Elem::plain("volume", &[]).with([
            Elem::plain("name", &[]).with_text(self.from.name()),
            Elem::plain("capacity", &[]).with_text(self.from.info()?.capacity.to_string()),
            Elem::plain("target", &[]).with([Elem::plain("format", &[("type", format)])]),
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
        self.from.download(&file)?;
        self.to.create_filled_volume(&xml::to_string(&document), &Content::File(file)).map(drop)
    }
}
