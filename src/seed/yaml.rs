//! YAML for cloud-init, which reads it by the rules of version 1.1: `no`, `0755` and `12:30` are no strings there.

use crate::floor::{Area, Code, Error, Map, Result};
use indexmap::IndexMap;
use serde::de::IgnoredAny;

/// A map as a YAML document; strings that version 1.1 or 1.2 would read as something else are quoted.
pub(super) fn write(map: &Map) -> Result<String> {
    // Long lines stay whole: keys are easier to find in them.
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    serde_saphyr::to_string_with_options(map, options)
        .map_err(|error| Error::new(Code::Failed, Area::Script, "cannot write YAML").caused_by(error.to_string()))
}

/// Refuses text that is not YAML or no map. What stands in it is not shown, since it may be secret.
pub(super) fn check_map(option: &str, text: &str) -> Result<()> {
    const HINT: &str = "a map in the script needs no YAML";
    let read = serde_saphyr::from_str::<Option<IndexMap<String, IgnoredAny>>>(text);
    // cloud-init's parser takes no tab for an indentation, ours some.
    if let Some(line) = tab(text) {
        return Err(Error::argument(format!("a tab indents line {line} of `{option}`"))
            .hint("indent with spaces")
            .hint(HINT));
    }
    let Err(error) = read else { return Ok(()) };
    let place =
        error.location().map_or_else(String::new, |at| format!(" (line {}, column {})", at.line(), at.column()));
    let is_twice = error.to_string().contains("duplicate mapping key");
    let what = if is_twice { "has a key twice" } else { "is no YAML map" };
    Err(Error::argument(format!("`{option}` {what}{place}")).hint(HINT))
}

/// The first line that begins with a tab.
fn tab(text: &str) -> Option<usize> {
    text.lines().position(|line| line.starts_with('\t')).map(|at| at + 1)
}

/// A map as plain data, unless it holds what only YAML has, such as tags.
pub(super) fn read(text: &str) -> Option<Map> {
    serde_saphyr::from_str::<Option<Map>>(text).ok()?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floor::Value;

    /// The right-hand sides were read back by `PyYAML`, which is what cloud-init uses.
    #[test]
    fn strings_stay_strings() {
        for (text, yaml) in [
            ("plain words", "plain words"),
            ("", "\"\""),
            ("no", "\"no\""),
            ("null", "\"null\""),
            ("~", "\"~\""),
            ("1e3", "\"1e3\""),
            ("0x10", "\"0x10\""),
            ("0644", "\"0644\""),
            ("12:30:45", "\"12:30:45\""),
            ("52:54:00:ff:00:03", "52:54:00:ff:00:03"),
            ("2026-11-21", "\"2026-11-21\""),
            ("=", "\"=\""),
            (" leading", "\" leading\""),
            ("a: b", "\"a: b\""),
            ("a # b", "\"a # b\""),
            ("#cloud-config", "\"#cloud-config\""),
            ("- a", "\"- a\""),
            ("it's", "it's"),
            ("say \"hi\"", "say \"hi\""),
            ("a\\b", "a\\b"),
            ("tab\there", "\"tab\\there\""),
            ("$6$salt$hash", "$6$salt$hash"),
            ("größe 😀", "größe 😀"),
            ("one\ntwo\n", "|\n  one\n  two"),
            ("one\ntwo", "|-\n  one\n  two"),
        ] {
            let map: Map = [("key".to_string(), Value::from(text))].into_iter().collect();
            assert_eq!(write(&map), Ok(format!("key: {yaml}\n")), "{text:?}");
        }
    }

    #[test]
    fn long_lines_stay_whole() {
        let key = format!("ssh-rsa {} someone", "A".repeat(400));
        let map: Map = [("key".to_string(), Value::from(key.as_str()))].into_iter().collect();
        assert_eq!(write(&map), Ok(format!("key: {key}\n")));
    }

    #[test]
    fn texts_are_checked_without_being_shown() {
        assert_eq!(check_map("meta_data", "a: 1\nb: !!binary aGk=\n"), Ok(()));
        assert_eq!(check_map("meta_data", "# nothing\n"), Ok(()));
        // `PyYAML` says the same of these.
        for text in ["a: one\ttwo\n", "a: |\n  \tone\n"] {
            assert_eq!(check_map("meta_data", text), Ok(()), "{text:?}");
        }
        for (text, wrong) in [
            ("a: one\n\t\n", "a tab indents line 2 of `user_data`"),
            ("#cloud-config\n\thostname: x\n", "a tab indents line 2 of `user_data`"),
            ("users:\n\t- name: x\n", "a tab indents line 2 of `user_data`"),
            ("hostname: x\nhostname: y\n", "`user_data` has a key twice (line 2, column 1)"),
        ] {
            assert_eq!(check_map("user_data", text).expect_err(text).message, wrong);
        }
        let error = check_map("meta_data", "password: \"geheim\n").expect_err("an open quote");
        assert!(!format!("{error:?}").contains("geheim"), "{error:?}");
    }
}
