//! What a text must look like. Each function says what is wrong, to be read after the field's name.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const KEY_TYPES: &[&str] = &[
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "sk-ssh-ed25519@openssh.com",
    "ssh-dss",
    "ssh-ed25519",
    "ssh-rsa",
];

/// Methods of crypt(5) that say by their prefix what they are.
const HASHES: &[&str] = &["$1$", "$2a$", "$2b$", "$2y$", "$5$", "$6$", "$7$", "$gy$", "$sm3$", "$y$"];

fn unless(right: bool, message: &str) -> Option<String> {
    (!right).then(|| message.to_string())
}

/// Text of any kind, but without the zero byte that no file name, command or line can hold.
pub(in crate::seed) fn any(text: &str) -> Option<String> {
    unless(!text.contains('\0'), "holds a zero byte")
}

pub(in crate::seed) fn line(text: &str) -> Option<String> {
    unless(!text.is_empty() && !text.contains(['\0', '\n', '\r']), "must be one line of text")
}

pub(in crate::seed) fn word(text: &str) -> Option<String> {
    unless(!text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control()), "must be one word")
}

/// A field of `/etc/passwd`.
pub(in crate::seed) fn field(text: &str) -> Option<String> {
    line(text).or_else(|| unless(!text.contains(':'), "must not hold a colon"))
}

/// RFC 1123, 2.1: what stands between two dots of a name.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

pub(in crate::seed) fn hostname(text: &str) -> Option<String> {
    if text.contains('.') && fqdn(text).is_none() {
        return Some("has a dot: such a name is the `fqdn`, and its first label is the host name".to_string());
    }
    unless(is_label(text), "is no host name: 1 to 63 letters, digits and hyphens, none of these at an end")
}

pub(in crate::seed) fn fqdn(text: &str) -> Option<String> {
    let right = text.len() <= 253 && text.contains('.') && text.split('.').all(is_label);
    unless(right, "is no full domain name, such as `web.example.com`")
}

pub(in crate::seed) fn ssh_key(text: &str) -> Option<String> {
    let is_key = |at: &str, blob: Option<&str>| {
        let bytes = blob.and_then(|blob| STANDARD.decode(blob).ok()).unwrap_or_default();
        let length = u32::try_from(at.len()).unwrap_or_default().to_be_bytes();
        bytes.strip_prefix(&length).is_some_and(|rest| rest.starts_with(at.as_bytes()) && rest.len() > at.len())
    };
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    // Options may stand before the type.
    let at = words.iter().position(|word| KEY_TYPES.contains(word));
    let right = at.is_some_and(|at| is_key(words[at], words.get(at + 1).copied()));
    // A file of a key ends with a newline, which is not the key's.
    line(text.trim()).or_else(|| unless(right, "is no public ssh key, such as the line in `id_ed25519.pub`"))
}

pub(in crate::seed) fn password_hash(text: &str) -> Option<String> {
    let known = HASHES.iter().any(|prefix| text.starts_with(prefix));
    let clean = text.chars().all(|c| c.is_ascii_alphanumeric() || "$./=,".contains(c));
    let long = text.rsplit('$').next().is_some_and(|hash| hash.len() >= 20);
    unless(known && clean && long, "is no password hash of crypt(5), such as `mkpasswd` makes")
}

pub(in crate::seed) fn user_name(text: &str) -> Option<String> {
    let right = (1..=32).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
        && !text.starts_with(['-', '.'])
        && !text.chars().all(|c| c.is_ascii_digit());
    unless(right, "is no user or group name")
}

pub(in crate::seed) fn owner(text: &str) -> Option<String> {
    let right = text.split(':').count() <= 2 && text.split(':').all(|name| user_name(name).is_none());
    unless(right, "is no owner, such as `root` or `www-data:www-data`")
}

pub(in crate::seed) fn absolute(text: &str) -> Option<String> {
    let right = text.starts_with('/') && line(text).is_none() && text.split('/').all(|part| part != "..");
    unless(right, "is no absolute path")
}

pub(in crate::seed) fn permissions(text: &str) -> Option<String> {
    let right = (3..=4).contains(&text.len()) && text.chars().all(|c| ('0'..='7').contains(&c));
    unless(right, "is no octal mode, such as `\"0644\"`")
}

/// Package names of all systems, with versions as their tools take them.
pub(in crate::seed) fn package(text: &str) -> Option<String> {
    word(text).or_else(|| unless(!text.starts_with('-'), "must not begin with a hyphen"))
}

pub(in crate::seed) fn timezone(text: &str) -> Option<String> {
    let right = text.split('/').all(|part| {
        !part.is_empty() && part != ".." && part.chars().all(|c| c.is_ascii_alphanumeric() || "_-+".contains(c))
    });
    unless(right, "is no time zone, such as `Europe/Berlin`")
}
