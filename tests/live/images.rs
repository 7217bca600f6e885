//! Images on the lab's host: from a file to a pool, to disks, and to a guest that boots from one.

use super::labs;
use super::own::inside;
use super::program::{left, prints, program, run, text};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

#[test]
fn an_image_becomes_disks_and_is_kept_while_they_stand_on_it() {
    let images = std::env::var("VMSCRIPT_LAB_IMAGES").expect("VMSCRIPT_LAB_IMAGES is the tiny guest's folder");
    let out = prints(&format!(
        r#"
let pool = connect().pool("default");
let source = #{{ path: "{images}/tiny.qcow2", format: "qcow2" }};
let image = pool.ensure_image("image-base.qcow2", source);
assert(image.changed);
assert(!pool.ensure_image("image-base.qcow2", source).changed);
let base = image.volume;
assert_eq(base.info.capacity, image_info("{images}/tiny.qcow2").virtual_size);

let overlay = pool.create_disk("image-overlay.qcow2", #{{ image: base, size: "2 GiB" }});
let copy = pool.create_disk("image-copy.qcow2", #{{ image: base, mode: "copy", size: "3 GiB" }});
let raw = pool.create_disk("image-raw.raw", #{{ image: base, mode: "copy", format: "raw", size: "1 GiB" }});
for disk in [overlay, copy, raw] {{ print(disk.info.capacity); }}
raw.download("raw.img");
assert_eq(image_info("raw.img").partitions, "mbr");
connect().define_domain(#{{ type: "qemu", name: "image-guest", memory: "64 MiB", os: #{{ type: "hvm" }}, devices: #{{ disks: [ #{{
    type: "volume", device: "disk", source: #{{ pool: "default", volume: "image-overlay.qcow2" }},
    target: #{{ dev: "vda", bus: "virtio" }},
}} ] }} }});
try {{ base.delete(); }} catch (err) {{
    assert_eq(err.code, "busy");
    print(err.message);
}}
connect().domain("image-guest").undefine();
try {{ pool.create_disk("image-small.qcow2", #{{ image: base, size: "1 MiB" }}); }} catch (err) {{ print(err.message); }}
for disk in [overlay, copy, raw, base] {{ disk.delete(); }}
"#
    ));
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[..3], ["2147483648", "3221225472", "1073741824"], "{out}");
    assert_eq!(
        lines[3],
        "cannot delete volume `image-base.qcow2`: it is needed by domain `image-guest` and its overlay `image-overlay.qcow2`"
    );
    assert!(
        lines[4].starts_with("disk `image-small.qcow2` cannot be 1 MiB: its image `image-base.qcow2` has "),
        "{out}"
    );
    assert_eq!(left("image-"), "");
}

#[test]
fn wrong_images_are_refused_before_anything_is_made() {
    let images = std::env::var("VMSCRIPT_LAB_IMAGES").expect("VMSCRIPT_LAB_IMAGES is the tiny guest's folder");
    for (name, options, message) in [
        (
            "refused.raw",
            format!("path: \"{images}/tiny.qcow2\""),
            "image `refused.raw` is qcow2, which its name denies",
        ),
        ("refused", format!("path: \"{images}/vmlinuz\", checksum: \"sha256:{}\"", "0".repeat(64)), "the checksum of"),
        ("refused", "path: \"/etc/passwd\"".to_string(), "image `refused` is raw without anything to start from"),
    ] {
        let output = run(&format!("connect().pool(\"default\").ensure_image(\"{name}\", #{{ {options} }});"));
        assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(message), "{}", text(&output.stderr));
        assert_eq!(left("refused"), "");
    }
}

