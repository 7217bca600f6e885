//! Configuration in layers: option, environment, `./vmscript.toml`, the user's file, the system's file, default.

use super::output::Form;
use crate::floor::{Area, Code, Error, Map, Result, Value, config_folder, did_you_mean, duration, libvirts_host};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A setting of the files.
struct Setting {
    name: &'static str,
    /// The variables of the environment that set it.
    variables: &'static [&'static str],
    /// What it is without.
    fallback: &'static str,
    kind: Kind,
}

/// What a setting can be.
enum Kind {
    Duration,
    Flag,
    /// A folder of the host, which has no folder that others are seen from.
    HostFolder,
    /// A path of this machine, seen from the folder of the file.
    Path,
    Paths,
    Text,
    Words(&'static [&'static str]),
}

const SETTINGS: &[Setting] = &[
    Setting {
        name: "base_path",
        variables: &["VMSCRIPT_BASE_PATH"],
        fallback: "/var/lib/libvirt",
        kind: Kind::HostFolder,
    },
    Setting {
        name: "color",
        variables: &["VMSCRIPT_COLOR"],
        fallback: "auto",
        kind: Kind::Words(&["auto", "always", "never"]),
    },
    Setting {
        name: "connect",
        variables: &["VMSCRIPT_CONNECT"],
        fallback: "libvirt's own: `uri_default` of its libvirt.conf, else the hypervisor that it finds",
        kind: Kind::Text,
    },
    Setting {
        name: "init",
        variables: &["VMSCRIPT_INIT"],
        fallback: "~/.config/vmscript/init.rhai, if it is there",
        kind: Kind::Path,
    },
    Setting {
        name: "log_format",
        variables: &["VMSCRIPT_LOG_FORMAT"],
        fallback: "text",
        kind: Kind::Words(&["text", "json"]),
    },
    Setting {
        name: "log_level",
        variables: &["VMSCRIPT_LOG"],
        fallback: "warn",
        kind: Kind::Words(&["error", "warn", "info", "debug", "trace"]),
    },
    Setting { name: "no_init", variables: &["VMSCRIPT_NO_INIT"], fallback: "false", kind: Kind::Flag },
    Setting { name: "no_progress", variables: &["VMSCRIPT_NO_PROGRESS"], fallback: "false", kind: Kind::Flag },
    Setting { name: "output", variables: &["VMSCRIPT_OUTPUT"], fallback: "table", kind: Kind::Words(&Form::WORDS) },
    Setting { name: "quiet", variables: &["VMSCRIPT_QUIET"], fallback: "false", kind: Kind::Flag },
    Setting {
        name: "recipes",
        variables: &["VMSCRIPT_RECIPES"],
        fallback: "~/.config/vmscript/recipes and ./recipes, which are always looked into",
        kind: Kind::Paths,
    },
    Setting {
        name: "schema_dir",
        variables: &["VMSCRIPT_SCHEMA_DIR"],
        fallback: "that of the installed libvirt",
        kind: Kind::Path,
    },
    Setting { name: "ssh_persist", variables: &["VMSCRIPT_SSH_PERSIST"], fallback: "60s", kind: Kind::Duration },
    Setting {
        name: "timings",
        variables: &["VMSCRIPT_TIMINGS"],
        fallback: "not shown",
        kind: Kind::Words(&["text", "json"]),
    },
];

/// How a variable says yes and no; clap takes all else for a yes.
const FLAGS: [&str; 12] = ["true", "false", "yes", "no", "on", "off", "1", "0", "t", "f", "y", "n"];

/// The settings that are no options of the program, but of recipes.
const OF_RECIPES: [&str; 2] = ["base_path", "output"];

/// What the files say.
#[derive(Debug, Default)]
pub(super) struct Config {
    /// Settings with the files that they are from.
    values: BTreeMap<String, (Vec<String>, String)>,
    /// Hosts by alias, with the files that they are from.
    hosts: BTreeMap<String, (String, String)>,
}

