//! What changes something can be tried without changing anything, and what destroys something asks.

use super::support::{Host, text};
use std::collections::BTreeSet;
use vmscript::script::{Recipe, Session, Settings};

/// The recipes that only read, or that change nothing but what the user sees.
const READING: &[&str] = &[
    "hypervisor bgp",
    "hypervisor check",
    "hypervisor dhcp",
    "hypervisor info",
    "image check",
    "image info",
    "image list",
    "inventory export",
    "inventory list",
    "network free-address",
    "network info",
    "network ipam",
    "network leases",
    "network list",
    "network users",
    "pool info",
    "pool list",
    "pool refresh",
    "routing bird",
    "spec catalogue",
    "spec lab",
    "spec load",
    "storage status",
    "vm console",
    "vm exec",
    "vm get",
    "vm ip",
    "vm list",
    "vm render",
    "vm snapshots",
    "vm ssh",
    "vm wait",
    "volume chain",
    "volume info",
    "volume list",
];

/// Those that destroy what cannot be made again, with a call that would.
const DESTROYING: &[(&str, &str)] = &[
    ("image delete", "image delete default web.qcow2"),
    ("lab down", "lab down lab.yaml"),
    ("network delete", "network delete --force default"),
    ("pool delete", "pool delete --force --with-volumes default"),
    ("vm delete-snapshot", "vm delete-snapshot web before"),
    ("vm destroy", "vm destroy web"),
    ("vm repave", "vm repave kept.yaml"),
    ("vm revert", "vm revert web before"),
    ("volume delete", "volume delete default web.qcow2"),
];

/// The others, with a call that would change something.
const CHANGING: &[(&str, &str)] = &[
    ("hypervisor hooks", "hypervisor::hooks(#{ folder: \".\", dry_run: true })"),
    ("hypervisor redfish", "hypervisor::redfish(#{ packages: false, dry_run: true })"),
    ("hypervisor serve-images", "hypervisor::serve_images(\"/srv/images\", #{ packages: false, dry_run: true })"),
    (
        "hypervisor setup",
        "hypervisor::setup(#{ packages: false, nested: true, bridge_netfilter: false, dry_run: true })",
    ),
    ("image import", "image::import_(\"default\", \"disk.raw\", #{ dry_run: true })"),
    ("image pull", "image::pull(\"default\", \"far\", #{ catalogue: \"images.yaml\", dry_run: true })"),
    ("image refresh", "image::refresh(\"default\", \"images.yaml\", #{ dry_run: true })"),
    ("inventory import", "inventory::import_(\"lab.yaml\", #{ dry_run: true })"),
    ("lab up", "lab::up(\"lab.yaml\", #{ dry_run: true })"),
    ("network create", "network::create(\"blue\", #{ address: \"10.17.3.1/24\", dry_run: true })"),
    ("network release", "network::release(\"default\", \"192.168.122.50\", #{ dry_run: true })"),
    ("network reserve", "network::reserve(\"default\", \"192.168.122.51\", \"52:54:00:00:00:51\", #{ dry_run: true })"),
    ("network start", "network::start(\"stopped\", #{ dry_run: true })"),
    ("network stop", "network::stop(\"default\", #{ force: true, dry_run: true })"),
    ("pool add", "pool::add(\"data\", \"/srv/data\", #{ dry_run: true })"),
    ("pool start", "pool::start(\"stopped\", #{ dry_run: true })"),
    ("pool stop", "pool::stop(\"default\", #{ force: true, dry_run: true })"),
    ("routing install-hook", "routing::install_hook(#{ folder: \".\", dry_run: true })"),
    ("vm adopt", "vm::adopt([\"idle\"], #{ volumes: [\"default/web.qcow2\"], dry_run: true })"),
    ("vm clone", "vm::clone(\"idle\", \"second\", #{ dry_run: true })"),
    ("vm create", "vm::create(\"lab.yaml\", #{ dry_run: true })"),
    ("vm label", "vm::label([\"web\"], #{ set: [\"a=b\"], dry_run: true })"),
    ("vm protect", "vm::protect([\"web\"], #{ dry_run: true })"),
    ("vm rename", "vm::rename(\"idle\", \"spare\", #{ dry_run: true })"),
    ("vm resize", "vm::resize([\"idle\"], #{ vcpus: 2, memory: \"1 GiB\", dry_run: true })"),
    ("vm restart", "vm::restart([\"web\"], #{ dry_run: true })"),
    ("vm snapshot", "vm::snapshot(\"web\", \"again\", #{ dry_run: true })"),
    ("vm start", "vm::start([\"idle\"], #{ dry_run: true })"),
    ("vm stop", "vm::stop([\"web\"], #{ dry_run: true })"),
    ("vm unprotect", "vm::unprotect([\"kept\"], #{ dry_run: true })"),
    ("volume clone", "volume::clone(\"default\", \"web.qcow2\", \"copy.qcow2\", #{ dry_run: true })"),
    ("volume create", "volume::create(\"default\", \"new.qcow2\", \"1 GiB\", #{ dry_run: true })"),
    ("volume download", "volume::download(\"default\", \"web.qcow2\", \"down.qcow2\", #{ dry_run: true })"),
    ("volume resize", "volume::resize(\"default\", \"web.qcow2\", \"40 GiB\", #{ dry_run: true })"),
    ("volume upload", "volume::upload(\"default\", \"disk.raw\", #{ dry_run: true })"),
    // And what destroys.
    ("image delete", "image::delete(\"default\", \"web.qcow2\", #{ dry_run: true })"),
    ("lab down", "lab::down(\"lab.yaml\", #{ dry_run: true })"),
    ("network delete", "network::delete(\"default\", #{ force: true, dry_run: true })"),
    ("pool delete", "pool::delete(\"default\", #{ force: true, with_volumes: true, dry_run: true })"),
    ("vm destroy", "vm::destroy([\"web\", \"idle\"], #{ dry_run: true })"),
    ("vm repave", "vm::repave(\"bare.yaml\", #{ dry_run: true })"),
    ("vm delete-snapshot", "vm::delete_snapshot(\"web\", \"before\", #{ dry_run: true })"),
    ("vm revert", "vm::revert(\"web\", \"before\", #{ delete: true, dry_run: true })"),
    ("volume delete", "volume::delete(\"default\", \"web.qcow2\", #{ dry_run: true })"),
];

