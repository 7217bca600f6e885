//! Guests made at random: every field that may be there, with every text that it may hold.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Whatever UTF-8 can write, with more than a fair share of what documents, shells and YAML trip over. Without the zero
/// byte, which no command and no file name can hold.
pub(crate) fn any_text() -> impl Strategy<Value = String> {
    const TRAPS: &[&str] = &[
        "\r\n", "\n\n", "\n", "\t", " ", ": ", " #", "- ", "---\n", "...\n", "&&", "$(id)", "`id`", "'", "\"", "\\",
        "{{", "%", "@", "!", "|", ">", "\u{7f}", "\u{85}", "\u{a0}", "\u{2028}", "\u{2029}", "\u{feff}", "\u{fffe}",
        "\u{ffff}", "\u{1b}", "\u{7}", "ä", "漢", "😀", "\u{202e}", "no", "null", "0x1f", "1e3", "12:30", "~", "<<",
        "=", "EOF\n",
    ];
    let piece = prop_oneof![
        3 => any::<char>().prop_filter("no zero byte", |c| *c != '\0').prop_map(String::from),
        4 => prop::sample::select(TRAPS).prop_map(str::to_string),
        3 => "[a-zA-Z0-9 ]{1,12}",
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// A description of a guest that must be accepted.
pub(crate) fn any_guest() -> impl Strategy<Value = Map<String, Value>> {
    let names = (label(), option::of(vec(label(), 2..5)), option::of(any::<bool>()), any::<bool>());
    let lists =
        (keys(), vec(user(), 0..3), vec(file(), 0..3), vec(command(), 0..3), vec("[a-z][a-z0-9+.-]{0,20}", 0..3));
    let rest = (
        vec(nic(), 0..3),
        option::of(prop::sample::select(&["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"][..])),
        option::of(any::<bool>()),
        option::of(hash()),
        option::of(any_text()),
    );
    (names, lists, rest).prop_map(|(names, lists, rest)| {
        let (hostname, fqdn, ssh_pwauth, autologin) = names;
        let (keys, mut users, files, commands, packages) = lists;
        let (mut nics, timezone, growpart, hash, message) = rest;
        for (at, user) in users.iter_mut().enumerate() {
            user["name"] = json!(format!("user{at}"));
        }
        for (at, nic) in nics.iter_mut().enumerate() {
            nic["mac"] = json!(format!("52:54:00:00:00:{at:02x}"));
            // Each card has its own network.
            let text = nic.to_string().replace("NET", &format!("10.{at}")).replace("CARD", &at.to_string());
            *nic = serde_json::from_str(&text).expect("JSON");
        }
        let fields = [
            ("hostname", Some(json!(hostname))),
            ("fqdn", fqdn.map(|labels| json!(labels.join(".")))),
            ("ssh_pwauth", ssh_pwauth.map(|on| json!(on))),
            ("console_autologin", Some(json!(autologin))),
            ("ssh_authorized_keys", Some(json!(keys))),
            ("users", Some(json!(users))),
            ("write_files", Some(json!(files))),
            ("runcmd", Some(json!(commands))),
            ("packages", Some(json!(packages))),
            ("network", Some(json!(nics))),
            ("timezone", timezone.map(|zone| json!(zone))),
            ("growpart", growpart.map(|on| json!(on))),
            ("password_hash", hash.map(|hash| json!(hash))),
            ("cloud_config", message.map(|text| json!({ "final_message": text }))),
        ];
        fields.into_iter().filter_map(|(key, value)| Some((key.to_string(), value?))).collect()
    })
}

fn label() -> impl Strategy<Value = String> {
    "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?"
}

fn hash() -> impl Strategy<Value = String> {
    "\\$6\\$[a-zA-Z0-9./]{8,16}\\$[a-zA-Z0-9./]{86}"
}

/// Public keys of the right form, with any comment that a line can hold.
fn keys() -> impl Strategy<Value = Vec<String>> {
    let key = (any::<[u8; 32]>(), "[ -~]{0,20}").prop_map(|(bytes, comment)| {
        let mut blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
        blob.extend(bytes);
        format!("ssh-ed25519 {} {comment}", base64(&blob)).trim_end().to_string()
    });
    vec(key, 0..3)
}

fn user() -> impl Strategy<Value = Value> {
    let gecos = any_text().prop_map(|text| text.replace([':', '\n', '\r'], "") + "x");
    (option::of(gecos), vec("[a-z][a-z0-9_-]{0,10}", 0..3), any::<bool>(), keys(), option::of(hash())).prop_map(
        |(gecos, groups, sudo, keys, hash)| {
            json!({
                "gecos": gecos, "groups": groups, "sudo": sudo, "ssh_authorized_keys": keys, "password_hash": hash,
                "shell": "/bin/bash",
            })
        },
    )
}

fn file() -> impl Strategy<Value = Value> {
    ("(/[a-zA-Z0-9 ._ä😀'\"$-]{1,12}){1,4}", any_text(), option::of("0[0-7]{3}"), any::<bool>())
        .prop_filter("a path does not go up", |(path, ..)| !path.split('/').any(|part| part == ".."))
        .prop_map(|(path, content, permissions, append)| {
            json!({ "path": path, "content": content, "permissions": permissions, "append": append })
        })
}

fn command() -> impl Strategy<Value = Value> {
    prop_oneof![any_text().prop_map(|line| json!(line + "x")), vec(any_text(), 1..4).prop_map(|words| json!(words)),]
}

fn nic() -> impl Strategy<Value = Value> {
    let routed = (1u8..255).prop_map(|host| {
        json!({ "addresses": [format!("NET.0.{host}/32"), format!("fd00:CARD::{host:x}/64")], "gateway": "169.254.0.1" })
    });
    let subnet = (2u8..250, option::of(1280u16..9000), any::<bool>()).prop_map(|(host, mtu, search)| {
        json!({
            "addresses": [format!("NET.0.{host}/24")], "gateway": "NET.0.1", "nameservers": ["9.9.9.9", "2620:fe::9"],
            "mtu": mtu, "search": if search { json!(["example.com", "lan"]) } else { json!([]) },
            "routes": [{ "to": "172.16.0.0/12", "via": "NET.0.254" }],
        })
    });
    let dhcp = any::<bool>().prop_map(|v6| json!({ "dhcp4": true, "dhcp6": v6 }));
    prop_oneof![routed, subnet, dhcp]
}

/// The usual alphabet, written here so that the tests do not take the product's word for it.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}