impl Config {
    /// Reads the files, the strongest last, and looks at the variables.
    pub(super) fn read() -> Result<Self> {
        let mut config = Self::default();
        for setting in SETTINGS {
            setting.check_variable()?;
        }
        let user = config_folder().map(|folder| folder.join("config.toml"));
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
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
            wrong(format!("`{file}` is not TOML: line {line}: {}", error.message()))
        })?;
        for (key, value) in table {
            if key == "hosts" {
                let hosts = value.as_table().ok_or_else(|| wrong(format!("`{file}`: `hosts` must be a table")))?;
                for (alias, uri) in hosts {
                    // An alias does not stand for another one.
                    let uri = uri.as_str().filter(|uri| uri.contains(':')).ok_or_else(|| {
                        wrong(format!("`{file}:{}`: host `{alias}` must be a URI", line_of(text, alias)))
                    })?;
                    self.hosts.insert(alias.clone(), (uri.to_string(), file.to_string()));
                }
                continue;
            }
            let place = format!("`{file}:{}`", line_of(text, &key));
            let Some(setting) = SETTINGS.iter().find(|setting| setting.name == key) else {
                let names = || SETTINGS.iter().map(|setting| setting.name).chain(["hosts"]);
                let hint = did_you_mean(&key, names());
                let hint = hint.unwrap_or_else(|| format!("settings: {}", names().collect::<Vec<_>>().join(", ")));
                return Err(wrong(format!("{place} has an unknown setting `{key}`")).hint(hint));
            };
            let values = setting.read(&value, file).map_err(|must| {
                let shown = value.as_str().map_or_else(|| value.type_str().to_string(), |text| format!("`{text}`"));
                let error = wrong(format!("{place}: `{key}` must be {must}, not {shown}"));
                setting.near(value.as_str().unwrap_or_default()).into_iter().fold(error, Error::hint)
            })?;
            self.values.insert(key, (values, file.to_string()));
        }
        Ok(())
    }

    /// A command line whose options have what the files say as their defaults.
    pub(super) fn apply(&self, mut command: Command) -> Command {
        for setting in SETTINGS.iter().filter(|setting| !OF_RECIPES.contains(&setting.name)) {
            // One that is empty is as good as none.
            if setting.variables.iter().any(|name| std::env::var_os(name).is_some_and(|value| value.is_empty())) {
                command = command.mut_arg(setting.name, |arg| arg.env(None::<&str>));
            }
            if let Some((values, _)) = self.values.get(setting.name).filter(|_| setting.variable().is_none()) {
                let values = values.clone();
                command = command.mut_arg(setting.name, |arg| arg.default_values(values));
            }
        }
        command
    }

    /// How results are printed if no option says it.
    pub(super) fn output(&self) -> Option<String> {
        self.of_recipes("output")
    }

    /// What stands for an option of a recipe, if a setting is for that.
    pub(super) fn of_recipes(&self, name: &str) -> Option<String> {
        let setting = SETTINGS.iter().find(|one| one.name == name && OF_RECIPES.contains(&one.name))?;
        let given = setting.variable().map(|(_, value)| value);
        given.or_else(|| self.values.get(name).map(|(values, _)| values.concat()))
    }

    /// How long connections over ssh stay open, if no option says it.
    pub(super) fn ssh_persist(&self) -> Duration {
        let Some(setting) = SETTINGS.iter().find(|one| one.name == "ssh_persist") else { return Duration::ZERO };
        let given = setting.variable().map(|(_, value)| value);
        let text = given.or_else(|| self.values.get(setting.name).map(|(values, _)| values.concat()));
        duration(&text.as_deref().unwrap_or(setting.fallback).into()).unwrap_or_default()
    }

    /// The folders of recipes that the environment or a file names.
    pub(super) fn recipes(&self) -> Vec<PathBuf> {
        let given = std::env::var("VMSCRIPT_RECIPES").ok().filter(|folders| !folders.is_empty());
        let given = given.map(|folders| folders.split(':').map(PathBuf::from).collect());
        let of_file = || self.values.get("recipes").map(|(folders, _)| folders.iter().map(PathBuf::from).collect());
        given.or_else(of_file).unwrap_or_default()
    }

    /// An error if a folder of recipes that somebody named is none.
    pub(super) fn check_recipes(&self, folders: &[PathBuf], given: &ArgMatches) -> Result<()> {
        let Some(missing) = folders.iter().find(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) else {
            return Ok(());
        };
        let from = match (given.value_source("recipes"), self.values.get("recipes")) {
            (Some(ValueSource::CommandLine), _) => "the option `--recipes` names it".to_string(),
            (Some(ValueSource::EnvVariable), _) | (_, None) => "the variable `VMSCRIPT_RECIPES` names it".to_string(),
            (_, Some((_, file))) => format!("`recipes` in `{file}` names it"),
        };
        let message = format!("there is no folder of recipes `{}`", missing.display());
        let is_typed = given.value_source("recipes") == Some(ValueSource::CommandLine);
        Err(if is_typed { Error::argument(message) } else { wrong(message) }.hint(from))
    }

    /// The default host, if a file names one.
    pub(super) fn connect(&self) -> Option<String> {
        let (uri, _) = self.values.get("connect")?;
        Some(self.uri(&uri.concat()))
    }

    /// The URI of a host that may be named by its alias.
    pub(super) fn uri(&self, host: &str) -> String {
        self.hosts.get(host).map_or(host, |(uri, _)| uri.as_str()).to_string()
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
        // libvirt looks at it if nothing else names a host.
        let libvirts = libvirts_host();
        let mut rows = Vec::new();
        for setting in SETTINGS {
            let name = setting.name;
            let option = (!OF_RECIPES.contains(&name) && given.value_source(name) == Some(ValueSource::CommandLine))
                .then(|| given.get_raw(name))
                .flatten()
                .map(|values| values.map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(":"));
            rows.push(match (option, setting.variable(), self.values.get(name)) {
                (Some(value), ..) => row(name.to_string(), &value, format!("--{}", name.replace('_', "-"))),
                (_, Some((variable, value)), _) => row(name.to_string(), &value, variable.to_string()),
                (_, _, Some((values, file))) => row(name.to_string(), &values.join(":"), file.clone()),
                _ if name == "connect" && libvirts.is_some() => {
                    row(name.to_string(), libvirts.as_deref().unwrap_or_default(), "LIBVIRT_DEFAULT_URI".to_string())
                }
                _ => row(name.to_string(), setting.fallback, "default".to_string()),
            });
        }
        rows.extend(self.hosts.iter().map(|(alias, (uri, file))| row(format!("hosts.{alias}"), uri, file.clone())));
        Value::List(rows)
    }
}