const LAB: &str = "networks: [ { name: green } ]\npools: [ { type: dir, name: lab, target: { path: /srv/lab } } ]\nmachines:\n\
    - { name: new, vcpus: 1, memory: 1 GiB, seed: none, boot_disk: { empty: true, size: 1 GiB } }\n\
    - { name: web, vcpus: 3, memory: 1 GiB, seed: none, boot_disk: { empty: true, size: 1 GiB } }\n";
const IDLE: &str = "name: idle\nvcpus: 1\nmemory: 1 GiB\nseed: none\nboot_disk: { empty: true, size: 1 GiB }\n";
const KEPT: &str =
    "name: kept\nvcpus: 1\nmemory: 1 GiB\nprotect: true\nseed: none\nboot_disk: { empty: true, size: 1 GiB }\n";
const BARE: &str = "name: bare\nvcpus: 1\nmemory: 1 GiB\nseed: none\nboot_disk: { empty: true, size: 1 GiB }\n";
const IMAGES: &str = "vm_images: { far: { filename: far.raw, format: raw, download_url: disk.raw } }\n";

/// What the recipes could change.
const STATE: &str = "fn state() {
    let host = connect();
    let domains = host.domains().map(|vm| [vm.xml, vm.state, vm.is_protected, vm.labels, vm.owned_volumes, vm.snapshots().map(|one| one.name)]);
    let networks = host.networks().map(|net| [net.definition.xml, net.is_active]);
    let pools = host.pools().map(|pool| [pool.definition.xml, pool.is_active, if pool.is_active { pool.volumes().map(|one| [one.name, one.info]) }]);
    `${[domains, networks, pools]} ${run_program(\"find\", [\".\", \"-not\", \"-path\", \"./state*\"]).stdout}`
}\n";

