//! Disk images: what they are, and where they come from.

use super::images::{catalogue, check_file, check_volume as check_content};
use super::records::record;
use super::{RhaiResultOf, list};
use rhai::Module;
use rhai::plugin::*;

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

#[export_module]
mod functions {
    use crate::libvirt::Volume;
    use rhai::{Array, Map};

    /// The images that the catalogues know: the user's first, then the bundled one. Each is a map `#{ name, description,
    /// architecture, format, filename, url, checksum, checksum_url, user, size, catalogue, folder, default }` without
    /// what is not known; `pool.ensure_image` takes it as it is.
    ///
    /// # Example
    ///
    /// ```rhai
    /// for image in images() { print(`${image.name} (${image.architecture}): ${image.description}`); }
    /// ```
    #[rhai_fn(return_raw)]
    pub fn images() -> RhaiResultOf<Array> {
        images_with(Map::new())
    }

    /// The images that the catalogues know, chosen.
    ///
    /// Options:
    /// * `search`: words that name or description must hold.
    /// * `architecture`: such as `"aarch64"`; all of them if not given.
    /// * `catalogue`: the path of a further catalogue, or a list of them; they come first.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let found = images(#{ search: "debian trixie", architecture: "x86_64" });
    /// assert_eq(found[0].user, "debian");
    /// ```
    #[rhai_fn(name = "images", return_raw)]
    pub fn images_with(options: Map) -> RhaiResultOf<Array> {
        let (catalogue, options) = catalogue("images", &options, &["architecture", "catalogue", "search"])?;
        let found = catalogue.search(options.str("search")?.unwrap_or_default(), options.str("architecture")?);
        Ok(list(found.into_iter().map(record).collect()))
    }

    /// The image of this name for this machine's architecture; an error if there is none.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let image = catalogue_image("debian-13");
    /// print(image.url);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn catalogue_image(name: &str) -> RhaiResultOf<Map> {
        let (catalogue, _) = catalogue("catalogue_image", &Map::new(), &[])?;
        Ok(record(catalogue.find(Some(name), std::env::consts::ARCH)?))
    }

    /// An image of the catalogues.
    ///
    /// Options:
    /// * `name`: its name; the default image of the first catalogue that names one if not given.
    /// * `architecture`: this machine's if not given.
    /// * `catalogue`: the path of a further catalogue, or a list of them; they come first.
    ///
    /// # Example
    ///
    /// ```rhai
    /// write_file("images.yaml", `
    /// vm_images:
    ///   web: { url: 'https://example.com/web.qcow2.xz', checksum_url: 'https://example.com/SHA256SUMS', user: admin }
    /// vm_default_image: web
    /// `);
    /// assert_eq(catalogue_image(#{ catalogue: "images.yaml" }).filename, "web.qcow2");
    /// assert_eq(catalogue_image(#{ name: "debian-13", architecture: "aarch64" }).user, "debian");
    /// ```
    #[rhai_fn(name = "catalogue_image", return_raw)]
    pub fn catalogue_image_with(options: Map) -> RhaiResultOf<Map> {
        let (catalogue, options) = catalogue("catalogue_image", &options, &["architecture", "catalogue", "name"])?;
        let architecture = options.str("architecture")?.unwrap_or(std::env::consts::ARCH);
        Ok(record(catalogue.find(options.str("name")?, architecture)?))
    }

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

    /// Refuses an image as `ensure_image` does, and gives what it is, as `image_info` does: the path of a file, or a URL. One
    /// whose content is of another format than its name says, that continues another file, or that is raw without anything to
    /// start from has the code `failed`.
    ///
    /// Options:
    /// * `name`: the name that it gets, whose end may say its format; default is the source's own.
    /// * `format`: the format that it must have, such as `qcow2`.
    /// * `bootable`: `false` for a raw disk without anything to start from.
    ///
    /// # Example
    ///
    /// ```rhai
    /// write_file("notes.txt", "no disk");
    /// try { check_image("notes.txt", #{}); }
    /// catch (err) { assert_eq(err.message, "image `notes.txt` is raw without anything to start from"); }
    /// assert_eq(check_image("notes.txt", #{ bootable: false }).format, "raw");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn check_image(source: &str, options: Map) -> RhaiResultOf<Map> {
        Ok(record(check_file(source, &options)?))
    }

    /// The same for a volume, which may stand on another file. Its format is the one that its pool knows; the beginning is only
    /// read of one that is raw, where the host's libvirt lets volumes be read.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let volume = connect().pool("default").volume("web.qcow2");
    /// assert_eq(check_image(volume, #{}).format, "qcow2");
    /// try { check_image(volume, #{ name: "web.raw" }); }
    /// catch (err) { assert_eq(err.message, "image `web.raw` is qcow2, which its name denies"); }
    /// ```
    #[rhai_fn(name = "check_image", pure, return_raw)]
    pub fn check_volume(volume: &mut Volume, options: Map) -> RhaiResultOf<Map> {
        Ok(record(check_content(volume, &options)?))
    }

    /// The checksum of an image in its publisher's list, such as `"sha512:..."`: of the file as it is published, told by
    /// its name. Both are URLs or paths. An error if the list cannot be read or does not name the image.
    ///
    /// # Example
    ///
    /// ```rhai
    /// write_file("SHA256SUMS", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  empty.raw\n");
    /// assert(listed_checksum("https://example.com/empty.raw", "SHA256SUMS").starts_with("sha256:e3b0"));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn listed_checksum(source: &str, list: &str) -> RhaiResultOf<String> {
        Ok(crate::image::listed_checksum(source, list)?.to_string())
    }

    /// A file's name without the end that says how it is packed (`.xz`, `.gz`, `.bz2`, `.zst`).
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(unpacked_name("debian.qcow2.xz"), "debian.qcow2");
    /// assert_eq(unpacked_name("debian.qcow2"), "debian.qcow2");
    /// ```
    pub fn unpacked_name(name: &str) -> String {
        crate::image::unpacked_name(name).to_string()
    }
}
