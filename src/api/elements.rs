//! Lists of elements in definitions.

use super::element::shown;
use super::{RhaiResultOf, data, dynamic, source, value};
use crate::floor::Error;
use crate::schema;
use rhai::plugin::*;
use rhai::{Array, Dynamic, FnPtr, Module, NativeCallContext};
use std::any::TypeId;

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
    module.set_iter_result(TypeId::of::<schema::Elements>(), |list| {
        let list = list.cast::<schema::Elements>();
        // All at once: a loop may change the list that it runs over.
        match list.items() {
            Ok(items) => Box::new(items.into_iter().map(|item| Ok(shown(item)))),
            Err(error) => Box::new(std::iter::once(Err(error.into()))),
        }
    });
}

#[export_module]
mod functions {
    /// A list in a definition, such as `d.devices.disks`. Changes go into the definition at once.
    pub type Elements = crate::schema::Elements;

    /// The item at an index; a negative one counts from the end.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// print(vm.definition.devices.interfaces[0].type);
    /// ```
    #[rhai_fn(index_get, pure, return_raw)]
    pub fn get(list: &mut Elements, index: i64) -> RhaiResultOf<Dynamic> {
        Ok(shown(list.get(index)?))
    }

    /// Puts a value, which is checked, into the place of the item at an index.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = network(#{ name: "lab", ips: [ #{ address: "10.0.0.1", prefix: 24 } ] });
    /// d.ips[0] = #{ address: "10.0.1.1", prefix: 24 };
    /// assert_eq(d.ips[0].address, "10.0.1.1");
    /// ```
    #[rhai_fn(index_set, pure, return_raw)]
    pub fn set(list: &mut Elements, index: i64, item: Dynamic) -> RhaiResultOf<()> {
        // Rhai sets an item after a change inside of it, too: what is there already stays.
        let same = match list.get(index)? {
            schema::Item::Element(now) => item.read_lock::<schema::Element>().is_some_and(|given| given.is(&now)),
            _ => false,
        };
        if same { Ok(()) } else { Ok(data::make(&item, |item| list.set(index, item))?) }
    }

    /// How many items there are.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(network(#{ name: "lab" }).ips.len(), 0);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn len(list: &mut Elements) -> RhaiResultOf<i64> {
        Ok(i64::try_from(list.len()?).unwrap_or(i64::MAX))
    }

    /// Whether there are no items.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(network(#{ name: "lab" }).ips.is_empty());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn is_empty(list: &mut Elements) -> RhaiResultOf<bool> {
        Ok(list.is_empty()?)
    }

    /// Adds a value, which is checked, at the end.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = network(#{ name: "lab" });
    /// d.ips.push(#{ address: "10.0.0.1", prefix: 24 });
    /// assert_eq(d.ips[-1].prefix, 24);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn push(list: &mut Elements, item: Dynamic) -> RhaiResultOf<()> {
        Ok(data::make(&item, |item| list.push(item))?)
    }

    /// Adds a value, which is checked, before the item at an index.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = network(#{ name: "lab", ips: [ #{ address: "10.0.0.1", prefix: 24 } ] });
    /// d.ips.insert(0, #{ family: "ipv6", address: "fd00::1", prefix: 64 });
    /// assert_eq(d.ips[0].family, "ipv6");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn insert(list: &mut Elements, index: i64, item: Dynamic) -> RhaiResultOf<()> {
        Ok(data::make(&item, |item| list.insert(index, item))?)
    }

    /// Takes out an item: an index, or an element of the list.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = connect().domain("web").definition;
    /// let cdrom = d.devices.disks.find(|disk| disk.device == "cdrom");
    /// if cdrom != () { d.devices.disks.remove(cdrom); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn remove(list: &mut Elements, item: Dynamic) -> RhaiResultOf<()> {
        if let Ok(index) = item.as_int() {
            return Ok(list.remove(index)?);
        }
        let found = match item.read_lock::<schema::Element>() {
            Some(element) => list.remove_element(&element)?,
            None => return Err(Error::argument("`remove` takes an index or an element of the list").into()),
        };
        if found { Ok(()) } else { Err(Error::argument("this element is not in the list").into()) }
    }

    /// The first item for which a function is true, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = network(#{ name: "lab", ips: [ #{ address: "10.0.0.1", prefix: 24 } ] });
    /// assert_eq(d.ips.find(|ip| ip.family == "ipv6"), ());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn find(ctx: NativeCallContext, list: &mut Elements, test: FnPtr) -> RhaiResultOf<Dynamic> {
        for item in list.items()? {
            let item = shown(item);
            if test.call_within_context::<bool>(&ctx, (item.clone(),))? {
                return Ok(item);
            }
        }
        Ok(Dynamic::UNIT)
    }

    /// The items in a list of the script's own, for `map`, `filter` and their like.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = connect().domain("web").definition;
    /// print(d.devices.disks.to_list().map(|disk| disk.target.dev));
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn to_list(list: &mut Elements) -> RhaiResultOf<Array> {
        Ok(list.items()?.into_iter().map(shown).collect())
    }

    /// Whether a list says the same.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = network(#{ name: "lab", ips: [ #{ address: "10.0.0.1", prefix: 24 } ] });
    /// assert(d.ips == [ #{ address: "10.0.0.1", prefix: 24 } ]);
    /// ```
    #[rhai_fn(name = "==", pure, return_raw)]
    pub fn equals(list: &mut Elements, other: Dynamic) -> RhaiResultOf<bool> {
        let mine = list.to_value()?;
        Ok(value(&other, "").is_ok_and(|other| other == mine))
    }

    /// The list as a script that makes it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = network(#{ name: "lab", ips: [ #{ address: "10.0.0.1", prefix: 24 } ] });
    /// assert_eq(d.ips.to_string(), `[#{ address: "10.0.0.1", prefix: 24 }]`);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn to_string(list: &mut Elements) -> RhaiResultOf<String> {
        Ok(source::literal(&list.to_value()?))
    }

    /// The list as a script that makes it, for `debug`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// debug(network(#{ name: "lab" }).ips);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn to_debug(list: &mut Elements) -> RhaiResultOf<String> {
        Ok(source::literal(&list.to_value()?))
    }

    /// The items as a list of plain maps and values.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = network(#{ name: "lab", ips: [ #{ address: "10.0.0.1", prefix: 24 } ] });
    /// assert_eq(d.ips.to_map(), [ #{ address: "10.0.0.1", prefix: 24 } ]);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn to_map(list: &mut Elements) -> RhaiResultOf<Dynamic> {
        Ok(dynamic(list.to_value()?))
    }
}
