//! Any text as a document: it is refused, or everything that can be done with it works and loses nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vmscript::schema::Definition;

fuzz_target!(|text: &str| {
    let Ok(read) = Definition::read(text) else { return };
    let value = read.to_value();
    assert_eq!(read.diff(&read.copy()), Ok(vec![]));
    drop(read.check());
    // What was written is read as the same.
    let again = Definition::read(&read.xml()).expect("what was written can be read");
    assert_eq!(read.diff(&again), Ok(vec![]), "{}", read.xml());
    let Ok(made) = Definition::from_value(read.kind(), &value) else { return };
    assert_eq!(read.diff(&made), Ok(vec![]), "{}\n{}", read.xml(), made.xml());
    let again = made.to_value();
    assert_eq!(again, Definition::from_value(made.kind(), &again).expect("it was right before").to_value());
});
