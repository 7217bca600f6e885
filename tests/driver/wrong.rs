//! Files of machines that are wrong in the ways that users get them wrong: all at once, each with its place and a hint.

use super::support::{Host, text};

/// A file, and what is told of it: places with messages, or hints.
const FILES: &[(&str, &[&str])] = &[
    ("name: web\n\tvcpus: 1\n", &["a tab indents this line\n --> wrong.yaml:2:1", "hint: indent with spaces"]),
    ("name: &a [*a]\n", &["is not YAML: an anchor (`&name`) holds itself (`*name`)\n --> wrong.yaml:1:"]),
    ("name: web\nvcpus: 1\nvcpus: 2\n", &["`vcpus` is there twice\n --> wrong.yaml:3:1"]),
    ("name: web\nvcpus 1\nmemory: 1 GiB\n", &["wrong.yaml:2:1", "hint: a field is written `name: value`"]),
    ("name: \"web\nvcpus: 1\n", &["wrong.yaml:2:1", "hint: a quote may not be closed"]),
    ("name: web\nboot_disk:\n  size: 1 GiB\n   empty: true\n", &["wrong.yaml:4:9", "may be indented wrongly"]),
    (
        "name: off\n",
        &["`name` must be text\n --> wrong.yaml:1:7", "hint: in quotation marks it is text: `name: \"...\"`"],
    ),
    ("- name: web\n- name: db\n", &["wrong.yaml:1:1", "hint: a list of machines stands under `machines:`"]),
    ("", &["error: wrong.yaml is empty\n"]),
    ("machines: 5\n", &["`machines` must be a list\n --> wrong.yaml:1:11"]),
    ("hypervisor_machines: []\n", &["`hypervisor_machines` must be a map\n --> wrong.yaml:1:22"]),
    ("hypervisor_machines: { a: 5 }\n", &["the machine `a` must be a map\n --> wrong.yaml:1:27"]),
    (
        "name: w\nvcpus: 1\nmemory: 1 GiB\nboot_disk: 3\nvnc: 5\nlabels: { b: [1] }\ninterfaces: [1]\ndata_disks: 2\nuser_data: 4\n",
        &[
            "`boot_disk` must be a map\n --> wrong.yaml:4:12",
            "`vnc` must be a map\n --> wrong.yaml:5:6",
            "`b` of the `labels` must be text\n --> wrong.yaml:6:14",
            "each of the `interfaces` must be a map\n --> wrong.yaml:7:14",
            "each of the `data_disks` must be a map\n --> wrong.yaml:8:13",
        ],
    ),
    (
        "hypervisor_machines:\n  m: { name: Big, vcpus: 1, memory_gib: 1, use_empty_boot_disk: true, ip: 10.0.0.5/24, gateway: 10.0.0.1, \
         network_source: br0, network_type: Network, vnc_listen: 0.0.0.0, fw_cfg_name: opt/x, boot_disk_size_gb: 1 }\n",
        &[
            "`Network` is no `network_type`\n --> wrong.yaml:2:142",
            "hint: did you mean `network`?",
            "`vnc_listen` needs `vnc_port` beside it\n --> wrong.yaml:2:151",
            "`fw_cfg_name` needs `fw_cfg_file` beside it\n --> wrong.yaml:2:172",
        ],
    ),
    (
        "hypervisor_machines: { m: { name: m, vcpus: 1, memory_gib: 1, image_path: /srv/a.qcow2 } }\n",
        &["the machine needs `boot_disk_size_gb`\n --> wrong.yaml:1:27"],
    ),
    ("vm_images: {}\n", &["this file describes no machine\n --> wrong.yaml:1:1", "`hypervisor_machines`"]),
    (
        "machines:\n- name: web\n  vcpus: two\n  memory: 2\n  boot_disk: { size: 20, imgae: x }\n  interfaces:\n\
         \x20 - { network: default, address: 10.0.0.5 }\n  - { network: default, address: 10.0.0.6/24, gateway: 10.0.1.1 }\n\
         - name: web\n  vcpus: 1\n  memory: 2 GBB\n  boot_disk: { empty: true, size: 1 GiB }\n  guest: { hostname: web, tmezone: UTC }\n\
         \x20 interfaces: [ { network: default, address: 10.0.0.6/24 } ]\n",
        &[
            "`vcpus` must be a whole number\n --> wrong.yaml:3:10",
            "`memory`: 2 is less than 1 MiB\n --> wrong.yaml:4:11",
            "hint: a number alone counts bytes: `2 GiB`",
            "`size`: 20 is less than 1 MiB\n --> wrong.yaml:5:22",
            "`boot_disk` has no field `imgae`\n --> wrong.yaml:5:26",
            "hint: did you mean `image`?",
            "`10.0.0.5` has no prefix\n --> wrong.yaml:7:34",
            "gateway 10.0.1.1 is not within subnet 10.0.0.0/24\n --> wrong.yaml:8:56",
            "there are two machines `web`\n --> wrong.yaml:9:9",
            "`memory`: \"2 GBB\" is not a size\n  --> wrong.yaml:11:11",
            "a guest has no field `tmezone`\n  --> wrong.yaml:13:27",
        ],
    ),
    (
        "machines:\n- { name: a, vcpus: 1, memory: 1 GiB, boot_disk: { empty: true, size: 1 GiB }, interfaces: [ { address: 10.0.0.6/32 } ] }\n\
         - { name: b, vcpus: 1, memory: 1 GiB, boot_disk: { empty: true, size: 1 GiB }, interfaces: [ { address: 10.0.0.6/24 } ] }\n",
        &["10.0.0.6 is the address of `a` as well\n --> wrong.yaml:3:105"],
    ),
    (
        "name: web\nvcpus: 1\nmemory: 1 GiB\nboot_disk: { size: 1 GiB, empty: true }\ndomain: { memroy: 5, cpu: { mode: host-modle } }\n",
        &[
            "domain has no field `memroy`\n --> wrong.yaml:5:11",
            "hint: did you mean `memory`?",
            "not \"host-modle\"\n --> wrong.yaml:5:35",
        ],
    ),
    (
        "apiVersion: foundry.cofront.xyz/v1alpha1\nkind: VirtualMachine\nmetadata: { name: web, lables: {} }\nspec:\n  vcpus: 1\n  memoryGib: 8\n\
         \x20 bootDisk: { sizeGB: 50GB, image: x }\n  dataDisks: [ { device: vda, sizeGB: 1 } ]\n  networkInterfaces: [ { ip: 10.0.0.5/24, gateway: 10.0.1.1, bridge: br0 } ]\n\
         \x20 cloudInit: { fqdn: web }\n",
        &[
            "the machine needs `memoryGiB`\n --> wrong.yaml:1:1",
            "`metadata` has no field `lables`\n --> wrong.yaml:3:24",
            "`spec` has no field `memoryGib`\n --> wrong.yaml:6:3",
            "hint: did you mean `memoryGiB`?",
            "`sizeGB` must be a whole number\n --> wrong.yaml:7:23",
            "`vda` is the boot disk\n --> wrong.yaml:8:26",
            "gateway 10.0.1.1 is not within subnet 10.0.0.0/24\n --> wrong.yaml:9:52",
            "a full name has a dot\n  --> wrong.yaml:10:22",
        ],
    ),
    (
        "hypervisor_machines:\n  web:\n    name: web\n    vcpus: 1\n    memory_gb: 8\n    boot_disk_size_gb: 50 GB\n    image_template: fedora-24\n\
         \x20   ip: 10.0.0.5/24\n    vnc_port: high\n    root_password_hash: hunter2\nvm_images:\n  fedora-42: { filename: f.qcow2, format: qcow2 }\n",
        &[
            "the machine needs `memory_gib`\n --> wrong.yaml:3:5",
            "the machine has no field `memory_gb`\n --> wrong.yaml:5:5",
            "`boot_disk_size_gb` must be a whole number\n --> wrong.yaml:6:24",
            "the catalogue has no image `fedora-24`\n --> wrong.yaml:7:21",
            "the interface needs `gateway`\n --> wrong.yaml:8:9",
            "`vnc_port` must be a whole number\n --> wrong.yaml:9:15",
            "`root_password_hash` is no password hash of crypt(5), such as `mkpasswd` makes\n  --> wrong.yaml:10:25",
        ],
    ),
    (
        "machines:\n- { name: a, vcpus: 1, memory: 1 GiB, boot_disk: { image: wbe.qcow2 }, interfaces: [ { network: defalut } ] }\n\
         - { name: b, vcpus: 1, memory: 1 GiB, boot_disk: { image: web.qcow2, size: 1 MiB } }\n\
         - { name: c, vcpus: 1, memory: 1 GiB, boot_disk: { image: nothing-like-it } }\n",
        &[
            "there is no image `wbe.qcow2`\n --> wrong.yaml:2:59",
            "hint: did you mean `web.qcow2`?",
            "there is no image `nothing-like-it`\n --> wrong.yaml:4:59",
            "hint: bring it with `vmscript image import default FILE`",
            "there is no network `defalut`\n --> wrong.yaml:2:97",
            "a boot disk of 1 MiB is smaller than its image, which has 2048 MiB\n --> wrong.yaml:3:76",
        ],
    ),
    (
        "name: a\nvcpus: 1\nmemory: 1 GiB\nboot_disk: { image: 'my images:none' }\n",
        &[
            "there is no image `my images:none`\n --> wrong.yaml:4:21",
            "hint: bring it with `vmscript image import 'my images' FILE`",
        ],
    ),
    (
        "name: a\nvcpus: 1\nmemory: 64 GiB\nboot_disk: { empty: true, size: 1 TiB, format: raw }\niso: debian.iso\ninterfaces:\n\
         - { network: default, mac: '52:54:00:00:00:01' }\n- { network: default, vlan: 5 }\n- { bridge: br7 }\n",
        &[
            "the host has 3072 MiB of memory, a needs 65536\n --> wrong.yaml:3:9",
            "pool `default` has 100.0 GiB left: raw disks of 1024.0 GiB do not fit\n --> wrong.yaml:4:33",
            "`iso`: `debian.iso` is no path of the host, which begins with `/`\n --> wrong.yaml:5:6",
            "libvirt before version 11 cannot tag a port of a Linux bridge\n --> wrong.yaml:8:29",
            "there is no bridge `br7`\n --> wrong.yaml:9:13",
        ],
    ),
    (
        "name: a\nvcpus: 1\nmemory: 1 GiB\nboot_disk: { image: /srv/images/none.qcow2 }\niso: /srv/images/none.iso\ninterfaces:\n\
         - { network: default, mac: '52:54:00:00:00:01' }\n- { network: default, address: 192.168.122.1/24 }\n",
        &[
            "MAC address 52:54:00:00:00:01 is already in use by machine web\n --> wrong.yaml:7:28",
            "IP address 192.168.122.1 is already in use by machine",
            "--> wrong.yaml:8:32",
            "no pool has the image `/srv/images/none.qcow2`\n --> wrong.yaml:4:21",
            "`iso`: pool `default` has no volume `none.iso`\n --> wrong.yaml:5:6",
        ],
    ),
    (
        "name: a\nvcpus: 1\nmemory: 1 GiB\nboot_disk: { empty: true, size: 1 GiB }\npool: ../x\nfw_cfg: {}\ninterfaces: \"{{ nics }}\"\ndata_disks: \"{{ disks }}\"\n",
        &[
            "`interfaces` needs Ansible's variable `nics`\n --> wrong.yaml:7:13",
            "`data_disks` needs Ansible's variable `disks`\n --> wrong.yaml:8:13",
        ],
    ),
    (
        "name: 5\nvcpus: 100000\nmemory: 1 GiB\nboot_disk: { empty: true, size: 1 GiB }\npool: ../x\nfw_cfg: {}\n",
        &[
            "`vcpus` must be at most 9999\n --> wrong.yaml:2:8",
            "`../x` is no name of a pool\n --> wrong.yaml:5:7",
            "`fw_cfg` needs `name`\n --> wrong.yaml:6:9",
            "`fw_cfg` needs `file`\n --> wrong.yaml:6:9",
        ],
    ),
    (
        "name: 5\nvcpus: 1\nmemory: 1 GiB\nboot_disk: { empty: true, size: 1 GiB }\nmachine: a b\n",
        &["not \"a b\"\n --> wrong.yaml:5:10"],
    ),
    (
        "apiVersion: foundry.cofront.xyz/v1alpha1\nkind: VirtualMachine\nmetadata: { name: a }\nspec:\n  vcpus: 1\n  memoryGiB: 1\n  bootDisk: { sizeGB: 1, empty: true }\n\
         \x20 networkInterfaces: [ { ip: 10.0.0.5/24, gateway: 10.0.0.1, bridge: br0 } ]\n  cloudInit:\n    fqdn: a.example.com\n    sshAuthorizedKeys:\n\
         \x20     - \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI<replace-with-your-public-key>\"\n    passwordHash: \"$6$...\"\n",
        &[
            "there is no bridge `br0`\n --> wrong.yaml:8:70",
            "this is no public ssh key\n  --> wrong.yaml:12:9",
            "hint: put in your own, such as the line in `id_ed25519.pub`",
            "this is no password hash of crypt(5)\n  --> wrong.yaml:13:19",
        ],
    ),
];

#[test]
fn what_users_get_wrong_is_told_at_once_with_its_place() {
    let host = Host::new();
    for (file, parts) in FILES {
        std::fs::write(host.folder().join("wrong.yaml"), file).expect("written");
        for more in [&[][..], &["--dry-run"]] {
            let output = host.command([&["vm", "create", "wrong.yaml"], more].concat()).output().expect("started");
            let told = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{file}{told}");
            for part in *parts {
                assert!(told.contains(part), "{part} is not told of\n{file}\n{told}");
            }
        }
    }
}
