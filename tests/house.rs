//! The rules of the house that no compiler knows: rooms and arrows, who may use which crate, and what may not be left lying
//! around. A new room or a new dependency needs its row here first.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder of `src/` with what it may use: rooms, and crates that are not for everybody.
struct Room {
    name: &'static str,
    rooms: &'static [&'static str],
    crates: &'static [&'static str],
}

/// Outermost first; every arrow points down.
const ROOMS: &[Room] = &[
    Room { name: "main", rooms: &["cli"], crates: &["mimalloc"] },
    Room {
        name: "cli",
        rooms: &["repl", "script", "api", "schema", "floor"],
        crates: &[
            "clap",
            "clap_complete",
            "comfy_table",
            "ctrlc",
            "indicatif",
            "rustix",
            "serde_json",
            "serde_saphyr",
            "toml",
            "tracing_subscriber",
            "unicode_width",
        ],
    },
    Room {
        name: "repl",
        rooms: &["script", "api", "schema", "floor"],
        crates: &["rhai", "rustix", "rustyline", "unicode_width"],
    },
    Room {
        name: "script",
        rooms: &["api", "schema", "floor"],
        crates: &["annotate_snippets", "rhai", "serde_json", "serde_saphyr"],
    },
    Room {
        name: "api",
        rooms: &["libvirt", "seed", "image", "addressing", "schema", "floor"],
        crates: &["rhai", "rustix", "serde_json", "serde_saphyr", "unicode_width"],
    },
    Room {
        name: "libvirt",
        rooms: &["schema", "addressing", "floor"],
        crates: &[
            "base64",
            "ipnet",
            "libc",
            "netlink_packet_core",
            "netlink_packet_route",
            "netlink_sys",
            "nix",
            "png",
            "rustix",
            "serde_json",
            "virt",
        ],
    },
    Room {
        name: "seed",
        rooms: &["floor"],
        crates: &["base64", "hadris_fs", "hadris_iso", "ignition_config", "ipnet", "serde_json", "serde_saphyr"],
    },
    Room {
        name: "image",
        rooms: &["floor"],
        crates: &[
            "bzip2",
            "flate2",
            "liblzma",
            "minisign_verify",
            "serde_json",
            "serde_saphyr",
            "sha2",
            "ureq",
            "zstd",
        ],
    },
    Room { name: "addressing", rooms: &["floor"], crates: &["ipnet"] },
    Room { name: "schema", rooms: &["floor"], crates: &["postcard", "quick_xml", "regex", "regex_lite", "rustc_hash"] },
    Room { name: "floor", rooms: &[], crates: &["humantime", "strsim"] },
];

/// Crates for every room; `tempfile` for the sake of their tests.
const CRATES_FOR_ALL: &[&str] = &["indexmap", "serde", "tempfile", "tracing"];

/// The one module with `unsafe`, by the beginning of its files' names.
const UNSAFE_MODULE: &str = "src/libvirt/ffi";

const MOST_LINES: usize = 800;

/// Words that mean unfinished work. They are put together here so that this file does not hold them.
const LEFTOVERS: &[&str] = &[
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
    concat!("XX", "X"),
    concat!("dbg", "!("),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
];

