//! The seed of a machine that is there: found by what its disk says it is, taken out, put in anew.

use super::delivery::{Bus, has_scsi, seed_disk};
use super::{Apply, Content, Domain, Owned, Pool, Transaction, Volume};
use crate::floor::{Code, Result};
use crate::schema::xml::{self, Elem, Node};

/// The names of volumes by which guests find their seeds.
const LABELS: &[&str] = &["cidata", "combustion", "config-2", "ignition"];

/// Where an ISO 9660 volume descriptor and the name in it are.
const DESCRIPTOR: u64 = 32768;
const NAME: std::ops::Range<usize> = 40..72;

/// The size of its blocks, in which files begin.
const BLOCK: usize = 2048;

/// No seed that is made of text is larger.
const MOST: u64 = 4 << 20;

/// How user data begins.
const BEGINNINGS: &[&str] = &["#cloud-config", "#!", "#include", "## template:", "Content-Type:"];

/// Where a machine's seed is.
#[derive(Debug, Clone)]
struct Drive {
    target: String,
    bus: Option<Bus>,
    volume: Volume,
    /// Whether the disk names a file and no volume of a pool.
    by_path: bool,
}

impl Drive {
    /// Whether the drive stays and only its medium goes: it cannot be unplugged. The others go with it, since libvirt does
    /// not open the tray of a drive that was plugged into a running machine.
    fn stays(&self) -> bool {
        !self.bus.is_some_and(Bus::is_hot)
    }

    /// How a disk names the volume, and the element that does so: as it named the former one.
    fn source(&self, volume: &Volume) -> Result<Source> {
        if self.by_path {
            return Ok(("file", Elem::plain("source", &[("file", &volume.path()?)])));
        }
        source(volume)
    }
}

/// Where a new seed goes.
#[derive(Debug, Clone, Default)]
pub struct NewSeed {
    /// The bus of its disk, if the machine has none yet.
    pub bus: Option<Bus>,
    /// The pool of its volume: the former one's if not given, or `default`.
    pub pool: Option<String>,
}

impl Domain {
    /// Takes the seed out and deletes its volume, unless that is to be kept. Gives whether there was one.
    pub fn eject_seed(&self, keep: bool) -> Result<bool> {
        let _turn = self.alone()?;
        let Some(drive) = self.seed_drive()? else { return Ok(false) };
        if drive.stays() {
            self.change_media(&drive.target, None, Apply::Both, true)?;
        } else {
            self.detach_device(&drive.target, Apply::Both)?;
        }
        self.forget(&drive.volume, keep)?;
        Ok(true)
    }

    /// Gives the machine a new seed, in place of the one that it has, if any. A guest reads it at its next start; what it
    /// does again depends on the seed's instance id. Its volume has the name of the former one: the machine has the new seed
    /// under another name while the former volume goes, so that it has one or the other at any time.
    pub fn set_seed(&self, image: Vec<u8>, wish: &NewSeed) -> Result<()> {
        let _turn = self.alone()?;
        let former = self.seed_drive()?;
        let pool = match (&wish.pool, &former) {
            (Some(name), _) => self.host().pool(name)?,
            (None, Some(drive)) => drive.volume.pool()?,
            (None, None) => self.host().pool("default")?,
        };
        let home = home(self.name(), former.as_ref().map(|drive| drive.volume.name()));
        self.drop_spares(&pool, &home, former.as_ref())?;
        let name = free_name(&pool, &home)?;
        let stays_here = |drive: &Drive| drive.stays() || wish.bus.is_none() || wish.bus == drive.bus;
        let persistent = self.is_persistent()?;
        let Some(drive) = former.as_ref().filter(|drive| persistent && stays_here(drive)) else {
            self.place(&pool, &name, image, |volume| self.put_in(volume, former.as_ref(), wish.bus))?;
            return former.map_or(Ok(()), |drive| self.forget(&drive.volume, false));
        };
        let goes_live = !drive.stays() && self.is_active()?;
        // A change that was killed may have left a running machine without its seed.
        let plugged = goes_live && self.device(&drive.target).is_ok();
        let mut volume = self.place(&pool, &name, image.clone(), |volume| {
            if plugged {
                // What a guest does not give back is found before the definition changes.
                self.detach_device(&drive.target, Apply::Live)?;
            }
            self.exchange(drive, volume)
        })?;
        let settled = self.forget(&drive.volume, false).and_then(|()| {
            if name == home || pool.find_volume(&home)?.is_some() {
                return Ok(());
            }
            match self.place(&pool, &home, image, |volume| self.exchange(drive, volume)) {
                Ok(there) => self.forget(&std::mem::replace(&mut volume, there), false),
                Err(error) if error.code == Code::Interrupted => Err(error),
                Err(error) => {
                    tracing::warn!("the new seed of {} is called `{name}`: {error}", self.object());
                    Ok(())
                }
            }
        });
        if goes_live {
            self.plug(drive, &volume)?;
        }
        settled
    }