fn recipes() -> Vec<(String, Recipe)> {
    let session = Session::new(&Settings::default());
    let of = |(module, imports): (String, Vec<String>)| {
        let recipes = session.recipes(&module, &imports).unwrap_or_else(|_| panic!("{module} parses"));
        let named = recipes.into_iter().filter(Recipe::is_command);
        named.map(move |one| (format!("{module} {}", one.command_name()), one)).collect::<Vec<_>>()
    };
    session.recipe_modules(&[]).into_iter().flat_map(of).collect()
}

fn host() -> Host {
    let host = Host::new();
    for (name, data) in
        [("lab.yaml", LAB), ("bare.yaml", BARE), ("idle.yaml", IDLE), ("images.yaml", IMAGES), ("kept.yaml", KEPT)]
    {
        std::fs::write(host.folder().join(name), data).expect("written");
    }
    // A boot sector.
    let mut disk = [0; 4096];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    std::fs::write(host.folder().join("disk.raw"), disk).expect("written");
    host
}

#[test]
fn each_recipe_that_changes_something_can_be_tried() {
    let known: BTreeSet<&str> = CHANGING.iter().map(|(name, _)| *name).chain(READING.iter().copied()).collect();
    for (name, recipe) in recipes() {
        assert!(known.contains(name.as_str()), "`{name}` is new: does it change something?");
        let has = |option: &str| recipe.options.iter().any(|field| field.name == option);
        assert_eq!(has("dry_run"), !READING.contains(&name.as_str()), "`{name}` and `--dry-run`");
        let destroys = DESTROYING.iter().any(|(destroying, _)| *destroying == name);
        assert_eq!(has("yes"), destroys, "`{name}` and `--yes`");
    }
    let calls: Vec<String> =
        CHANGING.iter().map(|(name, call)| format!("{call};\nassert(state() == before, {name:?});")).collect();
    let modules: BTreeSet<&str> = CHANGING.iter().filter_map(|(name, _)| name.split(' ').next()).collect();
    let imports: Vec<String> = modules.iter().map(|name| format!("import \"std/{name}\" as {name};")).collect();
    let prepare = "vm::snapshot(\"web\", \"before\");\nnetwork::reserve(\"default\", \"192.168.122.50\", \"52:54:00:00:00:50\");\n\
        network::create(\"stopped\", #{ mode: \"isolated\" });\nnetwork::stop(\"stopped\");\npool::add(\"stopped\", \"/srv/stopped\");\npool::stop(\"stopped\");\n\
        vm::create(\"kept.yaml\");\nvm::create(\"bare.yaml\");\nwrite_file(\"script.rhai\", \"\");\nlet before = state();\n";
    let output =
        host().run(&format!("{}\n{STATE}{prepare}{}\nprint(\"all tried\");", imports.join("\n"), calls.join("\n")));
    let shown = text(&output.stdout);
    assert!(output.status.success() && shown.ends_with("all tried\n"), "{shown}{}", text(&output.stderr));
}

