//! Writing a file so that it is either whole or not there.

use super::{Error, Result};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Writes a file through a temporary one beside it. It can be read by its owner only, from the first byte on.
pub fn write_private(path: &Path, data: &[u8]) -> Result<()> {
    write(path, data, 0o600)
}

/// Writes a program through a temporary file beside it. Everybody can run it.
pub fn write_program(path: &Path, data: &[u8]) -> Result<()> {
    write(path, data, 0o755)
}

fn write(path: &Path, data: &[u8], mode: u32) -> Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let part = Path::new(&part);
    let written = || -> io::Result<()> {
        // Nobody runs a program that is not whole yet: the kernel refuses while it is open for writing.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode & 0o666).open(part)?;
        file.write_all(data)?;
        file.sync_all()?;
        drop(file);
        fs::set_permissions(part, Permissions::from_mode(mode))?;
        fs::rename(part, path)
    };
    written().map_err(|cause| {
        // The first failure is the one to tell; there may be no file to remove.
        drop(fs::remove_file(part));
        Error::io(path, "write", &cause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_private_and_replaced_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        write_private(&path, b"one").expect("written");
        write_private(&path, b"two").expect("replaced");
        assert_eq!(fs::read(&path).expect("read"), b"two");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
        assert!(write_private(&folder.path().join("no/such/folder"), b"x").is_err());
    }
}
