//! `help`: the reference, read in a script or at the prompt.

#![allow(unreachable_pub, reason = "`#[export_module]` exports what is `pub`")]

use super::Reference;
use super::reference::Function;
use crate::floor::{Error, Result, did_you_mean};
use rhai::Module;
use rhai::plugin::*;

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
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
        for page in &Reference::shared().pages {
            let mut names: Vec<_> = page.functions.iter().map(|function| function.name.as_str()).collect();
            names.dedup();
            text.push_str(&format!("\n{}: {}\n", page.title, names.join(", ")));
        }
        text.trim_end().to_string()
    }
}

fn explain(name: &str) -> String {
    match Reference::shared().explain(name) {
        Ok(text) => text,
        Err(error) => format!("{}; {}", error.message, error.hints.join("; ")),
    }
}

impl Reference {
    /// Explains a function, a property or a type.
    pub fn explain(&self, name: &str) -> Result<String> {
        let found: Vec<_> = self.named(name).map(|(_, function)| function.describe()).collect();
        if !found.is_empty() {
            return Ok(found.join("\n\n"));
        }
        if let Some(page) = self.pages.iter().find(|page| page.title.eq_ignore_ascii_case(name)) {
            let width = page.functions.iter().map(|function| function.signature().chars().count()).max().unwrap_or(0);
            let row = |f: &Function| format!("  {:width$}  {}", f.signature(), f.summary).trim_end().to_string();
            let rows: Vec<_> = page.functions.iter().map(row).collect();
            return Ok(format!("{}\n{}\n", page.text, rows.join("\n")).trim().to_string());
        }
        let names = self.functions().map(|(_, function)| function.name.as_str());
        let near = did_you_mean(name, names.chain(self.pages.iter().map(|page| page.title.as_str())));
        let error = Error::argument(format!("no function, property or type `{name}`"));
        Err(error.hint(near.unwrap_or_else(|| "`help()` lists what there is".to_string())))
    }
}

impl Function {
    /// Signature, text and examples.
    pub fn describe(&self) -> String {
        let mut text = format!("{}\n  {}", self.signature(), self.summary).trim_end().to_string();
        for line in self.details.lines() {
            text.push_str(&format!("\n  {line}"));
        }
        for example in &self.examples {
            text.push('\n');
            for line in example.code.lines() {
                text.push_str(&format!("\n    {line}"));
            }
        }
        text
    }
}
