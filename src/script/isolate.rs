//! Keeps the functions of modules apart.
//!
//! Rhai remembers which function a call without a module's name means, by the name and the number of arguments alone, and
//! forgets it neither on entering a function of another module nor on leaving it (seen in 1.17 to 1.27). Two modules with
//! functions of the same name, such as `list()`, then call each other's. So each function of a module begins with a statement
//! that puts what is remembered aside until the function ends, if its caller is of another module.

use rhai::{AST, Dynamic, Engine, EvalContext, Position, Shared};
use std::mem;

/// The statement. It takes the place of blanks, so that everything else stays where it is.
const STATEMENT: &str = "@;";

/// Teaches the statement to an engine.
pub(super) fn teach(engine: &mut Engine) {
    let parse = |_: &[_], _: &mut Dynamic| Ok(None);
    engine.register_custom_syntax_without_look_ahead_raw("@", parse, false, |context, _, _| {
        put_aside(context);
        Ok(Dynamic::UNIT)
    });
}

fn put_aside(context: &mut EvalContext) {
    // Of each function that runs, the modules whose functions it knows: its own is the last.
    let known = &context.global_runtime_state().lib;
    if let [.., caller, own] = known.as_slice()
        && Shared::ptr_eq(caller, own)
    {
        return;
    }
    // The block that is the function's body takes the layer away at its end, not this guard.
    mem::forget(context.new_frame().with_new_caching_layer());
}

/// The text of a module with the statement at the beginning of each of its functions.
pub(super) fn isolated(text: &str, tree: &AST) -> String {
    let functions = tree.shared_lib().iter_script_fn_info();
    let bodies = functions.filter(|(_, _, name, ..)| !name.starts_with("anon$"));
    with_statements(text, bodies.map(|(.., function)| function.body.start_position()).collect())
}

/// The same of a module of the stdlib, whose functions begin at the left, and their bodies in the same line.
pub(super) fn isolated_by_lines(text: &str) -> String {
    let heads = text.lines().enumerate().filter(|(_, line)| line.starts_with("fn ") || line.starts_with("private fn "));
    let bodies = heads.filter_map(|(number, line)| {
        let column = line.find(") {")? + 3;
        Some(Position::new(u16::try_from(number + 1).ok()?, u16::try_from(column).ok()?))
    });
    with_statements(text, bodies.collect())
}

/// Puts the statement behind the braces at these places.
fn with_statements(text: &str, mut places: Vec<Position>) -> String {
    places.sort_unstable_by_key(|place| (place.line(), place.position()));
    let mut places = places.into_iter().peekable();
    let mut changed = String::with_capacity(text.len() + 64);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let mut rest = line;
        let mut done = 0;
        while let Some(place) = places.next_if(|place| place.line() == Some(number + 1)) {
            let column = place.position().unwrap_or(1);
            let Some((at, _)) =
                rest.char_indices().nth(column - 1 - done).filter(|(at, _)| rest[*at..].starts_with('{'))
            else {
                continue;
            };
            let (before, after) = (&rest[..at], &rest[at + 1..]);
            done = column;
            changed.push_str(before.strip_suffix(' ').filter(|_| after.starts_with(' ')).unwrap_or(before));
            changed.push('{');
            changed.push_str(STATEMENT);
            rest = after;
            if before.ends_with(' ') && after.starts_with(' ') {
                rest = &after[1..];
                done += 1;
            }
        }
        changed.push_str(rest);
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::super::{session, stdlib};
    use super::*;

    #[test]
    fn the_statement_moves_nothing_but_braces() {
        let text = "fn a(x) { x }\nfn u(x) {\n    |y| { y }\n}\nprivate fn b(){1} fn c() { 2 }\nconst S = `ü fn d() { ${1 + 1} }`;\n";
        let engine = session::engine();
        let tree = engine.compile(text).expect("it parses");
        let expected = "fn a(x){@;x }\nfn u(x) {@;\n    |y| { y }\n}\nprivate fn b(){@;1} fn c(){@;2 }\nconst S = `ü fn d() { ${1 + 1} }`;\n";
        assert_eq!(isolated(text, &tree), expected);
        engine.compile(expected).expect("it parses");
    }

    #[test]
    fn the_functions_of_the_stdlib_are_found_by_their_lines() {
        let engine = session::engine();
        for (path, text) in stdlib::MODULES {
            let tree = engine.compile(text).expect("a module of the stdlib parses");
            assert_eq!(isolated_by_lines(text), isolated(text, &tree), "{path}");
        }
    }

    #[test]
    fn functions_of_one_name_in_two_modules_are_not_mixed_up() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a", "b"] {
            let text = format!(
                "fn one(x) {{ f(x) }}\nfn each(items) {{ items.map(|item| f(item)) }}\nfn by(deed) {{ deed.call(1) + f(2) }}\nprivate fn f(x) {{ `{name}${{x}} ` }}\n"
            );
            std::fs::write(folder.path().join(format!("{name}.rhai")), text).expect("written");
        }
        let settings = crate::script::Settings { base: Some(folder.path().into()), ..Default::default() };
        let code = r#"
            import "a" as a;
            import "b" as b;
            private fn f(x) { `m${x} ` }
            let found = "";
            for i in 0..3 { found += a::one(i) + b::one(i) + f(i); }
            found += a::one(3); found += b::one(3); found += a::one(4); found += b::one(4);
            for text in b::each([5, 6]) + a::each([5, 6]) { found += text; }
            for i in 0..3 { found += a::by(|x| x.to_string()) + b::by(|x| x.to_string()); }
            assert_eq(found, "a0 b0 m0 a1 b1 m1 a2 b2 m2 a3 b3 a4 b4 b5 b6 a5 a6 1a2 1b2 1a2 1b2 1a2 1b2 ");
        "#;
        let mut session = crate::script::Session::new(&settings);
        if let Err((shown, _)) = session.run("main", code) {
            panic!(
                "{}",
                shown.iter().map(|one| crate::script::render(one, session.sources(), false)).collect::<String>()
            );
        }
    }
}