    /// Makes the volume of a new seed, records it, and has it put into its place. A failure leaves no volume.
    fn place(
        &self,
        pool: &Pool,
        name: &str,
        image: Vec<u8>,
        put_in: impl FnOnce(&Volume) -> Result<()>,
    ) -> Result<Volume> {
        let mut volume = xml::parse("<volume><allocation>0</allocation></volume>")?;
        volume.child_or_new("name").nodes.push(Node::Text(name.to_string()));
        volume.child_or_new("capacity").nodes.push(Node::Text(image.len().to_string()));
        volume.child_or_new("target").child_or_new("format").set("type", "raw");
        let before = self.record()?;
        // The former one does not come back, so what is done stays done, whatever becomes of a transaction around it.
        let transaction = Transaction::begin_apart();
        let put = pool.create_filled_volume(&xml::to_string(&volume), &Content::Bytes(image)).and_then(|volume| {
            // A run that is killed in between leaves the name of a volume that is not there, and no volume of nobody's.
            let mut record = before.clone();
            let owned = Owned { pool: pool.name().to_string(), name: name.to_string() };
            // A killed run may have left its name.
            if !record.volumes.contains(&owned) {
                record.volumes.push(owned);
            }
            self.set_record(&record)?;
            put_in(&volume).map(|()| volume)
        });
        match put {
            Ok(volume) => {
                transaction.commit();
                Ok(volume)
            }
            Err(error) => {
                let error = match self.set_record(&before) {
                    Ok(()) => error,
                    Err(other) => error.note(format!("its record names `{name}` still: {other}")),
                };
                Err(transaction.roll_back(error))
            }
        }
    }

    /// What its seed tells cloud-init as user data, if it has a seed with such a file and that is of a usual size.
    pub fn seed_user_data(&self) -> Result<Option<String>> {
        let Some(drive) = self.seed_drive()? else { return Ok(None) };
        let size = drive.volume.info()?.capacity;
        if size > MOST {
            return Ok(None);
        }
        Ok(user_data(&drive.volume.read(0, size)?))
    }

    /// Puts a seed into a disk of its own, in place of one that the machine had.
    fn put_in(&self, volume: &Volume, former: Option<&Drive>, bus: Option<Bus>) -> Result<()> {
        if let Some(drive) = former {
            if drive.stays() {
                return self.exchange(drive, volume);
            }
            self.detach_device(&drive.target, Apply::Both)?;
        }
        let root = xml::parse(&self.own_xml()?)?;
        let bus = bus.or_else(|| former?.bus).unwrap_or_else(|| Bus::of(&root));
        let apply = if bus.is_hot() { Apply::Both } else { Apply::Config };
        if bus == Bus::Scsi && !has_scsi(&root) {
            let controller = Elem::plain("controller", &[("type", "scsi"), ("index", "0"), ("model", "virtio-scsi")]);
            self.attach_device(&xml::to_string(&controller), apply)?;
        }
        let (kind, source) = source(volume)?;
        let mut disk = seed_disk(&root, bus, kind, source);
        if let Some(drive) = former.filter(|drive| drive.bus == Some(bus)) {
            disk.child_or_new("target").set("dev", &drive.target);
        }
        self.attach_device(&xml::to_string(&disk), apply)
    }

    /// Puts a new medium in place of the former one: in the definition, and in a drive that stays also while the machine runs.
    /// A guest that still has its seed mounted has locked the drive.
    fn exchange(&self, drive: &Drive, volume: &Volume) -> Result<()> {
        let apply = if drive.stays() { Apply::Both } else { Apply::Config };
        self.change_source(&drive.target, Some(drive.source(volume)?), apply, drive.stays())
    }

