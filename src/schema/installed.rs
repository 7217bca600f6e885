//! Where libvirt's schema files are.

use crate::floor::{Area, Code, Error, Result};
use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

static CHOSEN: OnceLock<PathBuf> = OnceLock::new();
static LIBRARY: OnceLock<fn() -> Option<PathBuf>> = OnceLock::new();

/// Says where the schemas are, before any definition is made. Only the first call counts.
pub fn set_schema_dir(directory: PathBuf) {
    drop(CHOSEN.set(directory));
}

/// Says how the file of the loaded libvirt is found, whose schemas are to be taken. Only the first call counts.
pub fn set_library(find: fn() -> Option<PathBuf>) {
    LIBRARY.get_or_init(|| find);
}

/// The directory that was chosen, if one was.
fn chosen() -> Option<PathBuf> {
    let named = || env::var_os("VMSCRIPT_SCHEMA_DIR").filter(|value| !value.is_empty()).map(PathBuf::from);
    CHOSEN.get().cloned().or_else(named)
}

/// Whether somebody chose the schemas.
pub(crate) fn is_chosen() -> bool {
    chosen().is_some()
}

/// The directory of the installed libvirt's schemas: the chosen one (`VMSCRIPT_SCHEMA_DIR` counts too; `none` for none),
/// the one that belongs to the loaded libvirt, or one of the usual places. None if there is no such directory.
pub(crate) fn directory() -> Result<Option<PathBuf>> {
    if let Some(chosen) = chosen() {
        // Falling back to another directory would hide that this choice is wrong.
        return match chosen {
            none if none == Path::new("none") => Ok(None),
            chosen if holds_schemas(&chosen) => Ok(Some(chosen)),
            chosen => Err(missing(&chosen)),
        };
    }
    let shares = beside_library().into_iter().chain(data_directories());
    Ok(shares.map(|share| share.join("libvirt/schemas")).find(|directory| holds_schemas(directory)))
}

fn missing(directory: &Path) -> Error {
    Error::new(Code::NotFound, Area::Script, format!("no libvirt schemas in `{}`", directory.display()))
        .hint("a directory of schemas holds `domain.rng`; `none` stands for no schemas")
}

fn holds_schemas(directory: &Path) -> bool {
    directory.join("domain.rng").is_file()
}

/// The `share` directories of the prefix that the loaded libvirt lives in, nearest first.
fn beside_library() -> Vec<PathBuf> {
    let library = LIBRARY.get().and_then(|find| find()).and_then(|file| file.canonicalize().ok());
    library.map(|path| path.ancestors().skip(1).map(|prefix| prefix.join("share")).collect()).unwrap_or_default()
}

fn data_directories() -> Vec<PathBuf> {
    let named = env::var_os("XDG_DATA_DIRS").unwrap_or_default();
    let usual = ["/usr/share", "/usr/local/share", "/opt/homebrew/share", "/opt/local/share"];
    env::split_paths(&named).filter(|path| path.is_absolute()).chain(usual.into_iter().map(PathBuf::from)).collect()
}
