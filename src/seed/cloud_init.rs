//! cloud-init's data source `NoCloud`: what goes into its files, and what it would not understand.

use super::{Seed, cloud_config, multipart, network_config, yaml};
use crate::floor::{Error, Finding, Map, Options, Result, Value, did_you_mean};

/// How user data may begin, as cloud-init sees it: it skips white space and takes capitals for small letters.
const HEADERS: &[&str] = &[
    "#!",
    "#cloud-boothook",
    "#cloud-config",
    "#cloud-config-archive",
    "#cloud-config-jsonp",
    "#include",
    "#include-once",
    "#part-handler",
    "## template: jinja",
];

/// Keys of `meta_data` whose spelling is easily confused with that of a script's other options.
const META_KEYS: &[(&str, &str)] = &[("instance_id", "instance-id"), ("local_hostname", "local-hostname")];

/// The seed of these options: `user_data`, `meta_data`, `network_config` and `vendor_data`, each a map or text.
///
/// cloud-init ignores a seed without user data or without meta data, so these two are always there. Without an instance
/// id in the map of meta data, one is made from all the contents: cloud-init then acts again when they change.
pub fn cloud_init(options: &Value) -> Result<Seed> {
    let options = Options::from_value(
        "cloud_init",
        options.clone(),
        &["meta_data", "network_config", "user_data", "vendor_data"],
    )?;
    let mut files = Vec::new();
    let user = options.get("user_data");
    files.push(("user-data", user_data("user_data", user.unwrap_or(&Value::Map(Map::new())))?));
    if let Some(value) = options.get("network_config") {
        files.push(("network-config", network(value)?));
    }
    if let Some(value) = options.get("vendor_data") {
        files.push(("vendor-data", user_data("vendor_data", value)?));
    }
    let meta = meta_data(options.get("meta_data"), user, &files)?;
    files.insert(1, ("meta-data", meta));
    Seed::new("cidata", files.into_iter().map(|(name, text)| (name.to_string(), text.into_bytes())).collect())
}

impl Seed {
    /// The same seed with this network configuration, which it must not have yet.
    pub fn with_network_config(&self, config: &Map) -> Result<Self> {
        if self.volume != "cidata" {
            let error = Error::argument("only a seed of cloud-init takes a network configuration");
            return Err(error.hint("deliver the address with `via: \"dhcp\"`"));
        }
        let mut files = self.files.clone();
        if files.iter().any(|(name, _)| name == "network-config") {
            let error = Error::argument("the seed has a `network_config`, and `static_ip` makes one");
            return Err(error.hint("leave one of the two out, or deliver the address with `via: \"dhcp\"`"));
        }
        files.push(("network-config".to_string(), network(&Value::Map(config.clone()))?.into_bytes()));
        Self::new(&self.volume, files)
    }
}

/// A map becomes cloud-config, and a list of documents one message; text has to say what it is.
fn user_data(option: &str, value: &Value) -> Result<String> {
    match value {
        Value::Map(map) => {
            right(option, cloud_config::findings(option, map))?;
            Ok(format!("#cloud-config\n{}", yaml::write(map)?))
        }
        Value::List(parts) if !parts.is_empty() => {
            let part = |(at, part)| user_data(&format!("{option}[{at}]"), part);
            Ok(multipart::message(&parts.iter().enumerate().map(part).collect::<Result<Vec<_>>>()?))
        }
        Value::String(text) => {
            check_header(option, text)?;
            Ok(text.clone())
        }
        other => Err(wrong_kind(option, other)),
    }
}

