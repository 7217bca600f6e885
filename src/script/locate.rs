//! Where in a script a part of a value was written.
//!
//! Rhai's values carry no positions. The path of a mistake (`devices.disks[0].target`) is followed through the syntax
//! tree instead: from the argument of the failing call, through map and list literals and `let` variables. A value that
//! was built by code (a function, `push`, an assignment) is looked for among all map literals of the script: the one
//! whose own keys share the longest end with the path, if there is just one.

use crate::floor::{Step, steps};
use rhai::{AST, ASTNode, Engine, Expr, OptimizationLevel, Position, Stmt};

/// A syntax tree prepared for look-ups.
pub(super) struct Locator {
    /// Variables: name, place and value of each `let`.
    variables: Vec<(String, Position, Expr)>,
    /// Calls: place and arguments.
    calls: Vec<(Position, Vec<Expr>)>,
    /// Entries of map literals: the keys from the literal's root, the place of the key and of the value.
    entries: Vec<(Vec<String>, Position, Position)>,
}

/// A script as it is written: without the optimisation that folds literals and forgets their positions, and without a look at
/// what its variables are.
pub(super) fn parse(text: &str) -> Option<AST> {
    let mut engine = Engine::new_raw();
    engine.set_optimization_level(OptimizationLevel::None);
    engine.set_max_expr_depths(256, 256);
    engine.compile(super::sources::prepare(text)).ok()
}

impl Locator {
    /// Parses a script anew.
    pub(super) fn new(text: &str) -> Option<Self> {
        Some(Self::index(&parse(text)?))
    }

    /// The place that a path means in the arguments of the call at `call`; `on_key` asks for the key, not its value.
    pub(super) fn find(&self, call: Position, path: &str, on_key: bool) -> Option<Position> {
        let steps = steps(path);
        let arguments = self.calls.iter().find(|(position, _)| *position == call).map_or(&[][..], |(_, args)| args);
        let direct = arguments.iter().find_map(|argument| self.follow(argument, &steps, on_key, None));
        direct.or_else(|| self.by_keys(&steps, on_key))
    }

    fn index(tree: &AST) -> Self {
        let mut found = Self { variables: Vec::new(), calls: Vec::new(), entries: Vec::new() };
        tree.walk(&mut |nodes: &[ASTNode]| {
            match nodes.last() {
                Some(ASTNode::Stmt(Stmt::Var(declared, _, position))) => {
                    found.variables.push((declared.0.name.to_string(), *position, declared.1.clone()));
                }
                Some(
                    ASTNode::Stmt(Stmt::FnCall(call, position))
                    | ASTNode::Expr(Expr::FnCall(call, position) | Expr::MethodCall(call, position)),
                ) => found.calls.push((*position, call.args.to_vec())),
                Some(ASTNode::Expr(Expr::Dot(pair, ..))) => {
                    if let Some((call, position)) = method(&pair.rhs) {
                        found.calls.push((position, call.args.to_vec()));
                    }
                }
                Some(ASTNode::Expr(literal @ Expr::Map(..))) => {
                    let inside = |node: &ASTNode| matches!(node, ASTNode::Expr(Expr::Map(..)));
                    if !nodes[..nodes.len() - 1].iter().any(inside) {
                        entries(literal, &mut Vec::new(), &mut found.entries);
                    }
                }
                _ => {}
            }
            true
        });
        found
    }

