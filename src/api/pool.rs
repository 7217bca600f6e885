//! Storage pools: their state and their volumes.

use super::records::record;
use super::{RhaiResultOf, list, value};
use crate::floor::Options;
use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

#[export_module]
mod functions {
    use super::super::definition::definition as checked;
    use super::super::images;
    use super::super::provision::{file_content, sized_volume};
    use crate::floor::Error;
    use crate::libvirt::{Content, Host, Volume};
    use crate::schema::{Definition, Kind};
    use crate::seed::Seed;
    use std::path::Path;

    /// A storage pool on a host.
    pub type Pool = crate::libvirt::Pool;

    /// Its name.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// print(pool.name);
    /// ```
    #[rhai_fn(get = "name", pure)]
    pub fn name(pool: &mut Pool) -> String {
        pool.name().to_string()
    }

    /// Its UUID.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// assert_eq(pool.uuid.len(), 36);
    /// ```
    #[rhai_fn(get = "uuid", pure, return_raw)]
    pub fn uuid(pool: &mut Pool) -> RhaiResultOf<String> {
        Ok(pool.uuid()?)
    }

    /// Whether it is started.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// if pool.is_active { print("up"); }
    /// ```
    #[rhai_fn(get = "is_active", pure, return_raw)]
    pub fn is_active(pool: &mut Pool) -> RhaiResultOf<bool> {
        Ok(pool.is_active()?)
    }

    /// Whether what it stands on is there, such as its folder: it can be started without `build`, which is tried.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(connect().pool("default").is_built);
    /// ```
    #[rhai_fn(get = "is_built", pure)]
    pub fn is_built(pool: &mut Pool) -> bool {
        pool.stands()
    }

    /// Whether its definition stays when it stops.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// assert(pool.is_persistent);
    /// ```
    #[rhai_fn(get = "is_persistent", pure, return_raw)]
    pub fn is_persistent(pool: &mut Pool) -> RhaiResultOf<bool> {
        Ok(pool.is_persistent()?)
    }

    /// Whether the host starts it at boot.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// print(pool.autostart);
    /// ```
    #[rhai_fn(get = "autostart", pure, return_raw)]
    pub fn autostart(pool: &mut Pool) -> RhaiResultOf<bool> {
        Ok(pool.autostart()?)
    }

    /// Sets whether the host starts it at boot.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// pool.autostart = true;
    /// assert(pool.autostart);
    /// ```
    #[rhai_fn(set = "autostart", pure, return_raw)]
    pub fn set_autostart(pool: &mut Pool, autostart: bool) -> RhaiResultOf<()> {
        Ok(pool.set_autostart(autostart)?)
    }

    /// Its XML as the host has it now.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// print(pool.xml);
    /// ```
    #[rhai_fn(get = "xml", pure, return_raw)]
    pub fn xml(pool: &mut Pool) -> RhaiResultOf<String> {
        Ok(pool.xml()?)
    }

    /// Its definition: what stays when it stops.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// print(pool.definition.name);
    /// ```
    #[rhai_fn(get = "definition", pure, return_raw)]
    pub fn definition(pool: &mut Pool) -> RhaiResultOf<Definition> {
        Ok(Definition::from_xml(Kind::Pool, &pool.xml()?)?)
    }

    /// The host it is on.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// print(pool.host.uri);
    /// ```
    #[rhai_fn(get = "host", pure)]
    pub fn host(pool: &mut Pool) -> Host {
        pool.host().clone()
    }