fn check_header(option: &str, text: &str) -> Result<()> {
    let line = text.trim_start().lines().next().unwrap_or_default().trim_end();
    let lower = line.to_lowercase();
    if let Some(header) = HEADERS.iter().filter(|header| lower.starts_with(**header)).max_by_key(|header| header.len())
    {
        // cloud-init logs what it cannot read and boots on without it.
        if *header != "#cloud-config" {
            return Ok(());
        }
        yaml::check_map(option, text)?;
        return yaml::read(text).map_or(Ok(()), |map| right(option, cloud_config::findings(option, &map)));
    }
    // How cloud-init knows a MIME message; it looks only so far.
    let head = &text.as_bytes()[..text.len().min(4096)];
    if String::from_utf8_lossy(head).to_lowercase().contains("mime-version:") {
        return Ok(());
    }
    let message = if line.is_empty() {
        format!("`{option}` is empty")
    } else if lower.starts_with("content-type:") {
        format!("`{option}` is a MIME message without the line `MIME-Version: 1.0`")
    } else if line.starts_with('#') {
        format!("`{option}` begins with `{line}`, which cloud-init does not know")
    } else {
        // What is no comment is data, which may be secret.
        format!("`{option}` does not say in its first line what it is")
    };
    let hint = did_you_mean(&lower, HEADERS.iter().copied()).unwrap_or_else(|| {
        "begin with `#cloud-config`, `#!`, `#include` or another header of cloud-init, or give a map".to_string()
    });
    Err(Error::argument(message).hint(hint))
}

fn network(value: &Value) -> Result<String> {
    let check = |map: &Map| right("network_config", network_config::findings(map));
    match value {
        Value::Map(map) => check(map).and_then(|()| yaml::write(map)),
        Value::String(text) => {
            yaml::check_map("network_config", text)?;
            yaml::read(text).map_or(Ok(()), |map| check(&map))?;
            Ok(text.clone())
        }
        other => Err(wrong_kind("network_config", other)),
    }
}

fn meta_data(value: Option<&Value>, user: Option<&Value>, files: &[(&str, String)]) -> Result<String> {
    let mut map = match value {
        None => Map::new(),
        Some(Value::Map(map)) => map.clone(),
        Some(Value::String(text)) => {
            yaml::check_map("meta_data", text)?;
            return Ok(text.clone());
        }
        Some(other) => return Err(wrong_kind("meta_data", other)),
    };
    if let Some((wrong, right)) = META_KEYS.iter().find(|(wrong, _)| map.contains_key(*wrong)) {
        return Err(Error::argument(format!("cloud-init does not know `{wrong}` in `meta_data`"))
            .hint(format!("write `\"{right}\"`, in quotes")));
    }
    let host = user.and_then(Value::as_map).and_then(|map| map.get("hostname")).filter(|host| host.as_str().is_some());
    if let Some(host) = host {
        map.entry("local-hostname".to_string()).or_insert_with(|| host.clone());
    }
    if !map.contains_key("instance-id") {
        let rest = yaml::write(&map)?;
        let parts = files.iter().flat_map(|(name, text)| [*name, text.as_str()]).chain([rest.as_str()]);
        let id = format!("iid-{:032x}", fingerprint(parts.map(str::as_bytes)));
        map.shift_insert(0, "instance-id".to_string(), id.into());
    }
    yaml::write(&map)
}

fn right(option: &str, findings: Vec<Finding>) -> Result<()> {
    if findings.is_empty() { Ok(()) } else { Err(Error::definition(&format!("`{option}`"), findings)) }
}

fn wrong_kind(option: &str, value: &Value) -> Error {
    Error::argument(format!("`{option}` must be a map or a string, not {}", value.kind()))
}

