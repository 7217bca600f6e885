//! Recipes: the documented functions of a module, from which the library function, the command line and the reference
//! page all come.
//!
//! A recipe's doc comment names its parameters under `# Parameters` and the keys of its last parameter, if that is
//! called `options`, under `# Options`, a line each:
//!
//! ```text
//! - `timeout` (duration, default "5m"): how long to wait
//! - `mode` (nat | route, default "nat"): one of these words
//! ```
//!
//! Under `# Columns` it names the fields of its records in backticks, the most important first; behind what comes with the
//! option `wide` alone stands `(wide)`. One that works on chosen machines,
//! several at a time, and names none gives the `name` and the `result` of each, as `std/many` does.

use super::reference::split;
use super::{Diagnostic, Place};
use crate::floor::{Value, did_you_mean, duration, size};
use rhai::AST;

/// A documented function of a module.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The module, such as `vm`.
    pub module: String,
    /// What `import` takes for it, such as `std/vm`.
    pub import: String,
    /// The function, such as `create`.
    pub name: String,
    /// What it does, in one sentence.
    pub summary: String,
    /// The rest of its docs.
    pub details: String,
    /// Its parameters in order, without `options`.
    pub parameters: Vec<Field>,
    /// The keys of its `options`.
    pub options: Vec<Field>,
    /// Whether it takes `options`.
    pub takes_options: bool,
    /// The fields of the records that it gives, the most important first, if its docs name them.
    pub columns: Vec<String>,
    /// Those of them that come with the option `wide` alone.
    pub wide: Vec<String>,
    /// Scripts that show it at work.
    pub examples: Vec<super::Example>,
}

/// The types of parameters and options. `count` is at least 1; `domains` is a list of names. `names` is a list of what holds no
/// comma, so that commas may part it on the command line. Of `image`, `snapshot` and the like
/// the shell knows the names. `function`, `map`, `host` and `object` are for scripts only.
pub const KINDS: &[&str] = &[
    "count",
    "domain",
    "domains",
    "duration",
    "flag",
    "float",
    "function",
    "host",
    "image",
    "int",
    "list",
    "map",
    "names",
    "network",
    "object",
    "path",
    "pool",
    "reservation",
    "size",
    "snapshot",
    "string",
    "volume",
];

/// A parameter or an option.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type, one of [`KINDS`], or the words that it may be with `|` between them.
    pub kind: String,
    /// What stands for it when it is left out, as it is written.
    pub default: Option<String>,
    /// What it is.
    pub text: String,
}

impl Field {
    /// The words that it may be, if these are all.
    pub fn words(&self) -> Option<Vec<String>> {
        self.kind.contains('|').then(|| self.kind.split('|').map(|word| word.trim().to_string()).collect())
    }

    /// What stands for it when it is left out, or what that would have to be.
    pub fn standing(&self) -> Result<Value, String> {
        let Some(default) = self.default.as_deref().filter(|default| *default != "()") else { return Ok(Value::Unit) };
        let number = |least| default.parse::<i64>().ok().filter(|number| *number >= least).map(Value::from);
        let text = default.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(default);
        let text = || Some(Value::from(text)).filter(|_| !default.contains('`'));
        let texts = || serde_json::from_str::<Vec<String>>(default).ok();
        let (value, must) = match self.kind.as_str() {
            "count" => (number(1), "a whole number, at least 1".to_string()),
            "int" => (number(i64::MIN), "a whole number".to_string()),
            "float" => (default.parse().ok().map(Value::Float), "a number".to_string()),
            "flag" => (default.parse::<bool>().ok().map(Value::from), "true or false".to_string()),
            "list" | "names" | "domains" => {
                let list = texts().map(|texts| Value::List(texts.into_iter().map(Value::from).collect()));
                (list, "a list of texts, such as `[\"a\"]`".to_string())
            }
            "size" => (text().filter(|text| size(text).is_ok()), "a size, such as \"20 GiB\"".to_string()),
            "duration" => (text().filter(|text| duration(text).is_ok()), "a time, such as \"5m\"".to_string()),
            _ => match self.words() {
                Some(words) => {
                    let word =
                        text().filter(|text| text.as_str().is_some_and(|text| words.iter().any(|word| word == text)));
                    (word, format!("one of {}", words.join(", ")))
                }
                None => (text(), "a text in quotation marks".to_string()),
            },
        };
        value.ok_or(must)
    }
}

