//! What an image must not be before it becomes somebody's disk.

use super::{Description, Format};
use crate::floor::{Area, Code, Error, Result};

/// Refuses an image whose content contradicts its name or its user's wishes, or that would reach outside of itself.
///
/// `name` is the name that it gets, `wanted` the format that it should have, and `bootable` is false where a disk
/// without anything to start from is fine.
pub fn check(name: &str, found: &Description, wanted: Option<Format>, bootable: bool) -> Result<()> {
    let refused = |message: String| Error::new(Code::Failed, Area::Storage, message);
    let format = found.format.name();
    if let Some(wanted) = wanted.filter(|wanted| *wanted != found.format) {
        return Err(refused(format!("image `{name}` is {format}, not {}", wanted.name()))
            .hint(format!("say `format: \"{format}\"`, or check the source")));
    }
    if by_extension(name).is_some_and(|said| !said.contains(&found.format)) {
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let right = name.strip_suffix(extension).unwrap_or(name);
        return Err(refused(format!("image `{name}` is {format}, which its name denies"))
            .hint(format!("call it `{right}{format}`")));
    }
    if let Some(file) = &found.backing_file {
        return Err(refused(format!("image `{name}` continues another file, `{file}`"))
            .note("a guest with this disk could read that file of the host")
            .hint("take an image that stands alone; `qemu-img convert` makes one"));
    }
    if found.external_data {
        return Err(refused(format!("image `{name}` has its data in another file"))
            .hint("take an image in one file; `qemu-img convert` makes one"));
    }
    if bootable && found.bootable == Some(false) {
        return Err(refused(format!("image `{name}` is {format} without anything to start from"))
            .note("there is neither a boot sector's signature nor a partition table in it")
            .hint("say `bootable: false` if it is a data disk"));
    }
    Ok(())
}

/// The formats that an extension stands for.
fn by_extension(name: &str) -> Option<&'static [Format]> {
    let (_, extension) = name.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "qcow2" => &[Format::Qcow2],
        "raw" => &[Format::Raw, Format::Iso],
        "iso" => &[Format::Iso],
        "vmdk" => &[Format::Vmdk],
        "vdi" => &[Format::Vdi],
        "vhd" | "vpc" => &[Format::Vhd],
        "vhdx" => &[Format::Vhdx],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(format: Format) -> Description {
        Description {
            format,
            virtual_size: None,
            backing_file: None,
            external_data: false,
            cluster_size: None,
            version: None,
            encrypted: false,
            bootable: None,
            partitions: None,
        }
    }

    fn refused(name: &str, found: &Description) -> (String, String) {
        let error = check(name, found, None, true).expect_err("refused");
        (error.message.clone(), error.hints.join(", "))
    }

    #[test]
    fn names_must_not_contradict_the_content() {
        let (message, hint) = refused("web.raw", &described(Format::Qcow2));
        assert_eq!(message, "image `web.raw` is qcow2, which its name denies");
        assert_eq!(hint, "call it `web.qcow2`");
        assert_eq!(check("web.img", &described(Format::Qcow2), None, true), Ok(()));
        assert_eq!(check("web-12.1", &described(Format::Qcow2), None, true), Ok(()));
        let error = check("web", &described(Format::Qcow2), Some(Format::Raw), true).expect_err("another format");
        assert_eq!(error.message, "image `web` is qcow2, not raw");
    }

    #[test]
    fn images_must_not_reach_outside_and_must_start() {
        let found = Description { backing_file: Some("/etc/shadow".into()), ..described(Format::Qcow2) };
        assert_eq!(refused("web.qcow2", &found).0, "image `web.qcow2` continues another file, `/etc/shadow`");
        let found = Description { external_data: true, ..described(Format::Qcow2) };
        assert_eq!(refused("web.qcow2", &found).0, "image `web.qcow2` has its data in another file");
        let found = Description { bootable: Some(false), ..described(Format::Raw) };
        let (message, hint) = refused("web.raw", &found);
        assert_eq!(message, "image `web.raw` is raw without anything to start from");
        assert_eq!(hint, "say `bootable: false` if it is a data disk");
        assert_eq!(check("web.raw", &found, None, false), Ok(()));
    }
}
