//! A guest as cloud-init reads it.

use super::{Command, File, Guest, Nic};
use crate::floor::{Map, Result, Value};
use crate::seed::{Seed, cloud_init};

pub(super) fn seed(guest: &Guest) -> Result<Seed> {
    let mut documents = map([("user_data", user_data(guest).into())]);
    let mut meta = Map::new();
    put(&mut meta, "instance-id", guest.instance_id.clone());
    put(&mut meta, "local-hostname", Some(guest.hostname.clone()));
    put(&mut documents, "meta_data", Some(meta));
    if !guest.network.is_empty() {
        put(&mut documents, "network_config", Some(network(&guest.network)));
    }
    cloud_init(&documents.into())
}

fn user_data(guest: &Guest) -> Map {
    let mut config = Map::new();
    put(&mut config, "hostname", Some(guest.hostname.clone()));
    put(&mut config, "fqdn", guest.fqdn.clone());
    if !guest.users.is_empty() {
        let mut users = vec![Value::from("default")];
        users.extend(guest.users.iter().map(|user| {
            let mut entry = map([("name", user.name.clone().into())]);
            put(&mut entry, "gecos", user.gecos.clone());
            put(&mut entry, "groups", some(&user.groups));
            put(&mut entry, "shell", user.shell.clone());
            put(&mut entry, "sudo", user.sudo.clone());
            put(&mut entry, "ssh_authorized_keys", some(&user.keys));
            put(&mut entry, "lock_passwd", Some(user.password_hash.is_none()));
            put(&mut entry, "hashed_passwd", user.password_hash.clone());
            entry.into()
        }));
        put(&mut config, "users", Some(users));
    }
    put(&mut config, "ssh_authorized_keys", some(&guest.keys));
    // Keys of root would only print a message otherwise.
    let root = guest.users.iter().any(|user| user.name == "root" && !user.keys.is_empty());
    put(&mut config, "disable_root", root.then_some(false));
    if let Some(hash) = &guest.password_hash {
        let entry = map([("name", "root".into()), ("password", hash.clone().into())]);
        let chpasswd = map([("expire", false.into()), ("users", vec![entry.into()].into())]);
        put(&mut config, "chpasswd", Some(chpasswd));
    }
    put(&mut config, "ssh_pwauth", guest.ssh_pwauth);
    put(&mut config, "timezone", guest.timezone.clone());
    put(&mut config, "locale", guest.locale.clone());
    if let Some(grow) = guest.growpart {
        let mode = if grow { "auto" } else { "off" };
        put(&mut config, "growpart", Some(map([("mode", mode.into())])));
        put(&mut config, "resize_rootfs", Some(grow));
    }
    put(&mut config, "package_update", (!guest.packages.is_empty()).then_some(true));
    put(&mut config, "packages", some(&guest.packages));
    let mut files: Vec<Value> = guest.files.iter().map(file).collect();
    let mut commands: Vec<Value> = Vec::new();
    if guest.autologin {
        files.push(file(&super::autologin()));
        for words in
            [["systemctl", "daemon-reload"].as_slice(), &["systemctl", "restart", "serial-getty@ttyS0.service"]]
        {
            commands.push(words.iter().map(|word| Value::from(*word)).collect::<Vec<_>>().into());
        }
    }
    commands.extend(guest.commands.iter().map(|command| match command {
        Command::Line(line) => line.clone().into(),
        Command::Words(words) => words.iter().map(|word| Value::from(word.as_str())).collect::<Vec<_>>().into(),
    }));
    put(&mut config, "write_files", (!files.is_empty()).then_some(files));
    put(&mut config, "runcmd", (!commands.is_empty()).then_some(commands));
    config.extend(guest.cloud_config.clone());
    config
}

fn file(file: &File) -> Value {
    let mut entry = map([("path", file.path.clone().into()), ("content", file.content.clone().into())]);
    put(&mut entry, "permissions", file.permissions.clone());
    put(&mut entry, "owner", file.owner.clone());
    put(&mut entry, "append", file.append.then_some(true));
    entry.into()
}

/// Version 2. Default routes are written as networks, which every renderer of cloud-init understands.
fn network(nics: &[Nic]) -> Map {
    let mut ethernets = Map::new();
    for (at, nic) in nics.iter().enumerate() {
        let mut entry = Map::new();
        if let Some(mac) = &nic.mac {
            put(&mut entry, "match", Some(map([("macaddress", mac.clone().into())])));
            put(&mut entry, "set-name", nic.name.clone());
        }
        put(&mut entry, "dhcp4", Some(nic.dhcp4));
        put(&mut entry, "dhcp6", nic.dhcp6.then_some(true));
        put(&mut entry, "addresses", some(&nic.addresses));
        let mut routes: Vec<Value> = Vec::new();
        for gateway in &nic.gateways {
            let to = if gateway.via.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
            let mut route = map([("to", to.into()), ("via", gateway.via.to_string().into())]);
            put(&mut route, "on-link", gateway.on_link.then_some(true));
            routes.push(route.into());
        }
        for route in &nic.routes {
            routes.push(map([("to", route.to.to_string().into()), ("via", route.via.to_string().into())]).into());
        }
        put(&mut entry, "routes", (!routes.is_empty()).then_some(routes));
        let mut names = Map::new();
        put(&mut names, "addresses", some(&nic.nameservers));
        put(&mut names, "search", some(&nic.search));
        put(&mut entry, "nameservers", (!names.is_empty()).then_some(names));
        put(&mut entry, "mtu", nic.mtu);
        ethernets.insert(nic.id(at), entry.into());
    }
    map([("version", 2.into()), ("ethernets", ethernets.into())])
}

fn map<const N: usize>(fields: [(&str, Value); N]) -> Map {
    fields.into_iter().map(|(key, value)| (key.to_string(), value)).collect()
}

fn put(fields: &mut Map, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        fields.insert(key.to_string(), value.into());
    }
}

fn some<T: ToString>(items: &[T]) -> Option<Vec<Value>> {
    (!items.is_empty()).then(|| items.iter().map(|item| Value::from(item.to_string())).collect())
}
