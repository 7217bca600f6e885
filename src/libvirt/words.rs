//! Words for libvirt, which must hold no NUL, and libvirt's own made fit for a message: without its generic beginnings, names
//! in backticks.

use crate::floor::{Error, Result};

/// Fails if libvirt would not get a text as it is: its texts end at the first NUL byte. All that are given to calls of `virt`
/// for which they are optional, or fields of parameters, go through here: it panics over those that hold one.
pub(super) fn without_nul(what: &str, texts: &[Option<&str>]) -> Result<()> {
    if texts.iter().flatten().any(|text| text.contains('\0')) {
        return Err(Error::argument(format!("{what} cannot hold a NUL byte")));
    }
    Ok(())
}

/// What libvirt puts before the fact; the code says it already.
const GENERIC: &[&str] = &[
    "Requested operation is not valid: ",
    "internal error: ",
    "operation failed: ",
    "invalid argument: ",
    "unsupported configuration: ",
    "argument unsupported: ",
    "XML error: ",
    "XML document failed to validate against schema: ",
    "Domain not found: ",
    "Network not found: ",
    "Storage pool not found: ",
    "Storage volume not found: ",
    "Timed out during operation: ",
    "Operation not supported: ",
    "Guest agent is not responding: ",
    "authentication failed: ",
    "access denied: ",
    "resource busy: ",
    "this function is not supported by the connection driver: ",
];

/// The fact in libvirt's words, in the style of our messages.
pub(super) fn fact(words: &str) -> String {
    // So the crate `virt` tells what libvirt is not asked.
    if words.starts_with("Null byte passed to CString") {
        return "a text cannot hold a NUL byte".to_string();
    }
    let text = quit(words).or_else(|| invalid(words)).unwrap_or_else(|| words.lines().next().unwrap_or_default());
    let bare = GENERIC.iter().find_map(|generic| text.strip_prefix(generic)).unwrap_or(text);
    let bare = bare.trim().trim_end_matches('.');
    // The driver names the C function and nothing else.
    if words.starts_with("this function is not supported") {
        return "the host's driver does not support this".to_string();
    }
    // What is between the colons is nothing where libvirt has nothing to tell.
    lower_first(&backticks(&bare.replace(": : ", ": ")))
}

/// What QEMU itself said when it quit at once: `... monitor: 2026-01-31T10:00:00Z qemu-system-x86_64: WORDS`.
fn quit(words: &str) -> Option<&str> {
    let (_, said) = words.split_once("process exited while connecting to monitor: ")?;
    let line = said.lines().find(|line| line.contains("qemu-system") && !line.contains("warning:"))?;
    Some(line.split_once(": ").map_or(line, |(_, rest)| rest))
}

/// The first mistake that a schema found; the line before it names only the schema's file.
fn invalid(words: &str) -> Option<&str> {
    let mut lines = words.lines();
    lines.next()?.contains("Unable to validate doc against").then(|| lines.next()).flatten()
}

/// Turns names in single quotes to names in backticks, and leaves apostrophes alone.
fn backticks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open = false;
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let opens = c == '\'' && !open && !before.is_alphanumeric();
        let closes = c == '\'' && open && chars.peek().is_none_or(|next| !next.is_alphanumeric());
        if opens || closes {
            open = opens;
            out.push('`');
        } else {
            out.push(c);
        }
        before = c;
    }
    out
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        // `QEMU` and other acronyms stay as they are.
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(text.chars().skip(1)).collect()
        }
        _ => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::fact;

    #[test]
    fn facts_read_like_our_own_messages() {
        for (words, expected) in [
            ("Requested operation is not valid: network 'default' is not active", "network `default` is not active"),
            ("operation failed: domain 'x' already exists with uuid 1-2", "domain `x` already exists with uuid 1-2"),
            (
                "Cannot access storage file '/a/b' (as uid:1, gid:1): Permission denied",
                "cannot access storage file `/a/b` (as uid:1, gid:1): Permission denied",
            ),
            ("QEMU guest agent is not connected", "QEMU guest agent is not connected"),
            ("can't do that", "can't do that"),
            (
                "End of file while reading data: : Input/output error",
                "end of file while reading data: Input/output error",
            ),
            (
                "this function is not supported by the connection driver: virNetworkGetDHCPLeases",
                "the host's driver does not support this",
            ),
            (
                "Null byte passed to CString: nul byte found in provided data at position: 1",
                "a text cannot hold a NUL byte",
            ),
            ("", ""),
            (
                "XML document failed to validate against schema: Unable to validate doc against /a.rng\nExtra element x\n",
                "extra element x",
            ),
            (
                "internal error: process exited while connecting to monitor: 2026-01-31T10:00:00.1Z qemu-system-x86_64: \
                 -blockdev {}: Failed to get \"write\" lock\nIs another process using the image [/a]?",
                "-blockdev {}: Failed to get \"write\" lock",
            ),
        ] {
            assert_eq!(fact(words), expected);
        }
    }
}
