//! Writes the stubs by which libvirt is loaded when it is first called, instead of before the program begins. What they are
//! for and how they work stands in `src/libvirt/ffi/load.rs`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(late_libvirt)");
    let target = |what: &str| env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    // Elsewhere, and where libvirt's own list of its functions is not installed, libvirt is linked as any library.
    if target("ARCH") == "x86_64"
        && target("OS") == "linux"
        && let Some(names) = names()
        && let Ok(folder) = env::var("OUT_DIR")
        && write(Path::new(&folder), &names).is_ok()
    {
        println!("cargo:rustc-cfg=late_libvirt");
    }
}

/// All functions of libvirt, as its descriptions of its interface list them.
fn names() -> Option<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for (library, variable) in [("libvirt", "libvirt_api"), ("libvirt-qemu", "libvirt_qemu_api")] {
        let path = pkg_config::get_variable(library, variable).ok().filter(|path| !path.is_empty())?;
        println!("cargo:rerun-if-changed={path}");
        let text = fs::read_to_string(path).ok()?;
        let functions = text.split("<function name='").skip(1).filter_map(|rest| rest.split('\'').next());
        names.extend(functions.map(str::to_string));
    }
    (!names.is_empty()).then_some(names)
}

/// Each stub jumps to where its slot points: at first behind itself, where it asks for its function by its number.
fn write(folder: &Path, names: &BTreeSet<String>) -> std::io::Result<()> {
    let (mut stubs, mut slots, mut list) = (String::new(), String::new(), String::new());
    for (number, name) in names.iter().enumerate() {
        let stub = format!(
            ".globl {name}\n.hidden {name}\n.type {name}, @function\n.p2align 4\n{name}:\n    \
             jmp qword ptr [rip + vmscript_libvirt_slots + {}]\n.Lask{number}:\n    mov r11d, {number}\n    \
             jmp vmscript_libvirt_ask\n",
            number * 8
        );
        stubs.push_str(&stub);
        let told = writeln!(slots, ".quad .Lask{number}").and_then(|()| writeln!(list, "    c\"{name}\","));
        told.map_err(std::io::Error::other)?;
    }
    let head =
        ".data\n.p2align 3\n.globl vmscript_libvirt_slots\n.hidden vmscript_libvirt_slots\nvmscript_libvirt_slots:\n";
    fs::write(folder.join("stubs.s"), format!(".text\n{stubs}{head}{slots}.text\n"))?;
    fs::write(folder.join("names.rs"), format!("[\n{list}]\n"))
}
