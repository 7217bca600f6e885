//! One description of a guest, from which the seeds of several first-boot systems come.

pub(super) mod check;
mod cloud_config;
mod combustion;
mod ignition;
pub(super) mod network;
pub(super) mod read;

use super::Seed;
use crate::floor::{Error, Finding, Map, Result, Value};
use network::Nic;
use read::Reader;
use std::fmt;

/// What a guest shall become at its first boot. Checked: what is in it can be written down in every format that knows it.
#[derive(Clone, PartialEq)]
pub struct Guest {
    hostname: String,
    fqdn: Option<String>,
    users: Vec<User>,
    keys: Vec<String>,
    password_hash: Option<String>,
    ssh_pwauth: Option<bool>,
    packages: Vec<String>,
    files: Vec<File>,
    commands: Vec<Command>,
    network: Vec<Nic>,
    timezone: Option<String>,
    locale: Option<String>,
    growpart: Option<bool>,
    autologin: bool,
    cloud_config: Map,
    instance_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
struct User {
    name: String,
    gecos: Option<String>,
    groups: Vec<String>,
    shell: Option<String>,
    sudo: Option<String>,
    keys: Vec<String>,
    password_hash: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
struct File {
    path: String,
    content: String,
    /// In octal, such as `0644`.
    permissions: Option<String>,
    owner: Option<String>,
    append: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Command {
    /// A line for a shell.
    Line(String),
    /// A program with its arguments.
    Words(Vec<String>),
}

const KEYS: &[&str] = &[
    "cloud_config",
    "console_autologin",
    "fqdn",
    "growpart",
    "hostname",
    "instance_id",
    "locale",
    "network",
    "packages",
    "password_hash",
    "runcmd",
    "ssh_authorized_keys",
    "ssh_pwauth",
    "timezone",
    "users",
    "write_files",
];

impl Guest {
    /// Reads a description; all its mistakes are told at once.
    pub fn new(fields: &Map) -> Result<Self> {
        let mut reader = Reader::default();
        reader.known("", fields, KEYS);
        let fqdn = reader.text("", fields, "fqdn", check::fqdn);
        let hostname = reader.text("", fields, "hostname", check::hostname);
        let hostname = hostname.or_else(|| Some(fqdn.as_ref()?.split('.').next()?.to_string()));
        if hostname.is_none() && !["hostname", "fqdn"].iter().any(|key| fields.contains_key(*key)) {
            reader.wrong("", "a guest needs `hostname` or `fqdn`", None);
        }
        let guest = Self {
            hostname: hostname.unwrap_or_default(),
            fqdn,
            users: reader.maps("", fields, "users", user),
            keys: keys(&mut reader, "", fields),
            password_hash: reader.text("", fields, "password_hash", check::password_hash),
            ssh_pwauth: reader.flag("", fields, "ssh_pwauth"),
            packages: reader.texts("", fields, "packages", check::package),
            files: reader.maps("", fields, "write_files", file),
            commands: commands(&mut reader, fields),
            network: reader.maps("", fields, "network", network::nic),
            timezone: reader.text("", fields, "timezone", check::timezone),
            locale: reader.text("", fields, "locale", check::word),
            growpart: reader.flag("", fields, "growpart"),
            autologin: reader.flag("", fields, "console_autologin").unwrap_or(false),
            cloud_config: reader.map("", fields, "cloud_config").cloned().unwrap_or_default(),
            instance_id: reader.text("", fields, "instance_id", check::word),
        };
        for key in guest.cloud_config.keys() {
            if let Some(finding) = super::keys::unknown("cloud_config", key) {
                reader.findings.push(finding);
            }
        }
        network::duplicates(&mut reader, &guest.network);
        if reader.findings.is_empty() {
            Ok(guest)
        } else {
            Err(Error::definition(&format!("guest `{}`", guest.hostname), reader.findings))
        }
    }

    /// Its host name.
    pub fn hostname(&self) -> &str {
        &self.hostname
    }

    /// As a seed for cloud-init's data source `NoCloud`.
    pub fn cloud_init(&self) -> Result<Seed> {
        cloud_config::seed(self)
    }

    /// As an Ignition configuration, version 3.3, in JSON.
    pub fn ignition(&self) -> Result<String> {
        ignition::config(self)
    }

