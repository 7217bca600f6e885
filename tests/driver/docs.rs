//! What is written down is run: doc examples, the book, README, examples; and what is generated is current.

use super::support::{Host, root, same_as_committed, text};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use vmscript::script::{Function, Page, Recipe, Reference, Session, Settings};

#[test]
fn every_function_has_a_summary_typed_parameters_and_an_example() {
    let reference = Reference::new();
    let mut wrong = Vec::new();
    for (page, function) in reference.functions() {
        let mut miss = |what: &str| wrong.push(format!("{}: `{}` {what}", page.title, function.signature()));
        if function.summary.is_empty() || !function.summary.ends_with(['.', '`', ':', ')']) {
            miss("has no summary that is a sentence");
        }
        if function.parameters.iter().any(|p| p.name.is_empty() || p.name == "_" || p.kind.is_empty()) {
            miss("has a parameter without name or type");
        }
        if function.examples.is_empty() {
            miss("has no example");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_example_of_the_reference_runs() {
    let mut wrong = Vec::new();
    for (page, function) in Reference::new().functions() {
        for example in function.examples.iter().filter(|example| !example.live) {
            failure(&example.code, &format!("{} `{}`", page.title, function.name), &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_recipe_is_documented_and_its_examples_run() {
    let mut wrong = Vec::new();
    let mut index =
        String::from("# Recipes\n\nGenerated from the modules; `vmscript MODULE RECIPE --help` shows the same.\n\n");
    let mut stale = Vec::new();
    let session = Session::new(&Settings::default());
    for (module, imports) in session.recipe_modules(&[]) {
        let recipes = session.recipes(&module, &imports).unwrap_or_else(|_| panic!("{module} parses"));
        assert!(!recipes.is_empty(), "{module} has no recipe");
        for recipe in &recipes {
            let name = recipe.signature();
            if recipe.summary.is_empty() || recipe.parameters.iter().any(|field| field.text.is_empty()) {
                wrong.push(format!("{name}: the summary or a parameter is not explained"));
            }
            if recipe.takes_options == recipe.options.is_empty() {
                wrong.push(format!("{name}: its options are not explained, or it takes none"));
            }
            if recipe.examples.is_empty() {
                wrong.push(format!("{name}: no example"));
            }
            for example in recipe.examples.iter().filter(|example| !example.live) {
                failure(&example.code, &name, &mut wrong);
            }
        }
        let _ = writeln!(index, "- [{module}]({module}.md)");
        same_as_committed(
            &root().join(format!("book/src/recipes/{module}.md")),
            &recipe_page(&module, &recipes),
            &mut stale,
        );
    }
    same_as_committed(&root().join("book/src/recipes/index.md"), &index, &mut stale);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(stale.is_empty(), "these are stale; UPDATE=1 rewrites them: {stale:#?}");
}

#[test]
fn every_script_of_the_book_and_the_readme_runs() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (page, page_text) in pages() {
        for script in blocks(&page_text, "rhai") {
            failure(&script, &page, &mut wrong);
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 3, "only {count} scripts were found");
}

#[test]
fn every_file_of_the_book_and_the_readme_can_be_read() {
    let (mut wrong, mut catalogues) = (Vec::new(), 0);
    for (page, text) in pages() {
        for block in blocks(&text, "yaml") {
            let host = Host::new();
            std::fs::write(host.folder().join("block.yaml"), &block).expect("the block is written");
            let output = host.run("read_yaml_documents(\"block.yaml\")");
            if !output.status.success() {
                wrong.push(format!("{page}: {}", self::text(&output.stderr)));
            }
            if block.contains("vm_images:") && block.contains("url:") {
                catalogues += 1;
                let args = ["image", "list", "--catalogue", "block.yaml"];
                let output = host.command(args).output().expect("the program starts");
                if !output.status.success() {
                    wrong.push(format!("{page}: {}", self::text(&output.stderr)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(catalogues > 0, "no catalogue was found");
}

/// The chapters of the book and the README, by their names.
fn pages() -> Vec<(String, String)> {
    let chapters = std::fs::read_dir(root().join("book/src")).expect("the book is there");
    let mut pages: Vec<PathBuf> = chapters
        .map(|entry| entry.expect("an entry is readable").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "md"))
        .collect();
    pages.push(root().join("README.md"));
    let read = |page: PathBuf| (page.display().to_string(), std::fs::read_to_string(&page).expect("a page is text"));
    pages.into_iter().map(read).collect()
}

#[test]
fn every_example_and_every_stdlib_module_passes_the_check() {
    for folder in ["examples", "stdlib"] {
        for entry in std::fs::read_dir(root().join(folder)).expect("the folder is there") {
            let file = entry.expect("an entry is readable").path();
            if file.extension().is_none_or(|kind| kind != "rhai") {
                continue;
            }
            let output = Host::new().command([Path::new("check"), &file]).output().expect("the program starts");
            assert!(output.status.success(), "{}: {}", file.display(), text(&output.stderr));
        }
    }
}

#[test]
fn every_example_of_a_definition_prints_its_document() {
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("examples")).expect("the folder is there") {
        let file = entry.expect("an entry is readable").path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("definition_") {
            let output = Host::new().command([&file]).output().expect("the program starts");
            assert!(output.status.success(), "{name}: {}", text(&output.stderr));
            assert!(text(&output.stdout).starts_with('<'), "{name}");
            count += 1;
        }
    }
    assert!(count >= 5, "only {count} examples were found");
}

#[test]
fn the_reference_pages_are_current() {
    let reference = Reference::new();
    let folder = root().join("book/src/reference");
    let mut wrong = Vec::new();
    let mut index = String::from("# Reference\n\nGenerated from the program; `help(\"name\")` shows the same.\n\n");
    for page in &reference.pages {
        let file = format!("{}.md", page.title.to_lowercase());
        let _ = writeln!(index, "- [{}]({file}): {}", page.title, first_sentence(page));
        same_as_committed(&folder.join(file), &markdown(page), &mut wrong);
    }
    same_as_committed(&folder.join("index.md"), &index, &mut wrong);
    same_as_committed(&folder.join("vmscript.d.rhai"), &definitions(&reference), &mut wrong);
    assert!(wrong.is_empty(), "these are stale; UPDATE=1 rewrites them: {wrong:#?}");
}

/// Runs a script on a host of its own; tells what went wrong, if something did.
fn failure(script: &str, name: &str, wrong: &mut Vec<String>) {
    let host = Host::new();
    // Functions alone would do nothing.
    let output = if script.contains("fn test_") {
        std::fs::write(host.folder().join("script.rhai"), script).expect("the script is written");
        host.command(["test", "script.rhai"]).output().expect("the program starts")
    } else {
        host.run(script)
    };
    if !output.status.success() && !script.contains("exit(") {
        wrong.push(format!("{name}:\n{script}{}{}", text(&output.stdout), text(&output.stderr)));
    }
}

/// The fenced blocks of a language.
pub(crate) fn blocks(page: &str, language: &str) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), None::<String>);
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some(_)) => found.extend(open.take().filter(|block| !block.is_empty())),
            (Some(block), None) => *block = format!("{block}{line}\n"),
            (None, Some(tag)) => open = Some(String::new()).filter(|_| tag == language),
            (None, None) => {}
        }
    }
    found
}

fn first_sentence(page: &Page) -> String {
    let names: Vec<_> = page.functions.iter().map(|f| format!("`{}`", f.name)).collect();
    let first = page.text.lines().next().unwrap_or_default();
    if first.is_empty() { names.join(", ") } else { first.to_string() }
}

fn markdown(page: &Page) -> String {
    let mut text = format!("# {}\n", page.title);
    if !page.text.is_empty() {
        let _ = write!(text, "\n{}\n", page.text.trim());
    }
    for function in &page.functions {
        let _ = write!(text, "\n## `{}`\n\n{}\n", function.signature(), function.summary);
        if !function.details.is_empty() {
            let _ = write!(text, "\n{}\n", function.details);
        }
        for example in &function.examples {
            let _ = write!(text, "\n```rhai\n{}```\n", example.code);
        }
    }
    text
}

fn recipe_page(module: &str, recipes: &[Recipe]) -> String {
    let mut text = format!("# {module}\n");
    for recipe in recipes {
        let _ = write!(text, "\n## `{}`\n\n{}\n", recipe.signature(), recipe.summary);
        if !recipe.details.is_empty() {
            let _ = write!(text, "\n{}\n", recipe.details);
        }
        if recipe.is_command() {
            let names = recipe.parameters.iter().map(|field| format!(" {}", field.name.to_uppercase()));
            let command = format!("vmscript {module} {}{}", recipe.command_name(), names.collect::<String>());
            let _ = write!(text, "\n```sh\n{command}\n```\n");
        }
        for (title, fields) in [("Parameters", &recipe.parameters), ("Options", &recipe.options)] {
            if !fields.is_empty() {
                let _ = write!(text, "\n{title}:\n\n");
            }
            for field in fields {
                let default = field.default.as_ref().map(|value| format!(", default `{value}`")).unwrap_or_default();
                let _ = writeln!(text, "- `{}` ({}{default}): {}", field.name, field.kind, field.text);
            }
        }
        if !recipe.columns.is_empty() {
            let _ = write!(text, "\nColumns: `{}`\n", recipe.columns.join("`, `"));
        }
        for example in &recipe.examples {
            let _ = write!(text, "\n```rhai\n{}```\n", example.code);
        }
    }
    text
}

/// The functions as an editor's language server reads them.
fn definitions(reference: &Reference) -> String {
    let mut text = String::from("module static;\n");
    // Operators and indexers have no spelling there.
    for (_, function) in reference.functions().filter(|(_, function)| function.name.starts_with(char::is_alphabetic)) {
        let _ = write!(text, "\n/// {}\n{};\n", function.summary, definition(function));
    }
    text
}

fn definition(function: &Function) -> String {
    let mut parameters: Vec<_> = function.receiver.iter().map(|kind| format!("self: {kind}")).collect();
    parameters.extend(function.parameters.iter().map(|p| format!("{}: {}", p.name, p.kind)));
    let kind = if function.getter {
        "get "
    } else if function.setter {
        "set "
    } else {
        ""
    };
    format!("fn {kind}{}({}) -> {}", function.name, parameters.join(", "), function.returns)
}