    /// Plugs the seed into the running machine again, as the definition has it.
    fn plug(&self, drive: &Drive, volume: &Volume) -> Result<()> {
        let root = xml::parse(&self.own_xml()?)?;
        let (kind, source) = drive.source(volume)?;
        let mut disk = seed_disk(&root, drive.bus.unwrap_or_else(|| Bus::of(&root)), kind, source);
        disk.child_or_new("target").set("dev", &drive.target);
        match self.attach_device(&xml::to_string(&disk), Apply::Live) {
            Err(error) if error.code != Code::Interrupted => {
                tracing::warn!("{} has its new seed at its next start only: {error}", self.object());
                Ok(())
            }
            done => done,
        }
    }

    /// Deletes seeds of its own that no disk has: a killed change may have left them.
    fn drop_spares(&self, pool: &Pool, home: &str, former: Option<&Drive>) -> Result<()> {
        let own = self.record()?.volumes.into_iter().filter(|owned| owned.pool == pool.name());
        for owned in own.filter(|owned| is_turn_of(&owned.name, home)) {
            let Some(volume) = pool.find_volume(&owned.name)? else { continue };
            let is_former = former.is_some_and(|drive| drive.volume.name() == volume.name());
            if !is_former && volume.check_unused().is_ok() {
                self.forget(&volume, false)?;
            }
        }
        Ok(())
    }

    /// Deletes the volume of a former seed, unless it is to be kept, and then its name in the record.
    fn forget(&self, volume: &Volume, keep: bool) -> Result<()> {
        if !keep {
            let users = volume.users()?;
            if users.is_kept_by(self) {
                // Its states come back with the seed that they had; it goes with the machine.
                tracing::warn!("volume `{}` stays: {} needs it", volume.name(), users.named().join(" and "));
                return Ok(());
            }
            // Another machine may have the same seed.
            volume.check_free_of(&users)?;
            volume.delete()?;
        }
        let pool = volume.pool()?;
        self.change_record(|record| {
            record.volumes.retain(|owned| owned.pool != pool.name() || owned.name != volume.name());
            Ok(())
        })
    }

    /// The disk that holds a seed, told by the name of its volume.
    fn seed_drive(&self) -> Result<Option<Drive>> {
        let root = xml::parse(&self.own_xml()?)?;
        for disk in root.find_all("devices/disk") {
            let cdrom = disk.attr("device") == Some("cdrom");
            let of_target = |attr| disk.child("target").and_then(|target| target.attr(attr));
            let target = of_target("dev");
            let (true, Some(target)) = (cdrom || disk.child("readonly").is_some(), target) else { continue };
            let Some(volume) = self.volume_of(disk)? else { continue };
            if is_seed(&volume)? {
                let bus = of_target("bus").and_then(Bus::from_word);
                let by_path = disk.child("source").is_some_and(|source| source.attr("file").is_some());
                return Ok(Some(Drive { target: target.to_string(), bus, volume, by_path }));
            }
        }
        Ok(None)
    }

    /// What it will be at its next start, or what it is if it has no definition.
    fn own_xml(&self) -> Result<String> {
        if self.is_persistent()? { self.inactive_xml() } else { self.xml() }
    }
}