    /// Follows a path from an expression; nothing if it leads out of what is written literally.
    fn follow(&self, at: &Expr, steps: &[Step], on_key: bool, key: Option<Position>) -> Option<Position> {
        if let Expr::Variable(named, _, position) = at {
            let before = |place: &Position| (place.line(), place.position()) < (position.line(), position.position());
            let mut known = self.variables.iter().filter(|(name, place, _)| *name == named.1.as_str() && before(place));
            let (_, _, value) = known.next_back()?;
            return self.follow(value, steps, on_key, key);
        }
        let Some((step, rest)) = steps.split_first() else {
            return Some(key.filter(|_| on_key).unwrap_or(at.position()));
        };
        match (at, step) {
            (Expr::Map(map, _), Step::Key(wanted)) => {
                let (name, value) = map.0.iter().find(|(name, _)| name.name.as_str() == wanted)?;
                self.follow(value, rest, on_key, Some(name.pos))
            }
            (Expr::Array(items, _), Step::Index(index)) => self.follow(items.get(*index)?, rest, on_key, None),
            // A single value where a list is meant.
            (Expr::Map(..), Step::Index(0)) => self.follow(at, rest, on_key, key),
            _ => None,
        }
    }

    /// The entry of a map literal whose keys share the longest end with the path, if there is just one.
    fn by_keys(&self, steps: &[Step], on_key: bool) -> Option<Position> {
        let keys: Vec<&str> =
            steps.iter().filter_map(|step| if let Step::Key(key) = step { Some(key.as_str()) } else { None }).collect();
        let shared = |entry: &[String]| entry.iter().rev().zip(keys.iter().rev()).take_while(|(a, b)| a == *b).count();
        let most = self.entries.iter().map(|(entry, ..)| shared(entry)).max().filter(|most| *most > 0)?;
        let mut best = self.entries.iter().filter(|(entry, ..)| shared(entry) == most);
        let (_, key, value) = best.next()?;
        if best.next().is_some() { None } else { Some(if on_key { *key } else { *value }) }
    }
}

/// The call that an expression after a dot begins with.
fn method(expression: &Expr) -> Option<(&rhai::FnCallExpr, Position)> {
    match expression {
        Expr::MethodCall(call, position) => Some((call, *position)),
        Expr::Dot(pair, ..) | Expr::Index(pair, ..) => method(&pair.lhs),
        _ => None,
    }
}

fn entries(at: &Expr, keys: &mut Vec<String>, found: &mut Vec<(Vec<String>, Position, Position)>) {
    match at {
        Expr::Map(map, _) => {
            for (name, value) in &map.0 {
                keys.push(name.name.to_string());
                found.push((keys.clone(), name.pos, value.position()));
                entries(value, keys, found);
                keys.pop();
            }
        }
        Expr::Array(items, _) => items.iter().for_each(|item| entries(item, keys, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line and column of a path in the first argument of the call that begins at the last line's first column.
    fn at(text: &str, path: &str, on_key: bool) -> Option<(usize, usize)> {
        let line = u16::try_from(text.lines().count()).expect("short");
        let found = Locator::new(text)?.find(Position::new(line, 1), path, on_key)?;
        Some((found.line()?, found.position()?))
    }

    #[test]
    fn literals_variables_and_single_values_are_followed() {
        assert_eq!(at("domain(#{ name: 5, os: #{ typ: 1 } })", "os.typ", true), Some((1, 27)));
        assert_eq!(at("domain(#{ name: 5, os: #{ typ: 1 } })", "name", false), Some((1, 17)));
        let text = "let disk = #{ bus: 1 };\nlet d = #{ devices: #{ disks: [ disk ] } };\ndomain(d)";
        assert_eq!(at(text, "devices.disks[0].bus", true), Some((1, 15)));
        assert_eq!(at("pool(#{ a: #{ b: 1 } })", "a[0].b", false), Some((1, 18)));
    }

    #[test]
    fn values_built_by_code_are_found_by_their_keys() {
        let text =
            "fn disk() { #{ type: \"file\", bus: 1 } }\nlet d = #{ disks: [] };\nd.disks.push(disk());\ndomain(d)";
        assert_eq!(at(text, "disks[0].bus", false), Some((1, 35)));
        let twice = "fn a() { #{ bus: 1 } }\nfn b() { #{ bus: 2 } }\nlet d = #{ disks: [a(), b()] };\ndomain(d)";
        assert_eq!(at(twice, "disks[1].bus", false), None);
    }
}