impl Recipe {
    /// Whether it can be a command: a closure, a map, a host or another object cannot be typed on a command line.
    pub fn is_command(&self) -> bool {
        self.parameters.iter().all(|field| !["function", "host", "map", "object"].contains(&field.kind.as_str()))
    }

    /// Whether machines are chosen by name or by label: its first parameter is one, and it has the option `label`.
    pub fn chooses(&self) -> bool {
        let names = self.parameters.first().is_some_and(|field| ["domain", "domains"].contains(&field.kind.as_str()));
        names && self.options.iter().any(|field| field.name == "label")
    }

    /// What it is called as a command; a name that Rhai keeps for itself has a `_` behind it as a function.
    pub fn command_name(&self) -> String {
        self.name.trim_end_matches('_').replace('_', "-")
    }

    /// How a script calls it: `vm::create(file, options)`.
    pub fn signature(&self) -> String {
        let names = self.parameters.iter().map(|field| field.name.as_str());
        let names: Vec<_> = names.chain(self.takes_options.then_some("options")).collect();
        format!("{}::{}({})", self.module, self.name, names.join(", "))
    }
}

/// Public functions of a module without docs, which are no recipes: the name of each, and its line. Overloads of recipes are
/// shortcuts, and `test_*` are tests.
pub(super) fn undocumented(tree: &AST, text: &str) -> Vec<(String, usize)> {
    let public = || tree.iter_functions().filter(|function| function.access == rhai::FnAccess::Public);
    let is_recipe = |name: &str| public().any(|function| function.name == name && !function.comments.is_empty());
    let mut found: Vec<(String, usize)> = Vec::new();
    // Closures are functions, too, whose names nobody wrote.
    let is_meant = |name: &str| !name.starts_with("test_") && !name.starts_with("anon$") && !is_recipe(name);
    for function in public().filter(|function| is_meant(function.name)) {
        let head = format!("fn {}(", function.name);
        let line = text.lines().position(|line| line.trim_start().starts_with(&head)).map_or(1, |at| at + 1);
        if found.iter().all(|(name, _)| name != function.name) {
            found.push((function.name.to_string(), line));
        }
    }
    found.sort_by_key(|(_, line)| *line);
    found
}

/// What in the docs of a module's functions cannot be read: types and parameters that there are not, and lines of another form.
pub(super) fn mistakes(source: &str, text: &str, tree: &AST) -> Vec<Diagnostic> {
    let (mut found, mut section, mut function) = (Vec::new(), "", None);
    for (at, line) in text.lines().enumerate() {
        let Some(doc) = line.trim_start().strip_prefix("///") else {
            (section, function) = ("", None);
            continue;
        };
        let function = *function.get_or_insert_with(|| below(text, at));
        let doc = doc.trim();
        if let Some(title) = doc.strip_prefix("# ") {
            section = title.trim();
        }
        if !matches!(section, "Parameters" | "Options") || !doc.starts_with("- `") {
            continue;
        }
        let (wrong, token) = match field(doc) {
            Some(field) if field.words().is_some() || KINDS.contains(&field.kind.as_str()) => {
                let stranger = function.and_then(|function| stranger(&field.name, section, function, tree));
                match (stranger, field.standing()) {
                    (Some(wrong), _) => (wrong, format!("`{}`", field.name)),
                    (None, Err(must)) => {
                        let default = field.default.unwrap_or_default();
                        let wrong = format!("the default of `{}` must be {must}, not {default}", field.name);
                        (Diagnostic::error(wrong), format!("default {default}"))
                    }
                    (None, Ok(_)) => continue,
                }
            }
            Some(Field { kind, name, .. }) => {
                let hint = did_you_mean(&kind, KINDS.iter().copied());
                let hint = hint.unwrap_or_else(|| format!("types: {}", KINDS.join(", ")));
                (Diagnostic::error(format!("`{name}` has the unknown type `{kind}`")).hint(hint), format!("({kind}"))
            }
            None => {
                let shown = Diagnostic::error("this line explains no parameter and no option");
                (
                    shown.hint("write ``- `name` (type): text`` or ``- `name` (type, default value): text``"),
                    "- `".to_string(),
                )
            }
        };
        let before =
            line.find(&token).map_or(0, |start| line[..start].chars().count() + usize::from(token.starts_with('(')));
        found.push(wrong.at(Some(Place { source: source.to_string(), line: at + 1, column: before + 1 })));
    }
    found
}

