//! The recipes for machines with real guests: files of other tools, from `create` to `destroy`, leave nothing behind.

use super::lab::lab;
use super::own::inside;
use super::program::{left, prints, program, text};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What the recipes could leave: machines, volumes, pools, networks with their reservations and leases, and files: UEFI
/// variables, sockets, saved states, configuration.
fn traces(machines: &[&str]) -> String {
    lab().nvram.refresh().expect("refreshed");
    let nvram = lab().nvram.volumes().expect("listed").into_iter().map(|one| one.name().to_string());
    let nvram: Vec<String> = nvram.filter(|file| machines.iter().any(|name| file.starts_with(name))).collect();
    let script = format!(
        "let host = connect();
        for name in {machines:?} {{ if host.find_domain(name) != () {{ print(name); }} }}
        print(host.find_pool(\"foundry-vms\"));
        for pool in [\"recipes-images\", \"foundry-images\"] {{
            let pool = host.pool(pool);
            pool.refresh();
            print(`${{[pool.name, pool.uuid, pool.is_active, pool.autostart]}} ${{pool.volumes().map(|one| one.name)}}`);
        }}
        for net in [\"recipes-a\", \"recipes-b\", \"recipes-c\"] {{
            let net = host.network(net);
            print(`${{net.definition.xml}} ${{net.reservations()}} ${{net.dhcp_leases()}} ${{net.ipam().map(|one| one.addr)}}`);
        }}"
    );
    let mut find = vec!["find", "/var/lib/libvirt", "/run/libvirt", "/etc/libvirt", "/var/cache/libvirt", "("];
    let named = machines.iter().chain(&["foundry-vms"]);
    let patterns: Vec<String> = named.map(|name| format!("*{name}*")).collect();
    for pattern in &patterns {
        find.extend(["-name", pattern, "-o"]);
    }
    find.extend(["-false", ")"]);
    format!("{}{nvram:?}{}", prints(&script), text(&inside(&find).stdout))
}

