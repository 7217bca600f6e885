//! Catalogues: images by name, from the user's files and from one that comes with the program.

use super::file_name;
use crate::floor::{
    Area, Code, DataFile, Error, Finding, Map, Result, Value, config_folder, did_you_mean, size, unreadable,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const BUNDLED: &str = include_str!("catalogue.yaml");

/// The fields of an image. Ansible's names and shorter ones for the same stand side by side.
const FIELDS: &[&str] = &[
    "architecture",
    "architectures",
    "checksum",
    "checksum_type",
    "checksum_url",
    "checksum_value",
    "description",
    "download_url",
    "filename",
    "format",
    "size",
    "url",
    "user",
];

/// An image that a catalogue knows, for one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the catalogue.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// For which processors, such as `x86_64`.
    pub architecture: String,
    /// Its format once it is unpacked.
    pub format: Option<String>,
    /// The name that it gets in a pool.
    pub filename: String,
    /// Where it is: one place or several.
    pub urls: Vec<String>,
    /// The checksum of the file as it is published, as `sha256:...`.
    pub checksum: Option<String>,
    /// Where the list of checksums is.
    pub checksum_url: Option<String>,
    /// Who may log in by default.
    pub user: Option<String>,
    /// About how many bytes are downloaded.
    pub size: Option<u64>,
    /// The file that knows it, or `bundled`.
    pub catalogue: String,
    /// Where the file says that its images are kept.
    pub folder: Option<String>,
    /// Whether the file names it as the one to take where none is named.
    pub default: bool,
}

/// Images by name; of several with one name the first one counts.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    entries: Vec<Entry>,
}

impl Catalogue {
    /// These files, then the user's own and the machine's if they are there, then what comes with the program.
    pub fn open(files: &[PathBuf]) -> Result<Self> {
        let mut all = Self::default();
        let own = own_files().into_iter().filter(|path| path.exists());
        for path in files.iter().cloned().chain(own) {
            let text = std::fs::read_to_string(&path).map_err(|error| Error::io(&path, "read", &error))?;
            all.entries.extend(read(&path.display().to_string(), &text)?);
        }
        all.entries.extend(read("bundled", BUNDLED)?);
        Ok(all)
    }

    /// The images whose name or description holds all these words, for this architecture or for any.
    pub fn search(&self, words: &str, architecture: Option<&str>) -> Vec<&Entry> {
        let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
        let fits = |entry: &&Entry| {
            let text = format!("{} {}", entry.name, entry.description.as_deref().unwrap_or_default()).to_lowercase();
            words.iter().all(|word| text.contains(word))
                && architecture.is_none_or(|wanted| entry.architecture == wanted)
        };
        let mut found: Vec<&Entry> = Vec::new();
        for entry in self.entries.iter().filter(fits) {
            let hidden = found.iter().any(|one| one.name == entry.name && one.architecture == entry.architecture);
            if !hidden {
                found.push(entry);
            }
        }
        found
    }

    /// The image of this name, or the default one of the first file that has one.
    pub fn find(&self, name: Option<&str>, architecture: &str) -> Result<&Entry> {
        let named = |entry: &&Entry| name.map_or(entry.default, |name| entry.name == name);
        let all: Vec<&Entry> = self.entries.iter().filter(named).collect();
        if let Some(entry) = all.iter().find(|entry| entry.architecture == architecture) {
            return entry.usable().map(|()| *entry);
        }
        let missing = |message: String| Error::new(Code::NotFound, Area::Storage, message);
        match (name, all.first()) {
            (_, Some(other)) => {
                let known: Vec<_> = all.iter().map(|entry| format!("`{}`", entry.architecture)).collect();
                let message = format!("image `{}` is not there for `{architecture}`", other.name);
                Err(missing(message).hint(format!("there it is for {}", known.join(" and "))))
            }
            (None, None) => Err(missing("no catalogue names a default image".to_string())
                .hint("give a name, or a file with `vm_default_image`")),
            (Some(name), None) => {
                let error = missing(format!("no catalogue has an image `{name}`"));
                let hint = did_you_mean(name, self.entries.iter().map(|entry| entry.name.as_str()));
                Err(error.hint(hint.unwrap_or_else(|| "`images()` lists them".to_string())))
            }
        }
    }
}

impl Entry {
    /// Refuses what only Ansible could read.
    fn usable(&self) -> Result<()> {
        let fields = [Some(&self.filename), self.checksum.as_ref(), self.checksum_url.as_ref()];
        let texts = fields.into_iter().flatten().chain(&self.urls);
        match texts.into_iter().find(|text| text.contains("{{")) {
            None => Ok(()),
            Some(text) => Err(Error::argument(format!(
                "image `{}` of `{}` has a template in `{text}`",
                self.name, self.catalogue
            ))
            .hint("write down what the template stands for")),
        }
    }
}

/// The user's file and the machine's.
fn own_files() -> Vec<PathBuf> {
    let user = config_folder().map(|folder| folder.join("images.yaml"));
    user.into_iter().chain([Path::new("/etc/vmscript/images.yaml").to_path_buf()]).collect()
}