/// What the real run refuses, with the words by which both do so.
const REFUSED: &[(&str, &str)] = &[
    ("network::create(\"blue\", #{ address: \"192.168.122.9/24\"", "has addresses of `192.168.122.0/24`"),
    ("network::create(\"blue\", #{ address: \"10.9.0.1/24\", dhcp: \"10.8.0.5-10.8.0.9\"", "is not in `10.9.0.0/24`"),
    ("network::create(\"blue\", #{ mode: \"bridge\", bridge: \"nosuch0\"", "there is no bridge `nosuch0`"),
    ("network::create(\"a/b\", #{ mode: \"isolated\"", "no name of a network"),
    (
        "network::create(\"default\", #{ mode: \"isolated\"",
        "\n  mode nat -> isolated\n  address 192.168.122.1/24 -> none\n",
    ),
    ("network::stop(\"default\", #{ force: false", "is in use by `net`"),
    ("network::delete(\"used\", #{ yes: true", "is in use by `net`"),
    (
        "network::reserve(\"default\", \"10.0.0.1\", \"52:54:00:00:00:52\", #{ host_name: ()",
        "has no subnet with 10.0.0.1",
    ),
    (
        "network::reserve(\"default\", \"192.168.122.50\", \"52:54:00:00:00:52\", #{ host_name: ()",
        "keeps 192.168.122.50 for 52:54:00:00:00:50",
    ),
    (
        "network::reserve(\"default\", \"192.168.122.52\", \"52:54:00:00:00:50\", #{ host_name: ()",
        "keeps 192.168.122.50 for 52:54:00:00:00:50",
    ),
    ("network::reserve(\"default\", \"192.168.122.52\", \"zz\", #{ host_name: ()", "zz"),
    ("pool::add(\"data\", \"srv\", #{ autostart: true", "from `/` on"),
    ("pool::add(\"a/b\", \"/srv/data\", #{ autostart: true", "no name of a pool"),
    ("pool::add(\"more\", \"/srv/images/\", #{ autostart: true", "is that of the pool `default`"),
    ("pool::add(\"default\", \"/srv/data\", #{ autostart: true", "there is another pool `default`"),
    ("pool::stop(\"data\", #{ force: false", "is in use by `net`"),
    ("pool::delete(\"data\", #{ yes: true", "is in use by `net`"),
    ("pool::delete(\"data\", #{ with_volumes: true, yes: true", "is in use by `net`"),
    (
        "volume::create(\"default\", \"web.qcow2\", \"1 GiB\", #{ format: \"raw\"",
        "there is a volume `web.qcow2` already",
    ),
    ("volume::create(\"default\", \"small\", \"1 MiB\", #{ backing: \"web.qcow2\"", "cannot have 1048576"),
    (
        "volume::clone(\"default\", \"web.qcow2\", \"web.qcow2\", #{ dry_run: false",
        "there is a volume `web.qcow2` already",
    ),
    ("volume::clone(\"data\", \"disk\", \"copy\", #{ dry_run: false", "`net` runs and writes to `disk`"),
    ("volume::upload(\"default\", \"nosuch\", #{ name: \"a\"", "there is no file `nosuch`"),
    (
        "volume::download(\"default\", \"web.qcow2\", \"no/such/x\", #{ force: true",
        "there is no folder for `no/such/x`",
    ),
    (
        "volume::download(\"default\", \"web.qcow2\", \"disk.raw\", #{ force: false",
        "there is a file `disk.raw` already",
    ),
    ("volume::resize(\"default\", \"web.qcow2\", \"1 MiB\", #{ dry_run: false", "would lose what is behind"),
    ("volume::resize(\"data\", \"disk\", \"9 GiB\", #{ dry_run: false", "`disk` is a disk of `net`, which runs"),
    ("volume::delete(\"data\", \"disk\", #{ yes: true", "it is needed by domain `net`"),
    ("image::delete(\"data\", \"disk\", #{ yes: true", "it is needed by domain `net`"),
    ("image::import_(\"default\", \"lab.yaml\", #{ force: false", "without anything to start from"),
    ("image::import_(\"default\", \"disk.raw\", #{ name: \"disk.qcow2\"", "which its name denies"),
];