#[test]
fn an_image_follows_its_source_unless_it_is_in_use() {
    let images = std::env::var("VMSCRIPT_LAB_IMAGES").expect("VMSCRIPT_LAB_IMAGES is the tiny guest's folder");
    let out = prints(&format!(
        r#"
let pool = connect().pool("default");
let first = #{{ path: "{images}/tiny.qcow2", compare: "all" }};
let other = #{{ path: "{images}/vmlinuz", bootable: false, compare: "all" }};
print(pool.ensure_image("follow", first).changed);
print(pool.ensure_image("follow", first).changed);
try {{ pool.ensure_image("follow", other); }} catch (err) {{ print(err.code); }}
other.force = true;
print(pool.ensure_image("follow", other).changed);
let disk = pool.create_disk("follow-overlay.qcow2", #{{ image: pool.volume("follow") }});
let kept = pool.ensure_image("follow", first);
import "std/image" as image;
for dry_run in [true, false] {{
    try {{ image::import_("default", "{images}/tiny.qcow2", #{{ name: "follow", dry_run: dry_run }}); }} catch (err) {{ print(`${{err.code}}: ${{err.message}}`); }}
}}
print(`${{kept.changed}} ${{kept.outdated}}`);
first.force = true;
try {{ pool.ensure_image("follow", first); }} catch (err) {{ print(err.message); }}
disk.delete();
print(pool.ensure_image("follow", first).changed);
pool.volume("follow").delete();
"#
    ));
    let needed = format!(
        "busy: image `follow` holds something else than `{images}/tiny.qcow2`, and is needed by `follow-overlay.qcow2`"
    );
    let busy = "cannot delete volume `follow`: it is needed by its overlay `follow-overlay.qcow2`";
    assert_eq!(
        out.lines().collect::<Vec<_>>(),
        ["true", "false", "already-exists", "true", &needed, &needed, "false true", busy, "true"]
    );
    assert_eq!(left("follow"), "");
}

#[test]
fn an_image_becomes_raw_and_its_thick_copy_takes_its_space_at_once() {
    let images = std::env::var("VMSCRIPT_LAB_IMAGES").expect("VMSCRIPT_LAB_IMAGES is the tiny guest's folder");
    let out = prints(&format!(
        r#"
let pool = connect().pool("default");
let image = pool.ensure_image("made.raw", #{{ path: "{images}/tiny.qcow2", convert: "raw" }}).volume;
print(image.info.capacity == image_info("{images}/tiny.qcow2").virtual_size);
let thick = pool.create_disk("made-thick.raw", #{{ image: image, mode: "copy", thick: true, size: "64 MiB" }});
print(thick.info.capacity);
print(thick.info.allocation >= thick.info.capacity);
let thin = pool.create_disk("made-thin.raw", #{{ image: image, mode: "copy", size: "64 MiB" }});
print(thin.info.allocation < 40000000);
try {{ pool.create_disk("made-huge.raw", #{{ image: image, mode: "copy", thick: true, size: "900 TiB" }}); }} catch (err) {{
    print(err.code);
    print(err.message);
}}
for disk in [thick, thin, image] {{ disk.delete(); }}
"#
    ));
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[..5], ["true", "67108864", "true", "true", "no-space"], "{out}");
    assert!(lines[5].starts_with("volume `made-huge.raw` needs 900 TiB in pool `default`, which has "), "{out}");
    assert_eq!(left("made"), "");
}

#[test]
fn what_does_not_fit_is_refused_with_the_numbers() {
    let images = std::env::var("VMSCRIPT_LAB_IMAGES").expect("VMSCRIPT_LAB_IMAGES is the tiny guest's folder");
    let folder = "/var/lib/libvirt/small";
    let made = inside(&["sh", "-ec", &format!("mkdir {folder}; mount -t tmpfs -o size=30m small {folder}")]);
    assert!(made.status.success(), "{made:?}");
    let out = prints(&format!(
        r#"
let pool = connect().create_pool(#{{ type: "dir", name: "small", target: #{{ path: "{folder}" }} }});
let source = #{{ path: "{images}/tiny.qcow2" }};
let image = pool.ensure_image("small-image.qcow2", source).volume;
let refused = |deed| {{ try {{ deed.call(); print("made"); }} catch (err) {{ print(`${{err.code}} ${{err.message}}`); }} }};
refused.call(|| pool.ensure_image("small-second.qcow2", source));
refused.call(|| pool.create_disk("small-copy.qcow2", #{{ image: image, mode: "copy", size: "1 GiB" }}));
// An overlay takes no more than what is written to it.
pool.create_disk("small-overlay.qcow2", #{{ image: image, size: "10 GiB" }});
pool.refresh();
print(pool.volumes().map(|one| one.name));
pool.destroy();
"#
    ));
    let undone = inside(&["sh", "-ec", &format!("umount {folder}; rmdir {folder}")]);
    assert!(undone.status.success(), "{undone:?}");
    let lines: Vec<_> = out.lines().collect();
    for (line, name) in lines.iter().zip(["image `small-second.qcow2`", "volume `small-copy.qcow2`"]) {
        let told =
            line.starts_with(&format!("no-space {name} needs ")) && line.contains(" in pool `small`, which has ");
        assert!(told, "{out}");
    }
    assert_eq!(lines[2], r#"["small-image.qcow2", "small-overlay.qcow2"]"#, "{out}");
}

/// Whatever the first run brings, the second one, which comes in the middle of it, waits and looks at all of it.
#[test]
fn of_two_imports_at_once_the_second_one_waits() {
    let folder = tempfile::tempdir().expect("a folder");
    for (file, byte) in [("one.raw", 1), ("two.raw", 2)] {
        let mut image = vec![byte; 96 << 20];
        image[510..512].copy_from_slice(&[0x55, 0xaa]);
        std::fs::write(folder.path().join(file), image).expect("written");
    }
    for (second, ended, words) in [
        ("one.raw", true, "result: unchanged"),
        ("two.raw", false, "volume `twice.raw` is there and has other content"),
    ] {
        let (second, rest) = beside_an_import(
            folder.path(),
            "twice.raw",
            &["image", "import", "default", second, "--name", "twice.raw"],
        );
        assert_eq!(second.status.success(), ended, "{rest}");
        assert!(format!("{}{rest}", text(&second.stdout)).contains(words), "{rest}");
        prints("connect().pool(\"default\").volume(\"twice.raw\").delete();");
    }
}

#[test]
fn a_disk_waits_until_its_image_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut image = vec![3; 96 << 20];
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    std::fs::write(folder.path().join("one.raw"), image).expect("written");
    let script = "let pool = connect().pool(\"default\");
        pool.create_disk(\"whole-copy.raw\", #{ image: pool.volume(\"whole.raw\"), mode: \"copy\" }).download(\"copy.raw\");
        for name in [\"whole-copy.raw\", \"whole.raw\"] { pool.volume(name).delete(); }";
    let (copied, told) = beside_an_import(folder.path(), "whole.raw", &["-e", script]);
    assert!(copied.status.success(), "{told}");
    let same = |file| std::fs::read(folder.path().join(file)).expect("read");
    assert!(same("one.raw") == same("copy.raw"), "the copy is not what the image is");
    assert_eq!(left("whole"), "");
}

/// Runs the program while another one, stopped in the middle of it, imports `one.raw` under this name; gives what it ended with,
/// and what it said after it had said that it waits.
fn beside_an_import(folder: &Path, name: &str, args: &[&str]) -> (Output, String) {
    let begin = |args: &[&str]| {
        program(folder).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started")
    };
    let first = begin(&["image", "import", "default", "one.raw", "--name", name]);
    until_it_is_made(&folder.join("state/vmscript/journal"));
    signal(&first, "STOP");
    let mut waiting = begin(args);
    let mut told = BufReader::new(waiting.stderr.take().expect("piped"));
    let mut line = String::new();
    told.read_line(&mut line).expect("read");
    signal(&first, "CONT");
    assert!(line.contains(&format!("another run is making volume `{name}`, which is waited for")), "{line}");
    let mut rest = String::new();
    told.read_to_string(&mut rest).expect("read");
    let second = waiting.wait_with_output().expect("waited for");
    let first = first.wait_with_output().expect("waited for");
    assert!(text(&first.stdout).contains("result: created"), "{first:?}");
    (second, rest)
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &child.id().to_string()]).status().expect("started").success());
}

/// Waits until a run has written down that libvirt made what it asked for.
fn until_it_is_made(journals: &Path) {
    let is_made = || {
        let found = std::fs::read_dir(journals).into_iter().flatten().flatten();
        found.filter_map(|one| std::fs::read_to_string(one.path()).ok()).any(|text| text.contains("answered"))
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while !is_made() {
        assert!(std::time::Instant::now() < deadline, "nothing is made");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[test]
fn users_that_bring_one_image_at_once_wait_for_who_is_bringing_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut image = vec![5; 64 << 20];
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    std::fs::write(folder.path().join("one.raw"), image).expect("written");
    let import = ["image", "import", "default", "one.raw", "--name", "users.raw", "-o", "csv", "--columns", "result"];
    for _ in 0..3 {
        let users: Vec<_> = (0..3)
            .map(|user| {
                let mut run = program(folder.path());
                run.env("XDG_STATE_HOME", folder.path().join(format!("state-{user}"))).args(import);
                run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started")
            })
            .collect();
        let mut results = Vec::new();
        for user in users {
            let output = user.wait_with_output().expect("waited for");
            assert!(output.status.success(), "{}", text(&output.stderr));
            results.push(text(&output.stdout).lines().last().unwrap_or_default().to_string());
        }
        results.sort();
        assert_eq!(results, ["created", "unchanged", "unchanged"]);
        prints("connect().pool(\"default\").volume(\"users.raw\").delete();");
    }
    // What is there and stays as it is is somebody's.
    prints(
        "connect().pool(\"default\").create_volume(#{ name: \"users.raw\", capacity: \"1 MiB\", target: #{ format: \"raw\" } });",
    );
    let refused = program(folder.path()).args(import).output().expect("started");
    assert!(text(&refused.stderr).contains("has other content, which is not known to be from there"), "{refused:?}");
    prints("connect().pool(\"default\").volume(\"users.raw\").delete();");
    assert_eq!(left("users"), "");
}

#[test]
fn what_somebody_needs_is_not_written_behind_his_back() {
    let images = std::env::var("VMSCRIPT_LAB_IMAGES").expect("VMSCRIPT_LAB_IMAGES is the tiny guest's folder");
    let out = prints(&format!(
        r#"
let host = connect();
let pool = host.pool("default");
let base = pool.upload_file("written.qcow2", "{images}/tiny.qcow2");
let over = pool.create_disk("written-over.qcow2", #{{ image: base }});
let tell = |what| {{ try {{ what.call(); print("done"); }} catch (err) {{ print(`${{err.code}}: ${{err.message}}`); }} }};
tell.call(|| base.upload("{images}/vmlinuz"));
tell.call(|| base.wipe());
tell.call(|| base.resize("1 MiB", #{{ shrink: true }}));
let vm = host.define_domain(#{{ type: "qemu", name: "written", memory: "64 MiB", os: #{{ type: #{{ arch: "x86_64", value: "hvm" }} }},
    devices: #{{ disks: [#{{ type: "volume", device: "disk", driver: #{{ name: "qemu", type: "qcow2" }},
        source: #{{ pool: "default", volume: "written-over.qcow2" }}, target: #{{ dev: "vda", bus: "virtio" }} }}] }} }});
let was = over.info.capacity;
over.resize(was + 1048576);
vm.start();
tell.call(|| over.upload("{images}/vmlinuz"));
tell.call(|| over.resize("2 GiB"));
vm.destroy();
vm.undefine();
over.delete();
base.upload("{images}/tiny.qcow2");
base.delete();
let small = pool.create_volume(#{{ name: "written.raw", capacity: "1 MiB", target: #{{ format: "raw" }} }});
tell.call(|| small.upload("{images}/vmlinuz"));
assert_eq(small.info.capacity, 1048576);
small.delete();
"#
    ));
    let lines: Vec<_> = out.lines().collect();
    let overlay = "it is needed by its overlay `written-over.qcow2`";
    let domain = "it is needed by domain `written`";
    assert_eq!(
        lines[..5],
        [
            format!("busy: cannot upload to volume `written.qcow2`: {overlay}"),
            format!("busy: cannot wipe volume `written.qcow2`: {overlay}"),
            format!("busy: cannot resize volume `written.qcow2`: {overlay}"),
            format!("busy: cannot upload to volume `written-over.qcow2`: {domain}"),
            format!("busy: cannot resize volume `written-over.qcow2`: {domain}"),
        ]
    );
    assert!(lines[5].starts_with("invalid-argument: cannot upload to volume `written.raw`: "), "{out}");
    assert_eq!(left("written"), "");
}

#[test]
fn a_raw_boot_disk_is_a_copy_of_its_image() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = "name: rawly\nvcpus: 1\nmemory: 64 MiB\nfirmware: bios\nmachine: pc\nseed: none\n\
                boot_disk: { size: 64 MiB, format: raw, image: base.qcow2 }\n";
    std::fs::write(folder.path().join("rawly.yaml"), spec).expect("written");
    labs::run(folder.path(), &["vm", "create", "rawly.yaml", "--start=false"]);
    let disk = "let disk = connect().pool(\"default\").volume(\"rawly_boot\").definition.to_map();";
    let told =
        prints(&format!("{disk} print(`${{disk.target.format.type}} ${{disk.backing_store}} ${{disk.capacity}}`);"));
    assert_eq!(told, "raw  67108864 bytes\n");
    // A boot sector, and not the head of a qcow2 file.
    let head = inside(&["head", "-c", "512", "/var/lib/libvirt/images/rawly_boot"]).stdout;
    assert_eq!(head.get(510..512), Some(&[0x55, 0xaa][..]));
    assert_eq!(labs::column(folder.path(), &["vm", "create", "rawly.yaml", "--start=false"], "result"), ["unchanged"]);
    labs::run(folder.path(), &["vm", "destroy", "rawly", "--yes"]);
    assert_eq!(left("rawly"), "");
}

#[test]
fn several_uploads_of_one_volume_take_turns() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, byte) in [("turns.raw", 1_u8), ("other.raw", 2)] {
        std::fs::write(folder.path().join(name), vec![byte; 64 << 20]).expect("written");
    }
    let at_once = |files: &[&str], more: &[&str]| {
        let upload = |file: &&str| {
            let mut command = program(folder.path());
            command.args(["volume", "upload", "default", file, "--name", "turns.raw", "-o", "csv"]).args(more);
            command.args(["--columns", "result"]).stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("the program starts")
        };
        let all: Vec<_> = files.iter().map(upload).collect();
        let ended = all.into_iter().map(|child| {
            let output = child.wait_with_output().expect("ended");
            assert!(output.status.success(), "{}", text(&output.stderr));
            text(&output.stdout).lines().last().unwrap_or_default().to_string()
        });
        let mut results: Vec<String> = ended.collect();
        results.sort();
        results
    };
    assert_eq!(at_once(&["turns.raw"; 4], &[]), ["created", "unchanged", "unchanged", "unchanged"]);
    assert_eq!(at_once(&["other.raw", "turns.raw", "other.raw"], &["--force"])[0], "replaced");
    assert_eq!(left("turns"), "turns.raw\n");
    prints(r#"connect().pool("default").volume("turns.raw").delete();"#);
}

#[test]
fn an_image_that_nothing_can_start_from_makes_no_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_string();
    for name in ["unbootable.raw", "unbootable.qcow2"] {
        let file = std::fs::File::create(path(name)).expect("a file");
        file.set_len(4 << 20).expect("its size");
    }
    let pool = "unbootable-images";
    // Files that lie in a pool already were brought by nobody who looked at them.
    prints(&format!(
        "let pool = connect().define_pool(#{{ type: \"dir\", name: \"{pool}\", target: #{{ path: \"{}\" }} }}); pool.start();",
        folder.path().display()
    ));
    let create = |image: &str, more: &str, options: &[&str]| {
        let spec = format!(
            "name: unbootable\nvcpus: 1\nmemory: 128 MiB\nseed: none\n{more}boot_disk: {{ size: 1 GiB, image: \"{pool}:{image}\" }}\n"
        );
        std::fs::write(path("spec.yaml"), spec).expect("a spec");
        let file = path("spec.yaml");
        let fixed = ["vm", "create", &file, "--start=false"];
        let output = program(folder.path()).args(fixed).args(options).output().expect("the program starts");
        (output.status.code(), text(&output.stderr))
    };
    let (code, told) = create("unbootable.raw", "", &["--dry-run"]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("error: image `unbootable.raw` is raw without anything to start from\n --> "), "{told}");
    assert!(told.contains("hint: say `--bootable=false` if the machine starts from something else"), "{told}");
    let (code, told) = create("unbootable.qcow2", "", &["--bootable=false"]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("image `unbootable.qcow2` is raw, which its name denies"), "{told}");
    for (more, options) in [
        ("", &["--bootable=false", "--dry-run"][..]),
        ("interfaces: [ { network: lab, pxe: true } ]\n", &["--dry-run"][..]),
        ("", &["--bootable=false"][..]),
    ] {
        let (code, told) = create("unbootable.raw", more, options);
        assert_eq!(code, Some(0), "{told}");
    }
    prints(&format!(
        "let host = connect(); host.domain(\"unbootable\").remove(); let pool = host.pool(\"{pool}\"); pool.destroy(); pool.undefine();"
    ));
    assert_eq!(left("unbootable"), "");
}