/// The function that docs stand above, of which this line is one.
fn below(text: &str, at: usize) -> Option<&str> {
    let head = text.lines().skip(at).map(str::trim_start).find(|line| !line.starts_with("///"))?;
    Some(head.strip_prefix("fn ")?.split('(').next()?.trim())
}

/// What is wrong with a name in the docs of a function that has no such parameter, or takes no options.
fn stranger(name: &str, section: &str, function: &str, tree: &AST) -> Option<Diagnostic> {
    let all = tree.iter_functions().filter(|one| one.name == function && !one.comments.is_empty());
    let parameters: Vec<&str> = all.flat_map(|one| one.params).collect();
    let is_option = section == "Options";
    let is_known = parameters.contains(if is_option { &"options" } else { &name });
    if is_known {
        return None;
    }
    if is_option {
        let shown = Diagnostic::error(format!("`{function}` takes no options, such as `{name}`"));
        return Some(shown.hint("its last parameter must be called `options`"));
    }
    let hint = did_you_mean(name, parameters.iter().copied()).unwrap_or_else(|| match parameters.as_slice() {
        [] => format!("`{function}` has no parameters"),
        all => format!("parameters: {}", all.join(", ")),
    });
    Some(Diagnostic::error(format!("`{function}` has no parameter `{name}`")).hint(hint))
}

/// The recipes of a module: its public functions that have docs, sorted by name. Overloads without docs are shortcuts.
pub(super) fn read(module: &str, import: &str, tree: &AST) -> Vec<Recipe> {
    let public = tree.iter_functions().filter(|function| function.access == rhai::FnAccess::Public);
    let mut recipes: Vec<Recipe> = public
        .filter(|function| !function.comments.is_empty())
        .map(|function| {
            let comment = function.comments.join("\n");
            recipe(module, import, function.name, &function.params, &comment)
        })
        .collect();
    recipes.sort_by(|a, b| a.name.cmp(&b.name));
    recipes
}