/// The images of a file. Other variables may stand in it too.
fn read(name: &str, text: &str) -> Result<Vec<Entry>> {
    let refused = |words: String| {
        Error::new(Code::InvalidDefinition, Area::Script, format!("catalogue `{name}` cannot be read")).caused_by(words)
    };
    let read: Option<Value> = serde_saphyr::from_str(text).map_err(|error| {
        let file = DataFile { name: name.to_string(), text: text.to_string() };
        let at = error.location().map(|at| (at.line(), at.column()));
        unreadable(&Arc::new(file), "YAML", &error.to_string(), at)
    })?;
    let map = match read {
        Some(Value::Map(map)) => map,
        None | Some(Value::Unit) => Map::new(),
        Some(other) => return Err(refused(format!("it must be a map with `vm_images`, not {}", other.kind()))),
    };
    let images = match map.get("vm_images") {
        Some(Value::Map(images)) => images,
        None | Some(Value::Unit) => return Err(refused("it has no `vm_images`".to_string())),
        Some(other) => return Err(refused(format!("`vm_images` must be a map, not {}", other.kind()))),
    };
    let top = |key: &str| map.get(key).and_then(Value::as_str);
    let mut reading = Reading { catalogue: name, folder: top("vm_images_base_path"), findings: Vec::new() };
    let mut entries = Vec::new();
    for (image, fields) in images {
        match fields {
            Value::Map(fields) => reading.image(image, fields, &mut entries),
            other => reading.wrong(image, "", format!("image `{image}` must be a map, not {}", other.kind()), None),
        }
    }
    if !reading.findings.is_empty() {
        return Err(Error::definition(&format!("catalogue `{name}`"), reading.findings));
    }
    let default = top("vm_default_image");
    for entry in &mut entries {
        entry.default = default == Some(&entry.name);
    }
    Ok(entries)
}

struct Reading<'a> {
    catalogue: &'a str,
    folder: Option<&'a str>,
    findings: Vec<Finding>,
}

impl Reading<'_> {
    fn wrong(&mut self, image: &str, field: &str, message: String, hint: Option<String>) {
        let path = format!("vm_images.{image}.{field}").trim_end_matches('.').to_string();
        self.findings.push(Finding { path, message, hint, ..Finding::default() });
    }

    fn image(&mut self, name: &str, fields: &Map, entries: &mut Vec<Entry>) {
        let of = format!("image `{name}` of `{}`", self.catalogue);
        for key in fields.keys().filter(|key| !FIELDS.contains(&key.as_str())) {
            self.wrong(name, key, format!("{of} has no field `{key}`"), did_you_mean(key, FIELDS.iter().copied()));
        }
        let mut text = |key: &str| match fields.get(key) {
            None | Some(Value::Unit) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => {
                self.wrong(name, key, format!("`{key}` of {of} must be a string, not {}", other.kind()), None);
                None
            }
        };
        let (filename, format, user) = (text("filename"), text("format"), text("user"));
        let (description, architecture) = (text("description"), text("architecture"));
        let checksum = text("checksum").or_else(|| {
            let digits = text("checksum_value")?;
            Some(text("checksum_type").map_or_else(|| digits.clone(), |kind| format!("{kind}:{digits}")))
        });
        let checksum_url = text("checksum_url");
        let key = if fields.contains_key("url") { "url" } else { "download_url" };
        let urls = match fields.get(key) {
            Some(Value::List(all)) => all.iter().filter_map(Value::as_str).map(str::to_string).collect(),
            _ => text(key).into_iter().collect::<Vec<_>>(),
        };
        if urls.is_empty() {
            self.wrong(name, key, format!("{of} has no `url`"), None);
            return;
        }
        let bytes = fields.get("size").map(size).transpose().unwrap_or_else(|error| {
            self.wrong(name, "size", format!("`size` of {of}: {}", error.message), None);
            None
        });
        let words: Vec<(String, String)> = match fields.get("architectures").and_then(Value::as_map) {
            Some(map) => map.iter().filter_map(|(key, word)| Some((key.clone(), word.as_str()?.to_string()))).collect(),
            None => vec![(architecture.clone().unwrap_or_else(|| "x86_64".to_string()), String::new())],
        };
        for (architecture, word) in words {
            let filled = |text: &String| text.replace("{arch}", if word.is_empty() { &architecture } else { &word });
            let urls: Vec<String> = urls.iter().map(filled).collect();
            entries.push(Entry {
                name: name.to_string(),
                description: description.clone(),
                format: format.clone(),
                filename: filename.as_ref().map_or_else(|| unpacked_name(file_name(&urls[0])).to_string(), filled),
                checksum: checksum.clone(),
                checksum_url: checksum_url.as_ref().map(filled),
                user: user.clone(),
                size: bytes,
                catalogue: self.catalogue.to_string(),
                folder: self.folder.map(str::to_string),
                default: false,
                urls,
                architecture,
            });
        }
    }
}

