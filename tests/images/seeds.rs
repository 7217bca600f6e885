//! Seeds: what goes in comes out of YAML, JSON and the disk as it was, and cloud-init's own programs agree.

use super::guests::{any_guest, any_text, base64};
use gpt_disk_io::BlockIoAdapter;
use gpt_disk_io::gpt_disk_types::BlockSize;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::Command;
use vmscript::floor;
use vmscript::seed::{Guest, Seed, cloud_init};

fn guest(fields: &Map<String, Value>) -> Guest {
    let plain: floor::Map = serde_json::from_value(Value::Object(fields.clone())).expect("plain data");
    Guest::new(&plain).unwrap_or_else(|error| panic!("{error}: {:?}", error.findings))
}

fn document(seed: &Seed, name: &str) -> String {
    let (_, contents) = seed.files.iter().find(|(known, _)| known == name).expect("the file");
    String::from_utf8(contents.clone()).expect("text")
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

/// Reads the disk by another program's eyes: each file is what was put in.
fn on_disk(seed: &Seed) {
    let image = seed.iso().expect("an image");
    let mut disk = BlockIoAdapter::new(image.as_slice(), BlockSize::new(2048).expect("not zero"));
    let volume = iso9660::mount(&mut disk, 0).expect("an ISO 9660 volume");
    for (name, contents) in &seed.files {
        let plain = name.to_uppercase().replace('-', "_");
        let entry = iso9660::find_file(&mut disk, &volume, &plain).expect("the file is there");
        assert_eq!(&iso9660::read_file_vec(&mut disk, &entry).expect("it is readable"), contents, "{name}");
    }
}

/// What a list of the description says, as it stands in the document.
fn texts(list: &Value, key: &str) -> Vec<Value> {
    list.as_array().into_iter().flatten().map(|one| one[key].clone()).collect()
}

/// The same guests in each run: a failure can be looked at again.
fn thousand() -> Config {
    Config { cases: 1000, failure_persistence: None, rng_seed: RngSeed::Fixed(1000), ..Config::default() }
}

proptest! {
    #![proptest_config(thousand())]

    #[test]
    fn a_thousand_random_guests_are_accepted_and_come_out_as_they_went_in(fields in any_guest()) {
        let guest = guest(&fields);
        let seed = guest.cloud_init().expect("a seed");
        on_disk(&seed);
        let config = yaml(&document(&seed, "user-data"));
        prop_assert_eq!(&config["hostname"], &fields["hostname"]);
        let count = fields["write_files"].as_array().map_or(0, Vec::len);
        for key in ["path", "content"] {
            let found: Vec<_> = texts(&config["write_files"], key).into_iter().take(count).collect();
            prop_assert_eq!(found, texts(&fields["write_files"], key));
        }
        let users: Vec<_> = texts(&config["users"], "gecos").into_iter().skip(1).collect();
        prop_assert_eq!(users, texts(&fields["users"], "gecos"));
        let commands = fields["runcmd"].as_array().expect("a list");
        let found = config["runcmd"].as_array().cloned().unwrap_or_default();
        prop_assert_eq!(&found[found.len() - commands.len()..], commands.as_slice());
        if let Some(more) = fields.get("cloud_config") {
            prop_assert_eq!(&config["final_message"], &more["final_message"]);
        }
        ignition(&fields)?;
    }

    #[test]
    fn any_text_in_any_document_stays_what_it_is(key in any_text(), text in any_text(), list in prop::collection::vec(any_text(), 0..4)) {
        let meta = json!({ "instance-id": "i-1", "key": { format!("k{key}"): text }, "list": list });
        let documents = json!({ "meta_data": meta, "user_data": { "final_message": text, "bootcmd": list } });
        let documents: floor::Value = serde_json::from_value(documents).expect("plain data");
        let seed = cloud_init(&documents).expect("a seed");
        on_disk(&seed);
        prop_assert_eq!(yaml(&document(&seed, "meta-data")), meta);
        prop_assert_eq!(yaml(&document(&seed, "user-data")), json!({ "final_message": text, "bootcmd": list }));
    }
}

/// The same guest as Ignition has it: files are in the JSON as data URLs.
fn ignition(fields: &Map<String, Value>) -> Result<(), TestCaseError> {
    let mut fields = fields.clone();
    for key in ["packages", "runcmd", "growpart", "cloud_config"] {
        fields.remove(key);
    }
    let config: Value = serde_json::from_str(&guest(&fields).ignition().expect("a configuration")).expect("JSON");
    let files = config["storage"]["files"].as_array().expect("a list");
    let given = fields["write_files"].as_array().expect("a list");
    for (file, given) in files[files.len() - given.len()..].iter().zip(given) {
        prop_assert_eq!(&file["path"], &given["path"]);
        let contents = if given["append"] == true { &file["append"][0] } else { &file["contents"] };
        let source = contents["source"].as_str().expect("a URL").strip_prefix("data:;base64,").expect("data");
        prop_assert_eq!(source, base64(given["content"].as_str().expect("text").as_bytes()));
    }
    Ok(())
}

/// Seeds by which cloud-init's own programs shall judge: each field alone, all of them, and many at random.
fn judged() -> Vec<Seed> {
    let full = json!({
        "hostname": "web", "fqdn": "web.example.com", "timezone": "Europe/Berlin", "locale": "de_DE.UTF-8",
        "ssh_authorized_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGQw7kJXTrQxJxOZQXc0zT9P1Ff0rJrUX0hWkC3vNnR4 me"],
        "password_hash": "$6$rounds=5000$abcdefgh$lYzWcUBUSv6qyiIkZ2Wm7yqQv3a7yOZmYtjVbK5vYIh0bq3Cw1",
        "ssh_pwauth": false, "packages": ["vim"], "runcmd": ["echo 'a' && b", ["touch", "/a b"]], "growpart": true,
        "console_autologin": true, "instance_id": "i-1", "cloud_config": { "final_message": "done" },
        "users": [{ "name": "ann", "gecos": "Ann", "groups": ["adm"], "sudo": true, "shell": "/bin/bash" }],
        "write_files": [{ "path": "/etc/motd", "content": "it's \"here\"\n", "permissions": "0644", "owner": "root:root" }],
        "network": [
            { "mac": "52:54:00:00:00:01", "name": "lan0", "addresses": ["10.0.0.5/24", "fd00::5/64"],
              "gateway": ["10.0.0.1", "fd00::1"], "nameservers": ["10.0.0.1"], "search": ["example.com"],
              "routes": [{ "to": "10.1.0.0/16", "via": "10.0.0.2" }], "mtu": 1400 },
            { "name": "eth1", "addresses": ["10.55.22.22/32"], "gateway": "169.254.0.1" },
            { "mac": "52:54:00:00:00:03", "dhcp": true },
        ],
    });
    let full = full.as_object().expect("a map").clone();
    let mut all = vec![full.clone()];
    for (key, value) in full.into_iter().filter(|(key, _)| key != "hostname") {
        all.push(Map::from_iter([("hostname".to_string(), json!("one")), (key, value)]));
    }
    let mut runner = TestRunner::new(thousand());
    all.extend((0..1000).map(|_| any_guest().new_tree(&mut runner).expect("a guest").current()));
    let mut seeds: Vec<_> = all.iter().map(|fields| guest(fields).cloud_init().expect("a seed")).collect();
    seeds.push(cloud_init(&floor::Value::Unit).expect("an empty seed"));
    seeds
}

