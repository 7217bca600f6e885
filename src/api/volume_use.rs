//! What volumes stand on, and what stands on them.

use super::definition::definition as checked;
use super::{RhaiResultOf, list, value};
use crate::floor::{Code, Error, Options, size};
use crate::libvirt::{Users, Volume};
use crate::schema::Kind;
use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

/// Who needs something, as scripts see it.
fn told(users: Users) -> Map {
    let overlays: Vec<_> = users.overlays.into_iter().map(|(volume, _)| volume).collect();
    let files: Array = users.files.into_iter().map(Dynamic::from).collect();
    Map::from([
        ("domains".into(), list(users.domains).into()),
        ("overlays".into(), list(overlays).into()),
        ("files".into(), files.into()),
    ])
}

/// What a refusal of something that can be forced says.
pub(super) const FORCE: &str = "`force: true` does it all the same";

/// Resizes it, unless a domain would not be told.
pub(super) fn resized(volume: &Volume, capacity: &Dynamic, shrink: bool, force: bool) -> RhaiResultOf<()> {
    let capacity = size(&value(capacity, "")?)?;
    if !force {
        let told = volume.check_writable("resize", shrink);
        let hint = "`vm.block_resize(disk, size)` tells a guest that runs";
        told.map_err(|error| error.hint_for(Code::Busy, hint).hint_for(Code::Busy, FORCE))?;
    }
    Ok(volume.resize(capacity, shrink)?)
}

/// Wipes it, unless somebody needs it.
fn wiped(volume: &Volume, algorithm: Option<&str>) -> RhaiResultOf<()> {
    volume.check_writable("wipe", true)?;
    Ok(volume.wipe(algorithm)?)
}

#[export_module]
mod functions {
    use crate::libvirt::{Host, Pool, Uses};