/// FNV-1a with 128 bits: the same for the same contents in every version and on every machine. No secret depends on it.
fn fingerprint<'a>(parts: impl Iterator<Item = &'a [u8]>) -> u128 {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    // The byte between the parts is in no text, so that they cannot run into each other.
    for byte in parts.flat_map(|part| part.iter().chain(&[0xff])) {
        hash = (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
        Value::Map(entries.into_iter().map(|(key, value)| (key.to_string(), value)).collect())
    }

    fn text<'s>(seed: &'s Seed, name: &str) -> Option<&'s str> {
        let (_, contents) = seed.files.iter().find(|(known, _)| known == name)?;
        std::str::from_utf8(contents).ok()
    }

    fn refused(option: &str, value: impl Into<Value>) -> (String, String) {
        let error = cloud_init(&map([(option, value.into())])).expect_err("refused");
        (error.message.clone(), error.hints.join(", "))
    }

    #[test]
    fn maps_become_documents() {
        let seed = cloud_init(&map([
            ("vendor_data", map([("package_update", false.into())])),
            (
                "network_config",
                map([("version", 2.into()), ("ethernets", map([("eth0", map([("dhcp4", true.into())]))]))]),
            ),
            ("user_data", map([("hostname", "web".into()), ("packages", Value::List(vec!["vim".into()]))])),
            ("meta_data", map([("region", "no".into())])),
        ]))
        .expect("a seed");
        let names: Vec<_> = seed.files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["user-data", "meta-data", "network-config", "vendor-data"]);
        assert_eq!(text(&seed, "user-data"), Some("#cloud-config\nhostname: web\npackages:\n- vim\n"));
        assert_eq!(
            text(&seed, "meta-data"),
            Some("instance-id: iid-4be90d77f647883803270d06d7caa08a\nregion: \"no\"\nlocal-hostname: web\n")
        );
        assert_eq!(text(&seed, "network-config"), Some("version: 2\nethernets:\n  eth0:\n    dhcp4: true\n"));
        assert_eq!(text(&seed, "vendor-data"), Some("#cloud-config\npackage_update: false\n"));
    }

    #[test]
    fn lists_become_one_message() {
        let parts = vec![map([("hostname", "web".into())]), "#!/bin/sh\necho 'ä'\n".into()];
        let seed = cloud_init(&map([("user_data", Value::List(parts))])).expect("a seed");
        let message = text(&seed, "user-data").expect("user data");
        let head = "Content-Type: multipart/mixed; boundary=\"==part-of-a-seed==\"\nMIME-Version: 1.0\n\n";
        assert!(message.starts_with(head), "{message}");
        assert!(message.contains("Content-Type: text/cloud-config; charset"), "{message}");
        assert!(message.contains("\n\nIyEvYmluL3NoCmVjaG8gJ8OkJwo=\n--==part-of-a-seed==--\n"), "{message}");
    }

    #[test]
    fn unknown_keys_are_found() {
        let given = map([("user_data", map([("pakages", Value::List(Vec::new()))]))]);
        let error = cloud_init(&given).expect_err("refused");
        assert_eq!(error.message, "cloud-config has no key `pakages`");
        assert_eq!(error.findings[0].hint.as_deref(), Some("did you mean `packages`?"));
    }

    #[test]
    fn the_golden_seed_stays_the_same() {
        let seed = cloud_init(&map([("user_data", map([("hostname", "web".into())]))])).expect("a seed");
        let iso = seed.iso().expect("an image");
        assert_eq!(seed.iso().as_ref(), Ok(&iso));
        assert_eq!(
            (iso.len(), format!("{:032x}", fingerprint([iso.as_slice()].into_iter()))),
            (364_544, "0ecedd7680f41cabaab7ace536a383a6".to_string())
        );
    }

    #[test]
    fn what_is_not_given_is_there_all_the_same() {
        let seed = cloud_init(&Value::Unit).expect("a seed");
        assert_eq!(text(&seed, "user-data"), Some("#cloud-config\n{}\n"));
        assert!(text(&seed, "meta-data").is_some_and(|text| text.starts_with("instance-id: iid-")));
        assert_eq!(seed.files.len(), 2);
    }

    #[test]
    fn the_instance_id_follows_the_contents() {
        let id = |user: &str, network: &str| {
            let network = map([("version", 2.into()), ("renderer", network.into())]);
            let seed = cloud_init(&map([("user_data", user.into()), ("network_config", network)])).expect("a seed");
            text(&seed, "meta-data").map(str::to_string)
        };
        assert_eq!(id("#!/bin/sh\n", "networkd"), id("#!/bin/sh\n", "networkd"));
        assert_ne!(id("#!/bin/sh\n", "networkd"), id("#!/bin/sh\nid\n", "networkd"));
        assert_ne!(id("#!/bin/sh\n", "networkd"), id("#!/bin/sh\n", "eni"));
    }

    #[test]
    fn what_is_given_is_kept() {
        let meta = map([("instance-id", "i-1".into()), ("local-hostname", "db".into())]);
        let user = map([("hostname", "web".into())]);
        let seed = cloud_init(&map([("meta_data", meta), ("user_data", user)])).expect("a seed");
        assert_eq!(text(&seed, "meta-data"), Some("instance-id: i-1\nlocal-hostname: db\n"));
        for user in [
            "#cloud-config\nhostname: web\n",
            "\n#Cloud-Config\n",
            "#cloud-config-archive\n- type: text/x-shellscript\n",
            "#!/bin/sh\n[ a: b\n",
            "#include\nhttps://example.com/seed\n",
            "## template: jinja\n#cloud-config\n{% if true %}x: 1{% endif %}\n",
            "Content-Type: multipart/mixed; boundary=b\nMIME-Version: 1.0\n\n--b--\n",
        ] {
            let seed = cloud_init(&map([("user_data", user.into()), ("meta_data", "instance-id: i-2".into())]));
            let seed = seed.expect("a seed");
            assert_eq!(text(&seed, "user-data"), Some(user));
            assert_eq!(text(&seed, "meta-data"), Some("instance-id: i-2"));
        }
    }

    #[test]
    fn wrong_user_data_is_refused() {
        let general = "begin with `#cloud-config`, `#!`, `#include` or another header of cloud-init, or give a map";
        for (given, message, hint) in [
            ("", "`user_data` is empty", general),
            ("hostname: web\npassword: geheim", "`user_data` does not say in its first line what it is", general),
            (
                "#cloudconfig\na: 1",
                "`user_data` begins with `#cloudconfig`, which cloud-init does not know",
                "did you mean `#cloud-config`?",
            ),
            (
                "# cloud-config\na: 1",
                "`user_data` begins with `# cloud-config`, which cloud-init does not know",
                "did you mean `#cloud-config`?",
            ),
            (
                "Content-Type: multipart/mixed\n",
                "`user_data` is a MIME message without the line `MIME-Version: 1.0`",
                general,
            ),
            (
                "#cloud-config\npassword: [geheim\n",
                "`user_data` is no YAML map (line 2, column 11)",
                "a map in the script needs no YAML",
            ),
            (
                "#cloud-config\n- geheim\n",
                "`user_data` is no YAML map (line 2, column 1)",
                "a map in the script needs no YAML",
            ),
        ] {
            assert_eq!(refused("user_data", given), (message.to_string(), hint.to_string()));
        }
        assert_eq!(refused("user_data", 5).0, "`user_data` must be a map or a string, not an integer");
    }

    #[test]
    fn wrong_options_are_refused() {
        assert_eq!(
            refused("user-data", ""),
            ("`cloud_init` has no option `user-data`".to_string(), "did you mean `user_data`?".to_string())
        );
        assert_eq!(
            refused("meta_data", map([("instance_id", "i-1".into())])),
            (
                "cloud-init does not know `instance_id` in `meta_data`".to_string(),
                "write `\"instance-id\"`, in quotes".to_string()
            )
        );
        assert_eq!(
            refused("network_config", map([("ethernets", map([]))])),
            ("`network_config` has no `version`, which must be 1 or 2".to_string(), String::new())
        );
        assert_eq!(
            refused("network_config", "version: 2\nethernets: [").0,
            "`network_config` is no YAML map (line 2, column 12)"
        );
        assert_eq!(
            refused("meta_data", Value::List(Vec::new())).0,
            "`meta_data` must be a map or a string, not a list"
        );
    }
}