#[test]
fn arrows_point_down() {
    let mut wrong = Vec::new();
    for (name, text) in files(&["src"], &["rs"]) {
        let room = room_of(&name);
        let Some(rules) = ROOMS.iter().find(|row| row.name == room) else {
            wrong.push(format!("{name}: room `{room}` has no row in {}", file!()));
            continue;
        };
        let tokens = tokens(&text);
        for (line, used) in rooms_used(&tokens) {
            let known = ROOMS.iter().any(|row| row.name == used);
            if known && used != room && !rules.rooms.contains(&used) {
                wrong.push(format!("{name}:{line}: room `{room}` may not use room `{used}`"));
            }
        }
        for (line, used) in crates_used(&tokens) {
            let owned = ROOMS.iter().any(|row| row.crates.contains(&used));
            if owned && !rules.crates.contains(&used) {
                wrong.push(format!("{name}:{line}: room `{room}` may not use crate `{used}`"));
            }
        }
        if !name.starts_with(UNSAFE_MODULE) {
            for (line, _) in tokens.iter().filter(|(_, token)| *token == "unsafe") {
                wrong.push(format!("{name}:{line}: `unsafe` is for {UNSAFE_MODULE} only"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_dependency_has_its_rooms() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml is readable");
    let declared: BTreeSet<String> = section(&manifest, "[dependencies]")
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.trim().replace('-', "_"))
        .collect();
    let mut placed: BTreeSet<&str> = ROOMS.iter().flat_map(|row| row.crates.iter().copied()).collect();
    placed.extend(CRATES_FOR_ALL);
    assert!(!declared.is_empty(), "Cargo.toml has a section of dependencies");
    let homeless: Vec<_> = declared.iter().filter(|name| !placed.contains(name.as_str())).collect();
    assert!(homeless.is_empty(), "no room may use these dependencies of Cargo.toml: {homeless:?}");
    let unknown: Vec<_> = placed.iter().filter(|name| !declared.contains(**name)).collect();
    assert!(unknown.is_empty(), "rooms may use what is no dependency: {unknown:?}");
}

#[test]
fn every_test_file_is_declared() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml is readable");
    let forgotten: Vec<_> = files(&["tests"], &["rs"])
        .into_iter()
        .filter(|(name, _)| name.matches('/').count() == 1)
        .map(|(name, _)| name)
        .filter(|name| {
            let stem = name.trim_start_matches("tests/").trim_end_matches(".rs");
            !manifest.contains(&format!("[[test]]\nname = \"{stem}\"\n"))
        })
        .collect();
    assert!(forgotten.is_empty(), "no [[test]] of Cargo.toml has the name of these: {forgotten:?}");
}

#[test]
fn nothing_is_left_lying_around() {
    let folders = ["src", "tests", "scripts", "examples", "stdlib", "book", ".ci"];
    let mut wrong = Vec::new();
    for (name, text) in files(&folders, &[]) {
        for (index, line) in text.lines().enumerate() {
            for word in LEFTOVERS.iter().filter(|word| contains_word(line, word)) {
                wrong.push(format!("{name}:{}: `{word}` is left", index + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// What can be planned to fail is asked for where it is done, and the other way round.
/// Rhai writes a property back whose value has been given to a method: whoever only reads would change the machine's record.
#[test]
fn recipes_call_no_methods_on_what_would_be_written_back() {
    let properties = [".owned_volumes.", ".labels.", ".annotations.", ".title.", ".description."];
    let is_call = |rest: &str| {
        let word = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
        rest[word..].starts_with('(')
    };
    let mut wrong = Vec::new();
    for (path, text) in files(&["stdlib", "examples"], &["rhai"]) {
        for (number, line) in text.lines().enumerate() {
            let calls = |property: &str| {
                line.match_indices(property)
                    .any(|(at, _)| line[..at].ends_with("vm") && is_call(&line[at + property.len()..]))
            };
            if properties.iter().any(|property| calls(property)) {
                wrong.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_verb_of_the_plans_is_asked_for() {
    let quoted = |text: &str, before: &str| {
        let parts: Vec<String> = text.split(before).skip(1).map(str::to_string).collect();
        parts.into_iter().filter_map(|rest| rest.split('"').next().map(str::to_string)).collect::<BTreeSet<_>>()
    };
    let (mut planned, mut asked) = (BTreeSet::new(), BTreeSet::new());
    for (name, text) in files(&["src/libvirt"], &["rs"]) {
        if name.ends_with("plan/verbs.rs") {
            planned.extend(quoted(&text, "    verb(\""));
            planned.extend(quoted(&text, "    skippable(\""));
        } else {
            asked.extend(quoted(&text, "attempt(\""));
            asked.extend(quoted(&text, "is_skipped(\""));
        }
    }
    assert!(planned.len() > 20, "{planned:?}");
    assert_eq!(planned, asked);
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<_> = files(&["src", "tests", "scripts", "examples", "stdlib"], &["rs", "rhai", ""])
        .into_iter()
        .map(|(name, text)| (name, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .collect();
    assert!(long.is_empty(), "longer than {MOST_LINES} lines: {long:?}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text files below these folders with one of these extensions, or all of them; names are relative to the root.
fn files(folders: &[&str], extensions: &[&str]) -> Vec<(String, String)> {
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).expect("a folder is readable").flatten().map(|entry| entry.path()));
            continue;
        }
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if !extensions.is_empty() && !extensions.contains(&extension) {
            continue;
        }
        // What is not text, such as a picture, is nobody's source.
        if let Ok(text) = fs::read_to_string(&path) {
            let name = path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
            found.push((name, text));
        }
    }
    found.sort();
    found
}

/// The room of `src/ROOM/...` or `src/ROOM.rs`; `lib.rs` only lists the rooms and counts as the outermost.
fn room_of(name: &str) -> &str {
    let inside = name.strip_prefix("src/").unwrap_or(name);
    match inside.split_once('/') {
        Some((folder, _)) => folder,
        None if inside == "lib.rs" => "main",
        None => inside.strip_suffix(".rs").unwrap_or(inside),
    }
}

fn section<'a>(manifest: &'a str, title: &'a str) -> impl Iterator<Item = &'a str> {
    manifest
        .lines()
        .skip_while(move |line| *line != title)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#'))
}

/// Whether the word stands alone: `XX` and a further `X` do not in `mktemp XX` with more of them.
fn contains_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !joins(before) && (word.ends_with('(') || !joins(after))
    })
}

/// Words and signs of Rust source with their lines, without comments and strings; `::` is one sign.
fn tokens(text: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if let Some(comment) = rest.strip_prefix("//") {
            2 + comment.find('\n').unwrap_or(comment.len())
        } else if let Some(comment) = rest.strip_prefix("/*") {
            2 + comment.find("*/").map_or(comment.len(), |end| end + 2)
        } else if let Some(length) = string_length(rest) {
            length
        } else if first.is_alphanumeric() || first == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push((line, &rest[..length]));
            length
        } else {
            let length = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            if !first.is_whitespace() {
                tokens.push((line, &rest[..length]));
            }
            length
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

/// The length of the string or character literal that the text begins with, if it does.
fn string_length(text: &str) -> Option<usize> {
    let raw = text.strip_prefix('r').map(|rest| rest.trim_start_matches('#'));
    if let Some(body) = raw.and_then(|rest| rest.strip_prefix('"')) {
        let hashes = text.len() - body.len() - 2;
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(text.len() - body.len() + body.find(&end).map_or(body.len(), |at| at + end.len()));
    }
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            // `'a` without a closing quote nearby is a lifetime.
            let lifetime = quote == '\'' && !text[1..].starts_with('\\') && text[1..at].chars().count() != 1;
            return (!lifetime).then_some(at + 1);
        }
        escaped = c == '\\' && !escaped;
        if quote == '\'' && at > 12 {
            return None;
        }
    }
    None
}

/// The names directly below the crate's root that the tokens use: `crate::a`, `crate::{a::x, b}`, `super::a`, `vmscript::a`.
fn rooms_used<'a>(tokens: &[(usize, &'a str)]) -> Vec<(usize, &'a str)> {
    let mut used = Vec::new();
    for (at, (_, token)) in tokens.iter().enumerate() {
        if !matches!(*token, "crate" | "super" | "vmscript") || tokens.get(at + 1).is_none_or(|next| next.1 != "::") {
            continue;
        }
        let rest = &tokens[at + 2..];
        if rest.first().is_none_or(|next| next.1 != "{") {
            used.extend(rest.first());
            continue;
        }
        let mut depth = 0;
        for (before, (line, inner)) in rest.iter().enumerate().map(|(i, found)| (rest[i.max(1) - 1].1, found)) {
            match *inner {
                "{" => depth += 1,
                "}" => depth -= 1,
                name if depth == 1 && matches!(before, "{" | ",") => used.push((*line, name)),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    used
}

/// The words that begin a path or stand alone after `use`: crates, if they are names of crates.
fn crates_used<'a>(tokens: &[(usize, &'a str)]) -> Vec<(usize, &'a str)> {
    let back = |at: usize, steps: usize| at.checked_sub(steps).map_or("", |at| tokens[at].1);
    // `a::b` and `<a>::b` go on with a path, while `::b` begins one.
    let goes_on = |at: usize| back(at, 1) == "::" && back(at, 2).ends_with(|c: char| c.is_alphanumeric() || c == '>');
    let used = |at: usize| match tokens.get(at + 1).map_or("", |next| next.1) {
        "::" => !goes_on(at),
        ";" | "as" => back(at, 1) == "use",
        _ => false,
    };
    tokens.iter().enumerate().filter(|(at, _)| used(*at)).map(|(_, token)| *token).collect()
}