fn recipe(module: &str, import: &str, name: &str, parameters: &[&str], comment: &str) -> Recipe {
    let lines = comment.lines().map(|line| line.trim_start().trim_start_matches("///"));
    let text = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n");
    let (prose, examples) = split(&text);
    let (mut plain, mut fields, mut options, mut columns) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut wide, mut section) = (Vec::new(), "");
    for line in prose.lines() {
        if let Some(title) = line.strip_prefix("# ") {
            section = title.trim();
        } else if let (Some(field), "Parameters" | "Options") = (field(line), section) {
            if section == "Options" { options.push(field) } else { fields.push(field) }
        } else if line.starts_with("  ") && matches!(section, "Parameters" | "Options") {
            // A text that goes on.
            if let Some(field) = if section == "Options" { options.last_mut() } else { fields.last_mut() } {
                field.text = format!("{} {}", field.text, line.trim());
            }
        } else if section == "Columns" {
            let parts: Vec<_> = line.split('`').skip(1).collect();
            for pair in parts.chunks(2).filter(|pair| !pair[0].starts_with('-')) {
                columns.push(pair[0].to_string());
                if pair.get(1).is_some_and(|behind| behind.starts_with(" (wide)")) {
                    wide.push(pair[0].to_string());
                }
            }
        } else if section.is_empty() {
            plain.push(line);
        }
    }
    let plain = plain.join("\n");
    let (summary, details) = plain.split_once("\n\n").unwrap_or((&plain, ""));
    let takes_options = parameters.last() == Some(&"options");
    let named = parameters.iter().filter(|name| **name != "options").map(|name| {
        // A parameter without docs is found by a test; here it is a string.
        let known = fields.iter().find(|field: &&Field| field.name == *name);
        known.cloned().unwrap_or_else(|| Field {
            name: (*name).to_string(),
            kind: "string".into(),
            default: None,
            text: String::new(),
        })
    });
    let mut recipe = Recipe {
        module: module.to_string(),
        import: import.to_string(),
        name: name.to_string(),
        summary: summary.replace('\n', " ").trim().to_string(),
        details: details.trim().to_string(),
        parameters: named.collect(),
        options,
        takes_options,
        columns,
        wide,
        examples,
    };
    if recipe.columns.is_empty() && recipe.chooses() && recipe.options.iter().any(|option| option.name == "parallel") {
        recipe.columns = ["name", "result"].map(str::to_string).into();
    }
    recipe
}

