//! A guest as Combustion reads it: a script, in which every value is quoted for the shell.

use super::{Command, File, Guest};
use crate::floor::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(super) fn script(guest: &Guest) -> Result<String> {
    guest.inexpressible(
        "Combustion",
        &[
            ("network", !guest.network.is_empty()),
            ("growpart", guest.growpart.is_some()),
            ("instance_id", guest.instance_id.is_some()),
            ("cloud_config", !guest.cloud_config.is_empty()),
        ],
    )?;
    let mut script = Script { text: "#!/bin/bash\n".to_string() };
    if !guest.packages.is_empty() {
        script.text += "# combustion: network\n";
    }
    script.text += "set -euo pipefail\n";
    script.write(&plain("/etc/hostname", &format!("{}\n", guest.fqdn.as_deref().unwrap_or(&guest.hostname)), "0644"));
    if let Some(zone) = &guest.timezone {
        script.run(&["ln", "-sf", &format!("/usr/share/zoneinfo/{zone}"), "/etc/localtime"]);
    }
    if let Some(locale) = &guest.locale {
        script.write(&plain("/etc/locale.conf", &format!("LANG={locale}\n"), "0644"));
    }
    script.account("root", guest.password_hash.as_deref(), &guest.keys);
    for user in &guest.users {
        let mut words = vec!["useradd", "--create-home"];
        words.extend(user.gecos.iter().flat_map(|text| ["--comment", text]));
        words.extend(user.shell.iter().flat_map(|path| ["--shell", path]));
        let groups = user.groups.join(",");
        if !groups.is_empty() {
            words.extend(["--groups", &groups]);
        }
        words.push(&user.name);
        if user.name != "root" {
            script.run(&words);
        }
        script.account(&user.name, user.password_hash.as_deref(), &user.keys);
        if let Some(sudo) = &user.sudo {
            let path = format!("/etc/sudoers.d/{}", user.name.replace('.', "_"));
            script.write(&plain(&path, &format!("{} {sudo}\n", user.name), "0440"));
        }
    }
    if let Some(allow) = guest.ssh_pwauth {
        let text = format!("PasswordAuthentication {}\n", if allow { "yes" } else { "no" });
        script.write(&plain("/etc/ssh/sshd_config.d/10-password.conf", &text, "0600"));
    }
    if !guest.packages.is_empty() {
        let words = ["zypper", "--non-interactive", "install", "--"];
        script.run(&words.into_iter().chain(guest.packages.iter().map(String::as_str)).collect::<Vec<_>>());
    }
    if guest.autologin {
        script.write(&super::autologin());
    }
    guest.files.iter().for_each(|file| script.write(file));
    for command in &guest.commands {
        match command {
            // A line is a program of its own: an unfinished quote in it ends there.
            Command::Line(line) => script.run(&["/bin/sh", "-c", line]),
            Command::Words(words) => script.run(&words.iter().map(String::as_str).collect::<Vec<_>>()),
        }
    }
    Ok(script.text)
}

struct Script {
    text: String,
}

impl Script {
    fn run(&mut self, words: &[&str]) {
        self.text += &words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        self.text += "\n";
    }

    fn account(&mut self, user: &str, hash: Option<&str>, keys: &[String]) {
        if let Some(hash) = hash {
            self.run(&["usermod", "--password", hash, user]);
        }
        if !keys.is_empty() {
            let home = if user == "root" { "/root".to_string() } else { format!("/home/{user}") };
            let folder = format!("{home}/.ssh");
            let path = format!("{folder}/authorized_keys");
            let owner = (user != "root").then(|| format!("{user}:"));
            self.run(&["install", "-d", "-m", "0700", &folder]);
            self.put(&path, &format!("{}\n", keys.join("\n")), false);
            self.run(&["chmod", "0600", &path]);
            if let Some(owner) = owner {
                self.run(&["chown", "-R", &owner, &folder]);
            }
        }
    }

    fn write(&mut self, file: &File) {
        if let Some((folder, _)) = file.path.rsplit_once('/').filter(|(folder, _)| !folder.is_empty()) {
            self.run(&["mkdir", "-p", "--", folder]);
        }
        self.put(&file.path, &file.content, file.append);
        if let Some(mode) = &file.permissions {
            self.run(&["chmod", mode, "--", &file.path]);
        }
        if let Some(owner) = &file.owner {
            self.run(&["chown", owner, "--", &file.path]);
        }
    }

    /// What is in a file goes through base64, as a script holds no zero byte and its tools add line ends.
    fn put(&mut self, path: &str, content: &str, append: bool) {
        let to = if append { ">>" } else { ">" };
        self.text += &format!("base64 -d <<<'{}' {to} {}\n", STANDARD.encode(content), quoted(path));
    }
}

fn plain(path: &str, content: &str, mode: &str) -> File {
    File {
        path: path.to_string(),
        content: content.to_string(),
        permissions: Some(mode.to_string()),
        owner: None,
        append: false,
    }
}

/// A word that the shell takes as it is: in single quotes nothing but their end means anything.
fn quoted(word: &str) -> String {
    let harmless = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c));
    if harmless { word.to_string() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}
