//! Disk images: what they are, and where they come from.

use super::RhaiResultOf;
use super::records::record;
use rhai::Module;
use rhai::plugin::*;

pub(super) fn module() -> Module {
    exported_module!(functions)
}

#[export_module]
mod functions {
    use rhai::Map;

    /// What an image is, told by its content: the path of a file, or a URL of which no more is read than needed.
    ///
    /// Gives `#{ format, virtual_size, backing_file, external_data, cluster_size, version, encrypted, bootable,
    /// partitions, compression }`; what is not known is `()`. The formats are `qcow2`, `raw`, `iso`, `vmdk`, `vdi`,
    /// `vhd` and `vhdx`; compressed images (`xz`, `gz`, `bz2`, `zst`) are looked into.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let info = image_info("debian-13.raw");
    /// print(`${info.format}, ${info.virtual_size} bytes`);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn image_info(source: &str) -> RhaiResultOf<Map> {
        Ok(record(crate::image::inspect(source)?))
    }
}
