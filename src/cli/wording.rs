//! Errors of a recipe in the words of the command line: what a script writes is nothing that its user can type.

use super::recipe::flag;
use crate::floor::shell_word;
use crate::script::{Diagnostic, Field, Recipe};

/// What scripts write without a name in it, and the command that does the same.
const COMMANDS: &[(&str, &str)] = &[
    ("host.domains()", "vmscript vm list"),
    ("host.networks()", "vmscript network list"),
    ("host.pools()", "vmscript pool list"),
    ("host.uri", "vmscript -e 'print(connect().uri)'"),
    ("images()", "vmscript image list"),
    ("ipam(network)", "vmscript network ipam"),
    ("pool.refresh()", "vmscript pool refresh"),
    ("vm.block_resize(disk, size)", "vmscript vm resize NAME --disk DISK=SIZE"),
];

/// The same for a named object: how it begins, how it goes on behind the name, and the command that the name follows.
const NAMED: &[(&str, &str, &str)] = &[
    ("host.domain(\"", "\").is_protected = false", "vmscript vm unprotect"),
    ("host.domain(\"", "\").start()", "vmscript vm start"),
    ("host.domain(\"", "\").destroy()", "vmscript vm stop --force"),
    ("host.domain(\"", "\").shutdown(#{ timeout: \"1m\", force: true })", "vmscript vm stop"),
    ("host.domain(\"", "\")", "vmscript vm get"),
    ("host.domain(\"", "\").snapshots()", "vmscript vm snapshots"),
    ("virsh console ", "", "vmscript vm console"),
    ("host.network(\"", "\")", "vmscript network info"),
    ("host.pool(\"", "\")", "vmscript pool info"),
    ("host.network(\"", "\").start()", "vmscript network start"),
    ("host.pool(\"", "\").start()", "vmscript pool start"),
    ("host.pool(\"", "\").refresh()", "vmscript pool refresh"),
    ("host.pool(\"", "\").volumes()", "vmscript volume list"),
];

/// What the names of hints stand for, where a line of script is the only way.
const OBJECTS: &[(&str, &str)] =
    &[("host.", "connect()"), ("pool.", "connect().pool(\"NAME\")"), ("vm.", "connect().domain(\"NAME\")")];

/// Says options and functions as commands know them: `` `force: true` `` is `--force`, and `` `options.name` `` is `--name`.
pub(super) fn translate(shown: &mut [Diagnostic], recipe: &Recipe) {
    for one in shown {
        one.message = opening(&text(&one.message, recipe), recipe);
        // To keep what failed is an option of functions that few commands pass on. Who does not wait keeps it too.
        let keeps = |line: &str| line.starts_with("`keep: true`") && known("keep", recipe).is_none();
        one.lines.retain(|(_, line)| !keeps(line) || known("wait", recipe).is_some());
        for (_, line) in &mut one.lines {
            if keeps(line) {
                *line = "without `--wait` it stays, and `vmscript vm console` shows how far it comes".to_string();
            }
            *line = text(line, recipe);
        }
    }
}

/// A text whose parts in backticks are translated.
fn text(line: &str, recipe: &Recipe) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    let last = parts.len() - 1;
    let translated = parts.iter().enumerate().map(|(at, part)| {
        // Every other part is quoted, if the quotes are closed.
        let is_quoted = at % 2 == 1 && at < last;
        is_quoted
            .then(|| option(part, recipe).or_else(|| command(part)))
            .flatten()
            .unwrap_or_else(|| (*part).to_string())
    });
    translated.collect::<Vec<_>>().join("`")
}

/// A message about an option begins with its name.
fn opening(message: &str, recipe: &Recipe) -> String {
    let named = message.strip_prefix('`').and_then(|rest| rest.split_once('`'));
    match named.and_then(|(name, rest)| Some((flag(known(name, recipe)?), rest))) {
        Some((flag, rest)) if rest.starts_with(" must ") || rest.starts_with(": ") => format!("`{flag}`{rest}"),
        _ => message.to_string(),
    }
}

/// `options.name`, or `name: value` as in a map.
fn option(code: &str, recipe: &Recipe) -> Option<String> {
    if let Some(name) = code.strip_prefix("options.") {
        return Some(flag(known(name, recipe)?));
    }
    let (name, value) = code.split_once(": ")?;
    let field = known(name, recipe)?;
    let value = value.strip_prefix('[').and_then(|list| list.strip_suffix(']')).unwrap_or(value);
    Some(match (field.kind.as_str(), value) {
        ("flag", "true") => flag(field),
        ("flag", value) => format!("{}={value}", flag(field)),
        (_, value) => format!("{} {}", flag(field), value.trim_matches('"')),
    })
}

fn known<'r>(name: &str, recipe: &'r Recipe) -> Option<&'r Field> {
    recipe.options.iter().find(|field| field.name == name)
}

