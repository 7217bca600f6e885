//! What a document of cloud-config must look like: keys that cloud-init knows, and values that mean what they seem to.

use super::guest::check;
use super::guest::read::{Reader, join};
use super::keys;
use crate::floor::{Finding, Map, Value};

/// The fields of a user, from the schema that cloud-init publishes.
const USER: &[&str] = &[
    "create_groups",
    "doas",
    "expiredate",
    "gecos",
    "groups",
    "hashed_passwd",
    "homedir",
    "inactive",
    "lock-passwd",
    "lock_passwd",
    "name",
    "no-create-home",
    "no-log-init",
    "no-user-group",
    "no_create_home",
    "no_log_init",
    "no_user_group",
    "passwd",
    "plain_text_passwd",
    "primary-group",
    "primary_group",
    "selinux-user",
    "selinux_user",
    "shell",
    "snapuser",
    "ssh-authorized-keys",
    "ssh-import-id",
    "ssh-redirect-user",
    "ssh_authorized_keys",
    "ssh_import_id",
    "ssh_redirect_user",
    "sudo",
    "system",
    "uid",
];

/// The fields of a file that is written.
const FILE: &[&str] = &["append", "content", "defer", "encoding", "owner", "path", "permissions", "source"];

/// The mistakes in a document; `path` is where it was given.
pub(super) fn findings(path: &str, config: &Map) -> Vec<Finding> {
    let mut reader = Reader::default();
    reader.findings.extend(config.keys().filter_map(|key| keys::unknown(path, key)));
    reader.text(path, config, "hostname", name);
    reader.text(path, config, "fqdn", name);
    reader.texts(path, config, "ssh_authorized_keys", check::ssh_key);
    for (at, user) in Reader::list(config, "users").iter().enumerate() {
        if let Some(fields) = user.as_map() {
            let path = format!("{}[{at}]", join(path, "users"));
            reader.known(&path, fields, USER);
            reader.texts(&path, fields, "ssh_authorized_keys", check::ssh_key);
            for key in ["hashed_passwd", "passwd"] {
                reader.text(&path, fields, key, locked_or_hash);
            }
        }
    }
    for (at, file) in Reader::list(config, "write_files").iter().enumerate() {
        let path = format!("{}[{at}]", join(path, "write_files"));
        match file {
            Value::Map(fields) => {
                reader.known(&path, fields, FILE);
                reader.required(&path, fields, "path", check::absolute);
            }
            other => reader.wrong(&path, &format!("`{path}` must be a map, not {}", other.kind()), None),
        }
    }
    reader.findings
}

/// cloud-init takes a full name for the host's as well.
fn name(text: &str) -> Option<String> {
    if text.contains('.') { check::fqdn(text) } else { check::hostname(text) }
}

/// What stands in `/etc/shadow`: `!` and `*` let nobody in.
fn locked_or_hash(text: &str) -> Option<String> {
    if matches!(text, "!" | "!!" | "*") { None } else { check::password_hash(text.trim_start_matches('!')) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(yaml: &str) -> Vec<(String, String)> {
        let map: Map = serde_saphyr::from_str(yaml).expect("YAML");
        findings("user_data", &map).into_iter().map(|finding| (finding.path, finding.message)).collect()
    }

    #[test]
    fn mistakes_are_told_with_their_places() {
        let yaml = "
hostnam: web
hostname: -web
ssh_authorized_keys: [ssh-rsa secret]
users:
- default
- {name: ann, sudoo: true, ssh_authorized_keys: nonsense, hashed_passwd: secret}
write_files:
- {content: hello}
- hello
";
        let expected = [
            ("user_data.hostnam", "cloud-config has no key `hostnam`"),
            (
                "user_data.hostname",
                "`user_data.hostname` is no host name: 1 to 63 letters, digits and hyphens, none of these at an end",
            ),
            (
                "user_data.ssh_authorized_keys[0]",
                "`user_data.ssh_authorized_keys[0]` is no public ssh key, such as the line in `id_ed25519.pub`",
            ),
            ("user_data.users[1].sudoo", "user_data.users[1] has no field `sudoo`"),
            (
                "user_data.users[1].ssh_authorized_keys[0]",
                "`user_data.users[1].ssh_authorized_keys[0]` is no public ssh key, such as the line in `id_ed25519.pub`",
            ),
            (
                "user_data.users[1].hashed_passwd",
                "`user_data.users[1].hashed_passwd` is no password hash of crypt(5), such as `mkpasswd` makes",
            ),
            ("user_data.write_files[0]", "`path` is missing"),
            ("user_data.write_files[1]", "`user_data.write_files[1]` must be a map, not a string"),
        ];
        assert_eq!(found(yaml), expected.map(|(path, message)| (path.to_string(), message.to_string())));
        assert!(!format!("{:?}", found(yaml)).contains("secret"));
    }

    #[test]
    fn what_cloud_init_takes_is_taken() {
        let yaml = "{hostname: web.example.com, users: [{name: ann, lock_passwd: true, passwd: '!'}], runcmd: [true]}";
        assert_eq!(found(yaml), []);
    }
}
