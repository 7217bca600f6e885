//! Configuration in layers: option, environment, `./vmscript.toml`, the user's file, the system's file, default.

use crate::floor::{Area, Code, Error, Map, Result, Value, did_you_mean};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A setting: its name, the variables of the environment that set it, and what it is without.
const SETTINGS: &[(&str, &[&str], &str)] = &[
    ("color", &["VMSCRIPT_COLOR"], "auto"),
    ("connect", &["VMSCRIPT_CONNECT", "LIBVIRT_DEFAULT_URI"], "qemu:///system"),
    ("log_format", &["VMSCRIPT_LOG_FORMAT"], "text"),
    ("log_level", &["VMSCRIPT_LOG"], "warn"),
    ("output", &["VMSCRIPT_OUTPUT"], "table"),
    ("schema_dir", &["VMSCRIPT_SCHEMA_DIR"], "that of the installed libvirt"),
];

/// What the files say.
#[derive(Debug, Default)]
pub(super) struct Config {
    /// Settings with the files that they are from.
    values: BTreeMap<String, (String, String)>,
    /// Hosts by alias, with the files that they are from.
    hosts: BTreeMap<String, (String, String)>,
}

impl Config {
    /// Reads the files, the strongest last.
    pub(super) fn read() -> Result<Self> {
        let mut config = Self::default();
        let user = user_folder().map(|folder| folder.join("vmscript/config.toml"));
        let files = [Some(PathBuf::from("/etc/vmscript/config.toml")), user, Some(PathBuf::from("vmscript.toml"))];
        for file in files.into_iter().flatten() {
            match std::fs::read_to_string(&file) {
                Ok(text) => config.add(&file.display().to_string(), &text)?,
                Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {}
                Err(cause) => return Err(Error::io(&file, "read", &cause)),
            }
        }
        Ok(config)
    }

    fn add(&mut self, file: &str, text: &str) -> Result<()> {
        let wrong = |message: String| Error::new(Code::InvalidDefinition, Area::Script, message);
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
            wrong(format!("`{file}` is not TOML: line {line}: {}", error.message()))
        })?;
        for (key, value) in table {
            if key == "hosts" {
                let hosts = value.as_table().ok_or_else(|| wrong(format!("`{file}`: `hosts` must be a table")))?;
                for (alias, uri) in hosts {
                    let uri = uri.as_str().ok_or_else(|| wrong(format!("`{file}`: host `{alias}` must be a URI")))?;
                    self.hosts.insert(alias.clone(), (uri.to_string(), file.to_string()));
                }
                continue;
            }
            if !SETTINGS.iter().any(|(name, ..)| *name == key) {
                let names = || SETTINGS.iter().map(|(name, ..)| *name).chain(["hosts"]);
                let hint = did_you_mean(&key, names());
                let hint = hint.unwrap_or_else(|| format!("settings: {}", names().collect::<Vec<_>>().join(", ")));
                return Err(wrong(format!("`{file}` has an unknown setting `{key}`")).hint(hint));
            }
            let text = value.as_str().ok_or_else(|| wrong(format!("`{file}`: `{key}` must be text")))?;
            self.values.insert(key, (text.to_string(), file.to_string()));
        }
        Ok(())
    }

    /// A command line whose options have what the files say as their defaults.
    pub(super) fn apply(&self, mut command: Command) -> Command {
        for (name, variables, _) in SETTINGS {
            let set = variables.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
            if let Some((value, _)) = self.values.get(*name).filter(|_| !set && *name != "output") {
                let value = value.clone();
                command = command.mut_arg(*name, |arg| arg.default_value(value));
            }
        }
        command
    }

    /// How results are printed if no option says it.
    pub(super) fn output(&self) -> Option<String> {
        let given = std::env::var("VMSCRIPT_OUTPUT").ok().filter(|word| !word.is_empty());
        given.or_else(|| self.values.get("output").map(|(word, _)| word.clone()))
    }

    /// The default host, if a file names one.
    pub(super) fn connect(&self) -> Option<String> {
        self.values.get("connect").map(|(uri, _)| self.hosts().get(uri).unwrap_or(uri).clone())
    }

    /// The URIs of hosts by alias.
    pub(super) fn hosts(&self) -> BTreeMap<String, String> {
        self.hosts.iter().map(|(alias, (uri, _))| (alias.clone(), uri.clone())).collect()
    }

    /// Each setting with its value and where that came from.
    pub(super) fn rows(&self, given: &ArgMatches) -> Value {
        let row = |name: String, value: &str, from: String| {
            let fields = [("name", name), ("value", value.to_string()), ("from", from)];
            Value::Map(fields.map(|(key, text)| (key.to_string(), text.into())).into_iter().collect::<Map>())
        };
        let mut rows = Vec::new();
        for (name, variables, fallback) in SETTINGS {
            let option = (*name != "output" && given.value_source(name) == Some(ValueSource::CommandLine))
                .then(|| given.get_raw(name).and_then(|mut values| values.next()))
                .flatten()
                .map(|value| value.to_string_lossy().into_owned());
            let variable = variables.iter().find_map(|name| {
                std::env::var(name).ok().filter(|value| !value.is_empty()).map(|value| (*name, value))
            });
            rows.push(match (option, variable, self.values.get(*name)) {
                (Some(value), ..) => row((*name).to_string(), &value, format!("--{}", name.replace('_', "-"))),
                (_, Some((variable, value)), _) => row((*name).to_string(), &value, variable.to_string()),
                (_, _, Some((value, file))) => row((*name).to_string(), value, file.clone()),
                _ => row((*name).to_string(), fallback, "default".to_string()),
            });
        }
        rows.extend(self.hosts.iter().map(|(alias, (uri, file))| row(format!("hosts.{alias}"), uri, file.clone())));
        Value::List(rows)
    }
}

/// The folder of the user's configuration.
pub(super) fn user_folder() -> Option<PathBuf> {
    let folder = std::env::var_os("XDG_CONFIG_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    folder.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".config")))
}