fn run(folder: &Path, args: &[&str]) -> String {
    let output = program(folder).args(args).output().expect("the program starts");
    assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn machines_of_other_tools_come_and_go_without_a_trace() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |args: &[&str]| run(folder.path(), args);
    // The bridges that the files name, and the pools of their images. That of the machines comes and goes with them.
    prints(
        "let host = connect();
        for one in [[\"recipes-a\", \"br0\", \"10.20.30.1\"], [\"recipes-b\", \"br1\", \"192.168.1.1\"], [\"recipes-c\", \"br250\", \"10.250.250.1\"]] {
            host.create_network(#{ name: one[0], bridge: #{ name: one[1], stp: false, delay: 0 },
                ips: [ #{ address: one[2], prefix: 24 } ] });
        }
        for name in [\"recipes-images\", \"foundry-images\"] {
            let pool = host.define_pool(#{ type: \"dir\", name: name, target: #{ path: `/var/lib/libvirt/${name}` } });
            pool.build();
            pool.start();
        }",
    );
    let tiny = lab().images.join("tiny.qcow2").display().to_string();
    run(&["image", "import", "foundry-images", &tiny, "--name", "fedora-43.qcow2"]);
    run(&["image", "import", "recipes-images", &tiny, "--name", "tiny.qcow2"]);
    let machines = ["my-vm", "master-1.capi-1.cofront.xyz", "shop", "shop_db"];
    let before = traces(&machines);

    let specs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/driver/specs");
    let spec = |name: &str| specs.join(name).display().to_string();
    // libvirt gives no VLAN tags to a plain bridge, so that machine is made and not started.
    let untagged = std::fs::read_to_string(spec("foundry.yaml")).expect("read").replace("vlan: 100", "vlan: null");
    // Its keys and its password have to be filled in by whoever uses it.
    let filled = untagged
        .replace("$6$...", HASH)
        .replace("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI<replace-with-your-public-key>", KEY)
        .replace("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC<replace-with-your-public-key>", KEY);
    std::fs::write(folder.path().join("foundry.yaml"), filled).expect("written");
    run(&["vm", "create", "foundry.yaml", "--start=false"]);
    run(&["vm", "create", &spec("foundry-empty.yaml")]);
    std::fs::write(folder.path().join("inventory.yaml"), INVENTORY).expect("written");
    run(&["vm", "create", "inventory.yaml", "--parallel", "1"]);

    let during = traces(&machines);
    assert!(
        during.contains("/etc/libvirt/storage/foundry-vms.xml")
            && during.contains("/etc/libvirt/qemu/shop.xml")
            && during.contains("shop_boot"),
        "{during}"
    );

    let listed = run(&["vm", "list", "-o", "name"]);
    assert!(machines.iter().all(|name| listed.lines().any(|line| line == *name)), "{listed}");
    let again = run(&["vm", "create", "inventory.yaml", "-o", "csv", "--columns", "name,result"]);
    assert_eq!(again, "name,result\r\nshop,unchanged\r\nshop_db,unchanged\r\n");
    let got = run(&["vm", "get", "my-vm", "-o", "json"]);
    let got: serde_json::Value = serde_json::from_str(&got).expect("JSON");
    assert_eq!((&got["phase"], &got["labels"]["role"]), (&"Stopped".into(), &"example".into()));
    let wide = run(&["vm", "list", "-l", "cluster=capi-1", "-o", "json", "--wide"]);
    assert!(wide.contains("master-1.capi-1.cofront.xyz"), "{wide}");

    // One goes; its neighbour with the same beginning stays, and its guest boots with its address.
    run(&["vm", "destroy", "shop", "--yes"]);
    run(&["vm", "wait", "shop_db", "--goal", "agent", "--timeout", "5m"]);
    let shown = run(&["vm", "exec", "shop_db", "ip addr"]);
    assert!(shown.contains("10.20.30.42/24"), "{shown}");
    run(&["vm", "destroy", "my-vm", "shop_db", "--yes"]);
    run(&["vm", "destroy", "-l", "cluster=capi-1", "--yes"]);
    assert_eq!(traces(&machines), before);
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILwhYla07iDCDxNLiO+2CyT+Snap6S5jV7ghog9jfeM+ me";

const HASH: &str = "$6$hushhush$pHeru3lfn2FHP4Skk.w9e4eSbUsHz577L/eMG2i9wyC5e2aa5pGgUv7p3vdQyf3njkRy0GBn1bxrp0I22829W1";

/// The home lab's form, with the tiny guest as its image.
const INVENTORY: &str = r#"
vm_images_base_path: /var/lib/libvirt/recipes-images
vm_images:
  tiny: { filename: tiny.qcow2, format: qcow2 }
vm_default_image: tiny
hypervisor_ssh_keys: [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILwhYla07iDCDxNLiO+2CyT+Snap6S5jV7ghog9jfeM+ me" ]
hypervisor_machines:
  shop:
    name: shop
    vcpus: 1
    memory_gib: 1
    boot_disk_size_gb: 1
    network_interfaces: [ { ip: 10.20.30.41/24, gateway: 10.20.30.1, network_source: br0, default_route: true } ]
  shop_db:
    name: shop_db
    vcpus: 1
    memory_gib: 1
    boot_disk_size_gb: 1
    data_disks: [ { device: vdb, size_gb: 1 } ]
    seed_bus: virtio # the kernel of the tiny guest knows no AHCI
    network_interfaces: [ { ip: 10.20.30.42/24, gateway: 10.20.30.1, network_source: br0, default_route: true } ]
"#;

#[test]
fn the_machine_of_the_readme_lets_its_owner_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |args: &[&str]| run(folder.path(), args);
    let key = folder.path().join("key").display().to_string();
    let made = std::process::Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &key]).status();
    assert!(made.expect("ssh-keygen runs").success());
    let public = std::fs::read_to_string(format!("{key}.pub")).expect("read");
    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/web.yaml").display().to_string();
    let set = format!("key={}", public.trim());
    let create = ["vm", "create", &spec, "--set", &set, "--set", "name=readme", "--wait", "5m", "-o", "json"];
    let made = run(&create);
    assert!(made.contains("\"address\": \"192.168.150."), "{made}");
    let state = format!("XDG_STATE_HOME={}", folder.path().join("state").display());
    let program = ["env", &state, env!("CARGO_BIN_EXE_vmscript"), "-c", "qemu:///system", "-q"];
    let ssh = ["vm", "ssh", "readme", "--identity", &key, "echo", "-e", "in"];
    let shown = inside(&[&program[..], &ssh[..]].concat());
    assert_eq!(text(&shown.stdout).trim(), "in", "{}", text(&shown.stderr));
    // By label there may be many, and what they say is a record of each.
    run(&["vm", "label", "readme", "--set", "owner=readme"]);
    let many = ["vm", "ssh", "-l", "owner=readme", "--identity", &key, "-o", "csv"];
    let shown = inside(&[&program[..], &many, &["--", "echo", "-e", "in"]].concat());
    assert_eq!(text(&shown.stdout), "name,exit_code,stdout,stderr\r\nreadme,0,in,\r\n", "{}", text(&shown.stderr));
    let piped = ["sh", "-c", "seq 100000 | \"$@\"", "sh"];
    let shown = inside(&[&piped[..], &program, &many, &["--", "md5sum"]].concat());
    assert_eq!(
        text(&shown.stdout),
        "name,exit_code,stdout,stderr\r\nreadme,0,dea9193b768319cbb4ff1a137ac03113  -,\r\n",
        "{}",
        text(&shown.stderr)
    );
    let shown = inside(&[&program[..], &many, &["--", "false"]].concat());
    assert_eq!(text(&shown.stdout), "name,exit_code,stdout,stderr\r\nreadme,1,,\r\n");
    assert!(text(&shown.stderr).contains("1 of 1 commands failed: readme (1)"), "{}", text(&shown.stderr));
    // Another one of its name and address has a host key of its own, and nobody is taken for an attacker.
    run(&["vm", "destroy", "readme", "--yes"]);
    run(&create);
    let shown = inside(&[&program[..], &ssh[..]].concat());
    assert_eq!(text(&shown.stdout).trim(), "in", "{}", text(&shown.stderr));
    run(&["vm", "destroy", "readme", "--yes"]);
    assert_eq!(std::fs::read_dir(folder.path().join("state/vmscript/known_hosts")).expect("listed").count(), 0);
}

#[test]
fn a_machine_is_kept_copied_resized_and_renamed() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |args: &[&str]| run(folder.path(), args);
    let spec = "name: kept\nlabels: { test: kept }\nvcpus: 1\nmemory: 128 MiB\nboot_disk: { size: 1 GiB, image: base.qcow2 }\n\
                data_disks: [ { device: vdb, size: 16 MiB } ]\ninterfaces: [ { network: lab } ]\nguest: { hostname: kept }\n";
    std::fs::write(folder.path().join("kept.yaml"), spec).expect("written");
    let volumes = || {
        run(&["volume", "list", "default", "-o", "csv", "--columns", "name,capacity_mib", "--filter", "name=kept*"])
            .lines()
            .skip(1)
            .collect::<String>()
    };
    assert_eq!(volumes(), "");
    run(&["vm", "create", "kept.yaml", "--start=false"]);
    run(&["vm", "snapshot", "kept", "before"]);
    run(&["vm", "label", "kept", "--set", "later=yes"]);
    run(&["vm", "revert", "kept", "before", "--delete", "--yes"]);
    assert_eq!(run(&["vm", "snapshots", "kept", "-o", "name"]), "");
    run(&["vm", "clone", "kept", "kept-too"]);
    run(&["vm", "resize", "kept", "--vcpus", "2", "--memory", "256MiB", "--disk", "vdb=32MiB"]);
    run(&["vm", "rename", "kept", "kept-on"]);
    let rows = run(&["vm", "list", "-o", "csv", "--columns", "name,vcpus,memory_mib", "--filter", "name=kept*"]);
    assert_eq!(rows, "name,vcpus,memory_mib\r\nkept-on,2,256\r\nkept-too,1,128\r\n");
    let found = volumes();
    for row in [
        "kept_boot,1024.0",
        "kept_data-vdb,32.0",
        "kept-too_boot,1024.0",
        "kept-too_data-vdb,16.0",
        "kept-too_cloudinit,",
    ] {
        assert!(found.contains(row), "{row} is not in\n{found}");
    }
    // What is refused leaves it as it is.
    run(&["vm", "start", "kept-on"]);
    let output = program(folder.path()).args(["vm", "snapshot", "kept-on", "running"]).output().expect("started");
    if !output.status.success() {
        let told = text(&output.stderr);
        assert!(told.contains("cannot keep the state of a running machine with UEFI"), "{told}");
    }
    run(&["vm", "destroy", "kept-on", "kept-too", "--yes"]);
    assert_eq!(volumes(), "");
}

#[test]
fn networks_of_all_kinds_come_and_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |args: &[&str]| run(folder.path(), args);
    let kinds: [(&str, &[&str]); 7] = [
        ("kinds-nat", &["--address", "10.20.41.1/24", "--dhcp", "10.20.41.10-10.20.41.20"]),
        ("kinds-route", &["--mode", "route", "--address", "10.20.42.1/24", "--domain", "kinds.example.com"]),
        ("kinds-open", &["--mode", "open", "--address", "10.20.43.1/24"]),
        ("kinds-isolated", &["--mode", "isolated", "--address", "fd00:20:44::1/64"]),
        ("kinds-closed", &["--mode", "isolated", "--autostart=false"]),
        ("kinds-bridge", &["--mode", "bridge", "--bridge", "kinds0"]),
        ("kinds-switch", &["--mode", "bridge", "--bridge", "kinds1", "--open-vswitch"]),
    ];
    let listed = || {
        let shown =
            run(&["network", "list", "--filter", "name=kinds-*", "-o", "csv", "--columns", "name,mode,autostart"]);
        shown.lines().skip(1).map(str::to_string).collect::<Vec<_>>()
    };
    let refused = |options: &[&str], words: &str| {
        let args = [&["network", "create", "kinds-none", "--mode", "bridge"], options].concat();
        let told = text(&program(folder.path()).args(args).output().expect("the program starts").stderr);
        assert!(told.contains(words), "{told}");
    };
    refused(&["--bridge", "kinds0"], "there is no bridge `kinds0`");
    refused(&["--bridge", "kinds1", "--open-vswitch"], "there is no bridge `kinds1`");
    // To the kernel a bridge of Open vSwitch is a device like any other.
    for (name, kind) in [("kinds0", "bridge"), ("kinds1", "veth")] {
        let made = inside(&["ip", "link", "add", "name", name, "type", kind]);
        assert!(made.status.success(), "{made:?}");
    }
    refused(&["--bridge", "kinds1"], "`kinds1` is no bridge");
    for (name, options) in kinds {
        run(&[&["network", "create", name], options].concat());
    }
    let expected = [
        "kinds-bridge,bridge,yes",
        "kinds-closed,isolated,no",
        "kinds-isolated,isolated,yes",
        "kinds-nat,nat,yes",
        "kinds-open,open,yes",
        "kinds-route,route,yes",
        "kinds-switch,bridge of Open vSwitch,yes",
    ];
    assert_eq!(listed(), expected);
    for (name, _) in kinds {
        run(&["network", "delete", name, "--yes"]);
    }
    assert!(listed().is_empty());
    for name in ["kinds0", "kinds1"] {
        let gone = inside(&["ip", "link", "delete", name]);
        assert!(gone.status.success(), "{gone:?}");
    }
}

#[test]
fn a_catalogue_is_fetched_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let tiny = lab().images.join("tiny.qcow2").display().to_string();
    let catalogue = format!(
        "vm_images: {{ tiny: {{ filename: catalogued.qcow2, format: qcow2, download_url: 'file://{tiny}' }} }}\n"
    );
    std::fs::write(folder.path().join("images.yml"), catalogue).expect("written");
    let flow = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/flow_images.rhai").display().to_string();
    assert_eq!(run(folder.path(), &[&flow, "images.yml", "default"]), "tiny: fetched\n");
    assert_eq!(run(folder.path(), &[&flow, "images.yml", "default"]), "tiny: is there\n");
    let again = run(folder.path(), &["image", "refresh", "default", "images.yml", "-o", "csv", "--columns", "result"]);
    assert_eq!(again, "result\r\nis there\r\n");
    prints("connect().pool(\"default\").volume(\"catalogued.qcow2\").delete();");
}

