//! Recipes: the documented functions of a module, from which the library function, the command line and the reference
//! page all come.
//!
//! A recipe's doc comment names its parameters under `# Parameters` and the keys of its last parameter, if that is
//! called `options`, under `# Options`, a line each:
//!
//! ```text
//! - `timeout` (duration, default "5m"): how long to wait
//! ```

use super::reference::split;
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
    /// Scripts that show it at work.
    pub examples: Vec<super::Example>,
}

/// A parameter or an option.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type: `string`, `int`, `count` (at least 1), `float`, `flag`, `path`, `size`, `duration`, `list`, or what it names:
    /// `domain`, `pool`, `network`, `volume`; a list of names is `domains`. `function`, `map`, `host` and `object` are for
    /// scripts only.
    pub kind: String,
    /// What stands for it when it is left out, as it is written.
    pub default: Option<String>,
    /// What it is.
    pub text: String,
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
    let (mut plain, mut fields, mut options) = (Vec::new(), Vec::new(), Vec::new());
    let mut section = "";
    for line in prose.lines() {
        if let Some(title) = line.strip_prefix("# ") {
            section = title.trim();
        } else if let (Some(field), "Parameters" | "Options") = (field(line), section) {
            if section == "Options" { options.push(field) } else { fields.push(field) }
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
    Recipe {
        module: module.to_string(),
        import: import.to_string(),
        name: name.to_string(),
        summary: summary.replace('\n', " ").trim().to_string(),
        details: details.trim().to_string(),
        parameters: named.collect(),
        options,
        takes_options,
        examples,
    }
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
                    /// # Options\n/// - `wait` (duration, default \"5m\"): how long\n/// - `force` (flag): at any cost\n\
                    fn create(file, options) { }\nfn create(file) { create(file, #{}) }\nprivate fn hidden() { }";
        let tree = rhai::Engine::new().compile(text).expect("it parses");
        let found = read("vm", "std/vm", &tree);
        assert_eq!(found.len(), 1);
        let recipe = &found[0];
        assert_eq!((recipe.summary.as_str(), recipe.details.as_str()), ("Makes a machine. Twice.", "More."));
        assert_eq!(recipe.signature(), "vm::create(file, options)");
        assert_eq!(recipe.parameters[0].kind, "path");
        assert_eq!(recipe.options[0].default.as_deref(), Some("\"5m\""));
        assert_eq!(recipe.options[1].kind, "flag");
        assert!(recipe.is_command());
    }
}