/// A file's name without what says how it is packed.
pub fn unpacked_name(name: &str) -> &str {
    let packed = [".xz", ".gz", ".bz2", ".zst"].iter().find_map(|end| name.strip_suffix(end));
    packed.filter(|rest| !rest.is_empty()).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Checksum, Format};

    const OWN: &str = "
vm_images_base_path: /srv/images
vm_default_image: debian-13
other_variable: 5
vm_images:
  debian-13:
    filename: 'mine.qcow2'
    download_url: 'https://example.com/debian.qcow2.xz'
    checksum_value: 'c096458c7b9c813ea32daa836b4840c438eeb6ef55d08f8b75c03cdc241d85b3'
    checksum_type: 'sha256'
  later:
    url: ['{{ mirror }}/{arch}.raw.gz', https://example.com/a.raw.gz]
";

    fn both() -> Catalogue {
        let mut entries = read("own.yaml", OWN).expect("a catalogue");
        entries.extend(read("bundled", BUNDLED).expect("a catalogue"));
        Catalogue { entries }
    }

    #[test]
    fn the_bundled_one_is_complete() {
        let all = read("bundled", BUNDLED).expect("a catalogue");
        assert!(all.len() > 20, "{}", all.len());
        for entry in &all {
            assert!(entry.urls[0].starts_with("https://") && !entry.urls[0].contains('{'), "{entry:?}");
            assert!(entry.checksum_url.as_ref().is_some_and(|url| url.starts_with("https://")), "{entry:?}");
            assert!(entry.user.is_some() && entry.size.is_some() && entry.description.is_some(), "{entry:?}");
            assert_eq!(entry.format.as_deref().and_then(Format::from_name), Some(Format::Qcow2), "{entry:?}");
            assert!(!entry.filename.contains(['{', '/']), "{entry:?}");
        }
        let names: Vec<_> = all.iter().map(|entry| &entry.name).collect();
        assert!(names.is_sorted_by_key(|name| name.replace("-9", "-09")), "{names:?}");
    }

    #[test]
    fn the_users_come_first() {
        let all = both();
        let own = all.find(Some("debian-13"), "x86_64").expect("there");
        assert_eq!((own.catalogue.as_str(), own.filename.as_str()), ("own.yaml", "mine.qcow2"));
        assert_eq!(own.folder.as_deref(), Some("/srv/images"));
        Checksum::parse(own.checksum.as_deref().expect("given")).expect("a checksum");
        assert_eq!(all.find(None, "x86_64").expect("the default"), own);
        assert_eq!(all.find(Some("debian-13"), "aarch64").expect("there").catalogue, "bundled");
        let found = all.search("Debian trixie", None);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(all.search("debian-13", Some("x86_64")), [own]);
    }

    #[test]
    fn what_is_not_there_or_not_plain_is_said() {
        let all = both();
        let error = all.find(Some("debain-13"), "x86_64").expect_err("misspelt");
        assert_eq!((error.code, error.hints[0].as_str()), (Code::NotFound, "did you mean `debian-13`?"));
        let error = all.find(Some("arch"), "riscv64").expect_err("not for that one");
        assert_eq!(error.message, "image `arch` is not there for `riscv64`");
        assert_eq!(error.hints, ["there it is for `x86_64`"]);
        let error = all.find(Some("later"), "x86_64").expect_err("a template");
        assert_eq!(error.message, "image `later` of `own.yaml` has a template in `{{ mirror }}/x86_64.raw.gz`");
    }

    #[test]
    fn mistakes_are_told_together() {
        let wrong = "vm_images: {a: {urll: x, format: 5}, b: 5, c: {url: x, size: big}}";
        let error = read("own.yaml", wrong).expect_err("refused");
        let found: Vec<_> = error.findings.iter().map(|one| (one.path.as_str(), one.message.as_str())).collect();
        let expected = [
            ("vm_images.a.urll", "image `a` of `own.yaml` has no field `urll`"),
            ("vm_images.a.format", "`format` of image `a` of `own.yaml` must be a string, not an integer"),
            ("vm_images.a.download_url", "image `a` of `own.yaml` has no `url`"),
            ("vm_images.b", "image `b` must be a map, not an integer"),
        ];
        assert_eq!(found[..4], expected, "{found:?}");
        assert_eq!(found[4].0, "vm_images.c.size");
        let twice = read("own.yaml", "vm_images: { a: { url: x } }\nvm_images: {}\n").expect_err("refused");
        let told = &twice.findings[0];
        assert_eq!(told.message, "`own.yaml` is not YAML: `vm_images` is there twice");
        assert_eq!(told.place.as_ref().map(|place| (place.line, place.column)), Some((2, 1)));
        let list = read("x", "[1, 2]").expect_err("refused");
        assert_eq!(list.cause.as_deref(), Some("it must be a map with `vm_images`, not a list"));
        assert_eq!(read("x", "a: 1").expect_err("refused").cause.as_deref(), Some("it has no `vm_images`"));
    }
}
