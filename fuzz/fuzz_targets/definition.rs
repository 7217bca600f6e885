//! Any value as a definition of any kind, and any change of it through its fields.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vmscript::floor::Value;
use vmscript::schema::{Definition, Item, Kind};

fuzz_target!(|input: (u8, &str)| {
    let (number, text) = input;
    let Ok(value) = serde_json::from_str::<Value>(text) else { return };
    let kinds = Kind::ALL.len() + Kind::DEVICES.len();
    let number = usize::from(number) % kinds;
    let kind = Kind::ALL.get(number).copied().unwrap_or_else(|| Kind::Device(Kind::DEVICES[number - Kind::ALL.len()]));
    let Ok(made) = Definition::from_value(kind, &value) else { return };
    let again = Definition::from_value(kind, &made.to_value()).expect("what was read back is right too");
    assert_eq!(made.xml(), again.xml());
    let Value::Map(map) = &value else { return };
    for (key, value) in map {
        // A field can be set to what it has.
        if !key.starts_with('_') {
            again.element().set(key, value).expect("it had this value before");
        }
        if let Ok(Item::List(list)) = again.element().get(key) {
            drop(list.remove(0));
        }
    }
});
