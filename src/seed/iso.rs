//! Files as an ISO 9660 image. The writer reads no clock, so the same files give the same bytes.

use crate::floor::{Area, Code, Error, Result};
use hadris_fs::{Content, Node, Permissions, SetAttr, Tree};
use hadris_iso::{IsoId, IsoLevel, IsoOptions, Preserve};

/// An image of these files on a volume of this name.
pub(super) fn write(volume: &str, files: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let failed = |error: hadris_fs::PathError| {
        Error::new(Code::Failed, Area::Script, format!("cannot make the image of seed `{volume}`"))
            .caused_by(error.to_string())
    };
    // Where the guest's system knows owners, what is in a seed is root's business.
    let private = SetAttr::new().with_permissions(Permissions::new(0o600));
    let mut tree = Tree::new();
    for (name, contents) in files {
        let node = Node::file(Content::bytes(contents.as_slice())).with_attrs(private);
        tree.insert(name, node).map_err(failed)?;
    }
    let options = IsoOptions::new()
        .with_id(IsoId::Volume, volume)
        .with_level(IsoLevel::L2)
        .with_preserve(Preserve::PERMISSIONS)
        .with_joliet()
        .with_rock_ridge();
    let mut image = Vec::new();
    hadris_iso::sync::write(&mut image, &tree, &options).map_err(failed)?;
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gpt_disk_io::BlockIoAdapter;
    use gpt_disk_io::gpt_disk_types::BlockSize;

    fn files() -> Vec<(String, Vec<u8>)> {
        // Empty, more than a sector, and not text.
        let contents = [b"#cloud-config\n{}\n".to_vec(), Vec::new(), "ä\n".repeat(3000).into_bytes(), vec![0, 255, 13]];
        let names = ["user-data", "meta-data", "network-config", "vendor-data"];
        names.into_iter().map(str::to_string).zip(contents).collect()
    }

    #[test]
    fn another_reader_finds_the_files() {
        let image = write("cidata", &files()).expect("an image");
        let size = BlockSize::new(2048).expect("not zero");
        let mut disk = BlockIoAdapter::new(image.as_slice(), size);
        let volume = iso9660::mount(&mut disk, 0).expect("an ISO 9660 volume");
        assert_eq!(&volume.volume_id, b"cidata                          ");
        assert!(volume.has_joliet);
        for (name, contents) in files() {
            let plain = name.to_uppercase().replace('-', "_");
            let entry = iso9660::find_file(&mut disk, &volume, &plain).expect("the file is there");
            assert_eq!(iso9660::read_file_vec(&mut disk, &entry).expect("it is readable"), contents, "{name}");
        }
    }

    #[test]
    fn names_are_exact_in_rock_ridge_and_in_joliet() {
        let image = write("cidata", &files()).expect("an image");
        let expected = ["meta-data", "network-config", "user-data", "vendor-data"];
        assert_eq!(names(&image, 1, rock_ridge_name), expected);
        assert_eq!(names(&image, 2, joliet_name), expected);
    }

    #[test]
    fn the_image_is_whole_sectors() {
        let image = write("cidata", &files()).expect("an image");
        assert_eq!(image.len() % 2048, 0);
    }

    /// The names in the root directory of the volume descriptor of this type (ECMA-119, 8.4 and 9.1).
    fn names(image: &[u8], kind: u8, name: impl Fn(&[u8]) -> Option<String>) -> Vec<String> {
        let number = |at: usize| usize::try_from(u32::from_le_bytes(image[at..at + 4].try_into().expect("four bytes")));
        let descriptor = (16..20).map(|sector| sector * 2048).find(|at| image[*at] == kind).expect("a descriptor");
        let root = descriptor + 156;
        let begin = number(root + 2).expect("an address") * 2048;
        let directory = &image[begin..begin + number(root + 10).expect("a length")];
        let mut found = Vec::new();
        let mut at = 0;
        while directory[at] != 0 {
            let record = &directory[at..at + usize::from(directory[at])];
            found.extend(name(record));
            at += record.len();
        }
        found
    }

    /// The `NM` entry of a record's system use area.
    fn rock_ridge_name(record: &[u8]) -> Option<String> {
        let identifier = usize::from(record[32]);
        let mut rest = &record[33 + identifier + (identifier + 1) % 2..];
        while rest.len() > 4 {
            let (entry, next) = rest.split_at(usize::from(rest[2]));
            if entry.starts_with(b"NM") && entry[4] == 0 {
                return String::from_utf8(entry[5..].to_vec()).ok();
            }
            rest = next;
        }
        None
    }

    /// A record's identifier in UCS-2; the directory itself and the one above have a single byte.
    fn joliet_name(record: &[u8]) -> Option<String> {
        let identifier = &record[33..33 + usize::from(record[32])];
        let units: Vec<u16> = identifier.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        (!units.is_empty()).then(|| String::from_utf16_lossy(&units).trim_end_matches(";1").to_string())
    }
}
