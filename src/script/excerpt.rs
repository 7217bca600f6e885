//! Cuts from a module of the stdlib what one of its recipes needs: to parse the rest takes longer than many a command.

use std::collections::BTreeSet;

/// The text of a module of the stdlib with one function, its docs, and those functions that it calls or names. All others
/// are blank, so that every place stays. Nothing if the module has no public function of that name.
pub(super) fn excerpt(text: &str, function: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let functions = functions(&lines);
    functions.iter().find(|one| one.name == function && one.is_public)?;
    let mut kept = BTreeSet::from([function]);
    let mut open = vec![function];
    while let Some(name) = open.pop() {
        for line in functions.iter().filter(|one| one.name == name).flat_map(|one| &lines[one.start..one.end]) {
            for word in line.split(|c: char| !c.is_alphanumeric() && c != '_') {
                if functions.iter().any(|one| one.name == word) && kept.insert(word) {
                    open.push(word);
                }
            }
        }
    }
    let bodies = functions.iter().filter(|one| kept.contains(one.name)).flat_map(|one| &lines[one.start..one.end]);
    let is_used = |alias: &str| bodies.clone().any(|line| line.contains(alias));
    // What nobody of those uses need not be imported.
    let outside = |line: &&'_ str| match line.strip_prefix("import ").and_then(|line| line.split(" as ").nth(1)) {
        Some(alias) => is_used(&alias.replace(';', "::")),
        None => true,
    };
    let (mut shown, mut at) = (String::with_capacity(text.len() / 2), 0);
    for one in &functions {
        for line in &lines[at..one.docs] {
            if outside(line) {
                shown.push_str(line);
            }
            shown.push('\n');
        }
        let (docs, body) = (one.name == function, kept.contains(one.name));
        for (number, line) in lines[one.docs..one.end].iter().enumerate() {
            if if one.docs + number < one.start { docs } else { body } {
                shown.push_str(line);
            }
            shown.push('\n');
        }
        at = one.end;
    }
    shown.extend(lines[at..].iter().flat_map(|line| [*line, "\n"]));
    Some(shown)
}

/// A function of a module: its name, and the lines of its docs and of itself.
struct Found<'t> {
    name: &'t str,
    is_public: bool,
    docs: usize,
    start: usize,
    end: usize,
}

/// The functions of a module of the stdlib: each begins at the left, and ends in that line or with a `}` at the left.
fn functions<'t>(lines: &[&'t str]) -> Vec<Found<'t>> {
    let head = |line: &'t str| {
        let (is_public, rest) = match line.strip_prefix("private ") {
            Some(rest) => (false, rest),
            None => (true, line),
        };
        Some((is_public, rest.strip_prefix("fn ")?.split('(').next()?))
    };
    let mut found = Vec::new();
    let mut docs = None;
    for (number, line) in lines.iter().enumerate() {
        if line.starts_with("///") {
            docs = docs.or(Some(number));
            continue;
        }
        if let Some((is_public, name)) = head(line) {
            // A text over many lines may have such a line, too: behind it no function begins.
            let is_last = |at: &usize| {
                let next = || lines[at + 1..].iter().find(|line| !line.is_empty());
                lines[*at] == "}" && next().is_none_or(|line| line.starts_with("//") || head(line).is_some())
            };
            let last = if line.ends_with('}') { None } else { (number..lines.len()).find(is_last) };
            let end = last.unwrap_or(number) + 1;
            found.push(Found { name, is_public, docs: docs.unwrap_or(number), start: number, end });
        }
        docs = None;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::{session, stdlib};
    use super::*;
    use rhai::{AST, ASTNode, Expr};

    /// The names of a tree's functions with their bodies.
    fn bodies(tree: &AST) -> Vec<(String, String)> {
        // Closures have numbers.
        let plain = |text: &str| {
            let mut parts = text.split("anon$");
            let first = parts.next().unwrap_or_default().to_string();
            parts.fold(first, |text, part| text + "anon" + part.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
        };
        let functions = tree.shared_lib().iter_script_fn_info().map(|(.., function)| function);
        functions
            .map(|one| (plain(&format!("{} {:?}", one.name, one.params)), plain(&format!("{:?}", one.body))))
            .collect()
    }

    #[test]
    fn an_excerpt_has_all_that_its_recipe_calls() {
        let engine = session::engine();
        for (path, text) in stdlib::MODULES {
            let whole = engine.compile(text).expect("a module of the stdlib parses");
            let all = bodies(&whole);
            let public = whole.iter_functions().filter(|one| one.access == rhai::FnAccess::Public).map(|one| one.name);
            for name in public.filter(|name| !name.starts_with("anon$")) {
                let part = excerpt(text, name).unwrap_or_else(|| panic!("{path} has {name}"));
                assert_eq!(part.lines().count(), text.lines().count(), "{path} {name}");
                let part = engine.compile(&part).unwrap_or_else(|error| panic!("{path} {name}: {error}"));
                for own in bodies(&part) {
                    assert!(all.contains(&own), "{path}: {} is another one in the excerpt of {name}", own.0);
                }
                part.walk(&mut |nodes: &[ASTNode]| {
                    if let Some(ASTNode::Expr(Expr::FnCall(call, _) | Expr::MethodCall(call, _))) = nodes.last()
                        && !call.is_qualified()
                    {
                        let is = |tree: &AST| tree.iter_functions().any(|one| one.name == call.name);
                        assert!(!is(&whole) || is(&part), "{path}: the excerpt of {name} lacks {}", call.name);
                    }
                    true
                });
            }
        }
    }

    #[test]
    fn what_is_private_or_not_there_has_no_excerpt() {
        let text = "private fn a() { 1 }\n/// Docs.\nfn b() { a() }\n";
        assert_eq!(excerpt(text, "a"), None);
        assert_eq!(excerpt(text, "c"), None);
        assert_eq!(excerpt(text, "b").as_deref(), Some(text));
        let text = "import \"std/a\" as a;\nimport \"std/b\" as b;\nfn c() { a::d() }\n";
        assert_eq!(excerpt(text, "c"), Some(text.replace("import \"std/b\" as b;", "")));
    }
}