    /// As a disk for Ignition, which looks for its label where there is no firmware configuration.
    pub fn ignition_seed(&self) -> Result<Seed> {
        Seed::new("ignition", vec![("ignition/config.ign".to_string(), self.ignition()?.into_bytes())])
    }

    /// As a script for Combustion.
    pub fn combustion(&self) -> Result<String> {
        combustion::script(self)
    }

    /// As a disk for Combustion.
    pub fn combustion_seed(&self) -> Result<Seed> {
        Seed::new("combustion", vec![("combustion/script".to_string(), self.combustion()?.into_bytes())])
    }

    /// Refuses fields that a format cannot express; `used` says which of them hold anything.
    fn inexpressible(&self, format: &str, used: &[(&str, bool)]) -> Result<()> {
        let found = used.iter().filter(|(_, used)| *used).map(|(field, _)| Finding {
            path: (*field).to_string(),
            on_key: true,
            message: format!("{format} cannot express `{field}`"),
            ..Finding::default()
        });
        let found: Vec<_> = found.collect();
        if found.is_empty() { Ok(()) } else { Err(Error::definition(&format!("guest `{}`", self.hostname), found)) }
    }
}

/// It holds hashes and keys: only its name is shown.
impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").field("hostname", &self.hostname).finish_non_exhaustive()
    }
}

/// Public keys, without the newline at the end of the files that they come from.
fn keys(reader: &mut Reader, path: &str, fields: &Map) -> Vec<String> {
    let keys = reader.texts(path, fields, "ssh_authorized_keys", check::ssh_key);
    keys.into_iter().map(|key| key.trim().to_string()).collect()
}

fn user(reader: &mut Reader, path: &str, fields: &Map) -> Option<User> {
    let known = ["gecos", "groups", "name", "password_hash", "shell", "ssh_authorized_keys", "sudo"];
    reader.known(path, fields, &known);
    let name = reader.required(path, fields, "name", check::user_name);
    let sudo = match fields.get("sudo") {
        Some(Value::Bool(true)) => Some("ALL=(ALL) NOPASSWD:ALL".to_string()),
        Some(Value::Bool(false)) => None,
        _ => reader.text(path, fields, "sudo", check::line),
    };
    Some(User {
        gecos: reader.text(path, fields, "gecos", check::field),
        groups: reader.texts(path, fields, "groups", check::user_name),
        shell: reader.text(path, fields, "shell", check::absolute),
        sudo,
        keys: keys(reader, path, fields),
        password_hash: reader.text(path, fields, "password_hash", check::password_hash),
        name: name?,
    })
}

fn file(reader: &mut Reader, path: &str, fields: &Map) -> Option<File> {
    reader.known(path, fields, &["append", "content", "owner", "path", "permissions"]);
    let place = reader.required(path, fields, "path", check::absolute);
    Some(File {
        content: reader.text(path, fields, "content", check::any).unwrap_or_default(),
        permissions: reader.text(path, fields, "permissions", check::permissions),
        owner: reader.text(path, fields, "owner", check::owner),
        append: reader.flag(path, fields, "append").unwrap_or(false),
        path: place?,
    })
}

fn commands(reader: &mut Reader, fields: &Map) -> Vec<Command> {
    let mut found = Vec::new();
    for (at, item) in Reader::list(fields, "runcmd").iter().enumerate() {
        let path = format!("runcmd[{at}]");
        match item {
            Value::String(line) => {
                if let Some(message) = check::any(line) {
                    reader.wrong(&path, &message, None);
                }
                found.push(Command::Line(line.clone()));
            }
            Value::List(words) if !words.is_empty() && words.iter().all(|word| word.as_str().is_some()) => {
                found.push(Command::Words(words.iter().filter_map(Value::as_str).map(str::to_string).collect()));
            }
            other => reader.wrong(&path, &format!("a command is text or a list of texts, not {}", other.kind()), None),
        }
    }
    found
}

/// Logs root in on the serial console, by a setting of systemd's.
fn autologin() -> File {
    File {
        path: "/etc/systemd/system/serial-getty@ttyS0.service.d/autologin.conf".to_string(),
        content:
            "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --keep-baud 115200,38400,9600 %I $TERM\n"
                .to_string(),
        permissions: Some("0644".to_string()),
        owner: None,
        append: false,
    }
}

#[cfg(test)]
mod tests;