#[test]
fn the_programs_of_cloud_init_accept_what_is_made_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let seeds = judged();
    for (at, seed) in seeds.iter().enumerate() {
        let own = folder.path().join(format!("{at:04}"));
        std::fs::create_dir(&own).expect("made");
        for (name, contents) in &seed.files {
            std::fs::write(own.join(name), contents).expect("written");
        }
        let expected = yaml(&document(seed, "user-data"));
        std::fs::write(own.join("expected.json"), expected.to_string()).expect("written");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/cloud-init");
    let output = Command::new(script).arg("judge").arg(folder.path()).output().expect("the script runs");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "(`scripts/setup test` installs what this needs) {said}");
    assert_eq!(said, format!("{} seeds judged\n", seeds.len()));
}

#[test]
fn the_judge_sees_mistakes() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = folder.path().join("wrong");
    std::fs::create_dir(&own).expect("made");
    std::fs::write(own.join("user-data"), "#cloud-config\nruncmd: 5\n").expect("written");
    std::fs::write(own.join("network-config"), "version: 2\nethernets: 5\n").expect("written");
    std::fs::write(own.join("expected.json"), "{\"runcmd\": 6}").expect("written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/cloud-init");
    let output = Command::new(script).arg("judge").arg(folder.path()).output().expect("the script runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    for judge in ["cloud-init schema", "YAML", "net-convert to networkd"] {
        assert!(said.contains(&format!("wrong: {judge}: ")), "{said}");
    }
}