/// Reads ``- `name` (kind, default value): text``.
fn field(line: &str) -> Option<Field> {
    let (name, rest) = line.trim_start().strip_prefix("- `")?.split_once('`')?;
    let (kind, text) = rest.trim_start().strip_prefix('(')?.split_once("):")?;
    let (kind, default) = match kind.split_once(", default ") {
        Some((kind, default)) => (kind, Some(default.to_string())),
        None => (kind, None),
    };
    Some(Field { name: name.to_string(), kind: kind.trim().to_string(), default, text: text.trim().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docs_become_parameters_and_options() {
        let text = "/// Makes a machine.\n/// Twice.\n///\n/// More.\n///\n/// # Parameters\n/// - `file` (path): the file\n///\n\
                    /// # Options\n/// - `wait` (duration, default \"5m\"): how long\n///   it may take\n/// - `force` (flag): at any cost\n\
                    fn create(file, options) { }\nfn create(file) { create(file, #{}) }\nprivate fn hidden() { }";
        let tree = rhai::Engine::new().compile(text).expect("it parses");
        let found = read("vm", "std/vm", &tree);
        assert_eq!(found.len(), 1);
        let recipe = &found[0];
        assert_eq!((recipe.summary.as_str(), recipe.details.as_str()), ("Makes a machine. Twice.", "More."));
        assert_eq!(recipe.signature(), "vm::create(file, options)");
        assert_eq!(recipe.parameters[0].kind, "path");
        assert_eq!(recipe.options[0].default.as_deref(), Some("\"5m\""));
        assert_eq!(recipe.options[0].text, "how long it may take");
        assert_eq!(recipe.options[1].kind, "flag");
        assert!(recipe.is_command());
    }
    #[test]
    fn columns_and_words_are_read() {
        let text = "/// Lists.\n///\n/// # Options\n/// - `mode` (nat | shut off, default \"nat\"): how\n///\n\
                    /// # Columns\n/// `name`, `state`, `vcpus`\n/// `labels` (wide)\nfn list(options) { }";
        let found = read("vm", "std/vm", &rhai::Engine::new().compile(text).expect("it parses"));
        assert_eq!(found[0].options[0].words(), Some(vec!["nat".to_string(), "shut off".to_string()]));
        assert_eq!(found[0].columns, ["name", "state", "vcpus", "labels"]);
        assert_eq!(found[0].wide, ["labels"]);
        assert!(mistakes("a", text, &parsed(text)).is_empty());
    }

    #[test]
    fn docs_that_cannot_be_read_are_told_with_their_places() {
        let text = "/// Greets.\n/// - `any` (thing): prose\n///\n/// # Parameters\n/// - `name` (strnig): who\n\
                    /// - `times` int: how often\nfn hello(name, times) { }\nfn bare() { }\nfn test_it() { }\nprivate fn own() { }";
        let tree = parsed(text);
        let found = mistakes("greet.rhai", text, &tree);
        let told: Vec<_> = found
            .iter()
            .map(|one| (one.message.as_str(), one.place.as_ref().map(|place| (place.line, place.column))))
            .collect();
        let unread = "this line explains no parameter and no option";
        assert_eq!(told, [("`name` has the unknown type `strnig`", Some((5, 15))), (unread, Some((6, 5)))]);
        assert_eq!(found[0].lines[0].1, "did you mean `string`?");
        assert_eq!(undocumented(&tree, text), [("bare".to_string(), 8)]);
    }

    #[test]
    fn defaults_fit_their_types() {
        let standing = |text: &str| {
            let field = field(&format!("- `a` ({text}): what")).expect("it is a field");
            field.standing().map(|value| match value {
                Value::List(items) => items.iter().map(Value::show).collect(),
                value => value.show(),
            })
        };
        for (text, expected) in [
            ("count, default 4", "4"),
            ("int, default -1", "-1"),
            ("float, default 1.5", "1.5"),
            ("flag, default true", "true"),
            ("list, default [\"a\", \"b\"]", "\"a\"\"b\""),
            ("size, default \"1 GiB\"", "\"1 GiB\""),
            ("nat | route, default \"nat\"", "\"nat\""),
            ("string, default ()", "()"),
            ("string", "()"),
        ] {
            assert_eq!(standing(text).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "count, default 0",
            "int, default \"x\"",
            "float, default \"abc\"",
            "flag, default `true`",
            "list, default 3",
            "size, default \"1 XB\"",
            "duration, default \"5 parsecs\"",
            "nat | route, default \"bridge\"",
            "string, default `a`",
        ] {
            assert!(standing(text).is_err(), "{text}");
        }
        let text = "/// Makes.\n///\n/// # Options\n/// - `c` (count, default 0): how many\nfn make(options) { }";
        let found = mistakes("a", text, &parsed(text));
        assert_eq!(found[0].message, "the default of `c` must be a whole number, at least 1, not 0");
        assert_eq!(found[0].place.as_ref().map(|place| (place.line, place.column)), Some((4, 19)));
    }

    #[test]
    fn docs_of_parameters_that_there_are_not_are_told() {
        let text = "/// Doubles.\n///\n/// # Parameters\n/// - `raal` (int): what\nfn g(real) { [real].map(|x| x * 2) }\n\
                    /// Takes none.\n///\n/// # Options\n/// - `o` (flag): what\nfn h() { }\n\
                    /// Takes them.\n///\n/// # Options\n/// - `o` (flag): what\nfn i(options) { }\nfn i() { }\n";
        let tree = parsed(text);
        let told: Vec<_> = mistakes("a", text, &tree)
            .into_iter()
            .map(|one| (one.message, one.lines[0].1.clone(), one.place.map(|place| (place.line, place.column))))
            .collect();
        let expected = [
            ("`g` has no parameter `raal`", "did you mean `real`?", Some((4, 7))),
            ("`h` takes no options, such as `o`", "its last parameter must be called `options`", Some((9, 7))),
        ];
        assert_eq!(told, expected.map(|(message, hint, place)| (message.to_string(), hint.to_string(), place)));
        // A closure is nothing that docs are missed of.
        assert_eq!(undocumented(&tree, text), []);
    }

    fn parsed(text: &str) -> AST {
        rhai::Engine::new().compile(text).expect("it parses")
    }
}
