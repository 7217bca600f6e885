//! The cache: a folder per source, in which an image appears when it is complete.

use super::http::Version;
use super::{Checksum, checksum::Hasher, served};
use crate::floor::{Error, Result, clock};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The place of one source in the cache, held by this process.
pub(super) struct Slot {
    folder: PathBuf,
    /// Held until this is dropped.
    _lock: File,
}

/// What is known of a cached image, or of a download that was torn off.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Facts {
    /// Where it came from.
    pub(super) url: String,
    /// Which version it is.
    pub(super) version: Version,
    /// The checksum of what was downloaded, before it was unpacked.
    pub(super) checksum: String,
    /// How it was compressed.
    pub(super) compression: Option<String>,
}

/// The cache of images.
pub fn cache_folder() -> PathBuf {
    if let Some(own) = served::own_cache() {
        return own.clone();
    }
    crate::floor::cache_folder().unwrap_or_else(|| std::env::temp_dir().join("vmscript")).join("images")
}

impl Slot {
    /// The place of this source. Waits for another process that is at it.
    pub(super) fn open(cache: &Path, source: &str) -> Result<Self> {
        let mut hasher = Hasher::default();
        hasher.update(source.as_bytes());
        let key = hasher.finish().to_string();
        let key = key.trim_start_matches("sha256:").get(..24).unwrap_or_default().to_string();
        let folder = cache.join(key);
        fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, "make folder", &error))?;
        let path = folder.join("lock");
        let lock = File::create(&path).map_err(|error| Error::io(&path, "write", &error))?;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { folder, _lock: lock }),
                Err(TryLockError::WouldBlock) => clock::sleep(Duration::from_millis(100))?,
                Err(TryLockError::Error(error)) => return Err(Error::io(&path, "lock", &error)),
            }
        }
    }

    /// Where the image is when it is complete.
    pub(super) fn image(&self) -> PathBuf {
        self.folder.join("image")
    }

    /// Where the download grows.
    pub(super) fn part(&self) -> PathBuf {
        self.folder.join("download.part")
    }

    /// Where the unpacked image grows.
    pub(super) fn unpacked(&self) -> PathBuf {
        self.folder.join("image.part")
    }

    /// What is known of the complete image, if there is one.
    pub(super) fn facts(&self) -> Option<Facts> {
        self.image().exists().then(|| read(&self.folder.join("image.json"))).flatten()
    }

    /// What is known of the torn-off download, if there is one.
    pub(super) fn part_facts(&self) -> Option<Facts> {
        self.part().exists().then(|| read(&self.folder.join("download.json"))).flatten()
    }

    /// Notes what is downloaded. Failing to do so costs a resumption only.
    pub(super) fn note_part(&self, facts: &Facts) {
        if let Err(error) = write(&self.folder.join("download.json"), facts) {
            tracing::debug!(%error, "the download cannot be resumed by another run");
        }
    }

    /// Forgets the complete image: what is known of it goes first, so that no other image is taken for it.
    pub(super) fn forget(&self) -> Result<()> {
        remove(&self.folder.join("image.json"))?;
        remove(&self.image())
    }

    /// Notes that the image is complete, and cleans up.
    pub(super) fn note_image(&self, facts: &Facts) -> Result<()> {
        remove(&self.part())?;
        remove(&self.folder.join("download.json"))?;
        write(&self.folder.join("image.json"), facts)
    }

    /// Throws away a download.
    pub(super) fn drop_part(&self) -> Result<()> {
        remove(&self.unpacked())?;
        remove(&self.part())
    }
}

impl Facts {
    /// Whether this is the file with that checksum.
    pub(super) fn has(&self, checksum: &Checksum) -> bool {
        self.checksum == checksum.to_string()
    }
}

fn read(path: &Path) -> Option<Facts> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn write(path: &Path, facts: &Facts) -> Result<()> {
    let failed = |error: std::io::Error| Error::io(path, "write", &error);
    let text = serde_json::to_vec_pretty(facts).map_err(|error| failed(error.into()))?;
    let part = path.with_extension("new");
    fs::write(&part, text).map_err(failed)?;
    fs::rename(&part, path).map_err(failed)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, "remove", &error)),
        _ => Ok(()),
    }
}