impl Setting {
    /// The variable that sets it, and its value.
    fn variable(&self) -> Option<(&'static str, String)> {
        let value = |name: &&'static str| Some((*name, std::env::var(name).ok().filter(|value| !value.is_empty())?));
        self.variables.iter().find_map(value)
    }

    /// An error if the variable that sets it says what it cannot be.
    fn check_variable(&self) -> Result<()> {
        let Some((variable, value)) = self.variable() else { return Ok(()) };
        let must = match self.kind {
            Kind::Flag if !FLAGS.contains(&value.to_lowercase().as_str()) => "true or false".to_string(),
            Kind::Duration if duration(&value.as_str().into()).is_err() => DURATION.to_string(),
            Kind::HostFolder if !value.starts_with('/') => ABSOLUTE.to_string(),
            Kind::Words(words) if !words.contains(&value.as_str()) => one_of(words),
            _ => return Ok(()),
        };
        let error = wrong(format!("the variable `{variable}` must be {must}, not `{value}`"));
        Err(self.near(&value).into_iter().fold(error, Error::hint))
    }

    /// Which of its words may be meant.
    fn near(&self, text: &str) -> Option<String> {
        let Kind::Words(words) = self.kind else { return None };
        did_you_mean(text, words.iter().copied())
    }

    /// What a file says, or what it must be.
    fn read(&self, value: &toml::Value, file: &str) -> Result<Vec<String>, String> {
        let path = |text: &str| located(text, file);
        match (&self.kind, value) {
            (Kind::Flag, toml::Value::Boolean(flag)) => Ok(vec![flag.to_string()]),
            (Kind::Text, toml::Value::String(text)) => Ok(vec![text.clone()]),
            (Kind::Path | Kind::Paths, toml::Value::String(text)) => Ok(vec![path(text)]),
            (Kind::Paths, toml::Value::Array(texts)) if texts.iter().all(toml::Value::is_str) => {
                Ok(texts.iter().filter_map(toml::Value::as_str).map(path).collect())
            }
            (Kind::HostFolder, toml::Value::String(text)) if text.starts_with('/') => Ok(vec![text.clone()]),
            (Kind::Words(words), toml::Value::String(text)) if words.contains(&text.as_str()) => Ok(vec![text.clone()]),
            (Kind::Duration, toml::Value::String(text)) if duration(&text.as_str().into()).is_ok() => {
                Ok(vec![text.clone()])
            }
            (Kind::Duration, _) => Err(DURATION.to_string()),
            (Kind::Flag, _) => Err("true or false".to_string()),
            (Kind::Text | Kind::Path, _) => Err("text".to_string()),
            (Kind::Paths, _) => Err("a list of folders".to_string()),
            (Kind::HostFolder, _) => Err(ABSOLUTE.to_string()),
            (Kind::Words(words), _) => Err(one_of(words)),
        }
    }
}

/// What a file or a variable says and cannot be: a configuration that is refused, and not a wrong word of a command.
fn wrong(message: String) -> Error {
    Error::new(Code::InvalidDefinition, Area::Script, message)
}

/// What a folder of the host must be.
const ABSOLUTE: &str = "a path that begins with `/`";

/// What a time must be.
const DURATION: &str = "a time such as `60s` or `5m`";

fn one_of(words: &[&str]) -> String {
    format!("one of {}", words.join(", "))
}

/// A path of a file of settings: `~/` is the user's folder, and others are seen from the folder of the file.
fn located(text: &str, file: &str) -> String {
    let home = || std::env::var_os("HOME").map(PathBuf::from);
    if let Some((rest, home)) = text.strip_prefix("~/").zip(home()) {
        return home.join(rest).display().to_string();
    }
    let folder = Path::new(file).parent().filter(|_| text != "none").unwrap_or(Path::new(""));
    folder.join(text).display().to_string()
}

/// The line in which a key is set.
fn line_of(text: &str, key: &str) -> usize {
    let is_it = |line: &str| line.split_once('=').is_some_and(|(name, _)| name.trim().trim_matches('"') == key);
    let is_table = |line: &str| line.trim().trim_matches(['[', ']']) == key;
    text.lines().position(|line| is_it(line) || is_table(line)).map_or(1, |at| at + 1)
}