/// How a disk names its volume, and the element that does so.
type Source = (&'static str, Elem);

fn source(volume: &Volume) -> Result<Source> {
    Ok(("volume", Elem::plain("source", &[("pool", volume.pool()?.name()), ("volume", volume.name())])))
}

/// The name of a machine's seed: that of the former one, without the number that it may have since a repave or an update.
fn home(machine: &str, former: Option<&str>) -> String {
    let usual = format!("{machine}-seed.iso");
    let former = former.filter(|name| name.starts_with(machine)).unwrap_or(&usual);
    let (stem, end) = parts(former);
    let first = stem.rsplit_once('-').filter(|(first, number)| is_number(number) && first.starts_with(machine));
    let first = first.map_or(stem, |(first, _)| first);
    format!("{first}{end}")
}

/// That name, or if it is taken, with the first number that is free.
fn free_name(pool: &Pool, home: &str) -> Result<String> {
    let (stem, end) = parts(home);
    let mut name = home.to_string();
    let mut number = 1;
    while pool.find_volume(&name)?.is_some() {
        number += 1;
        name = format!("{stem}-{number}{end}");
    }
    Ok(name)
}

/// Whether a volume has that name, or had to take it with a number.
fn is_turn_of(name: &str, home: &str) -> bool {
    let (stem, end) = parts(home);
    let number =
        name.strip_suffix(end).and_then(|name| name.strip_prefix(stem)).and_then(|rest| rest.strip_prefix('-'));
    name == home || number.is_some_and(is_number)
}

fn parts(name: &str) -> (&str, &'static str) {
    name.strip_suffix(".iso").map_or((name, ""), |stem| (stem, ".iso"))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_seed(volume: &Volume) -> Result<bool> {
    // Shorter than that is no disk with an ISO 9660 file system.
    if volume.info()?.capacity < DESCRIPTOR + 2048 {
        return Ok(false);
    }
    let descriptor = volume.read(DESCRIPTOR, 2048)?;
    let name = descriptor.get(NAME).map(|name| String::from_utf8_lossy(name).trim().to_lowercase());
    Ok(descriptor.get(1..6) == Some(b"CD001") && name.is_some_and(|name| LABELS.contains(&name.as_str())))
}

/// The user data in an ISO 9660 file system: the file that begins as such data does, as long as its folder says.
fn user_data(image: &[u8]) -> Option<String> {
    let begins = |block: &[u8]| BEGINNINGS.iter().any(|begin| block.starts_with(begin.as_bytes()));
    let number = image.chunks(BLOCK).position(begins)?;
    // A folder has both numbers of a file twice, in both orders of bytes: where it begins, and its size.
    let place = u32::try_from(number).ok()?;
    let entry = [place.to_le_bytes(), place.to_be_bytes()].concat();
    let at = image.windows(entry.len()).position(|bytes| bytes == entry)? + entry.len();
    let size = u32::from_le_bytes(image.get(at..at + 4)?.try_into().ok()?);
    let begin = number * BLOCK;
    let text = image.get(begin..begin + usize::try_from(size).ok()?)?;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_seed_is_that_of_the_former_one_without_its_number() {
        for (former, expected) in [
            (None, "web-1-seed.iso"),
            (Some("web-1_cloudinit"), "web-1_cloudinit"),
            (Some("web-1_cloudinit-2"), "web-1_cloudinit"),
            (Some("web-1-seed-12.iso"), "web-1-seed.iso"),
            (Some("web-1.iso"), "web-1.iso"),
            (Some("other_cloudinit"), "web-1-seed.iso"),
        ] {
            assert_eq!(home("web-1", former), expected);
        }
        assert!(is_turn_of("web_cloudinit", "web_cloudinit") && is_turn_of("web_cloudinit-12", "web_cloudinit"));
        assert!(is_turn_of("web-seed-2.iso", "web-seed.iso"));
        for other in ["web_cloudinit-", "web_cloudinit-b", "web_boot", "web-2_cloudinit", "web_cloudinit-2.iso"] {
            assert!(!is_turn_of(other, "web_cloudinit"), "{other}");
        }
    }

    #[test]
    fn user_data_is_as_long_as_its_folder_says() {
        let text = format!("#cloud-config\nhostname: web\n#{}\n", "x".repeat(BLOCK * 2 - 30));
        assert_eq!(text.len() % BLOCK, 0, "the next file follows at once");
        let mut image = vec![0; BLOCK * 20];
        image[BLOCK * 18 + 33..BLOCK * 18 + 41].copy_from_slice(&[19, 0, 0, 0, 0, 0, 0, 19]);
        let size = u32::try_from(text.len()).expect("short").to_le_bytes();
        image[BLOCK * 18 + 41..BLOCK * 18 + 45].copy_from_slice(&size);
        image.truncate(BLOCK * 19);
        image.extend(text.as_bytes());
        image.extend(b"instance-id: x\n");
        assert_eq!(user_data(&image), Some(text));
        assert_eq!(user_data(&vec![0; BLOCK * 20]), None);
    }
}
