//! Names of files.

use super::Candidate;
use std::path::Path;

/// The files that a path can go on with: where its last part begins, and what can take its place.
pub(super) fn complete(path: &str, wanted: impl Fn(&Path) -> bool) -> (usize, Vec<Candidate>) {
    let start = path.rfind('/').map_or(0, |at| at + 1);
    let (folder, word) = path.split_at(start);
    let home = folder.strip_prefix("~/").and_then(|rest| Some(Path::new(&std::env::var_os("HOME")?).join(rest)));
    let folder = home.unwrap_or_else(|| Path::new(if folder.is_empty() { "." } else { folder }).to_path_buf());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else { continue };
        // Hidden files are for those who write the dot.
        if name.starts_with('.') && !word.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            found.push(Candidate::plain(&format!("{name}/")));
        } else if wanted(&path) {
            found.push(Candidate::plain(&name));
        }
    }
    (start, found)
}
