//! Files and data documents.

use super::{dynamic, value};
use crate::floor::{Area, Code, Error, Result, Value};
use rhai::plugin::*;
use rhai::{Dynamic, Map, Module};
use std::path::Path;

pub(super) fn module() -> Module {
    exported_module!(functions)
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(path).map_err(|cause| Error::io(Path::new(path), "read", &cause))
}

/// A document that does not say what it should: the file's name in front, the parser's words with line and column behind.
fn unreadable(path: &str, kind: &str, words: &str) -> Error {
    let words = words.lines().next().unwrap_or_default().trim_start_matches("error: ");
    Error::new(Code::InvalidDefinition, Area::Script, format!("`{path}` is not {kind}: {words}"))
}

#[export_module]
mod functions {
    use super::super::RhaiResultOf;

    /// Whether there is a file or folder at this path.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(!file_exists("no/such/file"));
    /// ```
    pub fn file_exists(path: &str) -> bool {
        Path::new(path).exists()
    }

    /// The text of a file.
    ///
    /// # Example
    ///
    /// ```rhai
    /// write_file("motd.txt", "welcome");
    /// assert_eq(read_file("motd.txt"), "welcome");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn read_file(path: &str) -> RhaiResultOf<String> {
        Ok(read(path)?)
    }

    /// Writes a text to a file, which appears when it is complete and can be read by its owner only.
    ///
    /// # Example
    ///
    /// ```rhai
    /// write_file("web.xml", network(#{ name: "lab" }).xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn write_file(path: &str, text: &str) -> RhaiResultOf<()> {
        Ok(crate::floor::write_private(Path::new(path), text.as_bytes())?)
    }

    /// Writes a program that everybody can run; a file that is there is replaced as a whole.
    ///
    /// # Example
    ///
    /// ```rhai
    /// write_program("greet", "#!/bin/sh\necho hello\n");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn write_program(path: &str, text: &str) -> RhaiResultOf<()> {
        Ok(crate::floor::write_program(Path::new(path), text.as_bytes())?)
    }

    /// A YAML document as maps, lists and scalars.
    ///
    /// # Example
    ///
    /// ```rhai
    /// write_file("web.yaml", "name: web\nmemory: 2 GiB\n");
    /// assert_eq(read_yaml("web.yaml").memory, "2 GiB");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn read_yaml(path: &str) -> RhaiResultOf<Dynamic> {
        let found: Value =
            serde_saphyr::from_str(&read(path)?).map_err(|error| unreadable(path, "YAML", &error.to_string()))?;
        Ok(dynamic(found))
    }

    /// A JSON document as maps, lists and scalars.
    ///
    /// # Example
    ///
    /// ```rhai
    /// write_file("web.json", to_json(#{ name: "web" }));
    /// assert_eq(read_json("web.json").name, "web");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn read_json(path: &str) -> RhaiResultOf<Dynamic> {
        let found: Value =
            serde_json::from_str(&read(path)?).map_err(|error| unreadable(path, "JSON", &error.to_string()))?;
        Ok(dynamic(found))
    }

    /// Maps, lists and scalars as YAML.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(to_yaml(#{ name: "web" }), "name: web\n");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn to_yaml(data: Dynamic) -> RhaiResultOf<String> {
        let data = value(&data, "")?;
        Ok(serde_saphyr::to_string(&data).map_err(|error| Error::argument(error.to_string()))?)
    }

    /// A map as JSON.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(to_json(#{ name: "web" }).contains("\"name\": \"web\""));
    /// ```
    // Rhai has its own for maps, which writes on one line; this one must have the same type to stand before it.
    #[rhai_fn(name = "to_json", return_raw)]
    pub fn map_to_json(data: Map) -> RhaiResultOf<String> {
        to_json(data.into())
    }

    /// Lists and scalars as JSON.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(to_json("web"), "\"web\"");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn to_json(data: Dynamic) -> RhaiResultOf<String> {
        let data = value(&data, "")?;
        Ok(serde_json::to_string_pretty(&data).map_err(|error| Error::argument(error.to_string()))?)
    }
}
