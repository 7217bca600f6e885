//! From libvirt's names to the keys of script maps.

use super::{ChildSlot, Type};
use crate::schema::overlay;

/// camelCase, `-`, `.` and `+` become `snake_case`; a run of capitals is one word: `productID`, `product_id`.
pub(crate) fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (at, &c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| chars[at]);
        let after = chars.get(at + 1);
        if c.is_ascii_uppercase() {
            let starts_word = before.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            let ends_run =
                before.is_some_and(|b| b.is_ascii_uppercase()) && after.is_some_and(char::is_ascii_lowercase);
            if starts_word || ends_run {
                out.push('_');
            }
            out.push(c.to_ascii_lowercase());
        } else {
            out.push(if c.is_ascii_alphanumeric() { c } else { '_' });
        }
    }
    out
}

/// The English plural, for keys of lists.
fn plural(word: &str) -> String {
    if overlay::is_plural(word) {
        return word.to_string();
    }
    let stem = word.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    match stem {
        Some(stem) => format!("{stem}ies"),
        None if word.ends_with('s') || word.ends_with('x') || word.ends_with("ch") || word.ends_with("sh") => {
            format!("{word}es")
        }
        None => format!("{word}s"),
    }
}

/// A libvirt name in script spelling.
fn spelled(name: &str) -> String {
    overlay::spelling(name).map_or_else(|| snake(name), str::to_string)
}

/// The singular of a child's key: its libvirt name in script spelling, with the prefix of a foreign namespace.
pub(crate) fn singular(child: &ChildSlot, parent_space: &str) -> String {
    let base = spelled(&child.name);
    match overlay::prefix_of(&child.space) {
        Some(prefix) if child.space != parent_space => format!("{prefix}_{base}"),
        _ => base,
    }
}

/// Gives every field of a type its key. Attributes come first; a child that clashes gets another name.
pub(super) fn assign(ty: &mut Type, space: &str) {
    let parent = ty.name().to_string();
    for attr in &mut ty.attrs {
        attr.key = spelled(&attr.name);
    }
    for at in 0..ty.children.len() {
        let child = &ty.children[at];
        let single = singular(child, space);
        let wanted = if child.many { plural(&single) } else { single.clone() };
        let taken = |key: &str| {
            ty.attrs.iter().any(|attr| attr.key == key) || ty.children[..at].iter().any(|other| other.key == key)
        };
        let key = if !taken(&wanted) {
            wanted
        } else if child.many && !taken(&single) {
            single
        } else {
            overlay::clash(&parent, &child.name).map_or_else(|| format!("{wanted}_element"), str::to_string)
        };
        ty.children[at].key = key;
    }
    derive(ty);
}

/// Adds to a type whose fields have their keys what the overlay says of it.
pub(crate) fn derive(ty: &mut Type) {
    let parent = ty.name().to_string();
    for child in &mut ty.children {
        child.shorthand = overlay::shorthand(&parent, &child.name).map(str::to_string);
    }
    ty.sequence = overlay::sequence(&ty.label).map(str::to_string);
    ty.extensions = overlay::extensions(&ty.label).map(str::to_string).collect();
    ty.plain = ty.attrs.is_empty() && ty.children.is_empty() && ty.extensions.is_empty();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_spelled_as_scripts_spell_names() {
        for (name, key) in [
            ("currentMemory", "current_memory"),
            ("suspend-to-mem", "suspend_to_mem"),
            ("productID", "product_id"),
            ("vcpu", "vcpu"),
            ("dhcp4.x+y", "dhcp4_x_y"),
        ] {
            assert_eq!(snake(name), key);
        }
    }

    #[test]
    fn lists_have_plural_keys() {
        for (word, words) in [
            ("disk", "disks"),
            ("address", "addresses"),
            ("memory", "memories"),
            ("key", "keys"),
            ("graphics", "graphics"),
        ] {
            assert_eq!(plural(word), words);
        }
    }
}
