//! A guest as Ignition reads it: declarative, so that commands and packages have no place in it.

use super::{File, Guest, Nic};
use crate::floor::{Area, Code, Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// The version of the specification: the newest one that every system with Ignition understands today.
const VERSION: &str = "3.3.0";

pub(super) fn config(guest: &Guest) -> Result<String> {
    guest.inexpressible(
        "Ignition",
        &[
            ("packages", !guest.packages.is_empty()),
            ("runcmd", !guest.commands.is_empty()),
            ("locale", guest.locale.is_some()),
            ("growpart", guest.growpart.is_some()),
            ("instance_id", guest.instance_id.is_some()),
            ("cloud_config", !guest.cloud_config.is_empty()),
        ],
    )?;
    let name = guest.fqdn.as_deref().unwrap_or(&guest.hostname);
    let mut files = vec![entry(&plain("/etc/hostname", &format!("{name}\n"), "0644"))];
    if let Some(allow) = guest.ssh_pwauth {
        let text = format!("PasswordAuthentication {}\n", if allow { "yes" } else { "no" });
        files.push(entry(&plain("/etc/ssh/sshd_config.d/10-password.conf", &text, "0600")));
    }
    for (at, nic) in guest.network.iter().enumerate() {
        let id = nic.id(at);
        let path = format!("/etc/NetworkManager/system-connections/{id}.nmconnection");
        files.push(entry(&plain(&path, &key_file(&id, nic), "0600")));
    }
    if guest.autologin {
        files.push(entry(&super::autologin()));
    }
    files.extend(guest.files.iter().map(entry));
    let mut storage = json!({ "files": files });
    if let Some(zone) = &guest.timezone {
        let target = format!("../usr/share/zoneinfo/{zone}");
        storage["links"] = json!([{ "path": "/etc/localtime", "target": target, "overwrite": true }]);
    }
    let mut document = json!({ "ignition": { "version": VERSION }, "storage": storage });
    let users = users(guest);
    if !users.is_empty() {
        document["passwd"] = json!({ "users": users });
    }
    // The typed crate of the specification's authors has the last word.
    let failed = |error: serde_json::Error| {
        Error::new(Code::Failed, Area::Script, "cannot write the Ignition configuration").caused_by(error.to_string())
    };
    let typed: ignition_config::v3_3::Config = serde_json::from_value(document).map_err(failed)?;
    serde_json::to_string_pretty(&typed).map_err(failed)
}

/// The guest's own keys and hash are those of root, as with the other formats' default user.
fn users(guest: &Guest) -> Vec<Value> {
    let mut users = Vec::new();
    if guest.password_hash.is_some() || !guest.keys.is_empty() {
        let mut root = Map::from_iter([("name".to_string(), json!("root"))]);
        root.extend(guest.password_hash.as_ref().map(|hash| ("passwordHash".to_string(), json!(hash))));
        root.insert("sshAuthorizedKeys".to_string(), json!(guest.keys));
        users.push(Value::Object(root));
    }
    for user in &guest.users {
        let mut groups = user.groups.clone();
        if user.sudo.is_some() && !groups.iter().any(|group| group == "wheel" || group == "sudo") {
            groups.push("wheel".to_string());
        }
        let entry = [
            ("name", Some(json!(user.name))),
            ("gecos", user.gecos.as_ref().map(|text| json!(text))),
            ("shell", user.shell.as_ref().map(|path| json!(path))),
            ("passwordHash", user.password_hash.as_ref().map(|hash| json!(hash))),
            ("groups", (!groups.is_empty()).then(|| json!(groups))),
            ("sshAuthorizedKeys", Some(json!(user.keys))),
        ];
        users.push(entry.into_iter().filter_map(|(key, value)| Some((key.to_string(), value?))).collect());
    }
    users
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

fn entry(file: &File) -> Value {
    let source = json!({ "source": format!("data:;base64,{}", STANDARD.encode(&file.content)) });
    let mode = i64::from_str_radix(file.permissions.as_deref().unwrap_or("0644"), 8).unwrap_or(0o644);
    let mut entry = json!({ "path": file.path, "mode": mode });
    if file.append {
        entry["append"] = json!([source]);
    } else {
        entry["contents"] = source;
        entry["overwrite"] = json!(true);
    }
    if let Some(owner) = &file.owner {
        let (user, group) = owner.split_once(':').unwrap_or((owner, owner));
        entry["user"] = json!({ "name": user });
        entry["group"] = json!({ "name": group });
    }
    entry
}

/// The format of `NetworkManager`; all values in it were checked, and none of them holds a line break.
fn key_file(id: &str, nic: &Nic) -> String {
    let mut text = format!("[connection]\nid={id}\ntype=ethernet\n");
    if let (None, Some(name)) = (&nic.mac, &nic.name) {
        text += &format!("interface-name={name}\n");
    }
    text += "\n[ethernet]\n";
    text.extend(nic.mac.iter().map(|mac| format!("mac-address={mac}\n")));
    text.extend(nic.mtu.iter().map(|mtu| format!("mtu={mtu}\n")));
    for (section, v4, dhcp) in [("ipv4", true, nic.dhcp4), ("ipv6", false, nic.dhcp6)] {
        text += &format!("\n[{section}]\n");
        let own: Vec<_> = nic.addresses.iter().filter(|own| own.addr().is_ipv4() == v4).collect();
        let off = if v4 { "disabled" } else { "link-local" };
        text += &format!(
            "method={}\n",
            if dhcp {
                "auto"
            } else if own.is_empty() {
                off
            } else {
                "manual"
            }
        );
        for (at, address) in own.iter().enumerate() {
            text += &format!("address{}={address}\n", at + 1);
        }
        let defaults = nic.gateways.iter().filter(|gateway| gateway.via.is_ipv4() == v4);
        let to = if v4 { "0.0.0.0/0" } else { "::/0" };
        let mut routes: Vec<String> = Vec::new();
        for gateway in defaults {
            if gateway.on_link {
                // A route to the gateway itself makes it reachable.
                routes.push(format!("{}/{}", gateway.via, if v4 { 32 } else { 128 }));
            }
            routes.push(format!("{to},{}", gateway.via));
        }
        let more = nic.routes.iter().filter(|route| route.via.is_ipv4() == v4);
        routes.extend(more.map(|route| format!("{},{}", route.to, route.via)));
        for (at, route) in routes.iter().enumerate() {
            text += &format!("route{}={route}\n", at + 1);
        }
        let names: Vec<_> = nic.nameservers.iter().filter(|dns| dns.is_ipv4() == v4).map(ToString::to_string).collect();
        if !names.is_empty() {
            text += &format!("dns={};\n", names.join(";"));
        }
        if v4 && !nic.search.is_empty() {
            text += &format!("dns-search={};\n", nic.search.join(";"));
        }
    }
    text
}
