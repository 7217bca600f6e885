//! Names in commands that somebody copies.

/// A name as the shell takes it for one word.
pub fn shell_word(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:@%+=".contains(c);
    if !name.is_empty() && name.chars().all(is_plain) {
        name.to_string()
    } else {
        format!("'{}'", name.replace('\'', "'\\''"))
    }
}
