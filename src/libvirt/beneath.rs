//! What files outside of pools stand on, told by themselves: no pool knows it, and libvirt tells it of running domains only.

use serde_json::Value;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// The longest name of a backing file, in bytes, by QEMU's docs/interop/qcow2.txt.
const MOST_NAME: u32 = 1023;

/// The file that a qcow2 image of this machine stands on, as a path. What cannot be read tells nothing.
pub(super) fn base(path: &str) -> Option<String> {
    let path = Path::new(path);
    // Whoever opens a pipe waits for who writes to it.
    if !path.metadata().is_ok_and(|found| found.is_file()) {
        return None;
    }
    let name = named(File::open(path).ok()?)?;
    let file = match name.strip_prefix("json:") {
        Some(described) => filename(&serde_json::from_str(described).ok()?)?,
        None => name.strip_prefix("file:").unwrap_or(&name).to_string(),
    };
    // A name without a folder is that of a neighbour.
    Some(path.parent()?.join(file).to_string_lossy().into_owned())
}

/// The name of the file that an image names as its base.
fn named(mut image: impl Read + Seek) -> Option<String> {
    let mut head = [0; 20];
    image.read_exact(&mut head).ok()?;
    let at = u64::from_be_bytes(head[8..16].try_into().ok()?);
    let length = u32::from_be_bytes(head[16..20].try_into().ok()?);
    if !head.starts_with(b"QFI\xfb") || at == 0 || length == 0 || length > MOST_NAME {
        return None;
    }
    let mut name = vec![0; length as usize];
    image.seek(SeekFrom::Start(at)).ok()?;
    image.read_exact(&mut name).ok()?;
    String::from_utf8(name).ok()
}

/// The file in a description such as `{"driver": "qcow2", "file": {"driver": "file", "filename": "/a"}}`.
fn filename(described: &Value) -> Option<String> {
    let fields = described.as_object()?;
    let own = fields.get("filename").or_else(|| fields.get("file.filename"));
    match own {
        Some(name) => Some(name.as_str()?.to_string()),
        None => filename(fields.get("file")?),
    }
}

#[cfg(test)]
mod tests {
    use super::base;

    fn image(name: &str) -> Vec<u8> {
        let mut head = b"QFI\xfb\0\0\0\x03\0\0\0\0\0\0\x01\0".to_vec();
        head.extend(u32::try_from(name.len()).expect("it is short").to_be_bytes());
        head.resize(256, 0);
        head.extend(name.bytes());
        head
    }

    #[test]
    fn a_base_is_told_by_its_overlay() {
        let folder = tempfile::tempdir().expect("a folder");
        let overlay = folder.path().join("overlay");
        let told = |content: &[u8]| {
            std::fs::write(&overlay, content).expect("written");
            base(&overlay.display().to_string())
        };
        for name in [
            "/srv/base",
            "file:/srv/base",
            r#"json:{"driver": "qcow2", "file": {"driver": "file", "filename": "/srv/base"}}"#,
            r#"json:{"driver": "qcow2", "file.filename": "/srv/base"}"#,
        ] {
            assert_eq!(told(&image(name)).as_deref(), Some("/srv/base"), "{name}");
        }
        assert_eq!(told(&image("base")), Some(folder.path().join("base").display().to_string()));
        for odd in [&b""[..], b"QFI\xfb", &image("json:[]"), &image("")[..], &image("/srv/base")[..260], &[0; 300]] {
            assert_eq!(told(odd), None, "{odd:?}");
        }
        let mut long = image("/srv/base");
        long[16..20].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(told(&long), None);
        assert_eq!((base("/dev/zero"), base("/nowhere")), (None, None));
    }
}
