//! Pools of the types that libvirt offers: those that can stand here do, the others say why they cannot.

use super::own::inside;
use super::program::{prints, text};

/// A device of the node, which is a file.
struct Loop {
    file: String,
    device: String,
}

impl Loop {
    fn new(name: &str) -> Self {
        let file = format!("/var/lib/libvirt/{name}.img");
        let made = inside(&["sh", "-ec", &format!("truncate -s 96M {file}; losetup --find --show {file}")]);
        assert!(made.status.success(), "{made:?}");
        Self { file, device: text(&made.stdout).trim().to_string() }
    }

    fn prints(&self, script: &str) -> String {
        prints(&script.replace("DEVICE", &self.device))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        inside(&["sh", "-c", &format!("losetup --detach {}; rm -f {}", self.device, self.file)]);
    }
}

#[test]
fn a_pool_on_a_file_system_is_made_mounted_used_and_unmounted() {
    let shown = Loop::new("on-fs").prints(
        r#"
let host = connect();
let pool = host.define_pool(#{
    type: "fs", name: "on-fs", target: #{ path: "/var/lib/libvirt/on-fs" },
    source: #{ device: #{ path: "DEVICE" }, format: "ext4" },
});
pool.build();
try { pool.start(); throw "without a file system"; } catch (err) { print(err.hints[0]); }
pool.build(#{ overwrite: false });
pool.start();
assert_eq(pool.state, "running");
assert(pool.info.capacity > 64 * 1024 * 1024 && pool.info.available <= pool.info.capacity);
let volume = pool.create_volume(#{ name: "one.raw", capacity: "8 MiB", target: #{ format: "raw" } });
write_file("data", "what is kept");
assert_eq(volume.upload("data").data, 12);
let copy = pool.clone_volume(#{ name: "two.qcow2", capacity: "8 MiB", target: #{ format: "qcow2" } }, volume);
copy.resize("16 MiB");
pool.refresh();
print(pool.volumes().map(|one| one.name));
for one in [volume, copy] { one.delete(); }
pool.destroy();
try { pool.build(#{ overwrite: false }); throw "over a file system"; } catch (err) { print(err.code); }
pool.build(#{ overwrite: true });
pool.start();
print(pool.volumes().map(|one| one.name));
pool.destroy();
pool.undefine();
"#,
    );
    let lines: Vec<&str> = shown.lines().collect();
    let [hint, volumes, _, anew] = lines.as_slice() else { panic!("{shown}") };
    assert!(hint.contains("host.pool(\"on-fs\").build(#{ overwrite: true })"), "{shown}");
    assert!(volumes.contains("one.raw") && volumes.contains("two.qcow2"), "{shown}");
    assert!(!anew.contains("one.raw"), "{shown}");
}

#[test]
fn a_volume_group_is_made_and_found() {
    Loop::new("on-lvm").prints(
        r#"
let host = connect();
let pool = host.define_pool(#{
    type: "logical", name: "on-lvm", target: #{ path: "/dev/on_lvm" },
    source: #{ name: "on_lvm", devices: [ #{ path: "DEVICE" } ], format: "lvm2" },
});
pool.build();
pool.start();
assert(pool.info.capacity > 64 * 1024 * 1024);
assert(host.find_pool_sources("logical", ()).contains("on_lvm"));
try {
    let volume = pool.create_volume(#{ name: "one", capacity: "8 MiB", target: #{} });
    assert_eq(volume.path, "/dev/on_lvm/one");
    volume.delete();
} catch (err) {
    // Not every kernel maps devices.
    assert_eq(err.code, "unsupported");
    assert(err.hints[0].contains("dm-mod"));
}
pool.destroy();
pool.delete();
pool.undefine();
assert(!host.find_pool_sources("logical", ()).contains("on_lvm"));
"#,
    );
}

#[test]
fn a_disk_gets_a_table_of_partitions() {
    Loop::new("on-disk").prints(
        r#"
let host = connect();
let pool = host.define_pool(#{
    type: "disk", name: "on-disk", target: #{ path: "/dev" },
    source: #{ device: #{ path: "DEVICE" }, format: "gpt" },
});
pool.build();
pool.start();
assert(pool.info.available > 64 * 1024 * 1024);
assert_eq(pool.volumes().len(), 0);
pool.destroy();
try { pool.build(#{ overwrite: false }); throw "over a table"; } catch (err) { assert(err != "over a table"); }
pool.build(#{ overwrite: true });
pool.undefine();
"#,
    );
}

#[test]
fn what_cannot_stand_here_says_why() {
    let shown = prints(
        r#"
let host = connect();
let hosts = [ #{ name: "127.0.0.1" } ];
let target = "iqn.2026-01.org.example:disk";
let can = [
    #{ type: "netfs", target: #{ path: "/var/lib/libvirt/not" }, source: #{ hosts: hosts, dir: #{ path: "/not" }, format: "nfs" } },
    #{ type: "iscsi", target: #{ path: "/dev/disk/by-path" }, source: #{ hosts: hosts, device: #{ path: target } } },
    #{ type: "scsi", target: #{ path: "/dev/disk/by-path" }, source: #{ adapter: #{ type: "scsi_host", name: "host99" } } },
];
for one in can {
    one.name = `not-${one.type}`;
    let pool = host.define_pool(one);
    assert_eq(pool.definition.type, one.type);
    if one.type == "netfs" { pool.build(); }
    try { pool.start(); throw "it started"; } catch (err) { print(`${one.type} ${err.code} ${err.message} ${err.hints}`); }
    pool.undefine();
}
let may = [
    #{ type: "iscsi-direct", source: #{ hosts: hosts, device: #{ path: target }, initiator: #{ iqn: #{ name: "iqn.2026-01.org.example:me" } } } },
    #{ type: "rbd", source: #{ name: "not", hosts: hosts } },
    #{ type: "gluster", source: #{ name: "not", hosts: hosts, dir: #{ path: "/" } } },
    #{ type: "zfs", source: #{ name: "not" } },
    #{ type: "vstorage", source: #{ name: "not" }, target: #{ path: "/var/lib/libvirt/not" } },
];
for one in may {
    one.name = `not-${one.type}`;
    try {
        host.define_pool(one).undefine();
        print(`${one.type} defined`);
    } catch (err) { print(`${one.type} ${err.code} ${err.hints}`); }
}
let pool = host.define_pool(#{ type: "mpath", name: "not-mpath", target: #{ path: "/dev/mapper" } });
pool.start();
try { pool.delete(); throw "it was deleted"; } catch (err) { assert(err.code in ["invalid-state", "unsupported"]); }
pool.destroy();
try { pool.delete(); throw "it was deleted"; } catch (err) { print(`mpath ${err.code} ${err.hints}`); }
pool.undefine();
"#,
    );
    println!("{shown}");
    let of = |kind: &str| shown.lines().find(|line| line.starts_with(&format!("{kind} "))).expect("each is tried");
    assert!(of("scsi").contains("host.node_devices("), "{shown}");
    assert!(of("mpath").contains("pools of this type"), "{shown}");
    for (kind, words) in [("netfs", "unknown filesystem type"), ("iscsi", "status `127`")] {
        assert_eq!(of(kind).contains(words), of(kind).contains("install"), "{shown}");
    }
    for kind in ["iscsi-direct", "rbd", "gluster", "zfs", "vstorage"] {
        let told = of(kind).contains("unsupported") && of(kind).contains(&format!("no driver for `{kind}` pools"));
        assert!(told || of(kind).ends_with("defined"), "{shown}");
    }
}