#[test]
fn a_machine_of_another_tool_is_adopted_and_removed_with_its_disks() {
    let shown = prints(
        "import \"std/vm\" as vm;
        let host = connect();
        let pool = host.pool(\"default\");
        // As virt-install or a playbook leave it: nothing is recorded.
        for name in [\"foreign_boot\", \"foreign_cloudinit\", \"foreign_shared\"] {
            pool.create_volume(#{ name: name, capacity: 1048576, target: #{ format: \"raw\" } });
        }
        let disk = |name, dev| #{ type: \"file\", source: #{ file: `/var/lib/libvirt/images/${name}` }, target: #{ dev: dev, bus: \"virtio\" } };
        let seed = disk.call(\"foreign_cloudinit\", \"vdb\") + #{ readonly: true };
        let media = disk.call(\"foreign_shared\", \"vdc\") + #{ readonly: true };
        host.define_domain(#{ type: \"qemu\", name: \"foreign\", memory: \"64 MiB\", os: #{ type: \"hvm\" },
            devices: #{ disks: [disk.call(\"foreign_boot\", \"vda\"), seed, media] } });
        assert_eq(host.domain(\"foreign\").owned_volumes, []);
        print(vm::adopt([\"foreign\"])[0].volumes);
        print(vm::destroy([\"foreign\"], #{ yes: true })[0].volumes);
        print(pool.volumes().map(|one| one.name).filter(|name| name.starts_with(\"foreign\")));
        pool.volume(\"foreign_shared\").delete();",
    );
    let both = "[\"foreign_boot\", \"foreign_cloudinit\"]";
    assert_eq!(shown, format!("{both}\n{both}\n[\"foreign_shared\"]\n"));
    // A folder for each machine, as a playbook makes it: its pool comes and goes with what is recorded.
    inside(&["sh", "-c", "mkdir -p /var/lib/libvirt/apart && truncate -s 1M /var/lib/libvirt/apart/boot.raw"]);
    let shown = prints(
        "import \"std/vm\" as vm;
        let host = connect();
        let disk = #{ type: \"file\", source: #{ file: \"/var/lib/libvirt/apart/boot.raw\" }, target: #{ dev: \"vda\", bus: \"virtio\" } };
        host.define_domain(#{ type: \"qemu\", name: \"apart\", memory: \"64 MiB\", os: #{ type: \"hvm\" }, devices: #{ disks: [disk] } });
        print(vm::adopt([\"apart\"])[0].not_recorded);
        print(vm::adopt([\"apart\"], #{ pools: true })[0].volumes);
        print(vm::destroy([\"apart\"], #{ yes: true })[0].volumes);
        print(host.find_pool(\"apart\"));",
    );
    assert_eq!(shown, "[\"/var/lib/libvirt/apart/boot.raw\"]\n[\"boot.raw\"]\n[\"boot.raw\"]\n\n");
    assert!(inside(&["rmdir", "/var/lib/libvirt/apart"]).status.success(), "the folder is somebody else's, and empty");
}

#[test]
fn an_update_of_a_running_machine_keeps_its_card_and_its_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = "name: kept\nvcpus: 1\nmemory: 192 MiB\nfirmware: bios\nmachine: pc\nboot_disk: { size: 1 GiB, image: base.qcow2 }\n\
                interfaces: [ { network: lab, address: auto } ]\nguest: { hostname: kept }\n";
    std::fs::write(folder.path().join("kept.yaml"), spec).expect("written");
    let more = format!("{spec}data_disks: [ {{ device: vdb, size: 16 MiB }} ]\n");
    std::fs::write(folder.path().join("more.yaml"), more).expect("written");
    let run = |args: &[&str]| run(folder.path(), args);
    let card = || {
        prints(
            "let vm = connect().domain(\"kept\");
            for xml in [vm.xml, vm.definition.xml] { print(from_xml(xml).to_map().devices.interfaces[0].mac.address); }
            print(vm.definition.to_map().devices.controllers);",
        )
    };
    run(&["vm", "create", "kept.yaml"]);
    let before = card();
    // The guest has not booted, and gives nothing back.
    let shown = run(&["vm", "create", "kept.yaml", "--set", "vcpus=2", "--update", "-o", "json"]);
    assert!(shown.contains("\"result\": \"updated\"") && shown.contains("\"needs_restart\": true"), "{shown}");
    assert_eq!(card(), before);
    run(&["vm", "wait", "kept", "--goal", "agent", "--timeout", "5m"]);
    let address = run(&["vm", "ip", "kept"]);
    let shown = run(&["vm", "create", "more.yaml", "--set", "vcpus=2", "--update", "-o", "json"]);
    assert!(shown.contains("\"result\": \"updated\"") && shown.contains("\"needs_restart\": false"), "{shown}");
    assert_eq!(card(), before);
    let again = run(&["vm", "create", "more.yaml", "--set", "vcpus=2", "-o", "csv", "--columns", "result"]);
    assert_eq!(again, "result\r\nunchanged\r\n");
    assert_eq!(run(&["vm", "ip", "kept"]), address);
    prints(
        "let vm = connect().domain(\"kept\");
        wait(holds(|| vm.exec(\"/bin/cat\", [\"/proc/partitions\"]).stdout.contains(\" 16384 \")), #{ timeout: \"2m\" });",
    );
    run(&["vm", "destroy", "kept", "--yes"]);
    assert_eq!(left("kept"), "");
}

#[test]
fn a_seed_and_sizes_that_differ_are_told_and_brought_in_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = "name: reseed\nvcpus: 1\nmemory: 192 MiB\nfirmware: bios\nmachine: pc\nboot_disk: { size: 1 GiB, image: base.qcow2 }\n\
                interfaces: [ { network: lab, address: 192.168.150.77/24, via: seed } ]\nguest: { hostname: before, password_hash: \"$6$hushhush$pHeru3lfn2FHP4Skk.w9e4eSbUsHz577L/eMG2i9wyC5e2aa5pGgUv7p3vdQyf3njkRy0GBn1bxrp0I22829W1\" }\n";
    std::fs::write(folder.path().join("before.yaml"), spec).expect("written");
    let after = spec.replace("before", "after").replace("size: 1 GiB", "size: 2 GiB").replace("hushhush", "otherone");
    std::fs::write(folder.path().join("after.yaml"), after).expect("written");
    let run = |args: &[&str]| run(folder.path(), args);
    let ready = || run(&["vm", "wait", "reseed", "--goal", "agent", "--timeout", "5m"]);
    let result = |file: &str| run(&["vm", "create", file, "-o", "csv", "--columns", "result"]);
    run(&["vm", "create", "before.yaml"]);
    ready();
    assert_eq!(result("before.yaml"), "result\r\nunchanged\r\n");
    // What says nothing is no other seed.
    let empty = spec.replace("guest: {", "guest: { timezone: null, packages: [], cloud_config: {},");
    std::fs::write(folder.path().join("empty.yaml"), empty).expect("written");
    assert_eq!(result("empty.yaml"), "result\r\nunchanged\r\n");
    let kept = prints("print(connect().domain(\"reseed\").definition.xml);");
    assert!(kept.contains("guest.hostname") && !kept.contains("hushhush"), "{kept}");
    let told = run(&["vm", "create", "after.yaml", "-o", "json"]);
    assert!(told.contains("\"boot_disk.size\"") && told.contains("\"guest.hostname\""), "{told}");
    let told = run(&["vm", "create", "after.yaml", "--update", "-o", "json"]);
    assert!(told.contains("\"result\": \"updated\"") && told.contains("\"needs_restart\": true"), "{told}");
    assert_eq!(result("after.yaml"), "result\r\nunchanged\r\n");
    // The former seed was there until the new one had its place; nothing tells of that any more.
    let seeds = run(&["volume", "list", "default", "-o", "name"]);
    assert!(seeds.contains("reseed_cloudinit\n") && !seeds.contains("reseed_cloudinit-"), "{seeds}");
    let kept = prints("print(connect().domain(\"reseed\").definition.xml);");
    assert!(kept.contains("<source pool='default' volume='reseed_cloudinit'/>"), "{kept}");
    run(&["vm", "stop", "reseed"]);
    run(&["vm", "start", "reseed"]);
    ready();
    let seen = run(&["vm", "exec", "reseed", "hostname; ip addr; cat /proc/partitions"]);
    for part in ["after\n", "192.168.150.77/24", " 2097152 vda"] {
        assert!(seen.contains(part), "{part} is not in\n{seen}");
    }
    run(&["vm", "destroy", "reseed", "--yes"]);
    assert_eq!(left("reseed"), "");
}

#[test]
fn who_destroys_what_another_destroys_finds_it_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = "name: twice\nvcpus: 1\nmemory: 64 MiB\nboot_disk: { size: 1 GiB, empty: true }\ndata_disks: [ { device: vdb, size: 16 MiB } ]\n";
    std::fs::write(folder.path().join("twice.yaml"), spec).expect("written");
    for _ in 0..3 {
        run(folder.path(), &["vm", "create", "twice.yaml"]);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| run(folder.path(), &["vm", "destroy", "twice", "--yes", "--if-exists"]));
            }
        });
        assert_eq!(left("twice"), "");
    }
}

#[test]
fn a_connection_that_may_only_read_is_told_before_and_after() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = "name: reads\nvcpus: 1\nmemory: 64 MiB\nboot_disk: { size: 1 GiB, empty: true }\nseed: none\n";
    std::fs::write(folder.path().join("reads.yaml"), spec).expect("written");
    let uri = std::env::var("VMSCRIPT_LAB_URI").expect("VMSCRIPT_LAB_URI names the lab's libvirtd");
    let note = "note: this connection may only read: over it, the host refuses what the real run would change";
    for (uri, is_told) in [(format!("{uri}-ro"), true), (uri, false)] {
        let dry = |args: &[&str]| {
            let output = program(folder.path()).args(args).args(["--dry-run", "-c", &uri]).output().expect("started");
            assert!(output.status.success(), "{output:?}");
            (text(&output.stdout), text(&output.stderr).matches(note).count())
        };
        let (told, notes) = dry(&["vm", "create", "reads.yaml"]);
        assert!(told.contains("would be created"), "{told}");
        assert_eq!(notes, usize::from(is_told));
        assert_eq!(dry(&["network", "delete", "lab", "--force", "--yes"]).1, usize::from(is_told));
        if is_told {
            let real =
                program(folder.path()).args(["vm", "create", "reads.yaml", "-c", &uri]).output().expect("started");
            assert_eq!(real.status.code(), Some(5), "{real:?}");
            assert!(text(&real.stderr).contains("= hint: this connection may only read"), "{real:?}");
        }
    }
    assert_eq!(left("reads"), "");
}

/// Whoever comes second says so, or fails as one does who comes later.
#[test]
fn what_two_runs_delete_at_once_is_gone_for_both() {
    let folder = tempfile::tempdir().expect("a folder");
    let make = "let pool = connect().define_pool(#{ type: \"dir\", name: \"both\", target: #{ path: \"/var/lib/libvirt/both\" } });
        pool.build();
        pool.start();
        for name in [\"both-a\", \"both-b\", \"both-c\"] { pool.create_volume(#{ name: name, capacity: \"1 MiB\", target: #{ format: \"raw\" } }); }
        let net = connect().define_network(#{ name: \"both\", bridge: #{ name: \"virbr-both\" } });
        net.start();";
    for if_exists in [true, false, true] {
        prints(make);
        for deed in [
            &["volume", "delete", "both", "both-a"][..],
            &["network", "delete", "both"],
            &["pool", "delete", "both", "--with-volumes"],
        ] {
            let delete = || {
                let options: &[&str] =
                    if if_exists { &["--yes", "-o", "json", "--if-exists"] } else { &["--yes", "-o", "json"] };
                program(folder.path()).args(deed).args(options).output().expect("started")
            };
            let ended = std::thread::scope(|scope| {
                let runs = [scope.spawn(delete), scope.spawn(delete)];
                runs.map(|run| run.join().expect("run"))
            });
            let (well, badly): (Vec<_>, Vec<_>) = ended.iter().partition(|one| one.status.success());
            assert_eq!(well.len(), if if_exists { 2 } else { 1 }, "{deed:?} {ended:?}");
            let own = well.iter().filter(|one| text(&one.stdout).contains("\"deleted\"")).count();
            assert_eq!(own, 1, "{deed:?} {ended:?}");
            for one in badly {
                let told = format!("error: there is no {} `", deed[0]);
                assert!(text(&one.stderr).contains(&told), "{deed:?} {ended:?}");
            }
        }
    }
    prints("let pool = connect().define_pool(#{ type: \"dir\", name: \"both\", target: #{ path: \"/var/lib/libvirt/both\" } });
        pool.delete();
        pool.undefine();");
}

#[test]
fn a_new_boot_disk_keeps_the_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = "name: paved\nvcpus: 1\nmemory: 256 MiB\nfirmware: bios\nmachine: pc\nboot_disk: { size: 1 GiB, image: base.qcow2 }\n\
                data_disks: [ { device: vdb, size: 16 MiB } ]\ninterfaces: [ { network: lab } ]\nguest: { hostname: paved }\n";
    std::fs::write(folder.path().join("paved.yaml"), spec).expect("written");
    let run = |args: &[&str]| run(folder.path(), args);
    let ready = || run(&["vm", "wait", "paved", "--goal", "agent", "--timeout", "5m"]);
    run(&["vm", "create", "paved.yaml"]);
    ready();
    run(&["vm", "exec", "paved", "echo kept | dd of=/dev/vdb bs=512 count=1 conv=sync; sync; touch /gone"]);
    run(&["vm", "repave", "paved.yaml", "--yes"]);
    ready();
    assert!(run(&["vm", "exec", "paved", "head -c 5 /dev/vdb"]).starts_with("kept"));
    assert!(run(&["vm", "console", "paved", "--timeout", "1s"]).len() < 10000);
    let removed = run(&["vm", "destroy", "paved", "--yes", "-o", "json", "--columns", "volumes"]);
    for volume in ["paved_boot-2", "paved_data-vdb", "paved_cloudinit-2", "paved_console.log"] {
        assert!(removed.contains(volume), "{removed}");
    }
    assert_eq!(left("paved"), "");
}

/// Tells which disks a machine has, and whether its volumes are those and no others.
const EITHER: &str = r#"
let vm = connect().domain("halfway");
let disks = vm.definition.to_map().devices.disks.map(|disk| disk.source.volume);
let owned = vm.owned_volumes.map(|one| one.name);
let there = connect().pool("default").volumes().map(|one| one.name).filter(|name| name.starts_with("halfway"));
owned.sort();
there.sort();
assert_eq(there, owned);
for disk in disks { assert(disk in there, `${disk} is missing: ${there}`); }
assert_eq(disks[1], "halfway_data-vdb");
assert_eq(disks[0].ends_with("-2"), disks[2].ends_with("-2"));
if !vm.is_active { vm.start(); }
print(disks[0]);
"#;

#[test]
fn a_killed_repave_leaves_the_old_or_the_new_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = "name: halfway\nvcpus: 1\nmemory: 64 MiB\nfirmware: bios\nmachine: pc\nguest: { hostname: halfway }\n\
                boot_disk: { size: 64 MiB, image: base.qcow2 }\ndata_disks: [ { device: vdb, size: 16 MiB } ]\n";
    std::fs::write(folder.path().join("halfway.yaml"), spec).expect("written");
    let repave = ["vm", "repave", "halfway.yaml", "--yes"];
    run(folder.path(), &["vm", "create", "halfway.yaml"]);
    let begin = Instant::now();
    run(folder.path(), &repave);
    let whole = begin.elapsed();
    let mut now = prints(EITHER);
    assert_eq!(now, "halfway_boot-2\n");
    let (mut old, mut new) = (0, 0);
    // On a machine that others keep busy a run may take twice the time of the first.
    for part in 0..40 {
        if part >= 12 && new > 0 {
            break;
        }
        let mut child = program(folder.path()).args(repave).stdout(Stdio::null()).spawn().expect("the program starts");
        std::thread::sleep(whole * part / 10);
        child.kill().expect("killed");
        child.wait().expect("ended");
        run(folder.path(), &["recover", "--yes"]);
        let then = prints(EITHER);
        *(if then == now { &mut old } else { &mut new }) += 1;
        now = then;
    }
    assert!(old > 0 && new > 0, "{old} old, {new} new");
    run(folder.path(), &["vm", "destroy", "halfway", "--yes"]);
    assert_eq!(left("halfway"), "");
}

#[test]
fn many_machines_are_asked_and_kept_by_label() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |args: &[&str]| run(folder.path(), args);
    let spec = |name: &str| {
        format!(
            "- {{ name: {name}, labels: {{ test: flock }}, vcpus: 1, memory: 128 MiB, firmware: bios, machine: pc,\n\
            \x20   boot_disk: {{ size: 1 GiB, image: base.qcow2 }}, interfaces: [ {{ network: lab }} ], guest: {{ hostname: {name} }} }}\n"
        )
    };
    std::fs::write(folder.path().join("flock.yaml"), format!("machines:\n{}{}", spec("flock-a"), spec("flock-b")))
        .expect("written");
    run(&["vm", "create", "flock.yaml"]);
    run(&["vm", "wait", "-l", "test=flock", "--goal", "agent", "--timeout", "5m"]);
    let csv = |args: &[&str]| run(&[args, &["-o", "csv"]].concat());
    let columns = ["-o", "csv", "--columns", "name,exit_code,stdout"];
    let said = run(&[&["vm", "exec", "-l", "test=flock"][..], &columns, &["--", "hostname"]].concat());
    assert_eq!(said, "name,exit_code,stdout\r\nflock-a,0,flock-a\r\nflock-b,0,flock-b\r\n");
    let addresses = csv(&["vm", "ip", "-l", "test=flock"]);
    let leases = run(&["network", "leases", "lab", "-o", "csv", "--columns", "addr"]);
    for (line, name) in addresses.lines().skip(1).zip(["flock-a", "flock-b"]) {
        let address = line.strip_prefix(&format!("{name},")).expect("the name and the address");
        assert!(leases.contains(&format!("{address}/")), "{address} is not in\n{leases}");
        assert_eq!(run(&["vm", "ip", name]), format!("{address}\n"));
    }
    // Of one machine what it writes is printed as it is, and what comes on standard input is handed to it; many and one have
    // rows of the same shape.
    let bytes: Vec<u8> = (0..90_000_u32).map(|at| u8::try_from(at % 251).expect("below 251")).collect();
    std::fs::write(folder.path().join("bytes"), &bytes).expect("written");
    let fed = |args: &[&str]| {
        let input = std::fs::File::open(folder.path().join("bytes")).expect("opened");
        program(folder.path()).args(args).stdin(input).output().expect("the program starts")
    };
    let output = fed(&["vm", "exec", "flock-a", "cat; exit 9"]);
    assert!(output.stdout == bytes && output.status.code() == Some(9), "{}", text(&output.stderr));
    assert_eq!(text(&fed(&["vm", "exec", "flock-a", "--", "wc", "-c"]).stdout), "90000\n");
    let output = fed(&["vm", "exec", "flock-a", "-o", "csv", "--columns", "name,exit_code,stdout", "wc -c; exit 9"]);
    assert_eq!(
        (text(&output.stdout).as_str(), output.status.code()),
        ("name,exit_code,stdout\r\nflock-a,9,90000\r\n", Some(9))
    );
    let said = text(
        &fed(&["vm", "exec", "-l", "test=flock", "-o", "csv", "--columns", "name,exit_code,stdout", "wc -c"]).stdout,
    );
    assert_eq!(said, "name,exit_code,stdout\r\nflock-a,0,90000\r\nflock-b,0,90000\r\n");
    let output = fed(&["vm", "exec", "flock-a", "head -c 4000000 /dev/zero"]);
    let told = text(&output.stderr);
    assert!(
        told.contains("wrote more in domain `flock-a` than an agent can hand over") && output.stdout.is_empty(),
        "{told}"
    );
    // Who stops waiting is told what still runs.
    let mut child = program(folder.path());
    child.args(["vm", "exec", "flock-a", "echo $$ > /running; sleep 1000"]).stdin(Stdio::null());
    let child = child.stderr(Stdio::piped()).spawn().expect("the program starts");
    let id = run(&["vm", "exec", "flock-a", "until test -s /running; do sleep 0.1; done; cat /running"]);
    let interrupt = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(interrupt.success());
    let output = child.wait_with_output().expect("ended");
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.contains(&format!("still runs in domain `flock-a`: its process id there is {}", id.trim())), "{told}");
    // A command that fails in one: both have a row, and the exit code tells it.
    let one = ["vm", "exec", "-l", "test=flock", "-o", "json", "--", "test $(hostname) = flock-a || exit 3"];
    let output = program(folder.path()).args(one).output().expect("the program starts");
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&rows[0]["exit_code"], &rows[1]["exit_code"]), (&0.into(), &3.into()));
    assert!(text(&output.stderr).contains("1 of 2 commands failed: flock-b (3)"), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(4));
    // A state that is kept and gone back to, while they run.
    run(&["vm", "exec", "-l", "test=flock", "touch /before; sync"]);
    assert_eq!(
        csv(&["vm", "snapshot", "-l", "test=flock", "before"]),
        "name,result\r\nflock-a,kept\r\nflock-b,kept\r\n"
    );
    run(&["vm", "exec", "-l", "test=flock", "rm /before; sync"]);
    run(&["vm", "revert", "-l", "test=flock", "before", "--delete", "--yes", "--parallel", "1"]);
    run(&["vm", "wait", "-l", "test=flock", "--goal", "agent", "--timeout", "5m"]);
    run(&["vm", "exec", "-l", "test=flock", "test -e /before"]);
    assert_eq!(run(&["vm", "snapshots", "-l", "test=flock", "-o", "name"]), "");
    let resized = csv(&["vm", "resize", "-l", "test=flock", "--vcpus", "2", "--columns", "name,result"]);
    assert_eq!(resized, "name,result\r\nflock-a,resized\r\nflock-b,resized\r\n");
    run(&["vm", "destroy", "-l", "test=flock", "--yes"]);
    assert_eq!(left("flock"), "");
}

#[test]
fn volumes_and_images_come_and_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |args: &[&str]| run(folder.path(), args);
    let data: Vec<u8> = (0..1 << 20).map(|at: u32| at.to_le_bytes()[1]).collect();
    std::fs::write(folder.path().join("sent.raw"), &data).expect("written");
    run(&["volume", "upload", "default", "sent.raw", "--name", "goes-round.raw"]);
    // Who comes second finds what the first has made.
    let upload = [
        "volume",
        "upload",
        "default",
        "sent.raw",
        "--name",
        "at-once.raw",
        "--force",
        "--columns",
        "result",
        "-o",
        "csv",
    ];
    let mut results: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..3).map(|_| scope.spawn(|| run(&upload))).collect();
        runs.into_iter().map(|one| one.join().expect("ended")).collect()
    });
    results.sort();
    assert_eq!(results.concat(), "result\r\ncreated\r\nresult\r\nunchanged\r\nresult\r\nunchanged\r\n");
    run(&["volume", "delete", "default", "at-once.raw", "--yes"]);
    run(&["volume", "resize", "default", "goes-round.raw", "2MiB"]);
    run(&["volume", "download", "default", "goes-round.raw", "back.raw"]);
    let back = std::fs::read(folder.path().join("back.raw")).expect("read");
    assert!(back.len() == 2 << 20 && back.starts_with(&data), "{} bytes", back.len());
    run(&["volume", "delete", "default", "goes-round.raw", "--yes"]);
    let tiny = lab().images.join("tiny.qcow2").display().to_string();
    let catalogue = format!("vm_images: {{ pulled: {{ url: '{tiny}', filename: pulled.qcow2, format: qcow2 }} }}\n");
    std::fs::write(folder.path().join("images.yaml"), catalogue).expect("written");
    for changed in ["true", "false"] {
        let pulled = run(&["image", "pull", "default", "pulled", "--catalogue", "images.yaml", "-o", "json"]);
        assert!(pulled.contains("pulled.qcow2") && pulled.contains(&format!("\"changed\": {changed}")), "{pulled}");
    }
    let checked = run(&[
        "image",
        "check",
        "--catalogue",
        "images.yaml",
        "--search",
        "pulled",
        "-o",
        "csv",
        "--columns",
        "name,result",
    ]);
    assert_eq!(checked, "name,result\r\npulled,ok\r\n");
    run(&["image", "delete", "default", "pulled.qcow2", "--yes"]);
}

#[test]
fn neighbouring_flows_find_their_machines() {
    let folder = tempfile::tempdir().expect("a folder");
    let machine = |number: u8, more: &str| {
        format!(
            "- {{ name: beside-{number}, vcpus: 1, memory: 64 MiB, firmware: bios, machine: pc, boot_disk: {{ size: 64 MiB, {more} }}, \
             interfaces: [ {{ network: lab, address: 192.168.150.{number}/24 }} ] }}\n"
        )
    };
    let write = |name: &str, machines: String| {
        std::fs::write(folder.path().join(name), format!("machines:\n{machines}")).expect("written");
    };
    write("bare.yaml", machine(91, "empty: true").replace("boot_disk", "seed: none, boot_disk"));
    write("nodes.yaml", machine(92, "image: base.qcow2") + machine(93, "image: base.qcow2").as_str());
    let flow = |name: &str, args: &[&str]| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/flow_{name}.rhai"));
        run(folder.path(), &[&[file.to_str().expect("text")], args].concat())
    };
    run(folder.path(), &["vm", "create", "bare.yaml", "--start=false"]);
    let shown = flow("redfish", &["--dry-run", "bare.yaml", "10.0.0.11"]);
    let uuid = prints("print(connect().domain(\"beside-91\").uuid);");
    let address = format!("redfish-virtualmedia+http://10.0.0.11:8000/redfish/v1/Systems/{uuid}");
    for part in ["# beside-91: unchanged\n---\n", "bootMACAddress: be:ef:c0:a8:96:5b\n", &address] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    let nodes = ["nodes.yaml", "abcdef.0123456789abcdef"];
    assert_eq!(flow("kubernetes", &nodes), "beside-92: created\nbeside-93: created\n");
    assert_eq!(flow("kubernetes", &nodes), "beside-92: unchanged\nbeside-93: unchanged\n");
    for (name, does) in [("beside-92", "kubeadm init"), ("beside-93", "kubeadm join 192.168.150.92:6443")] {
        run(folder.path(), &["volume", "download", "default", &format!("{name}_cloudinit"), "seed.iso"]);
        let seed = std::fs::read(folder.path().join("seed.iso")).expect("read");
        assert!(text(&seed).contains(does), "{name}");
        std::fs::remove_file(folder.path().join("seed.iso")).expect("removed");
    }
    run(folder.path(), &["vm", "destroy", "beside-91", "beside-92", "beside-93", "--yes"]);
    assert_eq!(left("beside"), "");
}

/// What is kept of a machine is read, changed and written as a whole.
#[test]
fn what_several_runs_say_of_a_machine_is_all_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    prints("connect().define_domain(#{ type: \"qemu\", name: \"said\", memory: \"64 MiB\", os: #{ type: \"hvm\" } });");
    for _ in 0..3 {
        let mut runs: Vec<Vec<String>> = Vec::new();
        for key in ["a", "b", "c", "d"] {
            runs.push(["vm", "label", "said", "--set", &format!("{key}=x")].map(ToString::to_string).to_vec());
        }
        runs.push(["vm", "protect", "said"].map(ToString::to_string).to_vec());
        let started =
            runs.iter().map(|args| program(folder.path()).args(args).stdout(Stdio::null()).spawn().expect("started"));
        for mut run in started.collect::<Vec<_>>() {
            assert!(run.wait().expect("ended").success());
        }
        let script = "let vm = connect().domain(\"said\"); print(vm.labels.keys().len()); print(vm.is_protected);
            vm.labels = #{}; vm.is_protected = false;";
        assert_eq!(prints(script), "4\ntrue\n");
    }
    prints("connect().domain(\"said\").undefine();");
}
