//! Definitions: checked documents that need no host.

use super::element::shown;
use super::{RhaiResultOf, data, dynamic, source};
use crate::floor::{Error, Result, Value};
use crate::libvirt;
use crate::schema::{self, Kind};
use rhai::plugin::*;
use rhai::{Array, Dynamic, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

/// What a verb takes for a definition: a definition of that kind, a map, or XML text.
pub(super) fn definition(kind: Kind, given: &Dynamic) -> Result<schema::Definition> {
    if let Some(ready) = given.read_lock::<schema::Definition>() {
        if ready.kind() != kind {
            let message = format!("a {} definition is needed here, not one of a {}", kind.name(), ready.kind().name());
            return Err(Error::argument(message));
        }
        return Ok(ready.clone());
    }
    if let Ok(text) = given.as_immutable_string_ref() {
        if !text.trim_start().starts_with('<') {
            let message = format!("a {} definition is a map or XML, not {:?}", kind.name(), text.as_str());
            return Err(Error::argument(message));
        }
        return schema::Definition::from_xml(kind, &text);
    }
    let make = |value: &Value| {
        schema::Definition::from_value_with(kind, value, |root, extras| libvirt::static_ips(root, extras).1)
    };
    data::make(given, make)
}

pub(super) fn change(change: schema::Change) -> Dynamic {
    let fields = [
        ("path".into(), change.path.into()),
        ("before".into(), dynamic(change.before)),
        ("after".into(), dynamic(change.after)),
    ];
    Dynamic::from_map(fields.into_iter().collect())
}

#[export_module]
mod functions {
    /// A checked document: what `domain(#{...})` and its like give, and what handles have as `.definition`.
    ///
    /// Keys are libvirt's names in snake case; a child that may repeat is a list under its plural. Fields are read and
    /// changed in place: `d.devices.disks[0].driver.cache = "none"`. What is not touched stays as it is. An absent field
    /// reads as `()`, and a field that libvirt does not know is an error. Variables share one document; `copy` parts them.
    pub type Definition = crate::schema::Definition;

    /// A field by its name: what `d.name` reads.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = network(#{ name: "lab", bridge: "virbr7" });
    /// assert_eq(d.bridge.name, "virbr7");
    /// assert_eq(d["uuid"], ());
    /// ```
    #[rhai_fn(index_get, pure, return_raw)]
    pub fn get(definition: &mut Definition, field: &str) -> RhaiResultOf<Dynamic> {
        Ok(shown(definition.element().get(field)?))
    }

    /// Gives a field a value, which is checked; `()` removes it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = network(#{ name: "lab" });
    /// d.bridge = "virbr7";
    /// assert(d.xml.contains("<bridge name='virbr7'/>"));
    /// ```
    #[rhai_fn(index_set, pure, return_raw)]
    pub fn set(definition: &mut Definition, field: &str, value: Dynamic) -> RhaiResultOf<()> {
        super::super::element::set(&definition.element(), field, &value)
    }

    /// Reads a document from XML text; its root element tells what it is.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = from_xml("<network><name>lab</name></network>");
    /// assert_eq(d.kind, "network");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn from_xml(xml: &str) -> RhaiResultOf<Definition> {
        Ok(crate::schema::Definition::read(xml)?)
    }

    /// What the document defines: `domain`, `network`, `pool`, `volume`, `disk`, ...
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(network(#{ name: "lab" }).kind, "network");
    /// ```
    #[rhai_fn(get = "kind", pure)]
    pub fn kind(definition: &mut Definition) -> String {
        definition.kind().name().into()
    }

    /// The document as XML.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(network(#{ name: "lab" }).xml.contains("<name>lab</name>"));
    /// ```
    #[rhai_fn(get = "xml", pure)]
    pub fn xml(definition: &mut Definition) -> String {
        definition.xml()
    }

    /// The document as a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = from_xml("<network><name>lab</name><bridge name='virbr7' stp='off'/></network>");
    /// assert_eq(d.to_map().bridge.stp, false);
    /// ```
    #[rhai_fn(pure)]
    pub fn to_map(definition: &mut Definition) -> Dynamic {
        dynamic(definition.to_value())
    }

    /// The document as a script that makes it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = from_xml("<network><name>lab</name><bridge name='virbr7' stp='off'/></network>");
    /// assert_eq(d.to_script(), `network(#{ name: "lab", bridge: #{ name: "virbr7", stp: false } })`);
    /// ```
    #[rhai_fn(pure)]
    pub fn to_script(definition: &mut Definition) -> String {
        source::script_of(definition, source::WIDTH)
    }

    /// A copy that shares nothing with this one.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let lab = network(#{ name: "lab" });
    /// let test = lab.copy();
    /// test.name = "test";
    /// assert_eq(lab.name, "lab");
    /// ```
    #[rhai_fn(pure)]
    pub fn copy(definition: &mut Definition) -> Definition {
        definition.copy()
    }

    /// What another document says differently: a list of maps with `path`, `before` and `after`, `()` standing for nothing.
    ///
    /// The order of differently named siblings, spellings of one size (`2 GiB`, `2048 MiB`), what libvirt fills in by
    /// itself and what it expands (`q35`) do not count.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let lab = network(#{ name: "lab", ips: [ #{ address: "10.0.0.1", prefix: 24 } ] });
    /// let test = lab.copy();
    /// test.ips[0].prefix = 16;
    /// assert_eq(lab.diff(test), [ #{ path: "ips[0].prefix", before: 24, after: 16 } ]);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn diff(definition: &mut Definition, other: Definition) -> RhaiResultOf<Array> {
        Ok(definition.diff(&other)?.into_iter().map(change).collect())
    }

    /// Whether another document says the same; `diff` tells what does not count.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = volume(#{ name: "a", capacity: "2 GiB", target: #{ format: "raw" } });
    /// assert(d == volume(#{ name: "a", capacity: "2048 MiB", target: #{ format: "raw" } }));
    /// ```
    #[rhai_fn(name = "==", pure)]
    pub fn equals(definition: &mut Definition, other: Definition) -> bool {
        definition.diff(&other).is_ok_and(|changes| changes.is_empty())
    }

    /// Whether another document says something else.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(network(#{ name: "lab" }) != network(#{ name: "test" }));
    /// ```
    #[rhai_fn(name = "!=", pure)]
    pub fn differs(definition: &mut Definition, other: Definition) -> bool {
        !equals(definition, other)
    }

    /// Checks the whole document as libvirt's own validation does, which `define_domain` and its like let the host do.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = network(#{ name: "lab" });
    /// d.bridge = "virbr7";
    /// d.check();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn check(definition: &mut Definition) -> RhaiResultOf<()> {
        Ok(definition.check()?)
    }

    /// The document as XML.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print(network(#{ name: "lab" }).to_string());
    /// ```
    #[rhai_fn(pure)]
    pub fn to_string(definition: &mut Definition) -> String {
        definition.xml()
    }

    /// The document as XML, for `debug`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// debug(network(#{ name: "lab" }));
    /// ```
    #[rhai_fn(pure)]
    pub fn to_debug(definition: &mut Definition) -> String {
        definition.xml()
    }
}
