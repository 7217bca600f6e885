//! Which tests there are.

use crate::floor::{Error, Result};
use crate::script::{Session, Settings, render};
use std::path::{Path, PathBuf};

/// A test, or a script that has none because it cannot be read.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// What it is called: `web::test_create`.
    pub(super) name: String,
    /// The script.
    pub(super) file: PathBuf,
    /// The function, or what is wrong with the script.
    pub(super) test: std::result::Result<String, String>,
}

/// The tests of scripts and of folders of scripts, sorted by file, then as they stand there.
pub(super) fn find(settings: &Settings, paths: &[PathBuf], color: bool) -> Result<Vec<Case>> {
    let session = Session::new(settings);
    let mut files = Vec::new();
    for path in paths {
        let folder = path.is_dir();
        for file in if folder { scripts(path)? } else { vec![path.clone()] } {
            let seen_from = if folder { path } else { file.parent().unwrap_or(Path::new("")) };
            let module = file.strip_prefix(seen_from).unwrap_or(&file).to_path_buf();
            // `vmscript test .` shows files as `vmscript test` would.
            let file = file.strip_prefix(".").unwrap_or(&file).to_path_buf();
            files.push((module, file));
        }
    }
    let mut cases = Vec::new();
    for (module, file) in &files {
        // Scripts of different folders that are called alike have their folders in their names.
        let is_alone = files.iter().all(|(other, path)| other != module || path == file);
        let module = if is_alone { module } else { file }.with_extension("").display().to_string();
        match session.tests(file) {
            Ok(tests) => cases.extend(tests.into_iter().map(|test| Case {
                name: format!("{module}::{}", test.name),
                file: file.clone(),
                test: Ok(test.name),
            })),
            Err((shown, _)) => {
                let texts: Vec<_> = shown.iter().map(|one| render(one, session.sources(), color)).collect();
                cases.push(Case { name: module, file: file.clone(), test: Err(texts.join("\n")) });
            }
        }
    }
    Ok(cases)
}

/// The scripts of a folder and of those in it.
fn scripts(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |cause: &std::io::Error| Error::io(folder, "read", cause);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|cause| unreadable(&cause))? {
        let path = entry.map_err(|cause| unreadable(&cause))?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden {
            continue;
        }
        if path.is_dir() {
            found.extend(scripts(&path)?);
        } else if path.extension().is_some_and(|kind| kind == "rhai") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
