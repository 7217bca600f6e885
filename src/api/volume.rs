//! Volumes: what they hold.

use super::records::record;
use super::{RhaiResultOf, value};
use rhai::plugin::*;
use rhai::{Dynamic, Map, Module};

pub(super) fn module() -> Module {
    exported_module!(functions)
}

#[export_module]
mod functions {
    use crate::floor::size;
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
    pub fn pool(volume: &mut Volume) -> RhaiResultOf<crate::libvirt::Pool> {
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

    /// Changes its capacity: bytes or text such as `"20 GiB"`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// volume.resize("4 GiB");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn resize(volume: &mut Volume, capacity: Dynamic) -> RhaiResultOf<()> {
        Ok(volume.resize(size(&value(&capacity, "")?)?, false)?)
    }

    /// Fills it from a file. Holes of the file are not sent.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// volume.upload("debian-13.raw");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn upload(volume: &mut Volume, file: &str) -> RhaiResultOf<()> {
        volume.upload(Path::new(file))?;
        Ok(())
    }

    /// Writes what it holds to a new file. Holes stay holes.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// volume.download("/tmp/copy.raw");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn download(volume: &mut Volume, file: &str) -> RhaiResultOf<()> {
        volume.download(Path::new(file))?;
        Ok(())
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
