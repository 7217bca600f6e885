//! Elements: parts of definitions that have fields of their own.

use super::{RhaiResultOf, data, dynamic, source, value};
use crate::floor::Error;
use crate::schema::{self, Item};
use rhai::plugin::*;
use rhai::{Dynamic, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

/// What a field reads as, for scripts.
pub(super) fn shown(item: Item) -> Dynamic {
    match item {
        Item::Value(value) => dynamic(value),
        Item::Element(element) => Dynamic::from(element),
        Item::List(list) => Dynamic::from(list),
    }
}

/// Gives a field a value. Rhai also calls this after a change further down (`d.a.b = 1` sets `d.a` as well): what is there
/// already stays.
pub(super) fn set(element: &schema::Element, field: &str, given: &Dynamic) -> RhaiResultOf<()> {
    let same = match element.get(field)? {
        Item::Element(now) => given.read_lock::<schema::Element>().is_some_and(|given| given.is(&now)),
        Item::List(now) => given.read_lock::<schema::Elements>().is_some_and(|given| given.is(&now)),
        Item::Value(_) => false,
    };
    if same { Ok(()) } else { Ok(data::make(given, |value| element.set(field, value))?) }
}

fn equal(element: &schema::Element, other: &Dynamic) -> RhaiResultOf<bool> {
    let other = value(other, "");
    Ok(other.is_ok_and(|other| element.says(&other).unwrap_or(false)))
}

#[export_module]
mod functions {
    /// A part of a definition with fields of its own, such as `d.devices.disks[0]`.
    ///
    /// It stays the same element wherever it moves in its list. Two are equal if they say the same, and one equals a number
    /// or a string if that is its text: `d.vcpu == 2`, `d.memory == "2 GiB"`.
    pub type Element = crate::schema::Element;

    /// A field by its name: what `disk.target` reads.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = domain(#{ type: "qemu", name: "web", memory: "2 GiB", vcpu: 2, os: #{ type: "hvm" } });
    /// assert_eq(d.os.type.value, "hvm");
    /// assert_eq(d.os.kernel, ());
    /// ```
    #[rhai_fn(index_get, pure, return_raw)]
    pub fn get(element: &mut Element, field: &str) -> RhaiResultOf<Dynamic> {
        Ok(shown(element.get(field)?))
    }

    /// Gives a field a value, which is checked; `()` removes it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = domain(#{ type: "qemu", name: "web", memory: "2 GiB", os: #{ type: "hvm" } });
    /// d.os.kernel = "/boot/vmlinuz";
    /// assert(d.xml.contains("<kernel>/boot/vmlinuz</kernel>"));
    /// ```
    #[rhai_fn(index_set, pure, return_raw)]
    pub fn set(element: &mut Element, field: &str, value: Dynamic) -> RhaiResultOf<()> {
        super::set(element, field, &value)
    }

    /// Whether the element says the same as a value or another element.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = domain(#{ type: "qemu", name: "web", memory: "2 GiB", vcpu: 2, os: #{ type: "hvm" } });
    /// assert(d.vcpu == 2);
    /// assert(d.memory == "2048 MiB");
    /// ```
    #[rhai_fn(name = "==", pure, return_raw)]
    pub fn equals(element: &mut Element, other: Dynamic) -> RhaiResultOf<bool> {
        equal(element, &other)
    }

    /// Whether the element says something else than a value or another element.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = domain(#{ type: "qemu", name: "web", memory: "2 GiB", vcpu: 2, os: #{ type: "hvm" } });
    /// assert(d.vcpu != 3);
    /// ```
    #[rhai_fn(name = "!=", pure, return_raw)]
    pub fn differs(element: &mut Element, other: Dynamic) -> RhaiResultOf<bool> {
        equal(element, &other).map(|equal| !equal)
    }

    /// A size in bytes, whatever unit it is written in.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = domain(#{ type: "qemu", name: "web", memory: "2 GiB", os: #{ type: "hvm" } });
    /// assert_eq(d.memory.bytes(), 2 * 1024 * 1024 * 1024);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn bytes(element: &mut Element) -> RhaiResultOf<i64> {
        let too_large = |_| Error::argument("the size is too large to count its bytes");
        Ok(i64::try_from(element.bytes()?).map_err(too_large)?)
    }

    /// The element as XML.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = network(#{ name: "lab", bridge: "virbr7" });
    /// assert(d.bridge.xml.contains("<bridge name='virbr7'/>"));
    /// ```
    #[rhai_fn(get = "xml", pure, return_raw)]
    pub fn xml(element: &mut Element) -> RhaiResultOf<String> {
        Ok(element.xml()?)
    }

    /// The element as a map, or as its text if it says nothing else.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = network(#{ name: "lab", bridge: "virbr7" });
    /// assert_eq(d.bridge.to_map(), #{ name: "virbr7" });
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn to_map(element: &mut Element) -> RhaiResultOf<Dynamic> {
        Ok(dynamic(element.to_value()?))
    }

    /// The element as the map literal that makes it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = network(#{ name: "lab", bridge: "virbr7" });
    /// assert_eq(d.bridge.to_script(), `#{ name: "virbr7" }`);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn to_script(element: &mut Element) -> RhaiResultOf<String> {
        Ok(source::literal(&element.to_value()?))
    }

    /// The element's text, such as `2` or `2 GiB`, if elements of its kind have one; else its XML.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = domain(#{ type: "qemu", name: "web", memory: "2 GiB", vcpu: 2, os: #{ type: "hvm" } });
    /// assert_eq(`${d.vcpu} CPUs`, "2 CPUs");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn to_string(element: &mut Element) -> RhaiResultOf<String> {
        match element.text()? {
            Some(text) => Ok(dynamic(text).to_string()),
            None => Ok(element.xml()?),
        }
    }

    /// The element as XML, for `debug`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// debug(network(#{ name: "lab", bridge: "virbr7" }).bridge);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn to_debug(element: &mut Element) -> RhaiResultOf<String> {
        Ok(element.xml()?)
    }
}