    /// Creates a volume of this name that holds the file. Holes of the file are not sent; a failure leaves no volume.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let volume = connect().pool("default").upload_file("uploaded.raw", "debian-13.raw");
    /// print(volume.info.capacity);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn upload_file(pool: &mut Pool, name: &str, file: &str) -> RhaiResultOf<Volume> {
        upload_file_with(pool, name, file, Map::new())
    }

    /// Creates a volume of this name that holds the file.
    ///
    /// Options:
    /// * `replace`: whether it takes the place of a volume of this name that is there and that nobody needs; default `false`.
    ///   The new one is complete, as `NAME.new`, before the old one goes, and is sent twice, as libvirt renames no volume. Whatever
    ///   breaks that off, one of them is there in the end, after `vmscript recover` if the run was killed.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let pool = connect().pool("default");
    /// pool.upload_file("again.raw", "debian-13.raw");
    /// pool.upload_file("again.raw", "debian-13.raw", #{ replace: true }).delete();
    /// ```
    #[rhai_fn(name = "upload_file", pure, return_raw)]
    pub fn upload_file_with(pool: &mut Pool, name: &str, file: &str, options: Map) -> RhaiResultOf<Volume> {
        let options = Options::from_value("upload_file", value(&options.into(), "")?, &["replace"])?;
        let (content, size) = file_content(file)?;
        need_room(pool, file)?;
        let xml = sized_volume(name, size)?.xml();
        let old = if options.bool("replace")?.unwrap_or(false) { pool.find_volume(name)? } else { None };
        Ok(match old {
            Some(old) => pool.replace_volume(&old, &xml, &content)?,
            None => pool.create_filled_volume(&xml, &content)?,
        })
    }

    /// Fails if a file, its holes left out, does not fit into it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// write_file("small.raw", "a few bytes");
    /// connect().pool("default").need_room("small.raw");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn need_room(pool: &mut Pool, file: &str) -> RhaiResultOf<()> {
        Ok(pool.need(images::allocated(Path::new(file))?, &format!("`{file}`"))?)
    }

    /// What it is and its name.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// print(pool);
    /// ```
    #[rhai_fn(pure)]
    pub fn to_string(pool: &mut Pool) -> String {
        format!("pool {}", pool.name())
    }

    /// Its state, in the words of `virsh pool-info`: `running`, `inactive`, `building`, `degraded` or `inaccessible`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// assert_eq(pool.state, "running");
    /// ```
    #[rhai_fn(get = "state", pure, return_raw)]
    pub fn state(pool: &mut Pool) -> RhaiResultOf<String> {
        Ok(pool.info()?.state.into())
    }

    /// How many bytes it holds, and its state, in one call: `#{ state, capacity, allocation, available }`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// print(pool.info.available);
    /// ```
    #[rhai_fn(get = "info", pure, return_raw)]
    pub fn info(pool: &mut Pool) -> RhaiResultOf<Map> {
        Ok(record(pool.info()?))
    }

    /// Starts it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// pool.destroy();
    /// pool.start();
    /// assert(pool.is_active);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn start(pool: &mut Pool) -> RhaiResultOf<()> {
        Ok(pool.start()?)
    }

    /// Stops it. Its definition and its volumes stay.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// pool.destroy();
    /// assert(!pool.is_active);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn destroy(pool: &mut Pool) -> RhaiResultOf<()> {
        Ok(pool.destroy()?)
    }

    /// Removes its definition. Its volumes stay. Stop it first with `destroy`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// pool.destroy();
    /// pool.undefine();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn undefine(pool: &mut Pool) -> RhaiResultOf<()> {
        Ok(pool.undefine()?)
    }

    /// Says that the transaction around this is about to make volumes in it: until that ends, no other run of this machine
    /// takes it away with `remove_if_empty`, and if it fails, it takes it away itself where it is empty then. Gives whether the
    /// pool is there and started: another run may just have taken it away.
    ///
    /// `folder` says whether its folder goes with it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// transaction(|| {
    ///     assert(pool.hold(false));
    ///     pool.create_volume(#{ name: "web.raw", capacity: "1 MiB", target: #{ format: "raw" } });
    /// });
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn hold(pool: &mut Pool, folder: bool) -> RhaiResultOf<bool> {
        Ok(pool.hold(folder)?)
    }

    /// Takes it away if it holds nothing and no other run of this machine holds it: stops it and undefines it; with `folder`
    /// its folder goes, too, unless there is something in it that is no volume. Gives whether it is gone. Several runs may do
    /// that at the same time.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// let pool = host.define_pool(#{ type: "dir", name: "fast", target: #{ path: "/srv/fast" } });
    /// pool.start();
    /// assert(pool.remove_if_empty(true));
    /// assert_eq(host.find_pool("fast"), ());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn remove_if_empty(pool: &mut Pool, folder: bool) -> RhaiResultOf<bool> {
        Ok(pool.remove_if_empty(folder)?)
    }

    /// Makes what it stands on: the folder, the file system, the volume group.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().define_pool(#{ type: "dir", name: "data", target: #{ path: "/srv/data" } });
    /// pool.build();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn build(pool: &mut Pool) -> RhaiResultOf<()> {
        Ok(pool.build(None)?)
    }

    /// Makes what it stands on, on a device that may not be empty.
    ///
    /// Options:
    /// * `overwrite`: `true` deletes what is on the device and makes a file system, a volume group or a table of partitions;
    ///   `false` does so only if nothing is there. Without it, no file system is made.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().define_pool(#{
    ///     type: "fs", name: "disk", target: #{ path: "/srv/disk" },
    ///     source: #{ device: #{ path: "/dev/sdb1" }, format: "ext4" },
    /// });
    /// try { pool.build(#{ overwrite: false }); } catch (err) { print(err.message); }
    /// ```
    #[rhai_fn(name = "build", pure, return_raw)]
    pub fn build_with(pool: &mut Pool, options: Map) -> RhaiResultOf<()> {
        let options = Options::from_value("build", value(&options.into(), "")?, &["overwrite"])?;
        Ok(pool.build(options.bool("overwrite")?)?)
    }

    /// Looks for volumes that others made.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// pool.refresh();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn refresh(pool: &mut Pool) -> RhaiResultOf<()> {
        Ok(pool.refresh()?)
    }

    /// Deletes what it stands on, which must be empty. Stop it first with `destroy`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// pool.destroy();
    /// pool.delete();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn delete(pool: &mut Pool) -> RhaiResultOf<()> {
        Ok(pool.delete()?)
    }

    /// Deletes all its volumes, whoever needs them; `users` tells who does.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// pool.delete_volumes();
    /// assert_eq(pool.volumes(), []);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn delete_volumes(pool: &mut Pool) -> RhaiResultOf<()> {
        for volume in pool.volumes()? {
            if let Err(error) = volume.delete()
                && pool.find_volume(volume.name())?.is_some()
            {
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// All its volumes, sorted by name. One call, whatever their number.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// for volume in pool.volumes() { print(volume.path); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn volumes(pool: &mut Pool) -> RhaiResultOf<Array> {
        Ok(list(pool.volumes()?))
    }

    /// The volume of this name; an error if there is none.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// print(pool.volume("web.qcow2").path);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn volume(pool: &mut Pool, name: &str) -> RhaiResultOf<Volume> {
        Ok(pool.volume(name)?)
    }

    /// The volume of this name, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// assert_eq(pool.find_volume("nothing"), ());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn find_volume(pool: &mut Pool, name: &str) -> RhaiResultOf<Dynamic> {
        Ok(pool.find_volume(name)?.map_or(Dynamic::UNIT, Dynamic::from))
    }

    /// Creates a volume: a definition, a map or XML. An error if one of this name is there already.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// let volume = pool.create_volume(#{ name: "data.raw", capacity: "1 GiB", target: #{ format: "raw" } });
    /// assert_eq(volume.info.capacity, 1073741824);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn create_volume(pool: &mut Pool, definition: Dynamic) -> RhaiResultOf<Volume> {
        Ok(pool.create_volume(&checked(Kind::Volume, &definition)?.xml())?)
    }

    /// Sees to it that there is an image of this name: fetches it, verifies and unpacks it, and uploads it. An image that
    /// is there is compared with its source, and replaced if that has another one; while domains or overlays need it, it
    /// stays and `outdated` says so. What is not known to be from there, as the cache has nothing like it, is only replaced
    /// with `force`. The new one is complete, as `NAME.new`, before the old one goes. Gives `#{ changed, outdated, volume }`.
    ///
    /// Options:
    /// * `url`: where it is, or a list of mirrors (`http`, `https`, `file`).
    /// * `path`: a file of this machine, in its place.
    /// * `checksum`: `"sha256:..."` of the file as it is published, before it is unpacked; SHA-2 of any length.
    /// * `checksum_url`: the publisher's list of checksums, in the BSD or the GNU style.
    /// * `signature`: `#{ url, minisign }` with a public key, or `#{ url, keyring }` for `gpgv`; it is the signature of the
    ///   list of checksums, or of the image if there is no list.
    /// * `format`: what it must be: `qcow2`, `raw`, `iso`, `vmdk`, `vdi`, `vhd` or `vhdx`; its content decides.
    /// * `convert`: `"qcow2"` or `"raw"`: what `qemu-img` shall make of it if it is something else.
    /// * `bootable`: `false` for a raw disk without anything to start from.
    /// * `compare`: how one that is there is compared: `"head"` (default) by length and first megabyte, `"all"` to the
    ///   last byte, `"no"`: that it is there is enough.
    /// * `force`: fetch and replace it, whatever it is; refused while somebody needs it.
    /// * `dry_run`: look at all this and do nothing; `changed` is what it would be. Nothing is downloaded: a server is asked
    ///   for the beginning of the image, and for its checksum.
    /// * `retries`: how often to try again without anything new coming, 5 if not given.
    /// * `stall`: how long a server may be silent, 30 seconds if not given.
    /// * `architecture`, `catalogue`, `default`, `description`, `filename`, `folder`, `name`, `size`, `user`: what an image of a
    ///   catalogue tells beside; nothing comes of it.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let image = connect().pool("default").ensure_image("debian.raw", #{ path: "debian-13.raw", bootable: false });
    /// assert(image.changed);
    /// print(image.volume.path);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn ensure_image(pool: &mut Pool, name: &str, options: Map) -> RhaiResultOf<Map> {
        let ensured = images::ensure(pool, name, &options)?;
        let fields = [
            ("changed", ensured.changed.into()),
            ("outdated", ensured.outdated.into()),
            ("volume", ensured.volume.map_or(Dynamic::UNIT, Dynamic::from)),
        ];
        Ok(fields.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// The same for an image of a catalogue, by the name that the catalogue gives its file. Further options can be set
    /// in the map.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// write_file("images.yaml", "vm_images: { web: { url: 'debian-13.raw', filename: web.raw } }");
    /// let image = catalogue_image(#{ name: "web", catalogue: "images.yaml" });
    /// image.bootable = false;
    /// print(connect().pool("default").ensure_image(image).volume.name);
    /// ```
    #[rhai_fn(name = "ensure_image", pure, return_raw)]
    pub fn ensure_known_image(pool: &mut Pool, image: Map) -> RhaiResultOf<Map> {
        let name = image.get("filename").map(ToString::to_string);
        let name = name.ok_or_else(|| Error::argument("an image of a catalogue has a `filename`"))?;
        ensure_image(pool, &name, image)
    }

    /// Creates a disk from an image. A failure leaves no volume.
    ///
    /// Options:
    /// * `image`: a volume, in this pool or another one.
    /// * `mode`: `"overlay"` (default) holds the changes only and needs the image; `"copy"` stands alone.
    /// * `size`: larger than the image if wanted; smaller is refused.
    /// * `format`: of a copy: `qcow2` or `raw`; the image's own if not given.
    /// * `thick`: `true` for a copy that has all of its space from the beginning; for raw images and raw copies of them.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// let disk = pool.create_disk("db.qcow2", #{ image: pool.volume("web.qcow2"), size: "4 GiB" });
    /// assert_eq(disk.info.capacity, 4294967296);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn create_disk(pool: &mut Pool, name: &str, options: Map) -> RhaiResultOf<Volume> {
        Ok(images::create_disk(pool, name, &options)?)
    }

    /// Creates a volume of this name that holds the seed as an ISO image. A failure leaves no volume.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let seed = cloud_init(#{ user_data: #{ hostname: "web" } });
    /// let volume = connect().pool("default").upload_seed("web-seed.iso", seed);
    /// print(volume.path);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn upload_seed(pool: &mut Pool, name: &str, seed: Seed) -> RhaiResultOf<Volume> {
        let iso = seed.iso()?;
        let xml = sized_volume(name, iso.len() as u64)?.xml();
        Ok(pool.create_filled_volume(&xml, &Content::Bytes(iso))?)
    }
}
