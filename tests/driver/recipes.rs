//! The recipes for machines, from files of all formats.

use super::support::{Host, root, text};
use std::process::Output;

const HASH: &str = "$6$saltsalt$abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";

fn file(name: &str) -> String {
    root().join("tests/driver/specs").join(name).display().to_string()
}

/// Runs commands on one host: the test driver forgets what a process made when it ends, so they are one script.
fn script(host: &Host, body: &str) -> String {
    let output = host.run(&format!("import \"std/vm\" as vm;\nimport \"std/spec\" as spec;\n{body}"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn run(args: &[&str]) -> Output {
    run_in(&Host::new(), args)
}

fn run_in(host: &Host, args: &[&str]) -> Output {
    host.command(args).output().expect("started")
}

fn rendered(args: &[&str]) -> String {
    let mut all = vec!["vm", "render"];
    all.extend(args);
    let output = run(&all);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn a_foundry_file_loads_unchanged() {
    let xml = rendered(&[&file("foundry.yaml")]);
    for part in [
        "<name>my-vm</name>",
        "<memory unit='GiB'>8</memory>",
        "<vcpu>4</vcpu>",
        "<cpu mode='host-model'/>",
        "<os firmware='efi'>",
        "<feature enabled='no' name='secure-boot'/>",
        "<source pool='foundry-vms' volume='my-vm_boot'/>",
        "<source pool='foundry-vms' volume='my-vm_data-vdb'/>",
        "<source pool='foundry-vms' volume='my-vm_data-vdc'/>",
        "<source pool='foundry-vms' volume='my-vm_cloudinit'/>",
        "<mac address='be:ef:0a:14:1e:28'/>",
        "<target dev='vm0a141e28'/>",
        "<source bridge='br1'/>",
        "<tag id='100'/>",
        "<channel type='unix'>",
        "<backend model='random'>/dev/urandom</backend>",
    ] {
        assert!(xml.contains(part), "{part} is not in\n{xml}");
    }
    let empty = rendered(&[&file("foundry-empty.yaml")]);
    assert!(empty.contains("<name>master-1.capi-1.cofront.xyz</name>") && !empty.contains("_cloudinit"), "{empty}");
}

#[test]
fn both_ages_of_the_home_labs_inventory_load() {
    let (inventory, images) = (file("homestead.yaml"), file("images.yaml"));
    let hash = format!("cloudinit_root_password_hash={HASH}");
    let xml = rendered(&[&inventory, "--vars", &images, "--set", "vcpus_of_old=3", "--set", &hash]);
    for part in [
        "<name>Shop</name>",
        "<cpu mode='host-passthrough'/>",
        "<source file='/srv/iso/x.iso'/>",
        "<target dev='vm0a371616'/>",
        "<graphics type='vnc' port='5901' autoport='no' listen='127.0.0.1'/>",
        "<entry name='opt/com.coreos/config' file='/srv/core.ign'/>",
        "<name>old_one</name>",
        "<vcpu>3</vcpu>",
        "<mac address='be:ef:c0:a8:7a:29'/>",
    ] {
        assert!(xml.contains(part), "{part} is not in\n{xml}");
    }
    // Its names are taken as they are, and the full one needs no dot.
    assert!(xml.contains("<source pool='default' volume='Shop_boot'/>"), "{xml}");
    let one = rendered(&[&inventory, "--machine", "old_one", "--set", "old_one.vcpus=5"]);
    assert!(one.contains("<vcpu>5</vcpu>") && !one.contains("<name>Shop</name>"), "{one}");
}

#[test]
fn a_file_holds_several_documents_and_their_places() {
    let host = Host::new();
    let file = |vcpus: i32, memory: i32| {
        let text = format!(
            "name: first\nvcpus: 1\nmemory: 1 GiB\nseed: none\nboot_disk: {{ empty: true, size: 1 GiB }}\n---\n\
             apiVersion: foundry.cofront.xyz/v1alpha1\nkind: VirtualMachine\nmetadata: {{ name: Second }}\nspec:\n  vcpus: {vcpus}\n\
             \x20 memoryGiB: {memory}\n  bootDisk: {{ sizeGB: 10, empty: true }}\n\
             \x20 networkInterfaces: [ {{ ip: 10.0.0.5/24, gateway: 10.0.0.1, bridge: br0 }} ]\n---\n"
        );
        std::fs::write(host.folder().join("both.yaml"), text).expect("written");
    };
    let run = |args: &[&str]| {
        let output = host.command(args).output().expect("started");
        (text(&output.stdout), text(&output.stderr), output.status.code())
    };
    file(2, 3);
    let shown = run(&["vm", "render", "both.yaml", "--explain", "-o", "csv", "--columns", "name,field,value,from"]).0;
    for row in ["first,vcpus,1,both.yaml:2", "second,vcpus,2,both.yaml:11", "second,memory,3 GiB,both.yaml:12"] {
        assert!(shown.contains(row), "{row} is not in\n{shown}");
    }
    assert!(shown.contains(",both.yaml:13\r\n"), "the boot disk:\n{shown}");
    file(0, 0);
    let (_, told, code) = run(&["vm", "create", "both.yaml"]);
    assert_eq!(code, Some(2), "{told}");
    for part in
        ["`vcpus` must be at least 1\n  --> both.yaml:11:10", "`memoryGiB` must be at least 1\n  --> both.yaml:12:14"]
    {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    file(2, 3);
    let (_, told, code) = run(&["vm", "create", "both.yaml", "--set", "vcpsu=3", "--set", "unknown_to_all=3"]);
    assert_eq!(code, Some(2), "{told}");
    let expected = "error: there is nothing to set that is called `vcpsu`\n = hint: did you mean `vcpus`?\n";
    assert!(told.contains(expected) && !told.contains("unknown_to_all"), "{told}");
    std::fs::write(host.folder().join("both.yaml"), "---\n---\n").expect("written");
    assert_eq!(
        run(&["vm", "create", "both.yaml"]).1,
        "error: both.yaml is empty\n = hint: a machine has `name`, `vcpus`, `memory` and `boot_disk`\n"
    );
}

#[test]
fn what_only_ansible_knows_is_named_with_its_place() {
    let output = run(&["vm", "render", &file("homestead.yaml"), "--vars", &file("images.yaml")]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    for part in [
        "`cloudinit_root_password_hash` is kept in Ansible's vault",
        "homestead.yaml:9:",
        "`vcpus` needs Ansible's variable `",
        "homestead.yaml:39:12",
        "=VALUE`, in a file of variables (`--vars`) or as `VMSCRIPT_VAR_",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    assert!(!told.contains("ansible_become_password"), "nobody needs it:\n{told}");
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    let host = Host::new();
    let spec = "name: Web_\nvcpus: 0\nmemroy: 2 GiB\nboot_disk: { size: 10 GiB }\ndata_disks:\n  - { device: vdb, size: 1 GiB }\n  - { device: vdb, size: many }\n\
                interfaces:\n  - { address: 10.0.0.300/24, bridge: br0 }\n  - { network: default, vlan: 5000, pxe: true }\n  - { network: default, pxe: true }\n\
                guest: { hostname: web, ssh_authorized_keys: [ nonsense ] }\nfirmware: efy\n";
    std::fs::write(host.folder().join("web.yaml"), spec).expect("written");
    let output = host.command(["vm", "create", "web.yaml"]).output().expect("started");
    // How far the arrow is indented depends on the number of the line.
    let told = text(&output.stderr).replace("\n  -->", "\n -->");
    assert_eq!(output.status.code(), Some(2), "{told}");
    for part in [
        "`Web_` is no name of a machine\n --> web.yaml:1:7",
        "`vcpus` must be at least 1\n --> web.yaml:2:8",
        "a machine has no field `memroy`\n --> web.yaml:3:1",
        "did you mean `memory`?",
        "the boot disk needs either `image` or `empty: true`",
        "there are two disks `vdb`\n --> web.yaml:7:15",
        "web.yaml:7:26",
        "`10.0.0.300/24` is no address\n --> web.yaml:9:16",
        "`vlan` must be from 1 to 4094",
        "only one interface can have `pxe`\n --> web.yaml:11:30",
        "web.yaml:12:48",
        "`efy` is no `firmware`\n --> web.yaml:13:11",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}

#[test]
fn a_machine_is_created_compared_updated_and_destroyed() {
    let host = Host::new();
    let spec = "name: db\nvcpus: 2\nmemory: 1 GiB\nlabels: { role: db }\nboot_disk: { size: 1 GiB, empty: true }\n\
                data_disks: [ { device: vdb, size: 2 GiB } ]\nseed: none\nautostart: true\n\
                interfaces: [ { network: default, address: 192.168.122.77/24, via: dhcp } ]\n";
    std::fs::write(host.folder().join("db.yaml"), spec).expect("written");
    let shown = script(
        &host,
        "let before = connect().pool(\"default\").volumes().map(|one| one.name);
        print(vm::create(\"db.yaml\", #{ dry_run: true })[0].result);
        assert_eq(connect().find_domain(\"db\"), ());
        print(vm::create(\"db.yaml\")[0].result);
        print(vm::create(\"db.yaml\")[0].result);
        let made = connect().domain(\"db\");
        print([made.is_active, made.autostart, made.labels, made.owned_volumes.len()]);
        print(vm::create(\"db.yaml\", #{ set: [\"vcpus=3\", \"labels.tier=2\"] })[0]);
        print(vm::create(\"db.yaml\", #{ set: [\"vcpus=3\"], update: true })[0].result);
        print(vm::create(\"db.yaml\", #{ set: [\"vcpus=3\"] })[0].result);
        vm::label([\"db\"], #{ set: [\"role=\", \"tier=1\"] });
        print(vm::list(#{ label: \"tier=1\" }).map(|one| one.name));
        print(vm::stop([], #{ label: \"tier=1\", timeout: \"5s\" }));
        vm::protect([\"db\"]);
        try { vm::destroy([\"db\"], #{ yes: true }); } catch (err) { print(err.failures[0].message); }
        vm::unprotect([\"db\"]);
        try { vm::destroy([\"db\"]); } catch (err) { print(err.message); }
        print(vm::destroy([\"db\"], #{ dry_run: true })[0].volumes);
        print(vm::destroy([\"db\", \"ghost\"], #{ yes: true, if_exists: true }).map(|one| one.result));
        assert_eq(connect().pool(\"default\").volumes().map(|one| one.name), before);",
    );
    let expected = [
        "would be created",
        "created",
        "unchanged",
        "[true, true, #{\"role\": \"db\"}, 3]",
        "#{\"differences\": [#{\"after\": 3, \"before\": 2, \"path\": \"vcpus\"}, #{\"after\": #{\"role\": \"db\", \"tier\": \"2\"}, \"before\": #{\"role\": \"db\"}, \"path\": \"labels\"}], \"name\": \"db\", \"result\": \"differs\"}",
        "updated",
        "unchanged",
        "[\"db\"]",
        "[#{\"name\": \"db\", \"result\": \"shut off\"}]",
        "`db`: cannot remove domain `db`: it is protected",
        "nobody can be asked: remove db (3 volumes)?",
        "[\"db_boot\", \"db_data-vdb\", \"db_console.log\"]",
        "[\"not there\", \"removed\"]",
    ];
    assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
}

/// A machine as the home lab's playbook makes it: a folder of its own, the firmware's files named, the seed on a CD drive.
const OF_PLAYBOOK: &str = "<domain type='kvm'><name>shop</name><uuid>11111111-2222-4333-8444-555555555555</uuid>
<metadata><x:note xmlns:x='urn:x'>kept</x:note></metadata><memory unit='GiB'>1</memory><vcpu placement='static'>1</vcpu>
<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type><loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
<nvram>/srv/nvram/shop_VARS.fd</nvram></os><features><acpi/><apic/><pae/></features><cpu mode='host-model'/>
<on_crash>restart</on_crash><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/><source file='/srv/vms/shop/boot.qcow2'/>
<target dev='vda' bus='virtio'/><boot order='1'/><address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x0'/></disk>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/srv/vms/shop/vdb.qcow2'/><target dev='vdb' bus='virtio'/></disk>
<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='/srv/vms/shop/cloudinit.iso'/>
<target dev='sda' bus='sata'/><readonly/></disk>
<interface type='bridge'><mac address='be:ef:0a:14:1e:29'/><source bridge='br0'/><target dev='vm0a141e29'/><model type='virtio'/></interface>
<serial type='pty'><target port='0'/></serial><console type='pty'/><memballoon model='virtio'/></devices></domain>";

#[test]
fn a_machine_of_a_playbook_is_compared_by_what_its_file_says() {
    let host = Host::new();
    let file = |extra: &str| {
        let inventory = format!(
            "hypervisor_machines:\n  shop:\n    name: shop\n    vcpus: 1\n    memory_gib: 1\n    boot_disk_size_gb: 1\n    cpu_mode: host-model\n\
             \x20   use_empty_boot_disk: true\n    data_disks: [ {{ device: vdb, size_gb: 1 }} ]\n{extra}\
             \x20   network_interfaces: [ {{ ip: 10.20.30.41/24, gateway: 10.20.30.1, network_source: br0, default_route: true }} ]\n"
        );
        std::fs::write(host.folder().join("inventory.yaml"), inventory).expect("written");
    };
    file("");
    std::fs::write(host.folder().join("shop.xml"), OF_PLAYBOOK).expect("written");
    let make = "let host = connect();
        let vm = host.define_domain(from_xml(read_file(\"shop.xml\")));
        vm.autostart = true;
        let before = vm.definition;
        print(vm::create(\"inventory.yaml\", #{ start: false })[0]);";
    let shown = script(&host, make);
    assert_eq!(shown, "#{\"differences\": [], \"name\": \"shop\", \"result\": \"unchanged\"}\n");
    // What truly differs is told and brought in line, and all else stays: names, places, firmware, other people's metadata.
    let grown = format!(
        "{make}
        vm::create(\"inventory.yaml\", #{{ set: [\"memory_gib=2\"], update: true, start: false }});
        print(before.diff(vm.definition).map(|one| one.path).filter(|path| path != \"metadata\"));
        assert(vm.metadata(\"urn:x\").contains(\"kept\"));
        print(vm::create(\"inventory.yaml\", #{{ set: [\"memory_gib=2\"], start: false }})[0].result);
        assert_eq(host.find_pool(\"default\").volumes().filter(|one| one.name.contains(\"console\")).len(), 0);"
    );
    let shown = script(&host, &grown);
    assert!(shown.ends_with("[\"memory.value\", \"current_memory.value\"]\nunchanged\n"), "{shown}");
    // A CD that is installed from takes the seed's target.
    file("    install_iso_path: /srv/iso/x.iso\n");
    let moved = format!(
        "{make}
        vm::create(\"inventory.yaml\", #{{ update: true, start: false }});
        for disk in vm.definition.to_map().devices.disks {{ print(`${{disk.target.dev}} ${{disk.source.file}} ${{disk.device}}`); }}"
    );
    let shown = script(&host, &moved);
    for line in
        ["vda /srv/vms/shop/boot.qcow2 disk", "sdb /srv/vms/shop/cloudinit.iso cdrom", "sda /srv/iso/x.iso cdrom"]
    {
        assert!(shown.lines().any(|one| one == line), "{line} is not in\n{shown}");
    }
}

#[test]
fn a_machine_that_crashed_is_not_told_as_running() {
    let host = Host::new();
    let file = host.folder().join("host.xml");
    let text = std::fs::read_to_string(&file).expect("the host");
    // libvirt's number of the state in which a guest is kept that crashed; such a domain has an id.
    let crashed = text.replacen("<name>web</name>", "<test:runstate>6</test:runstate><name>web</name>", 1);
    std::fs::write(&file, crashed).expect("written");
    let shown = script(
        &host,
        "let web = vm::get(\"web\");
        print([web.state, web.phase, web.interfaces[0].phase]);
        for one in web.conditions { print(`${one.type} ${one.status} ${one.reason} ${one.message}`); }
        print(vm::get(\"idle\").phase);",
    );
    let wanted = "[\"crashed\", \"Failed\", \"Failed\"]
StorageReady True VolumesThere no volume that was made for it is missing
AddressesAssigned True AddressesAssigned each interface has one
Running False Unknown crashed (unknown)
Ready False Unknown Running: crashed (unknown)
Stopped
";
    assert_eq!(shown, wanted);
}

#[test]
fn an_update_makes_what_is_missing_and_keeps_what_a_card_is_called() {
    let host = Host::new();
    let spec = "name: db\nvcpus: 1\nmemory: 1 GiB\nboot_disk: { size: 1 GiB, empty: true }\nseed: none\n\
                interfaces: [ { network: default, address: 192.168.122.77/24, via: dhcp } ]\n";
    std::fs::write(host.folder().join("db.yaml"), spec).expect("written");
    let disk = "data_disks: [ { device: vdb, size: 2 GiB } ]\n";
    std::fs::write(host.folder().join("more.yaml"), format!("{spec}{disk}")).expect("written");
    let moved = spec.replace("122.77", "122.78");
    std::fs::write(host.folder().join("moved.yaml"), moved).expect("written");
    let shown = script(
        &host,
        "vm::create(\"db.yaml\", #{ start: false });
        let vm = connect().domain(\"db\");
        let card = vm.definition.to_map().devices.interfaces[0];
        print(vm::create(\"more.yaml\", #{ update: true, start: false })[0].result);
        print(vm::create(\"more.yaml\", #{ start: false })[0].result);
        print(vm.owned_volumes.map(|one| one.name));
        assert(connect().pool(\"default\").find_volume(\"db_data-vdb\") != ());
        assert_eq(vm.definition.to_map().devices.interfaces[0], card);
        print(vm::create(\"moved.yaml\", #{ start: false })[0].differences.map(|one| [one.path, one.before, one.after]));
        print(vm::create(\"moved.yaml\", #{ update: true, start: false })[0].needs_restart);
        // The names of a card follow its address, if nobody gave it others.
        let moved = vm.definition.to_map().devices.interfaces[0];
        assert_eq([moved.mac.address, moved.target.dev], [\"be:ef:c0:a8:7a:4e\", \"vmc0a87a4e\"]);
        assert_eq(moved + #{ mac: card.mac, target: card.target }, card);
        print(vm::create(\"moved.yaml\", #{ start: false })[0].result);",
    );
    let expected = [
        "updated",
        "unchanged",
        "[\"db_boot\", \"db_console.log\", \"db_data-vdb\"]",
        "[\"interfaces[0].address\", \"192.168.122.77/24\", \"192.168.122.78/24\"]",
    ];
    for part in expected {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    assert!(shown.ends_with("false\nunchanged\n"), "{shown}");
}

#[test]
fn a_card_that_had_no_address_gets_one() {
    let host = Host::new();
    let spec = "name: db\nvcpus: 1\nmemory: 1 GiB\nboot_disk: { size: 1 GiB, empty: true }\nseed: none\ninterfaces: [ { network: default } ]\n";
    std::fs::write(host.folder().join("bare.yaml"), spec).expect("written");
    let given = spec.replace("network: default", "network: default, address: 192.168.122.78/24");
    std::fs::write(host.folder().join("given.yaml"), given).expect("written");
    let shown = script(
        &host,
        "vm::create(\"bare.yaml\", #{ start: false });
        print(vm::create(\"given.yaml\", #{ start: false })[0].differences);
        vm::create(\"given.yaml\", #{ update: true, start: false });
        print(connect().domain(\"db\").definition.to_map().devices.interfaces.map(|one| one.mac.address));
        print(vm::create(\"given.yaml\", #{ start: false })[0].result);",
    );
    let expected = [
        "[#{\"after\": \"192.168.122.78/24\", \"before\": (), \"path\": \"interfaces[0].address\"}]",
        "[\"be:ef:c0:a8:7a:4e\"]",
        "unchanged",
    ];
    assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn thin_disks_that_may_outgrow_their_pool_are_a_warning() {
    let host = Host::new();
    let spec = "machines:\n- { name: a, vcpus: 1, memory: 2 GiB, boot_disk: { size: 90 GiB, empty: true }, seed: none }\n\
                - { name: b, vcpus: 1, memory: 2 GiB, boot_disk: { size: 90 GiB, empty: true }, seed: none }\n";
    std::fs::write(host.folder().join("large.yaml"), spec).expect("written");
    let output = run_in(&host, &["vm", "create", "large.yaml", "--dry-run", "-o", "name"]);
    let told = "warning: pool default has 100.0 GiB left, and the new disks may grow to 180.0 GiB\n\
                warning: the host has 3072 MiB of memory, and the new machines may use 4096\n";
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("a\nb\n".to_string(), told.to_string()));
}

#[test]
fn what_the_file_says_no_more_goes_and_what_somebody_added_stays() {
    let host = Host::new();
    let spec = "name: db\nvcpus: 1\nmemory: 1 GiB\nboot_disk: { size: 1 GiB, empty: true }\nseed: none\ninterfaces: [ { network: default } ]\n";
    std::fs::write(host.folder().join("bare.yaml"), spec).expect("written");
    let more = "vnc: {}\ntpm: true\ntitle: it\nfw_cfg: { name: opt/it, file: /srv/it }\ndomain: { devices: { watchdogs: [ { model: i6300esb, action: reset } ] } }\n\
                data_disks: [ { device: vdb, size: 1 GiB } ]\n";
    let two = spec.replace("} ]", "}, { network: default } ]");
    std::fs::write(host.folder().join("full.yaml"), format!("{two}{more}")).expect("written");
    let shown = script(
        &host,
        "vm::create(\"full.yaml\", #{ start: false });
        assert_eq(vm::create(\"full.yaml\", #{ start: false })[0].result, \"unchanged\");
        let vm = connect().domain(\"db\");
        // By hand: a disk, a card, a screen and another entry for the firmware.
        let by_hand = vm.definition.to_map();
        by_hand.devices.disks.push(#{ type: \"file\", source: #{ file: \"/srv/x\" }, target: #{ dev: \"vdc\", bus: \"virtio\" } });
        by_hand.devices.interfaces.push(#{ type: \"network\", source: #{ network: \"default\" }, mac: #{ address: \"52:54:00:00:00:77\" } });
        by_hand.devices.graphics.push(#{ type: \"spice\" });
        by_hand.sysinfos[0].entries.push(#{ name: \"opt/mine\", file: \"/srv/mine\" });
        vm.update(by_hand);
        assert_eq(vm::create(\"full.yaml\", #{ start: false })[0].result, \"unchanged\");
        print(vm::create(\"bare.yaml\", #{ start: false })[0].differences.filter(|one| one.after == ()).map(|one| one.path));
        vm::create(\"bare.yaml\", #{ update: true, start: false });
        let has = vm.definition.to_map();
        print([has.title, has.devices.tpms, has.devices.watchdogs, has.sysinfos[0].entries.map(|one| one.name)]);
        print([has.devices.disks.map(|one| one.target.dev), has.devices.interfaces.len(), has.devices.graphics.map(|one| one.type)]);
        assert_eq(vm::create(\"bare.yaml\", #{ start: false })[0].result, \"unchanged\");
        print(has.devices.interfaces[-1].mac.address);",
    );
    let expected = [
        "[\"title\", \"sysinfos[0].entries[0]\", \"devices.disks[1]\", \"devices.interfaces[1]\", \"devices.graphics[0]\", \"devices.tpms[0]\", \"devices.watchdogs[0]\"]",
        "[(), (), (), [\"opt/mine\"]]",
        "[[\"vda\", \"vdc\"], 2, [\"spice\"]]",
        "52:54:00:00:00:77",
    ];
    assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn adopting_adds_what_is_the_machines_own_and_tells_what_stays() {
    let host = Host::new();
    let shown = script(
        &host,
        "let host = connect();
        let pool = host.pool(\"default\");
        for name in [\"shop_vda\", \"log\", \"other\", \"kept\"] {
            pool.create_volume(#{ name: name, capacity: 1048576, target: #{ format: \"raw\" } });
        }
        let file = |path, dev| #{ type: \"file\", source: #{ file: path }, target: #{ dev: dev, bus: \"virtio\" } };
        let drive = |path, dev| #{ type: \"file\", device: \"cdrom\", source: #{ file: path }, target: #{ dev: dev, bus: \"sata\" }, readonly: true };
        let define = |name, disks| host.define_domain(#{ type: \"test\", name: name, memory: \"64 MiB\", os: #{ type: \"hvm\" }, devices: #{ disks: disks } });
        let other = define.call(\"other\", [file.call(pool.volume(\"other\").path, \"vda\")]);
        other.owned_volumes = [#{ pool: \"default\", name: \"kept\" }];
        let vm = define.call(\"shop\", [
            file.call(pool.volume(\"shop_vda\").path, \"vda\"), file.call(\"/srv/vms/shop/vdb.qcow2\", \"vdb\"),
            drive.call(\"/srv/iso/debian.iso\", \"sda\"),
        ]);
        vm.owned_volumes = [#{ pool: \"default\", name: \"log\" }];
        print(vm::adopt([\"shop\"])[0]);
        for name in [\"x\", \"default/none\", \"default/other\", \"default/kept\"] {
            try { vm::adopt([\"shop\"], #{ volumes: [name] }); } catch (err) { print(if type_of(err) == \"string\" { err } else { err.message }); }
        }
        // A folder of its own, as the home lab's playbook makes it.
        define.call(\"web2\", [file.call(\"/srv/vms/web2/boot.qcow2\", \"vda\"), drive.call(\"/srv/vms/web2/cloudinit.iso\", \"sda\")]);
        print(vm::adopt([\"web2\"])[0].not_recorded);
        print(vm::destroy([\"web2\"], #{ yes: true })[0].disks_left);
        print(vm::destroy([\"shop\"], #{ yes: true })[0].volumes);",
    );
    let expected = [
        "#{\"name\": \"shop\", \"not_recorded\": [\"/srv/vms/shop/vdb.qcow2\"], \"result\": \"adopted\", \"volumes\": [\"log\", \"shop_vda\"]}",
        "a volume is POOL/NAME, unlike `x`",
        "there is no volume `none`",
        "`default/other` is no volume of shop alone: [\"other\"] have it",
        "`default/kept` is recorded as a volume of other",
        "[\"/srv/vms/web2/boot.qcow2\", \"/srv/vms/web2/cloudinit.iso\"]",
        "[\"/srv/vms/web2/boot.qcow2\", \"/srv/vms/web2/cloudinit.iso\"]",
        "[\"log\", \"shop_vda\"]",
    ];
    assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn sizes_and_protection_are_compared_by_the_fields_of_the_file() {
    let host = Host::new();
    let spec = "name: db\nvcpus: 1\nmemory: 1 GiB\nboot_disk: { size: 2 GiB, empty: true }\n\
                data_disks: [ { device: vdb, size: 2 GiB } ]\nseed: none\n";
    std::fs::write(host.folder().join("db.yaml"), spec).expect("written");
    let other = spec.replacen("2 GiB", "3 GiB", 1).replace("vdb, size: 2 GiB", "vdb, size: 1 GiB");
    std::fs::write(host.folder().join("other.yaml"), format!("{other}protect: true\n")).expect("written");
    let shown = script(
        &host,
        "vm::create(\"db.yaml\");
        print(vm::create(\"db.yaml\")[0].result);
        for one in vm::create(\"other.yaml\")[0].differences { print([one.path, one.before, one.after]); }
        try { vm::create(\"other.yaml\", #{ update: true }); } catch (err) { print(err); }
        assert(!connect().domain(\"db\").is_protected);
        print(vm::create(\"db.yaml\", #{ set: [\"protect=true\"], update: true })[0].result);
        print(vm::create(\"db.yaml\", #{ set: [\"protect=true\"] })[0].result);
        assert(connect().domain(\"db\").is_protected);",
    );
    let expected = [
        "unchanged",
        "[\"boot_disk.size\", 2147483648, 3221225472]",
        "[\"data_disks[vdb].size\", 2147483648, 1073741824]",
        "[\"protect\", false, true]",
        "`data_disks[vdb].size` of db is 2147483648 bytes: a disk cannot be made smaller",
        "updated",
        "unchanged",
    ];
    assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn names_are_one_word_for_other_tools_and_who_is_left_out_is_told() {
    let host = Host::new();
    let odd = "let host = connect();
        for name in [\"win 10, #x\", \"win 10, é #y\", \"UPPER\", \"upper\", \"123\"] {
            let vm = host.provision(#{ type: \"test\", name: name, memory: \"1 GiB\", os: #{ type: \"hvm\" },
                devices: #{ interfaces: [ #{ type: \"network\", source: #{ network: \"default\" } } ] } }, #{ labels: #{ \"1\": \"2\" } });
        }";
    let body = "import \"std/inventory\" as inventory;
        for format in [\"ansible-ini\", \"ssh-config\", \"hosts\"] { print(inventory::export_(#{ format: format })); }
        print(inventory::export_(#{ format: \"json\" }).contains(\"win 10, #x\"));
        for user in [\"x y\", \"\"] { try { inventory::export_(#{ user: user }); } catch (err) { print(err.message); } }";
    let output = host.run(&format!("{odd}\n{body}"));
    let (shown, told) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{told}");
    for part in [
        "win_10___x ansible_host=192.168.122.",
        "win_10_____y ansible_host=192.168.122.",
        "\n[label_1_2]\n",
        "\nwin_10___x\nwin_10_____y\n",
        "Host win_10___x\n",
        "\twin_10_____y\n",
        // Looked up in a file of hosts, both were the first one, and the number an address.
        "\nUPPER ansible_host=",
        "\nupper ansible_host=",
        "123 ansible_host=",
        "\tUPPER\n",
        "\tupper-2\n",
        "\t123-vm\n",
        "true\n`x y` is no name of a user\n`` is no name of a user\n",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    for part in ["note: left out, as no address is known: idle\n", "note: `win 10, #x` is called `win_10___x` there\n"]
    {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}

#[test]
fn inventories_are_for_other_tools() {
    let host = Host::new();
    let shown = script(
        &host,
        "import \"std/inventory\" as inventory;
        vm::label([\"web\"], #{ set: [\"role=web\"] });
        for format in [\"ansible-yaml\", \"ansible-ini\", \"ssh-config\", \"hosts\"] { print(inventory::export_(#{ format: format })); }
        print(inventory::export_(#{ list: true }));",
    );
    for part in [
        "all:\n  children:\n    role_web:\n      hosts:\n        web: {}\n",
        "  hosts:\n    web:\n      ansible_host: \"192.168.122.3\"\n      ansible_user: root\n",
        "web ansible_host=192.168.122.3 ansible_user=root\n\n[role_web]\nweb\n",
        "Host web\n    HostName 192.168.122.3\n    User root\n",
        "192.168.122.3\tweb\n",
        "\"role_web\": {\n    \"hosts\": [\n      \"web\"\n    ]\n  }",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    // And the other way: a script from an inventory makes the machine.
    let spec = "name: db\nvcpus: 2\nmemory: 1 GiB\nboot_disk: { size: 1 GiB, empty: true }\nseed: none\ndescription: \"two\\nlines\"\n";
    std::fs::write(host.folder().join("in.yaml"), spec).expect("written");
    script(&host, "import \"std/inventory\" as inventory; inventory::import_(\"in.yaml\", #{ script: true });");
    let made = host.command(["db.rhai"]).output().expect("started");
    assert_eq!(text(&made.stdout), "created\n", "{}", text(&made.stderr));
    let again = run_in(&host, &["inventory", "import", "in.yaml", "--script"]);
    assert!(text(&again.stderr).contains("./db.rhai is there already"), "{}", text(&again.stderr));
}

#[test]
fn an_imported_script_makes_no_machine_without_its_password() {
    let host = Host::new();
    let hash = format!("$6$salt${}", "h".repeat(86));
    let spec = format!(
        "name: db\nvcpus: 1\nmemory: 64 MiB\nboot_disk: {{ size: 1 GiB, empty: true }}\nguest: {{ hostname: db, password_hash: {hash} }}\n"
    );
    std::fs::write(host.folder().join("in.yaml"), spec).expect("written");
    assert!(run_in(&host, &["inventory", "import", "in.yaml", "--script"]).status.success());
    let written = std::fs::read_to_string(host.folder().join("db.rhai")).expect("written");
    assert!(!written.contains("$6$"), "{written}");
    let refused = host.command(["db.rhai"]).env_remove("VMSCRIPT_VAR_root_password_hash").output().expect("started");
    let told = text(&refused.stderr);
    assert!(
        told.contains("the environment has no `VMSCRIPT_VAR_root_password_hash`")
            && told.contains(" = hint: set it before"),
        "{told}"
    );
    assert!(!text(&run_in(&host, &["vm", "list", "-o", "name"]).stdout).contains("db"), "{told}");
    // Seeds are for real hosts; that it comes so far is enough.
    let asked = host.command(["db.rhai"]).env("VMSCRIPT_VAR_root_password_hash", &hash).output().expect("started");
    assert!(!text(&asked.stderr).contains("the environment has no"), "{}", text(&asked.stderr));
}

#[test]
fn results_come_as_json_csv_and_names() {
    let host = Host::new();
    let shown = |args: &[&str]| {
        let output = host.command(args).output().expect("started");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert_eq!(shown(&["vm", "list", "-o", "name", "--sort", "-name"]), "web\nidle\n");
    assert_eq!(
        shown(&["vm", "list", "-o", "csv", "--columns", "name,vcpus", "--filter", "state=run*"]),
        "name,vcpus\r\nweb,2\r\n"
    );
    let wrong = host.command(["vm", "list", "--columns", "nmae"]).output().expect("started");
    assert!(text(&wrong.stderr).contains("hint: did you mean `name`?"), "{}", text(&wrong.stderr));
    // What a recipe tells is not mixed into its result.
    std::fs::create_dir_all(host.folder().join("recipes")).expect("made");
    let recipe = "/// Tells and gives.\nfn both() { print(\"told\"); [#{ name: \"given\" }] }";
    std::fs::write(host.folder().join("recipes/mine.rhai"), recipe).expect("written");
    assert_eq!(shown(&["mine", "both", "-o", "name"]), "given\n");
    assert_eq!(shown(&["mine", "both"]), "told\nNAME\ngiven\n");
}

#[test]
fn the_flows_of_the_home_lab_are_short_scripts_that_run() {
    let host = Host::new();
    let flow = |name: &str, args: &[&str]| {
        let file = root().join(format!("examples/flow_{name}.rhai"));
        let lines = std::fs::read_to_string(&file).expect("it is there").lines().count();
        assert!(lines <= 25, "{name} has {lines} lines");
        let mut all = vec![file.display().to_string()];
        all.extend(args.iter().map(ToString::to_string));
        let output = host.command(all).output().expect("started");
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let inventory = |ip: &str, network: &str| {
        let fields =
            "name: db, vcpus: 1, memory_gib: 1, boot_disk_size_gb: 1, use_empty_boot_disk: true, skip_cloudinit: true";
        let subnet = ip.rsplit_once('.').expect("an address").0;
        format!("hypervisor_machines:\n  db: {{ {fields}, ip: {ip}/24, gateway: {subnet}.1, {network} }}\n")
    };
    let file = |name: &str, text: String| {
        let file = host.folder().join(name);
        std::fs::write(&file, text).expect("written");
        file.display().to_string()
    };
    let lab = file("lab.yml", inventory("192.168.122.40", "network_source: default, network_type: network"));
    let bridged = file("bridged.yml", inventory("10.20.30.40", "network_source: br0"));
    assert_eq!(flow("create", &[&lab]), "db: created\n");
    assert_eq!(
        flow("list", &[&lab]),
        "1 in the inventory, 1 running on the host\ndb: missing\nidle: not in the inventory, shut off\nweb: not in the inventory, running\n"
    );
    assert_eq!(flow("destroy", &["web", "ghost"]), "web: removed with []\nghost: not there\n");
    // With images it runs in the live tier: the test driver has no upload.
    assert_eq!(flow("images", &[&file("images.yml", "vm_images: {}\n".to_string())]), "");
    assert!(flow("hypervisor", &["--dry-run"]).contains("here: forwarding: "));
    let folder = host.folder().display().to_string();
    assert!(
        flow("routing", &["10.0.0.11", "65011", "10.0.0.1", "65000", &folder, &folder]).contains("bird.conf written")
    );
    let dhcp = flow("dhcp", &["br0", "http://10.20.30.1/boot.ipxe", &bridged]);
    assert!(dhcp.contains("dhcp-host=be:ef:0a:14:1e:28,10.20.30.40\n"));
}

#[test]
fn what_is_set_in_a_file_of_another_tool_goes_by_its_words_or_ours() {
    let host = Host::new();
    let load = |file: &str, set: &str| {
        let words = ["spec", "load", &self::file(file), "--set", set, "--set", "cloudinit_root_password_hash=$6$a$b"]
            .map(str::to_string);
        let more =
            ["--vars", &self::file("images.yaml"), "--columns", "vcpus,memory,pool", "-o", "csv"].map(str::to_string);
        let words: Vec<String> = if file == "foundry.yaml" { words[..5].into() } else { words.into() };
        let output = host.command(words.iter().chain(&more)).output().expect("started");
        (text(&output.stdout), text(&output.stderr))
    };
    for (set, row) in [
        ("vcpus=2", "2,8 GiB,foundry-vms"),
        ("my-vm.vcpus=2", "2,8 GiB,foundry-vms"),
        ("spec.vcpus=2", "2,8 GiB,foundry-vms"),
        ("memoryGiB=3", "4,3 GiB,foundry-vms"),
        ("storagePool=fast", "4,8 GiB,fast"),
    ] {
        assert_eq!(load("foundry.yaml", set), (format!("vcpus,memory,pool\r\n{row}\r\n"), String::new()), "{set}");
    }
    // What these files have no word for is that of the machine that comes out.
    for (file, set, columns, row) in [
        ("homestead.yaml", "type=qemu", "name,type", "old_one,qemu\r\nShop,qemu"),
        ("homestead.yaml", "Shop.firmware=efi", "name,firmware", "Shop,efi"),
        ("homestead.yaml", "pool=fast", "name,pool", "Shop,fast"),
        ("foundry.yaml", "type=qemu", "name,type", "my-vm,qemu"),
    ] {
        let hash = format!("cloudinit_root_password_hash=$6$saltsalt${}", "a".repeat(86));
        let set = ["--set", set, "--set", &hash, "--set", "vcpus_of_old=3"];
        let vars = [self::file(file), "--vars".to_string(), self::file("images.yaml")];
        let mut command = host.command(["spec", "load", "--columns", columns, "-o", "csv"]);
        let output =
            command.args(vars).args(if file == "foundry.yaml" { &set[..2] } else { &set }).output().expect("started");
        let shown = text(&output.stdout);
        assert!(shown.contains(row), "{file} {set:?}: {shown}{}", text(&output.stderr));
    }
    for (name, set, hint) in [
        ("foundry.yaml", "memory=2GiB", "did you mean `spec.memoryGiB`?"),
        ("foundry.yaml", "my-vm.boot_disk.size=2GiB", "did you mean `spec.bootDisk`?"),
        ("foundry.yaml", "spec.memory=2GiB", "did you mean `memoryGiB`?"),
        ("foundry.yaml", "cpuMode=fast", "cpuMode`"),
        ("homestead.yaml", "boot_disk.size=2GiB", "did you mean `boot_disk_size_gb`?"),
        ("homestead.yaml", "cpu_mode=fast", "`fast` is no `cpu_mode`"),
        ("homestead.yaml", "firmware=uefi", "homestead.yaml:38:5"),
        ("homestead.yaml", "firmware=uefi", "`uefi` is no `firmware`"),
        (
            "homestead.yaml",
            "cloudinit_root_password_hash=$6$abc$def",
            "`cloudinit_root_password_hash` is no password hash",
        ),
    ] {
        let (_, told) = load(name, set);
        assert!(told.contains(hint), "{name} {set}: {told}");
    }
}

#[test]
fn bridges_are_listed_once_and_changes_of_networks_are_timed() {
    let host = Host::new();
    let spec = "name: bridged\nvcpus: 1\nmemory: 1 GiB\nseed: none\nboot_disk: { empty: true, size: 1 GiB }\n\
        interfaces: [ { bridge: qqqqqqqq }, { bridge: zzzzzzzz } ]\n";
    std::fs::write(host.folder().join("web.yaml"), spec).expect("written");
    let told = text(&host.command(["vm", "create", "web.yaml"]).output().expect("started").stderr);
    assert!(told.contains("no bridge `qqqqqqqq`") && told.contains("no bridge `zzzzzzzz`"), "{told}");
    assert_eq!(told.matches("hint: bridges: ").count(), 1, "{told}");
    let words = ["--timings", "network", "reserve", "default", "192.168.122.50", "52:54:00:00:00:50"];
    let told = text(&host.command(words).output().expect("started").stderr);
    assert!(told.contains("net-update"), "{told}");
}
