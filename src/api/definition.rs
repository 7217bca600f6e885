//! Definitions: checked documents that need no host.

use super::{RhaiResultOf, dynamic, value};
use crate::floor::{Error, Result};
use crate::schema::{self, Kind};
use rhai::plugin::*;
use rhai::{Dynamic, Map, Module};

pub(super) fn module() -> Module {
    exported_module!(functions)
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
    schema::Definition::from_value(kind, &value(given, "")?)
}

#[export_module]
mod functions {
    /// A checked document: what `domain(#{...})` and its like give, and what handles have as `.definition`.
    ///
    /// Keys are libvirt's names in snake case; a child that may repeat is a list under its plural.
    pub type Definition = crate::schema::Definition;

    /// A checked domain definition from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = domain(#{ type: "qemu", name: "web", memory: "2 GiB", vcpu: 2, os: #{ type: "hvm" } });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn domain(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Domain, &fields.into())?)
    }

    /// A checked network definition from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = network(#{
    ///     name: "lab",
    ///     forward: #{ mode: "nat" },
    ///     ips: [ #{ address: "10.17.3.1", prefix: 24, dhcp: #{ ranges: [ #{ start: "10.17.3.100", end: "10.17.3.254" } ] } } ],
    /// });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn network(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Network, &fields.into())?)
    }

    /// A checked storage pool definition from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = pool(#{ type: "dir", name: "images", target: #{ path: "/srv/images" } });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn pool(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Pool, &fields.into())?)
    }

    /// A checked storage volume definition from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = volume(#{ name: "web.qcow2", capacity: "20 GiB", target: #{ format: "qcow2" } });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn volume(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Volume, &fields.into())?)
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

    /// What the document defines: `domain`, `network`, `pool`, `volume`, ...
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

    /// The document's own name, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(network(#{ name: "lab" }).name, "lab");
    /// ```
    #[rhai_fn(get = "name", pure)]
    pub fn name(definition: &mut Definition) -> Dynamic {
        definition.name().map_or(Dynamic::UNIT, Into::into)
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
}
