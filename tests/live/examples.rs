//! The examples of the reference, of the recipes and of the book that libvirt's test driver cannot run, each in a process of its own on the
//! lab node.

use super::lab::lab;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use vmscript::script::{Reference, Session, Settings};

/// All live examples: the page and the function that they are of, and the script.
fn examples() -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    for (page, function) in Reference::new().functions() {
        let live = function.examples.iter().filter(|example| example.live);
        all.extend(live.map(|example| (page.title.clone(), function.name.clone(), example.code.clone())));
    }
    let session = Session::new(&Settings::default());
    for (module, imports) in session.recipe_modules(&[]) {
        for recipe in session.recipes(&module, &imports).unwrap_or_else(|_| panic!("{module} parses")) {
            let live = recipe.examples.iter().filter(|example| example.live);
            all.extend(live.map(|example| (recipe.import.clone(), recipe.name.clone(), example.code.clone())));
        }
    }
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/src");
    for entry in fs::read_dir(book).expect("the book can be read") {
        let file = entry.expect("the book can be read").path();
        if file.extension().is_none_or(|kind| kind != "md") {
            continue;
        }
        let page = file.file_name().expect("a file has a name").to_string_lossy();
        let text = fs::read_to_string(&file).expect("a page can be read");
        let blocks = text.split("```rhai,live\n").skip(1).enumerate();
        all.extend(blocks.map(|(index, rest)| {
            let code = rest.split("\n```").next().unwrap_or_default();
            (page.to_string(), format!("block {}", index + 1), code.to_string())
        }));
    }
    all
}

/// Calls that the guest follows later, or not at all: the next example gets a guest started anew.
const UNSETTLING: [&str; 7] = ["reboot", "shutdown", "reset", "inject_nmi", "pm_", "save", "migrate"];
const END: &str = r#"let vm = connect().find_domain("guest"); if vm != () && vm.state != "shut off" { vm.destroy(); }"#;

#[test]
fn every_live_example_runs() {
    let only = std::env::var("VMSCRIPT_LAB_EXAMPLE").ok();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    // With the signature of a boot record, so that it is an image.
    let mut image = vec![7; 1 << 20];
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    fs::write(folder.path().join("debian-13.raw"), image).expect("the image is written");
    let prepare = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/prepare.rhai");
    let (mut wrong, mut count, mut unsettled) = (Vec::new(), 0, false);
    for (page, function, code) in examples() {
        if only.as_ref().is_some_and(|name| *name != function && *name != page) {
            continue;
        }
        // What an example set going (a reboot, a sleep) may come over the guest during the next one.
        if unsettled {
            let ended = folder.path().join("end.rhai");
            fs::write(&ended, END).expect("the script is written");
            let done = run(&ended, folder.path());
            assert!(done.status.success(), "the guest could not be ended: {}", text(&done.stderr));
        }
        unsettled = UNSETTLING.iter().any(|word| code.contains(word));
        let ready = run(&prepare, folder.path());
        assert!(ready.status.success(), "the guest could not be prepared: {}", text(&ready.stderr));
        let file = folder.path().join("example.rhai");
        fs::write(&file, &code).expect("the example is written");
        let done = run(&file, folder.path());
        println!("{page} `{function}`: {}", text(&done.stdout));
        if !done.status.success() {
            wrong.push(format!("{page} `{function}`: {}", text(&done.stderr)));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 0, "no live example was found");
}

fn run(script: &Path, folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vmscript"))
        .arg("-c")
        .arg(&lab().uri)
        .arg(script)
        .current_dir(folder)
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
