use super::*;
use serde_json::{Value as Json, json};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGQw7kJXTrQxJxOZQXc0zT9P1Ff0rJrUX0hWkC3vNnR4 me@example.com";
const HASH: &str = "$6$rounds=5000$abcdefgh$lYzWcUBUSv6qyiIkZ2Wm7yqQv3a7yOZmYtjVbK5vYIh0bq3Cw1";

fn value(json: Json) -> Map {
    let value: Value = serde_json::from_value(json).expect("plain data");
    value.as_map().expect("a map").clone()
}

fn full() -> Json {
    json!({
        "hostname": "web", "fqdn": "web.example.com", "timezone": "Europe/Berlin",
        "ssh_authorized_keys": [KEY], "password_hash": HASH, "ssh_pwauth": false,
        "users": [{ "name": "ann", "groups": ["adm"], "sudo": true, "shell": "/bin/bash", "ssh_authorized_keys": [KEY] }],
        "write_files": [{ "path": "/etc/motd", "content": "it's \"here\" && $(there)\n: ä\n", "permissions": "0644" }],
        "console_autologin": true,
    })
}

fn text(seed: &Seed, name: &str) -> String {
    let (_, contents) = seed.files.iter().find(|(known, _)| known == name).expect("the file");
    String::from_utf8(contents.clone()).expect("text")
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("YAML")
}

fn findings(json: Json) -> Vec<(String, String)> {
    let error = Guest::new(&value(json)).expect_err("refused");
    error.findings.iter().map(|finding| (finding.path.clone(), finding.message.clone())).collect()
}

#[test]
fn cloud_init_gets_all_of_it() {
    let mut fields = full();
    fields["packages"] = json!(["vim"]);
    fields["runcmd"] = json!(["echo 'a' && b", ["touch", "/a b"]]);
    fields["growpart"] = json!(true);
    fields["network"] = json!([
        { "mac": "52:54:00:00:00:01", "addresses": ["10.0.0.5/24", "fd00::5/64"], "gateway": ["10.0.0.1", "fd00::1"],
          "nameservers": ["10.0.0.1"], "search": ["example.com"], "routes": [{ "to": "10.1.0.0/16", "via": "10.0.0.2" }] },
        { "name": "eth1", "addresses": ["10.55.22.22/32"], "gateway": "169.254.0.1" },
    ]);
    let guest = Guest::new(&value(fields)).expect("a guest");
    let seed = guest.cloud_init().expect("a seed");
    let user = text(&seed, "user-data");
    let Value::Map(config) = yaml(&user) else { panic!("{user}") };
    assert_eq!(
        config["write_files"],
        yaml(
            "[{path: /etc/motd, content: \"it's \\\"here\\\" && $(there)\\n: ä\\n\", permissions: '0644'}, {path: /etc/systemd/system/serial-getty@ttyS0.service.d/autologin.conf, content: \"[Service]\\nExecStart=\\nExecStart=-/sbin/agetty --autologin root --keep-baud 115200,38400,9600 %I $TERM\\n\", permissions: '0644'}]"
        )
    );
    assert_eq!(config["ssh_authorized_keys"], yaml(&format!("[{KEY}]")));
    assert_eq!(config["chpasswd"], yaml(&format!("{{expire: false, users: [{{name: root, password: {HASH}}}]}}")));
    let network = yaml(&text(&seed, "network-config"));
    let expected = "
version: 2
ethernets:
  nic0:
    match: {macaddress: '52:54:00:00:00:01'}
    dhcp4: false
    addresses: [10.0.0.5/24, 'fd00::5/64']
    routes: [{to: 0.0.0.0/0, via: 10.0.0.1}, {to: '::/0', via: 'fd00::1'}, {to: 10.1.0.0/16, via: 10.0.0.2}]
    nameservers: {addresses: [10.0.0.1], search: [example.com]}
  eth1:
    dhcp4: false
    addresses: [10.55.22.22/32]
    routes: [{to: 0.0.0.0/0, via: 169.254.0.1, on-link: true}]
";
    assert_eq!(network, yaml(expected));
    let meta = yaml(&text(&seed, "meta-data"));
    assert_eq!(meta.as_map().expect("a map")["local-hostname"], Value::from("web"));
}

