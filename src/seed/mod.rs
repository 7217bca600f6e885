//! Seeds: the files that a guest reads at its first boot, on a small disk made in memory.
//!
//! A seed holds passwords and keys more often than not, so nothing here prints what is in its files.

mod cloud_config;
mod cloud_init;
mod guest;
mod iso;
mod keys;
mod multipart;
mod network_config;
mod yaml;

pub use cloud_init::cloud_init;
pub use guest::Guest;

use crate::floor::{Error, Map, Result, format_size};
use std::fmt;

/// The most that all files of a seed may hold together: it is made in memory, and the guest reads it into its own.
const MOST_BYTES: usize = 16 << 20;

/// Files with their contents, and the name that the guest finds their disk by.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed {
    /// The files with their contents, in the order they were given.
    pub files: Vec<(String, Vec<u8>)>,
    volume: String,
}

impl Seed {
    /// A seed on a volume of this name. Files with the same name, or too much in them, are refused.
    pub fn new(volume: &str, files: Vec<(String, Vec<u8>)>) -> Result<Self> {
        for (at, (name, _)) in files.iter().enumerate() {
            if files[..at].iter().any(|(earlier, _)| earlier == name) {
                return Err(Error::argument(format!("seed `{volume}` has two files `{name}`")));
            }
        }
        let total = files.iter().map(|(_, contents)| contents.len()).sum::<usize>();
        if total > MOST_BYTES {
            let message = format!("seed `{volume}` holds more than {}", size_of(MOST_BYTES));
            let mut error = Error::argument(message).hint("let the guest fetch what is large, or give it a volume");
            error.notes =
                files.iter().map(|(name, contents)| format!("`{name}`: {}", size_of(contents.len()))).collect();
            return Err(error);
        }
        Ok(Self { files, volume: volume.to_string() })
    }

    /// A seed of these files; without a label they tell what they are for. Documents for cloud-init are checked.
    pub fn from_files(files: Vec<(String, Vec<u8>)>, label: Option<&str>) -> Result<Self> {
        let has = |name: &str| files.iter().any(|(file, _)| file == name);
        let found = [("cidata", "user-data"), ("cidata", "meta-data"), ("ignition", "ignition/config.ign")];
        let found = found.into_iter().chain([("combustion", "combustion/script")]).find(|(_, file)| has(file));
        let Some(label) = label.or(found.map(|(label, _)| label)) else {
            return Err(Error::argument("nothing in these files tells what seed they are")
                .hint("`user-data`, `ignition/config.ign` and `combustion/script` do, or give a `label`"));
        };
        if label != "cidata" {
            return Self::new(label, files);
        }
        let (mut documents, mut others) = (Map::new(), Vec::new());
        for (name, contents) in files {
            if ["meta-data", "network-config", "user-data", "vendor-data"].contains(&name.as_str()) {
                let text = String::from_utf8(contents);
                let text = text.map_err(|_| Error::argument(format!("`{name}` of the seed is not UTF-8")))?;
                documents.insert(name.replace('-', "_"), text.into());
            } else {
                others.push((name, contents));
            }
        }
        let mut seed = cloud_init(&documents.into())?;
        seed.files.append(&mut others);
        Self::new(&seed.volume, seed.files)
    }

    /// The seed as an ISO 9660 image with Joliet and Rock Ridge names; the same seed gives the same bytes.
    pub fn iso(&self) -> Result<Vec<u8>> {
        iso::write(&self.volume, &self.files)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<_> =
            self.files.iter().map(|(name, contents)| format!("{name} ({})", size_of(contents.len()))).collect();
        f.debug_struct("Seed").field("volume", &self.volume).field("files", &files).finish()
    }
}

fn size_of(bytes: usize) -> String {
    format_size(u64::try_from(bytes).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, contents: &[u8]) -> (String, Vec<u8>) {
        (name.to_string(), contents.to_vec())
    }

    #[test]
    fn two_files_of_one_name_are_refused() {
        let error = Seed::new("cidata", vec![file("a", b""), file("b", b""), file("a", b"x")]).unwrap_err();
        assert_eq!(error.message, "seed `cidata` has two files `a`");
    }

    #[test]
    fn too_much_is_refused_with_the_sizes() {
        let error = Seed::new("cidata", vec![file("a", &[0; MOST_BYTES]), file("b", b"x")]).unwrap_err();
        assert_eq!(error.message, "seed `cidata` holds more than 16 MiB");
        assert_eq!(error.notes, ["`a`: 16 MiB", "`b`: 1 B"]);
        assert!(Seed::new("cidata", vec![file("a", &[0; MOST_BYTES])]).is_ok());
    }

    #[test]
    fn files_tell_what_they_are_for() {
        let seed =
            Seed::from_files(vec![file("user-data", b"#!/bin/sh\n"), file("more", &[255])], None).expect("a seed");
        let names: Vec<_> = seed.files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((seed.volume.as_str(), names), ("cidata", vec!["user-data", "meta-data", "more"]));
        let seed = Seed::from_files(vec![file("ignition/config.ign", b"{}")], None).expect("a seed");
        assert_eq!(seed.volume, "ignition");
        seed.iso().expect("an image with a folder");
        assert_eq!(Seed::from_files(vec![file("a", b"")], Some("answers")).expect("a seed").volume, "answers");
        let error = Seed::from_files(vec![file("a", b"")], None).unwrap_err();
        assert_eq!(error.message, "nothing in these files tells what seed they are");
        let error = Seed::from_files(vec![file("user-data", b"hostname: web")], None).unwrap_err();
        assert_eq!(error.message, "`user_data` does not say in its first line what it is");
    }

    #[test]
    fn debug_shows_no_contents() {
        let seed = Seed::new("cidata", vec![file("user-data", b"password: geheim")]).expect("a small seed");
        assert_eq!(format!("{seed:?}"), r#"Seed { volume: "cidata", files: ["user-data (16 B)"] }"#);
    }
}
