//! Files and data documents.

use super::{data, shown, source, value};
use crate::floor::{self, Error, Finding, Options, Result};
use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, Module};
use std::path::Path;

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

fn read(path: &str) -> Result<String> {
    floor::read_text(Path::new(path), "read")
}

/// A mistake as `refuse` takes it.
fn finding(given: &Dynamic) -> Result<Finding> {
    let options = Options::from_value("refuse", value(given, "")?, &["at", "on_key", "message", "hint"])?;
    let on_key = options.bool("on_key")?.unwrap_or(false);
    let at = given.as_map_ref().ok().and_then(|map| map.get("at").cloned());
    Ok(Finding {
        on_key,
        message: options
            .str("message")?
            .map(str::to_string)
            .ok_or_else(|| Error::argument("a mistake needs `message`"))?,
        hint: options.str("hint")?.map(str::to_string),
        place: at.and_then(|at| data::place_of(&at, on_key)),
        ..Finding::default()
    })
}

/// What is free in the file system of a path, or of the nearest folder above it.
fn free(path: &str) -> Result<i64> {
    let whole = std::path::absolute(path).map_err(|cause| Error::io(Path::new(path), "look at", &cause))?;
    let nearest = whole.ancestors().find(|folder| folder.exists()).unwrap_or(&whole);
    let facts = rustix::fs::statvfs(nearest).map_err(|cause| Error::io(nearest, "look at", &cause.into()))?;
    Ok(i64::try_from(facts.f_bavail.saturating_mul(facts.f_frsize)).unwrap_or(i64::MAX))
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

    /// How many bytes are free in the file system in which a file or folder is, or would be made.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(disk_free("/var/lib/libvirt/not/there/yet") > 0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn disk_free(path: &str) -> RhaiResultOf<i64> {
        Ok(free(path)?)
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

    /// A YAML document as maps, lists and scalars. What is wrong with a definition made of them is shown in the file.
    ///
    /// # Example
    ///
    /// ```rhai
    /// write_file("web.yaml", "name: web\nmemory: 2 GiB\n");
    /// assert_eq(read_yaml("web.yaml").memory, "2 GiB");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn read_yaml(path: &str) -> RhaiResultOf<Dynamic> {
        Ok(data::yaml(path, read(path)?)?)
    }

    /// The documents of a YAML file, which stand between lines of `---`, as a list.
    ///
    /// # Example
    ///
    /// ```rhai
    /// write_file("all.yaml", "name: web\n---\nname: db\n");
    /// assert_eq(read_yaml_documents("all.yaml").map(|one| one.name), ["web", "db"]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn read_yaml_documents(path: &str) -> RhaiResultOf<Array> {
        Ok(data::yaml_documents(path, read(path)?)?)
    }

    /// A JSON document as maps, lists and scalars. What is wrong with a definition made of them is shown in the file.
    ///
    /// # Example
    ///
    /// ```rhai
    /// write_file("web.json", to_json(#{ name: "web" }));
    /// assert_eq(read_json("web.json").name, "web");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn read_json(path: &str) -> RhaiResultOf<Dynamic> {
        Ok(data::json(path, read(path)?)?)
    }

    /// Where a value stands in the file that it was read from: a map with `file`, `line` and `column`; `()` for others.
    ///
    /// # Example
    ///
    /// ```rhai
    /// write_file("web.yaml", "name: web\nmemory: 2 GiB\n");
    /// assert_eq(place_of(read_yaml("web.yaml").memory), #{ file: "web.yaml", line: 2, column: 9 });
    /// ```
    pub fn place_of(value: Dynamic) -> Dynamic {
        data::place_of(&value, false).as_ref().map_or(Dynamic::UNIT, data::shown)
    }

    /// A value as text, in the words of the file that it was read from: YAML takes `1.10` for a number, and `yes` for a truth value.
    ///
    /// # Example
    ///
    /// ```rhai
    /// write_file("web.yaml", "version: 1.10\nold: yes\n");
    /// let read = read_yaml("web.yaml");
    /// assert_eq([`${read.version}`, as_written(read.version), as_written(read.old)], ["1.1", "1.10", "yes"]);
    /// assert_eq(as_written(2), "2");
    /// ```
    pub fn as_written(value: Dynamic) -> String {
        data::written(&value).unwrap_or_else(|| value.to_string())
    }

    /// A value with the place of another: for what was worked out from something in a file.
    ///
    /// # Example
    ///
    /// ```rhai
    /// write_file("web.yaml", "name: web\nmemory_gib: 2\n");
    /// let read = read_yaml("web.yaml");
    /// let spec = #{ memory: with_place(`${read.memory_gib} GiB`, read.memory_gib) };
    /// assert_eq(place_of(spec.memory).line, 2);
    /// ```
    pub fn with_place(value: Dynamic, other: Dynamic) -> Dynamic {
        data::with_place(value, &other)
    }

    /// Ends with the mistakes that were found in data, each shown where its value stands in the file. Nothing happens
    /// if there are none.
    ///
    /// A mistake is a map with `message`, and if they are known `at` (the value that is wrong), `hint` and `on_key`
    /// (true if its key is wrong); `what` names the whole, such as ``machine `web` ``.
    ///
    /// # Example
    ///
    /// ```rhai
    /// write_file("web.yaml", "name: web\nmemory: lots\n");
    /// let spec = read_yaml("web.yaml");
    /// let found = [];
    /// if spec.memory == "lots" { found.push(#{ at: spec.memory, message: "`memory` is no size" }); }
    /// try {
    ///     refuse("machine `web`", found);
    /// } catch (err) {
    ///     assert_eq(err.code, "invalid-definition");
    ///     assert_eq(err.mistakes[0].place.line, 2);
    /// }
    /// ```
    #[rhai_fn(return_raw)]
    pub fn refuse(what: &str, mistakes: Array) -> RhaiResultOf<()> {
        let found = mistakes.iter().map(super::finding).collect::<Result<Vec<_>>>()?;
        if found.is_empty() { Ok(()) } else { Err(Error::definition(what, found).into()) }
    }

    /// What a YAML text says.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(parse_yaml("name: web\nvcpus: 2\n"), #{ name: "web", vcpus: 2 });
    /// ```
    #[rhai_fn(return_raw)]
    pub fn parse_yaml(text: &str) -> RhaiResultOf<Dynamic> {
        Ok(data::yaml("text", text.to_string())?)
    }

    /// Maps, lists and scalars as YAML. Secrets become `***`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(to_yaml(#{ name: "web" }), "name: web\n");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn to_yaml(data: Dynamic) -> RhaiResultOf<String> {
        let data = shown(&data)?;
        Ok(serde_saphyr::to_string(&data).map_err(|error| Error::argument(error.to_string()))?)
    }

    /// Maps, lists and scalars as Rhai source, in short lines. Secrets become `***`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(to_script(#{ name: "web", vcpus: 2 }), "#{ name: \"web\", vcpus: 2 }");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn to_script(data: Dynamic) -> RhaiResultOf<String> {
        Ok(source::literal(&shown(&data)?))
    }

    /// A map as JSON. Secrets become `***`.
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

    /// Lists and scalars as JSON. Secrets become `***`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(to_json("web"), "\"web\"");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn to_json(data: Dynamic) -> RhaiResultOf<String> {
        let data = shown(&data)?;
        Ok(serde_json::to_string_pretty(&data).map_err(|error| Error::argument(error.to_string()))?)
    }
}
