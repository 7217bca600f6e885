//! Compiled tables on disk: compiling takes longer than reading, and libvirt changes rarely.
//!
//! Whatever is wrong with the cache, the table is compiled anew; nobody is told.

use crate::floor::{Area, Code, Error, Result};
use crate::schema::rng;
use crate::schema::table::{Table, compile};
use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use std::{env, fs, process};

/// Differs whenever the compiler, the overlay or the table's form does, so no table of another build is ever used.
const FORMAT: u64 = fingerprint(&[
    include_bytes!("overlay.rs"),
    include_bytes!("rng/mod.rs"),
    include_bytes!("rng/read.rs"),
    include_bytes!("table/compile.rs"),
    include_bytes!("table/datatype.rs"),
    include_bytes!("table/keys.rs"),
    include_bytes!("table/mod.rs"),
    include_bytes!("table/model.rs"),
]);

/// FNV-1a, computed while the program is compiled.
const fn fingerprint(sources: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut source = 0;
    while source < sources.len() {
        let mut at = 0;
        while at < sources[source].len() {
            hash = (hash ^ sources[source][at] as u64).wrapping_mul(0x0100_0000_01b3);
            at += 1;
        }
        source += 1;
    }
    hash
}

/// A table with what it was made from.
#[derive(Serialize, Deserialize)]
struct Entry<T> {
    stamp: String,
    table: T,
}

/// The table of a schema file, from the cache if its entry is current.
pub(crate) fn table(directory: &Path, schema: &str) -> Result<Table> {
    match file_for(directory, schema) {
        Some(file) => cached(directory, schema, &file),
        None => compiled(directory, schema),
    }
}

fn cached(directory: &Path, schema: &str, file: &Path) -> Result<Table> {
    let stamp = stamp(directory);
    if let Some(table) = load(file, &stamp) {
        return Ok(table);
    }
    let table = compiled(directory, schema)?;
    // Without a cache everything works, a little slower.
    let _ = store(file, &Entry { stamp, table: &table });
    Ok(table)
}

/// The table of a schema file, made anew.
fn compiled(directory: &Path, schema: &str) -> Result<Table> {
    compile(&rng::read(directory, schema)?).map_err(|message| {
        let path = directory.join(format!("{schema}.rng"));
        Error::new(Code::Failed, Area::Script, format!("cannot use the schema `{}`", path.display())).caused_by(message)
    })
}

/// What tells one table from another: path, sizes and times of the schema files, and the compiler's fingerprint.
fn stamp(directory: &Path) -> String {
    let mut files: Vec<_> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "rng"))
        .filter_map(|entry| {
            let facts = entry.metadata().ok()?;
            let time = facts.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
            Some((entry.file_name(), facts.len(), time.as_nanos()))
        })
        .collect();
    files.sort();
    format!("{FORMAT:016x} {} {:016x}", directory.display(), hash(&files))
}

fn file_for(directory: &Path, schema: &str) -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("vmscript").join(format!("{schema}-{:016x}.json", hash(&directory))))
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn load(file: &Path, stamp: &str) -> Option<Table> {
    let entry: Entry<Table> = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    (entry.stamp == stamp && entry.table.is_whole()).then_some(entry.table)
}

fn store(file: &Path, entry: &Entry<&Table>) -> std::io::Result<()> {
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    // Renaming is atomic, so another process never reads half a table.
    let partial = file.with_extension(process::id().to_string());
    let written = fs::write(&partial, serde_json::to_vec(entry)?).and_then(|()| fs::rename(&partial, file));
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"<grammar xmlns="http://relaxng.org/ns/structure/1.0">
        <start><element name="thing"><attribute name="size"><data type="unsignedInt"/></attribute></element></start>
    </grammar>"#;

    fn keys(table: &Table) -> Vec<String> {
        table.types.iter().flat_map(|ty| ty.keys().map(str::to_string)).collect()
    }

    #[test]
    fn a_table_is_kept_until_the_schemas_change_and_damage_does_no_harm() {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let schema = directory.path().join("thing.rng");
        let file = directory.path().join("cache/thing.json");
        let made = || cached(directory.path(), "thing", &file).map(|table| keys(&table));
        fs::write(&schema, SCHEMA).expect("the schema can be written");
        assert_eq!(made(), Ok(vec!["size".to_string()]));

        // What the cache holds is what is used: a change in it shows.
        let kept = fs::read_to_string(&file).expect("the table was kept");
        fs::write(&file, kept.replace("\"size\"", "\"kept\"")).expect("the cache can be written");
        assert_eq!(made(), Ok(vec!["kept".to_string()]));

        for damaged in ["", "{}", "\u{0}", &kept[..kept.len() / 2], &kept.replace("\"datatype\":0", "\"datatype\":7")] {
            fs::write(&file, damaged).expect("the cache can be written");
            assert_eq!(made(), Ok(vec!["size".to_string()]), "{damaged}");
            assert_eq!(fs::read_to_string(&file).ok().as_ref(), Some(&kept), "the cache is repaired");
        }

        fs::write(&schema, SCHEMA.replace("size", "weight")).expect("the schema can be written");
        assert_eq!(made(), Ok(vec!["weight".to_string()]));
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_no_error() {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        fs::write(directory.path().join("thing.rng"), SCHEMA).expect("the schema can be written");
        let file = directory.path().join("thing.rng/cache.json");
        assert!(cached(directory.path(), "thing", &file).is_ok());
    }
}