#[test]
fn ignition_gets_what_it_knows() {
    let guest = Guest::new(&value(full())).expect("a guest");
    let config: Json = serde_json::from_str(&guest.ignition().expect("a configuration")).expect("JSON");
    assert_eq!(config["ignition"]["version"], "3.3.0");
    assert_eq!(config["passwd"]["users"][0]["passwordHash"], HASH);
    assert_eq!(config["passwd"]["users"][1]["groups"], json!(["adm", "wheel"]));
    assert_eq!(config["storage"]["files"][0]["contents"]["source"], "data:;base64,d2ViLmV4YW1wbGUuY29tCg==");
    assert_eq!(config["storage"]["links"][0]["target"], "../usr/share/zoneinfo/Europe/Berlin");
    let mut fields = full();
    (fields["packages"], fields["runcmd"]) = (json!(["vim"]), json!(["true"]));
    let error = Guest::new(&value(fields)).expect("a guest").ignition().expect_err("refused");
    let messages: Vec<_> = error.findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(messages, ["Ignition cannot express `packages`", "Ignition cannot express `runcmd`"]);
}

#[test]
fn combustion_is_a_script_that_a_shell_can_read() {
    let mut fields = full();
    fields["users"][0]["gecos"] = json!("Ann's \"$(reboot)\"; && `x`");
    fields["runcmd"] = json!(["echo 'unfinished", ["echo", "it's"]]);
    fields["packages"] = json!(["vim"]);
    let guest = Guest::new(&value(fields)).expect("a guest");
    let script = guest.combustion().expect("a script");
    assert!(script.starts_with("#!/bin/bash\n# combustion: network\n"), "{script}");
    assert!(script.contains(r#"--comment 'Ann'\''s "$(reboot)"; && `x`' --shell"#), "{script}");
    assert!(script.ends_with("/bin/sh -c 'echo '\\''unfinished'\necho 'it'\\''s'\n"), "{script}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("script");
    std::fs::write(&file, &script).expect("written");
    assert!(std::process::Command::new("bash").arg("-n").arg(file).status().expect("bash runs").success());
    let seed = guest.combustion_seed().expect("a seed");
    assert_eq!(text(&seed, "combustion/script"), script);
    seed.iso().expect("an image");
}

#[test]
fn all_mistakes_are_told_with_their_places_and_no_secret() {
    let found = findings(json!({
        "hostname": "-web", "fqdn": "web", "hostnmae": "x", "ssh_authorized_keys": ["ssh-ed25519 geheim", KEY, 5],
        "password_hash": "geheim", "users": [{ "nam": "ann" }], "write_files": [{ "path": "etc/motd" }],
        "network": [
            { "mac": "52:54:00:00:00:01", "addresses": ["10.0.0.300/24"], "dhcp": true },
            { "name": "a", "addresses": ["10.0.0.5/24"], "gateway": "10.0.1.1" },
            { "mac": "52:54:00:00:00:01", "addresses": ["10.0.0.5/16"] },
        ],
        "cloud_config": { "runcmdd": [] },
    }));
    let expected = [
        ("hostnmae", "a guest has no field `hostnmae`"),
        ("fqdn", "`fqdn` is no full domain name, such as `web.example.com`"),
        ("hostname", "`hostname` is no host name: 1 to 63 letters, digits and hyphens, none of these at an end"),
        ("users[0].nam", "users[0] has no field `nam`"),
        ("users[0]", "`name` is missing"),
        (
            "ssh_authorized_keys[0]",
            "`ssh_authorized_keys[0]` is no public ssh key, such as the line in `id_ed25519.pub`",
        ),
        ("ssh_authorized_keys[2]", "`ssh_authorized_keys[2]` must be a string, not an integer"),
        ("password_hash", "`password_hash` is no password hash of crypt(5), such as `mkpasswd` makes"),
        ("write_files[0].path", "`write_files[0].path` is no absolute path"),
        ("network[0].addresses[0]", "`10.0.0.300/24` is not an address with its prefix, such as `10.0.0.5/24`"),
        ("network[1].gateway", "gateway `10.0.1.1` is in no subnet of the interface"),
        ("cloud_config.runcmdd", "cloud-config has no key `runcmdd`"),
        ("network[2].mac", "its MAC address is that of `network[0]` too"),
        ("network[2].addresses", "address `10.0.0.5` is that of `network[1]` too"),
    ];
    let expected: Vec<_> = expected.map(|(path, message)| (path.to_string(), message.to_string())).to_vec();
    assert_eq!(found, expected);
    assert_eq!(findings(json!({}))[0].1, "a guest needs `hostname` or `fqdn`");
}

#[test]
fn debug_shows_only_the_name() {
    let guest = Guest::new(&value(full())).expect("a guest");
    assert_eq!(format!("{guest:?}"), r#"Guest { hostname: "web", .. }"#);
}
