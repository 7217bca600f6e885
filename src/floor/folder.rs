//! The user's folders, by the rules of the XDG Base Directory Specification.

use std::env;
use std::path::{Path, PathBuf};

/// The program's own folder for what can be made again: `$XDG_CACHE_HOME/vmscript` or `~/.cache/vmscript`.
pub fn cache_folder() -> Option<PathBuf> {
    own("XDG_CACHE_HOME", ".cache")
}

/// The host that libvirt's own variable names, for those who name none.
pub fn libvirts_host() -> Option<String> {
    std::env::var("LIBVIRT_DEFAULT_URI").ok().filter(|uri| !uri.is_empty())
}

/// The program's own folder of settings: `$XDG_CONFIG_HOME/vmscript` or `~/.config/vmscript`.
pub fn config_folder() -> Option<PathBuf> {
    own("XDG_CONFIG_HOME", ".config")
}

/// The program's own folder for what is to stay: `$XDG_STATE_HOME/vmscript` or `~/.local/state/vmscript`.
pub fn state_folder() -> Option<PathBuf> {
    own("XDG_STATE_HOME", ".local/state")
}

/// The program's own folder for sockets: `$XDG_RUNTIME_DIR/vmscript`, where there is no login that of the cache.
pub fn runtime_folder() -> Option<PathBuf> {
    named("XDG_RUNTIME_DIR").map(|folder| folder.join("vmscript")).or_else(cache_folder)
}

fn own(variable: &str, fallback: impl AsRef<Path>) -> Option<PathBuf> {
    let base = named(variable).or_else(|| Some(named("HOME")?.join(fallback)))?;
    Some(base.join("vmscript"))
}

/// What is relative is to be ignored, says the specification.
fn named(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}
