//! UEFI variables and TPM states: each machine has its own, through renaming, copying, changing, going back, and they go with it.

use super::own::inside;
use super::program::{prints, program, text};
use std::process::Stdio;
use std::time::Duration;

/// `node(name)` and `started(vm)`: a machine with UEFI, and one that has run, so that its files are there.
const NODE: &str = r#"
fn node(name) {
    #{ type: "qemu", name: name, memory: "64 MiB", vcpu: 1, features: #{ acpi: true },
       os: #{ firmware: "efi", type: #{ arch: "x86_64", machine: "q35", value: "hvm" }, boots: [ #{ dev: "hd" } ] } }
}
fn started(vm) { vm.start(); vm.destroy(); vm }
let host = connect();
"#;

fn script(text: &str) -> String {
    prints(&format!("{NODE}{text}"))
}

fn shell(script: &str) -> String {
    let output = inside(&["sh", "-c", script]);
    assert!(output.status.success(), "{script}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The files of UEFI variables whose names begin so, each with whether it is marked.
fn files(stem: &str) -> Vec<String> {
    let found = shell(&format!(
        "cd /var/lib/libvirt/qemu/nvram && for one in {stem}*; do test ! -e $one || echo $one $(grep -c MARK $one); done"
    ));
    found.lines().map(str::to_string).collect()
}

/// Writes something into a file of variables by which it is known again.
fn mark(file: &str) {
    shell(&format!("printf MARK | dd of=/var/lib/libvirt/qemu/nvram/{file} bs=1 seek=100000 conv=notrunc status=none"));
}

#[test]
fn uefi_variables_go_with_a_machines_name_and_are_copied_with_it() {
    script(r#"started(host.define_domain(node("vara")));"#);
    mark("vara_VARS.fd");
    script(r#"host.domain("vara").rename("varb");"#);
    assert_eq!(files("var[ab]"), ["varb_VARS.fd 1"]);
    // Another machine gets the former name, with variables of its own; the one that is copied has those of the first.
    script(
        r#"started(host.define_domain(node("vara")));
        import "std/vm" as vm;
        vm::clone("varb", "varb-copy");
        for name in ["varb", "varb-copy"] { started(host.domain(name)); }"#,
    );
    assert_eq!(files("var[ab]"), ["vara_VARS.fd 0", "varb-copy_VARS.fd 1", "varb_VARS.fd 1"]);
    script(r#"host.domain("vara").remove();"#);
    assert_eq!(files("var[ab]"), ["varb-copy_VARS.fd 1", "varb_VARS.fd 1"]);
    // A name that cannot be had changes nothing.
    script(
        r#"let error = ();
        try { host.domain("varb").rename("varb-copy"); } catch (err) { error = err; }
        assert_eq(error.code, "already-exists");
        host.domain("varb").remove();"#,
    );
    assert_eq!(files("var[ab]"), ["varb-copy_VARS.fd 1"]);
    script(r#"host.domain("varb-copy").remove();"#);
    assert!(files("var[ab]").is_empty());
}

#[test]
fn a_killed_rename_leaves_one_file_of_uefi_variables() {
    script(r#"started(host.define_domain(node("vark")));"#);
    let folder = tempfile::tempdir().expect("a folder");
    let journals = folder.path().join("state/vmscript/journal");
    let begun = || {
        let found = std::fs::read_dir(&journals).into_iter().flatten().flatten();
        found.into_iter().any(|one| std::fs::read_to_string(one.path()).is_ok_and(|text| text.contains("_VARS.fd")))
    };
    let mut killed = 0;
    // How many of them a machine is slow enough for is its own matter: the first one is not given any time.
    for pause in (0..12_u64).map(|step| Duration::from_millis(step * step / 2)) {
        // The file that it has, and its name.
        let has = |name: &str| {
            script(&format!(
                r#"let nvram = host.domain("{name}").definition.os.nvram;
                print(if nvram == () {{ "/{name}_VARS.fd" }} else {{ nvram.to_string() }});"#
            ))
        };
        let name = script(r#"for vm in host.domains() { if vm.name in ["vark", "varl"] { print(vm.name); } }"#);
        let to = if name.trim() == "vark" { "varl" } else { "vark" };
        let mut child = program(folder.path())
            .args(["vm", "rename", name.trim(), to])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        while !begun() && child.try_wait().expect("asked").is_none() {
            std::thread::yield_now();
        }
        std::thread::sleep(pause);
        killed += usize::from(child.try_wait().expect("asked").is_none());
        child.kill().expect("killed");
        child.wait().expect("ended");
        let output = program(folder.path()).args(["recover", "--yes"]).output().expect("the program starts");
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
        let name = script(r#"for vm in host.domains() { if vm.name in ["vark", "varl"] { print(vm.name); } }"#);
        let left = files("var[kl]");
        let path = has(name.trim());
        let (_, file) = path.trim().rsplit_once('/').unwrap_or_default();
        assert_eq!(left, [format!("{file} 0")], "after {pause:?}: {path}{}", text(&output.stdout));
        assert_eq!(prints("print(connect().pools().filter(|pool| pool.name.contains(\"uefi\")).len());"), "0\n");
    }
    assert!(killed > 0, "each of them had come to its end");
    script(
        r#"for vm in host.domains() { if vm.name in ["vark", "varl"] { vm.remove(); } }
        // As long as it is not recovered, the next machine of that name has variables of its own.
        started(host.define_domain(node("vark"))).undefine(#{ keep_nvram: true });"#,
    );
    mark("vark_VARS.fd");
    let uri = std::env::var("VMSCRIPT_LAB_URI").expect("the lab's host");
    let made = r#"{"kind":"variables","path":"/var/lib/libvirt/qemu/nvram/vark_VARS.fd","machine":{"name":"vark","uuid":"0f0e0d0c-0b0a-4009-8807-060504030201"}}"#;
    let entry = format!("{{\"intend\":{{\"number\":1,\"uri\":\"{uri}\",\"made\":{made}}}}}\n");
    std::fs::write(journals.join("1.jsonl"), entry).expect("written");
    std::fs::write(folder.path().join("next.rhai"), format!("{NODE}started(host.define_domain(node(\"vark\")));"))
        .expect("written");
    let output = program(folder.path()).arg("next.rhai").output().expect("the program starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let there = files("vark");
    assert!(there.len() == 2 && there.contains(&"vark_VARS.fd 1".to_string()), "{there:?}");
    let output = program(folder.path()).args(["recover", "--yes"]).output().expect("the program starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let there = files("vark");
    assert!(there.len() == 1 && there[0].starts_with("vark-") && there[0].ends_with(" 0"), "{there:?}");
    script(r#"host.domain("vark").remove();"#);
    assert!(files("vark").is_empty());
}

#[test]
fn nobody_gets_or_deletes_the_uefi_variables_of_another_machine() {
    // As other programs leave a machine that they rename: it names the file of its former name.
    script(
        r#"let other = node("varc");
        other.os.nvram = "/var/lib/libvirt/qemu/nvram/vard_VARS.fd";
        started(host.define_domain(other));"#,
    );
    mark("vard_VARS.fd");
    script(
        r#"let vm = started(host.define_domain(node("vard")));
        assert_contains(vm.definition.os.nvram.to_string(), `vard-${vm.uuid.sub_string(0, 8)}_VARS.fd`);
        vm.remove();
        let error = ();
        let third = node("vare");
        third.os.nvram = "/var/lib/libvirt/qemu/nvram/vard_VARS.fd";
        try { host.define_domain(third); } catch (err) { error = err; }
        assert_eq(error.code, "busy");
        assert_contains(error.message, "is that of domain `varc`");"#,
    );
    assert_eq!(files("var[cde]"), ["vard_VARS.fd 1"]);
    // Two that share one already, as no program of this kind looked: the first one to go leaves it to the other.
    shell(
        "virsh -q dumpxml --inactive varc | sed 's/>varc</>vare</; /<uuid>/d' > /tmp/vare.xml && \
         virsh -q define /tmp/vare.xml && rm /tmp/vare.xml",
    );
    script(r#"host.domain("vare").remove();"#);
    assert_eq!(files("var[cde]"), ["vard_VARS.fd 1"]);
    script(r#"host.domain("varc").remove();"#);
    assert!(files("var[cde]").is_empty());
}

#[test]
fn what_a_machine_had_goes_with_it_though_its_definition_has_it_no_more() {
    let uuid = script(
        r#"let definition = node("varf");
        definition.devices = #{ tpms: [ #{ model: "tpm-crb", backend: #{ type: "emulator", version: "2.0" } } ] };
        let vm = started(host.define_domain(definition));
        print(vm.uuid);"#,
    );
    let state = format!("find /var/lib/libvirt/swtpm/{} -type f 2>/dev/null | grep -c permall || true", uuid.trim());
    assert_eq!((shell(&state).trim(), files("varf").len()), ("1", 1));
    script(
        r#"let vm = host.domain("varf");
        let definition = vm.definition.copy();
        definition.devices.tpms = [];
        definition.os.firmware = ();
        definition.os.nvram = ();
        definition.os.firmware_features = ();
        vm.update(definition);
        started(vm);"#,
    );
    assert_eq!((shell(&state).trim(), files("varf").len()), ("1", 1));
    script(r#"host.domain("varf").remove();"#);
    assert_eq!((shell(&state).trim(), files("varf").len()), ("0", 0));
}

#[test]
fn going_back_to_a_state_of_a_former_name_keeps_the_uefi_variables() {
    script(
        r#"let definition = node("varg");
        let disk = #{ pool: "default", volume: #{ name: "varg.qcow2", capacity: "1 MiB", target: #{ format: "qcow2" } } };
        definition.devices = #{ disks: [ #{ type: "file", device: "disk", driver: #{ name: "qemu", type: "qcow2" },
            source: #{ file: "/var/lib/libvirt/images/varg.qcow2" }, target: #{ dev: "vda", bus: "virtio" } } ] };
        let vm = host.provision(definition, #{ start: false, storage: [ disk ] });
        started(vm);
        vm.create_snapshot("before");"#,
    );
    mark("varg_VARS.fd");
    script(
        r#"let vm = host.domain("varg").rename("varh");
        vm.snapshot("before").revert();
        started(vm);"#,
    );
    assert_eq!(files("var[gh]"), ["varh_VARS.fd 1"]);
    script(r#"host.domain("varh").remove();"#);
    assert!(files("var[gh]").is_empty());
}

#[test]
fn secure_boot_comes_with_its_keys_also_to_a_machine_that_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = "name: vari\nvcpus: 1\nmemory: 128 MiB\nboot_disk: { size: 1 MiB, empty: true }\nseed: none\n";
    std::fs::write(folder.path().join("vari.yaml"), spec).expect("written");
    let vm = |args: &[&str]| program(folder.path()).arg("vm").args(args).output().expect("the program starts");
    let done = |args: &[&str]| {
        let output = vm(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        format!("{}{}", text(&output.stdout), text(&output.stderr))
    };
    // The keys that are enrolled for everybody's systems.
    let is_keyed = || shell("grep -q Microsoft /var/lib/libvirt/qemu/nvram/vari_VARS.fd && echo yes || echo no");
    // Other machine types have no firmware of that kind: what counts is the one that it gets.
    done(&["create", "vari.yaml", "--set", "secure_boot=true", "--dry-run"]);
    done(&["create", "vari.yaml"]);
    assert_eq!(is_keyed(), "no\n");
    let secure = ["create", "vari.yaml", "--update", "--set", "secure_boot=true"];
    for more in [&["--dry-run"][..], &[]] {
        let refused = vm(&[&secure[..], more].concat());
        let told = text(&refused.stderr);
        assert!(!refused.status.success() && told.contains("vari runs: it cannot get another firmware"), "{told}");
    }
    script(r#"host.domain("vari").destroy();"#);
    let told = done(&secure);
    assert!(told.contains("its UEFI variables are made anew") && told.contains("updated"), "{told}");
    script(r#"host.domain("vari").destroy();"#);
    assert_eq!(is_keyed(), "yes\n");
    let told = done(&[&secure[..], &["--start=false"]].concat());
    assert!(told.contains("unchanged") && !told.contains("anew"), "{told}");
    // Without UEFI in between the file of before stays, and is not taken again.
    for set in ["firmware=bios", "firmware=efi"] {
        done(&["create", "vari.yaml", "--update", "--start=false", "--set", set]);
    }
    script(r#"started(host.domain("vari"));"#);
    assert_eq!(is_keyed(), "no\n");
    done(&["destroy", "vari", "--yes"]);
    assert!(files("vari").is_empty());
}
