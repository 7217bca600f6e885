//! Compiled tables on disk: compiling takes longer than reading, and libvirt changes rarely.
//!
//! Whatever is wrong with the cache, the table is compiled anew; nobody is told.

use crate::floor::{Area, Code, Error, Result, cache_folder};
use crate::schema::baseline::{self, Rule, merged};
use crate::schema::rng::{self, Grammar};
use crate::schema::table::{Table, compile};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;
use std::{fs, process};

/// Differs whenever the compiler, the overlay or the table's form does, so no table of another build is ever used.
const FORMAT: u64 = fingerprint(&[
    include_bytes!("baseline/merge.rs"),
    include_bytes!("baseline/shape.txt"),
    include_bytes!("baseline/text.rs"),
    include_bytes!("overlay.rs"),
    include_bytes!("rng/mod.rs"),
    include_bytes!("rng/read.rs"),
    include_bytes!("table/collect.rs"),
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

/// What a schema file is compiled to.
type Compiled = (Table, Grammar);

/// The table and the grammar of a schema file, from the cache if its entry is current.
pub(crate) fn schema(directory: &Path, schema: &str) -> Result<Compiled> {
    /// Of the directory that was looked at last: a run reads several schemas of one.
    static LOOKED_AT: Mutex<Option<(PathBuf, u64)>> = Mutex::new(None);
    let Some(file) = file_for(directory, schema) else { return compiled(directory, schema) };
    let stamp = {
        let mut last = LOOKED_AT.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last.take().filter(|(path, _)| path == directory);
        last.insert(known.unwrap_or_else(|| (directory.to_path_buf(), stamp(directory)))).1
    };
    cached(directory, schema, &file, stamp)
}

fn cached(directory: &Path, schema: &str, file: &Path, stamp: u64) -> Result<Compiled> {
    if let Some(kept) = load(file, stamp) {
        return Ok(kept);
    }
    let made = compiled(directory, schema)?;
    // Without a cache everything works, a little slower.
    let _ = store(file, stamp, &made);
    Ok(made)
}

/// The table and the grammar of a schema file, made anew.
fn compiled(directory: &Path, schema: &str) -> Result<Compiled> {
    let grammar = rng::read(directory, schema)?;
    let fresh = compile(&grammar).map_err(|message| {
        let path = directory.join(format!("{schema}.rng"));
        Error::new(Code::Failed, Area::Script, format!("cannot use the schema `{}`", path.display())).caused_by(message)
    })?;
    Ok((merged(baseline::table(), &fresh, Rule::Installed), grammar))
}

/// What tells one table from another: path, sizes and times of the schema files, and the fingerprint of the compiler and the
/// shape.
fn stamp(directory: &Path) -> u64 {
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
    hash(&(FORMAT, directory, files))
}

fn file_for(directory: &Path, schema: &str) -> Option<PathBuf> {
    Some(cache_folder()?.join(format!("{schema}-{:016x}", hash(&directory))))
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// What is kept in a file: the stamp, a checksum, and what they stand for.
fn load(file: &Path, stamp: u64) -> Option<Compiled> {
    let bytes = fs::read(file).ok()?;
    let (kept, rest) = bytes.split_first_chunk()?;
    let (sum, made) = rest.split_first_chunk()?;
    let whole = u64::from_le_bytes(*kept) == stamp && u64::from_le_bytes(*sum) == hash(&made);
    postcard::from_bytes(made).ok().filter(|_| whole)
}

fn store(file: &Path, stamp: u64, made: &Compiled) -> std::io::Result<()> {
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    let made = postcard::to_stdvec(made).map_err(std::io::Error::other)?;
    let bytes = [&stamp.to_le_bytes()[..], &hash(&&made[..]).to_le_bytes(), &made].concat();
    // Renaming is atomic, so another process never reads half a table.
    let partial = file.with_extension(process::id().to_string());
    let written = fs::write(&partial, bytes).and_then(|()| fs::rename(&partial, file));
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

    fn keys((table, _): &Compiled) -> Vec<String> {
        table.types.iter().flat_map(|ty| ty.keys().map(str::to_string)).collect()
    }

    #[test]
    fn a_schema_is_kept_until_the_files_change_and_damage_does_no_harm() {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let schema = directory.path().join("thing.rng");
        let file = directory.path().join("cache/thing");
        let made = || cached(directory.path(), "thing", &file, stamp(directory.path())).map(|made| keys(&made));
        fs::write(&schema, SCHEMA).expect("the schema can be written");
        assert_eq!(made(), Ok(vec!["size".to_string()]));

        // What the cache holds is what is used: a change in it shows.
        let kept = fs::read(&file).expect("the schema was kept");
        let mut other = compiled(directory.path(), "thing").expect("the schema is right");
        other.0.types[0].attrs[0].key = "kept".to_string();
        store(&file, stamp(directory.path()), &other).expect("the cache can be written");
        assert_eq!(made(), Ok(vec!["kept".to_string()]));

        let mut damaged: Vec<Vec<u8>> = vec![Vec::new(), vec![0; 20], kept[..kept.len() / 2].to_vec()];
        damaged.extend((0..kept.len()).step_by(7).map(|at| {
            let mut bytes = kept.clone();
            bytes[at] ^= 0x5a;
            bytes
        }));
        for bytes in damaged {
            fs::write(&file, bytes).expect("the cache can be written");
            assert_eq!(made(), Ok(vec!["size".to_string()]));
            assert_eq!(fs::read(&file).ok().as_ref(), Some(&kept), "the cache is repaired");
        }

        fs::write(&schema, SCHEMA.replace("size", "weight")).expect("the schema can be written");
        assert_eq!(made(), Ok(vec!["weight".to_string()]));
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_no_error() {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        fs::write(directory.path().join("thing.rng"), SCHEMA).expect("the schema can be written");
        let file = directory.path().join("thing.rng/cache.json");
        assert!(cached(directory.path(), "thing", &file, 1).is_ok());
    }
}