#[test]
fn a_dry_run_refuses_what_the_real_run_refuses() {
    let calls: Vec<String> = REFUSED
        .iter()
        .flat_map(|(call, words)| [false, true].map(|dry| (call, words, dry)))
        .map(|(call, words, dry)| {
            // The last one of two fields counts.
            let call = call.replace("dry_run: false", "");
            let comma = if call.ends_with("#{ ") { "" } else { ", " };
            format!("refused({words:?}, || {call}{comma}dry_run: {dry} }}));")
        })
        .collect();
    let prepare = "network::reserve(\"default\", \"192.168.122.50\", \"52:54:00:00:00:50\");
        network::create(\"used\", #{ mode: \"isolated\" });
        pool::add(\"data\", \"/srv/data\");
        volume::create(\"data\", \"disk\", \"1 GiB\");
        let card = |network| #{ type: \"network\", source: #{ network: network } };
        connect().define_domain(#{ type: \"test\", name: \"net\", memory: \"64 MiB\", os: #{ type: \"hvm\" }, devices: #{
            interfaces: [card.call(\"default\"), card.call(\"used\")],
            disks: [ #{ type: \"volume\", source: #{ pool: \"data\", volume: \"disk\" }, target: #{ dev: \"vda\" } } ],
        } }).start();
        fn refused(words, deed) {
            try { deed.call(); } catch (err) { assert(err.message.contains(words), `${err.message}: not ${words}`); return; }
            throw `not refused: ${words}`;
        }";
    let imports = ["image", "network", "pool", "volume"].map(|name| format!("import \"std/{name}\" as {name};"));
    let output = host().run(&format!("{}\n{prepare}\n{}", imports.join("\n"), calls.join("\n")));
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn what_destroys_needs_a_yes_where_nobody_can_be_asked() {
    for (name, command) in DESTROYING {
        // The test driver forgets the snapshot that a command made, so this one is a script.
        let needs_state = ["vm delete-snapshot", "vm revert"].contains(name);
        let output = if needs_state {
            let call = name.replace("vm ", "vm::").replace('-', "_");
            host().run(&format!(
                "import \"std/vm\" as vm; vm::snapshot(\"web\", \"before\"); {call}(\"web\", \"before\");"
            ))
        } else {
            host().command(command.split(' ')).output().expect("started")
        };
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command}: {told}");
        let answer = if needs_state { "`yes: true` answers it" } else { "`--yes` answers it" };
        assert!(told.contains("nobody can be asked: ") && told.contains(answer), "{command}: {told}");
    }
}

#[test]
fn recipes_tell_their_steps_beside_the_result() {
    let host = host();
    let run = |args: &[&str]| {
        let output = host.command(args).output().expect("started");
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        // What takes longer on a busy machine tells how long.
        let told = text(&output.stderr);
        let steps: Vec<&str> = told.lines().map(|line| line.split(" (").next().unwrap_or(line)).collect();
        let told = if steps.is_empty() { String::new() } else { steps.join("\n") + "\n" };
        (text(&output.stdout), told)
    };
    let (result, told) = run(&["vm", "create", "kept.yaml", "-o", "json"]);
    let result: serde_json::Value = serde_json::from_str(&result).expect("JSON alone");
    assert_eq!(result[0]["result"], "created");
    assert_eq!(
        told,
        "✓ volume kept_boot: create\n✓ volume kept_console.log: create\n✓ domain kept: define\n✓ domain kept: start\n"
    );
    assert_eq!(run(&["vm", "create", "kept.yaml", "--quiet"]).1, "");
    assert_eq!(run(&["--quiet", "vm", "create", "kept.yaml"]).1, "");
    assert_eq!(run(&["vm", "destroy", "web", "--yes"]).1, "✓ domain web: stop\n✓ domain web: undefine\n");
    let recipe = "/// Works.\nfn work() { step(\"here\", \"count\", || 6 * 7) }";
    std::fs::create_dir_all(host.folder().join("recipes")).expect("made");
    std::fs::write(host.folder().join("recipes/mine.rhai"), recipe).expect("written");
    assert_eq!(run(&["mine", "work"]), ("42\n".to_string(), "✓ here: count\n".to_string()));
    // A script says itself what it wants to say.
    let output = host.run("import \"std/vm\" as vm; vm::create(\"kept.yaml\", #{ start: false });");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn a_refusal_does_not_show_the_program_inside() {
    let host = host();
    let output = host.command(["vm", "create", "kept.yaml", "--wait", "1s"]).output().expect("started");
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(told.starts_with("error: kept has no interfaces: there is no address to wait for\n"), "{told}");
    assert!(!told.contains("std/"), "{told}");
}
