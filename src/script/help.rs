//! `help`: the reference, read in a script or at the prompt.

#![allow(unreachable_pub, reason = "`#[export_module]` exports what is `pub`")]

use super::Reference;
use super::reference::Function;
use crate::floor::nearest;
use rhai::Module;
use rhai::plugin::*;

pub(super) fn module() -> Module {
    exported_module!(functions)
}

#[export_module]
mod functions {
    /// Explains a function, a property or a type: how it is written, what it does, an example.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print(help("start"));
    /// print(help("Domain"));
    /// ```
    #[rhai_fn(name = "help")]
    pub fn topic(name: &str) -> String {
        explain(name)
    }

    /// Lists the types and functions that there are.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print(help());
    /// ```
    #[rhai_fn(name = "help")]
    pub fn overview() -> String {
        let mut text = String::from("help(\"NAME\") explains a function, a property or a type:\n");
        for page in &Reference::new().pages {
            let mut names: Vec<_> = page.functions.iter().map(|function| function.name.as_str()).collect();
            names.dedup();
            text.push_str(&format!("\n{}: {}\n", page.title, names.join(", ")));
        }
        text.trim_end().to_string()
    }
}

fn explain(name: &str) -> String {
    let reference = Reference::new();
    let found: Vec<_> = reference.named(name).map(|(_, function)| describe(function)).collect();
    if !found.is_empty() {
        return found.join("\n\n");
    }
    if let Some(page) = reference.pages.iter().find(|page| page.title.eq_ignore_ascii_case(name)) {
        let width = page.functions.iter().map(|function| function.signature().chars().count()).max().unwrap_or(0);
        let rows =
            page.functions.iter().map(|f| format!("  {:width$}  {}", f.signature(), f.summary).trim_end().to_string());
        return format!("{}\n{}\n", page.text, rows.collect::<Vec<_>>().join("\n")).trim().to_string();
    }
    let names = reference.functions().map(|(_, function)| function.name.as_str());
    let names = names.chain(reference.pages.iter().map(|page| page.title.as_str()));
    match nearest(name, names) {
        Some(near) => format!("no function, property or type `{name}`; did you mean `{near}`?"),
        None => format!("no function, property or type `{name}`; `help()` lists what there is"),
    }
}

fn describe(function: &Function) -> String {
    let mut text = format!("{}\n  {}", function.signature(), function.summary);
    for line in function.details.lines() {
        text.push_str(&format!("\n  {line}"));
    }
    for example in &function.examples {
        text.push('\n');
        for line in example.code.lines() {
            text.push_str(&format!("\n    {line}"));
        }
    }
    text
}