    /// Makes a volume with the content of another one, which may be in another pool: a definition, a map or XML. An error if one of this name is there already.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// let copy = pool.clone_volume(#{ name: "copy.qcow2", capacity: "2 GiB", target: #{ format: "qcow2" } }, pool.volume("web.qcow2"));
    /// assert_eq(copy.name, "copy.qcow2");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn clone_volume(pool: &mut Pool, definition: Dynamic, source: Volume) -> RhaiResultOf<Volume> {
        Ok(pool.copy_volume(&checked(Kind::Volume, &definition)?.xml(), &source, None, false)?)
    }

    /// Its path and those of the files that it stands on, downwards.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// assert_eq(volume.chain(), [volume.path]);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn chain(volume: &mut Volume) -> RhaiResultOf<Array> {
        Ok(volume.chain()?.into_iter().map(Dynamic::from).collect())
    }

    /// Who needs it: `#{ domains, overlays, files }`, the domains with a disk that stands on it, the volumes that stand on it directly, and the paths of files that do so and that no pool knows, as far as this machine can read them.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// for vm in volume.users().domains { print(vm.name); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn users(volume: &mut Volume) -> RhaiResultOf<Map> {
        Ok(super::told(volume.users()?))
    }

    /// Fails if somebody needs it, as `delete` does unless it is forced.
    ///
    /// # Example
    ///
    /// ```rhai
    /// connect().pool("default").volume("web.qcow2").check_deletable();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn check_deletable(volume: &mut Volume) -> RhaiResultOf<()> {
        Ok(volume.check_deletable()?)
    }

    /// Whether it holds the same as a file of this machine, to the last byte.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let volume = connect().pool("default").upload_file("held.raw", "debian-13.raw");
    /// assert(volume.holds("debian-13.raw"));
    /// volume.delete();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn holds(volume: &mut Volume, file: &str) -> RhaiResultOf<bool> {
        Ok(volume.holds(std::path::Path::new(file), true)?)
    }

    /// Who needs what is in it: `#{ domains, overlays, files }`, the domains with a disk that stands on something in it, and the volumes of other pools that do so. It need not be started.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// for vm in pool.users().domains { print(vm.name); }
    /// ```
    #[rhai_fn(name = "users", pure, return_raw)]
    pub fn users_of_pool(pool: &mut Pool) -> RhaiResultOf<Map> {
        Ok(super::told(pool.users()?))
    }

    /// Looks at all disks and volumes of the host once, for `vm.remove(#{ uses: ... })` of many machines.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// let uses = host.volume_uses();
    /// for vm in host.domains(#{ name: "web*" }) { vm.remove(#{ uses: uses }); }
    /// assert_eq(host.find_domain("web"), ());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn volume_uses(host: &mut Host) -> RhaiResultOf<Uses> {
        Ok(host.volume_uses()?)
    }

    /// Who needs the file at a path, be it a volume or not: `#{ domains, overlays, files }`, as `volume.users()`, without another look.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let uses = connect().volume_uses();
    /// assert_eq(uses.users("/no/such/file").domains, []);
    /// ```
    #[rhai_fn(name = "users", pure)]
    pub fn users_of_file(uses: &mut Uses, path: &str) -> Map {
        super::told(uses.of_file(path))
    }

    /// The volumes of started pools that nobody needs: no domain has one, as it runs, is defined or could go back to, and nothing stands on it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// for volume in connect().volume_uses().unused() { print(`${volume.pool.name}/${volume.name}`); }
    /// ```
    #[rhai_fn(pure)]
    pub fn unused(uses: &mut Uses) -> Array {
        list(uses.unused())
    }

    /// Deletes it with all it holds.
    ///
    /// Options:
    /// * `force`: even if a domain or another volume needs it, default `false`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// volume.delete(#{ force: true });
    /// ```
    #[rhai_fn(name = "delete", pure, return_raw)]
    pub fn delete_with(volume: &mut Volume, options: Map) -> RhaiResultOf<()> {
        let options = Options::from_value("delete", value(&options.into(), "")?, &["force"])?;
        if options.bool("force")?.unwrap_or(false) { Ok(volume.delete()?) } else { Ok(volume.delete_unused()?) }
    }

    /// Overwrites its data with zeros. Refused while a domain that runs has a disk on it or other volumes stand on it.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let volume = connect().pool("default").create_volume(#{ name: "old.raw", capacity: "1 MiB", target: #{ format: "raw" } });
    /// volume.wipe();
    /// volume.delete();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn wipe(volume: &mut Volume) -> RhaiResultOf<()> {
        wiped(volume, None)
    }

    /// Overwrites its data as an algorithm says: `zero`, `nnsa`, `dod`, `bsi`, `gutmann`, `schneier`, `random` or `trim`. Hosts can do all but `zero` and `trim` only with the program `scrub`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let volume = connect().pool("default").create_volume(#{ name: "older.raw", capacity: "1 MiB", target: #{ format: "raw" } });
    /// volume.wipe("zero");
    /// volume.delete();
    /// ```
    #[rhai_fn(name = "wipe", pure, return_raw)]
    pub fn wipe_as(volume: &mut Volume, algorithm: &str) -> RhaiResultOf<()> {
        wiped(volume, Some(algorithm))
    }

    /// Changes its capacity: bytes or text such as `"20 GiB"`.
    ///
    /// Options:
    /// * `shrink`: it may become smaller, and lose what is behind its new end; default `false`.
    /// * `force`: even while a domain that runs has a disk on it, whose guest is not told, or volumes stand on what is lost; default `false`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let volume = connect().pool("default").create_volume(#{ name: "big.raw", capacity: "2 MiB", allocation: 0, target: #{ format: "raw" } });
    /// volume.resize("1 MiB", #{ shrink: true });
    /// volume.delete();
    /// ```
    #[rhai_fn(name = "resize", pure, return_raw)]
    pub fn resize_with(volume: &mut Volume, capacity: Dynamic, options: Map) -> RhaiResultOf<()> {
        let options = Options::from_value("resize", value(&options.into(), "")?, &["shrink", "force"])?;
        let is_set = |name| Ok::<_, Error>(options.bool(name)?.unwrap_or(false));
        resized(volume, &capacity, is_set("shrink")?, is_set("force")?)
    }
}