/// What does the same as a function that a hint names. What has no command is a line of script.
fn command(code: &str) -> Option<String> {
    if let Some((_, command)) = COMMANDS.iter().find(|(known, _)| *known == code) {
        return Some((*command).to_string());
    }
    let named = |(before, behind, command): &(&str, &str, &str)| {
        let name = code.strip_prefix(before)?.strip_suffix(behind)?;
        (!name.contains('"')).then(|| format!("{command} {}", shell_word(name)))
    };
    if let Some(command) = NAMED.iter().find_map(named) {
        return Some(command);
    }
    if let Some((pool, volume)) = volume(code) {
        return Some(format!("vmscript volume info {} {}", shell_word(pool), shell_word(volume)));
    }
    let is_whole = code.contains('(') && !code.contains('\'') && !code.contains("...");
    let (object, rest) = OBJECTS.iter().find_map(|(name, object)| Some((object, code.strip_prefix(name)?)))?;
    is_whole.then(|| format!("vmscript -e '{object}.{rest}'"))
}

/// The names of `host.pool("a").volume("b")`.
fn volume(code: &str) -> Option<(&str, &str)> {
    let names = code.strip_prefix("host.pool(\"")?.strip_suffix("\")")?.split_once("\").volume(\"")?;
    (!names.0.contains('"') && !names.1.contains('"')).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> Recipe {
        let field =
            |name: &str, kind: &str| Field { name: name.into(), kind: kind.into(), default: None, text: String::new() };
        Recipe {
            module: "vm".into(),
            import: "std/vm".into(),
            name: "create".into(),
            summary: String::new(),
            details: String::new(),
            parameters: Vec::new(),
            options: vec![field("dry_run", "flag"), field("set", "list"), field("name", "string")],
            takes_options: true,
            columns: Vec::new(),
            wide: Vec::new(),
            examples: Vec::new(),
        }
    }

    #[test]
    fn options_are_those_of_the_command() {
        for (script, shown) in [
            ("`dry_run: true` tells it", "`--dry-run` tells it"),
            ("pass `dry_run: false`", "pass `--dry-run=false`"),
            ("`set: [\"memory=VALUE\"]`", "`--set memory=VALUE`"),
            ("`name: \"web\"` or `options.name`", "`--name web` or `--name`"),
            ("`update: true` is of another recipe", "`update: true` is of another recipe"),
            ("an open ` before `name: x`", "an open ` before `name: x`"),
        ] {
            assert_eq!(text(script, &recipe()), shown);
        }
        assert_eq!(opening("`name` must be a string, not 5", &recipe()), "`--name` must be a string, not 5");
        assert_eq!(opening("`name` is taken", &recipe()), "`name` is taken");
    }

    #[test]
    fn who_does_not_wait_keeps_what_failed() {
        let told = |options: Vec<Field>| {
            let error = crate::floor::Error::argument("late").hint("`keep: true` leaves the guest for inspection");
            let mut shown = [Diagnostic::from_error(&error)];
            translate(&mut shown, &Recipe { options, ..recipe() });
            shown[0].lines.iter().map(|(_, line)| line.clone()).collect::<Vec<_>>()
        };
        let option = |name: &str| Field { name: name.into(), kind: "flag".into(), default: None, text: String::new() };
        assert!(told(Vec::new()).is_empty());
        assert_eq!(told(vec![option("keep")]), ["`--keep` leaves the guest for inspection"]);
        assert!(told(vec![option("wait")])[0].starts_with("without `--wait` it stays"));
    }

    #[test]
    fn functions_are_commands() {
        for (script, shown) in [
            ("`host.domain(\"web\").start()`", "`vmscript vm start web`"),
            ("`host.domain(\"my web's\").start()`", r"`vmscript vm start 'my web'\''s'`"),
            ("`host.domain(\"web\").is_protected = false` lifts that", "`vmscript vm unprotect web` lifts that"),
            ("`host.networks()` lists what is there", "`vmscript network list` lists what is there"),
            ("`host.network(\"lab\").start()`", "`vmscript network start lab`"),
            ("`vm.resume()`", "`vmscript -e 'connect().domain(\"NAME\").resume()'`"),
            ("`virsh console web` shows how far it came", "`vmscript vm console web` shows how far it came"),
            ("`host.domain(\"a\").snapshots()`", "`vmscript vm snapshots a`"),
            ("`host.pool(\"a\").volumes()`", "`vmscript volume list a`"),
            ("`host.pool(\"a\").volume(\"b c\")`", "`vmscript volume info a 'b c'`"),
            ("`host.domain(\"a\").shutdown(#{ timeout: \"1m\", force: true })`", "`vmscript vm stop a`"),
            ("`host.define_network(...)`", "`host.define_network(...)`"),
            ("`web`", "`web`"),
        ] {
            assert_eq!(text(script, &recipe()), shown);
        }
    }
}
