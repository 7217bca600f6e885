//! Volumes: what they hold.

use super::records::record;
use super::{RhaiResultOf, value};
use crate::floor::Options;
use rhai::plugin::*;
use rhai::{Dynamic, Map, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

#[export_module]
mod functions {
    use super::super::volume_use::{FORCE, resized};
    use crate::floor::{Code, size};
    use crate::libvirt::Pool;
    use crate::schema::{Definition, Kind};
    use std::path::Path;

    /// A volume of a storage pool.
    pub type Volume = crate::libvirt::Volume;

    /// Its name.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// print(volume.name);
    /// ```
    #[rhai_fn(get = "name", pure)]
    pub fn name(volume: &mut Volume) -> String {
        volume.name().to_string()
    }

    /// Its key, which no other volume has.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// print(volume.key);
    /// ```
    #[rhai_fn(get = "key", pure, return_raw)]
    pub fn key(volume: &mut Volume) -> RhaiResultOf<String> {
        Ok(volume.key()?)
    }

    /// Its path on the host.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// print(volume.path);
    /// ```
    #[rhai_fn(get = "path", pure, return_raw)]
    pub fn path(volume: &mut Volume) -> RhaiResultOf<String> {
        Ok(volume.path()?)
    }

    /// The pool it is in.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// assert_eq(volume.pool.name, "default");
    /// ```
    #[rhai_fn(get = "pool", pure, return_raw)]
    pub fn pool(volume: &mut Volume) -> RhaiResultOf<Pool> {
        Ok(volume.pool()?)
    }

    /// Its type and its size in bytes: `#{ type, capacity, allocation }`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// print(volume.info.capacity);
    /// ```
    #[rhai_fn(get = "info", pure, return_raw)]
    pub fn info(volume: &mut Volume) -> RhaiResultOf<Map> {
        Ok(record(volume.info()?))
    }

    /// Its XML.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// print(volume.xml);
    /// ```
    #[rhai_fn(get = "xml", pure, return_raw)]
    pub fn xml(volume: &mut Volume) -> RhaiResultOf<String> {
        Ok(volume.xml()?)
    }

    /// Its definition.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// print(volume.definition.name);
    /// ```
    #[rhai_fn(get = "definition", pure, return_raw)]
    pub fn definition(volume: &mut Volume) -> RhaiResultOf<Definition> {
        Ok(Definition::from_xml(Kind::Volume, &volume.xml()?)?)
    }

    /// Deletes it with all it holds. Refused while a domain or another volume needs it, see `users`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// volume.delete();
    /// assert_eq(connect().pool("default").find_volume("nothing"), ());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn delete(volume: &mut Volume) -> RhaiResultOf<()> {
        Ok(volume.delete_unused()?)
    }

    /// Changes its capacity: bytes or text such as `"20 GiB"`. Refused while a domain that runs has a disk on it, whose guest
    /// would not know: `vm.block_resize` tells it.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// volume.resize("4 GiB");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn resize(volume: &mut Volume, capacity: Dynamic) -> RhaiResultOf<()> {
        resized(volume, &capacity, false, false)
    }

    /// Fills it from a file: `#{ size, data }`, the bytes from beginning to end and those that were sent. Holes of the file are not sent.
    /// Refused while a domain that runs has a disk on it or other volumes stand on it, and if a raw volume is smaller than the file.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// volume.upload("debian-13.raw");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn upload(volume: &mut Volume, file: &str) -> RhaiResultOf<Map> {
        upload_with(volume, file, Map::new())
    }

    /// Fills it from a file, beginning somewhere. The error of an upload that broke off has where to go on: `err.facts.offset`.
    ///
    /// Options:
    /// * `offset`: where to begin, in the file and in the volume: bytes or text such as `"1 GiB"`.
    /// * `force`: even if somebody needs what it holds, default `false`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// let offset = 0;
    /// retry(|| {
    ///     try {
    ///         volume.upload("debian-13.raw", #{ offset: offset });
    ///     } catch (err) {
    ///         offset = err.facts.offset;
    ///         throw err;
    ///     }
    /// });
    /// ```
    #[rhai_fn(name = "upload", pure, return_raw)]
    pub fn upload_with(volume: &mut Volume, file: &str, options: Map) -> RhaiResultOf<Map> {
        let options = Options::from_value("upload", value(&options.into(), "")?, &["offset", "force"])?;
        let offset = options.get("offset").map(size).transpose()?.unwrap_or(0);
        if !options.bool("force")?.unwrap_or(false) {
            volume.check_writable("upload to", true).map_err(|error| error.hint_for(Code::Busy, FORCE))?;
        }
        volume.check_fits(Path::new(file))?;
        Ok(record(volume.upload_from(Path::new(file), offset)?))
    }

    /// Writes what it holds to a new file: `#{ size, data }`, the bytes from beginning to end and those that were received. Holes stay holes.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// volume.download("/tmp/copy.raw");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn download(volume: &mut Volume, file: &str) -> RhaiResultOf<Map> {
        Ok(record(volume.download(Path::new(file))?))
    }

    /// Writes what it holds to a new file in a special way.
    ///
    /// Options:
    /// * `resume`: a failed download leaves what it has in `FILE.part`, and this goes on where that ends; default `false`. The volume must be the same.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// retry(|| volume.download("/tmp/copy.raw", #{ resume: true }));
    /// ```
    #[rhai_fn(name = "download", pure, return_raw)]
    pub fn download_with(volume: &mut Volume, file: &str, options: Map) -> RhaiResultOf<Map> {
        let options = Options::from_value("download", value(&options.into(), "")?, &["resume"])?;
        Ok(record(volume.download_to(Path::new(file), options.bool("resume")?.unwrap_or(false))?))
    }

    /// What it is and its name.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// print(volume);
    /// ```
    #[rhai_fn(pure)]
    pub fn to_string(volume: &mut Volume) -> String {
        format!("volume {}", volume.name())
    }
}
