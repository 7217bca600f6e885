//! Each recipe that can be a command has a test: here, or in a file that calls it as a command or from a script.

use super::support::{Host, root, text};
use std::collections::BTreeSet;
use vmscript::script::{Recipe, Session, Settings};

/// What a recipe does on the test driver, where no other test would call it for its own sake.
const HERE: &[(&str, &str)] = &[
    (
        "hypervisor bgp",
        "let text = hypervisor::bgp(\"10.0.0.11\", 65011, \"10.0.0.1\", 65000);
        assert(text.contains(\"neighbor 10.0.0.1 as 65000;\"));
        try { hypervisor::bgp(\"10.0.0.11\", 0, \"10.0.0.1\", 65000); throw \"taken\"; } catch (err) { assert_eq(err.code, \"invalid-argument\"); }",
    ),
    (
        "hypervisor check",
        "let rows = hypervisor::check();
        assert(rows.all(|one| one.ok == (one.fix == \"\")));
        assert_eq(rows.filter(|one| one.name == \"forwarding\")[0].ok, read_file(\"/proc/sys/net/ipv4/ip_forward\") == \"1\\n\");
        let fit = true;
        try { hypervisor::check(#{ strict: true }); } catch (err) { fit = false; assert(err.message.starts_with(\"the machine is not fit: \")); }
        assert_eq(fit, !rows.some(|one| one.needed && !one.ok));",
    ),
    (
        "hypervisor dhcp",
        "let text = hypervisor::dhcp(\"br0\", #{ host: [\"52:54:00:00:00:01=10.0.0.5\"], dns: [\"10.0.0.1\", \"10.0.0.2\"] });
        assert(text.contains(\"dhcp-host=52:54:00:00:00:01,10.0.0.5\\n\"));
        assert(text.contains(\"dhcp-option=option:dns-server,10.0.0.1,10.0.0.2\\n\"));
        try { hypervisor::dhcp(\"br0\", #{ range: \"10.0.0.5\" }); throw \"taken\"; } catch (err) { assert(err.message.contains(\"FIRST-LAST\")); }",
    ),
    (
        "hypervisor hooks",
        "hypervisor::hooks(#{ folder: \".\", program: \"/bin/sh\" });
        assert(read_file(\"vmscript\").contains(\"test -x '/bin/sh' || exit 0\\nexec '/bin/sh' \"));
        try { hypervisor::hooks(#{ folder: \".\", program: \"/no/vmscript\" }); throw \"taken\"; } catch (err) { assert_eq(err.code, \"not-found\"); }",
    ),
    (
        "hypervisor setup",
        "for on in [true, false] {
            let nested = hypervisor::setup(#{ packages: false, forwarding: false, nested: on, dry_run: true })[0];
            assert_eq(nested.name, \"nested virtualization\");
            assert(nested.result == \"is so\" || nested.change.contains(`kvm_intel nested=${if on { 1 } else { 0 }}`));
        }
        let how = #{ packages: false, forwarding: false, default_pool: true };
        let pool = connect().pool(\"default\");
        assert_eq(hypervisor::setup(how)[-1].result, \"is so\");
        pool.destroy();
        assert_eq(hypervisor::setup(how + #{ dry_run: true })[-1].result, \"would change\");
        assert_eq(hypervisor::setup(how)[-1].result, \"changed\");
        assert(pool.is_active);",
    ),
    ("hypervisor info", "let found = hypervisor::info(); assert_eq([found.domains, found.running, found.pools], [2, 1, 1]);"),
    ("image info", "assert_eq(image::info(\"debian-13\").name, \"debian-13\");"),
    (
        "image list",
        "write_file(\"mine.yaml\", \"vm_images: { mine: { url: /srv/mine.qcow2, format: qcow2 } }\");
        assert_eq(image::list(#{ search: \"mine\", catalogue: \"mine.yaml\" }).map(|one| one.name), [\"mine\"]);
        assert(image::list(#{ search: \"debian\", architecture: \"aarch64\" }).all(|one| one.architecture == \"aarch64\"));",
    ),
    (
        "inventory list",
        "let web = connect().domain(\"web\");
        web.labels = #{ role: \"web\" };
        assert_eq(inventory::list(#{ label: \"role=web\" }),
            [#{ name: \"web\", state: \"running\", labels: #{ role: \"web\" }, address: \"192.168.122.3\" }]);
        assert_eq(inventory::list().map(|one| one.address), [(), \"192.168.122.3\"]);
        assert_eq(inventory::list(#{ active: false }).map(|one| one.name), [\"idle\"]);",
    ),
    (
        "network free-address",
        "network::reserve(\"default\", \"192.168.122.50\", \"52:54:00:00:00:50\");
        assert_eq(network::free_address(\"default\", #{ range: \"192.168.122.50-192.168.122.51\" }), \"192.168.122.51/24\");",
    ),
    (
        "network ipam",
        "network::reserve(\"default\", \"192.168.122.50\", \"52:54:00:00:00:50\", #{ host_name: \"db\" });
        let held = network::ipam(\"default\").find(|one| one.addr.contains(\"192.168.122.50\"));
        assert_eq(held.hwaddr, \"52:54:00:00:00:50\");",
    ),
    (
        "network release",
        "network::reserve(\"default\", \"192.168.122.50\", \"52:54:00:00:00:50\");
        network::release(\"default\", \"192.168.122.50\");
        assert_eq(connect().network(\"default\").reservations(), []);",
    ),
    (
        "network reserve",
        "network::reserve(\"default\", \"192.168.122.50\", \"52:54:00:00:00:50\");
        assert_eq(connect().network(\"default\").reservations()[0].hwaddr, \"52:54:00:00:00:50\");",
    ),
    ("pool info", "let found = pool::info(\"default\"); assert_eq([found.path, found.type, found.volumes], [\"/srv/images\", \"dir\", 1]);"),
    (
        "pool list",
        "pool::add(\"data\", \"/srv/data\");
        connect().pool(\"data\").destroy();
        assert_eq(pool::list().map(|one| one.state), [\"inactive\", \"running\"]);
        assert_eq(pool::list(#{ active: true }).map(|one| one.name), [\"default\"]);",
    ),
    ("pool refresh", "pool::refresh(\"default\"); assert_eq(connect().pool(\"default\").volumes().len(), 1);"),
    ("routing bird", "assert(routing::bird(\"10.0.0.11\", 65011, \"10.0.0.1\", 65000).contains(\"router id 10.0.0.11;\"));"),
    (
        "spec catalogue",
        "write_file(\"images.yaml\", \"vm_images: { one: { filename: one.qcow2, format: qcow2, download_url: 'https://example.com/one' } }\");
        assert_eq(spec::catalogue(\"images.yaml\").map(|one| [one.name, one.file]), [[\"one\", \"one.qcow2\"]]);",
    ),
    (
        "spec lab",
        "write_file(\"lab.yaml\", \"lab: home\\n---\\n---\\nnetworks: [ { name: b } ]\\n\");
        assert_eq(spec::lab(\"lab.yaml\").documents.map(|one| one.keys()), [[\"lab\"], [\"networks\"]]);",
    ),
    (
        "spec load",
        "write_file(\"db.yaml\", \"name: db\\nvcpus: 1\\nmemory: 1 GiB\\nboot_disk: { empty: true, size: 1 GiB }\\n\");
        assert_eq(spec::load(\"db.yaml\", #{ set: [\"db.vcpus=3\"] })[0].vcpus, 3);",
    ),
    (
        "storage status",
        "let web = connect().domain(\"web\");
        web.owned_volumes = [#{ pool: \"default\", name: \"web.qcow2\" }];
        let found = storage::status();
        assert_eq([found[0].name, found[0].volumes, found[0].of_machines, found[0].of_nobody], [\"default\", 1, 1, 0]);
        connect().pool(\"default\").destroy();
        assert_eq([storage::status()[0].state, storage::status()[0].volumes], [\"inactive\", 0]);",
    ),
    (
        "vm restart",
        "assert_eq(vm::restart([\"web\", \"idle\"], #{ timeout: \"5s\" }).map(|one| one.result), [\"restarted\", \"restarted\"]);
        assert_eq(connect().domain(\"idle\").state, \"running\");",
    ),
    (
        "volume chain",
        "let chain = volume::chain(\"default\", \"web.qcow2\");
        assert_eq(chain, #{ chain: [\"/srv/images/web.qcow2\"], domains: [], overlays: [] });",
    ),
    ("volume info", "assert_eq(volume::info(\"default\", \"web.qcow2\").path, \"/srv/images/web.qcow2\");"),
];

/// Where tests are that call recipes. Those of `--dry-run` do not count: nothing happens there.
const TESTS: &[&str] = &["tests/driver", "tests/live", "tests/recipes"];
const UNCOUNTED: &[&str] = &["dry_run.rs", "each_recipe.rs"];

fn recipes() -> Vec<Recipe> {
    let session = Session::new(&Settings::default());
    let of = |(module, imports): (String, Vec<String>)| {
        let recipes = session.recipes(&module, &imports).unwrap_or_else(|_| panic!("{module} parses"));
        recipes.into_iter().filter(Recipe::is_command)
    };
    session.recipe_modules(&[]).into_iter().flat_map(of).collect()
}

fn name(recipe: &Recipe) -> String {
    format!("{} {}", recipe.module, recipe.command_name())
}

/// The texts of the tests, without what lies between words.
fn tests() -> String {
    let files = TESTS.iter().flat_map(|folder| std::fs::read_dir(root().join(folder)).expect("a folder of tests"));
    let files = files.map(|file| file.expect("a file").path());
    let counted = files.filter(|file| {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        file.is_file() && !UNCOUNTED.contains(&name)
    });
    let texts = counted.map(|file| std::fs::read_to_string(file).expect("a test can be read"));
    texts.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_recipe_has_a_test() {
    let tests = tests();
    let here: BTreeSet<&str> = HERE.iter().map(|(name, _)| *name).collect();
    let mut wrong = Vec::new();
    for recipe in recipes() {
        let name = name(&recipe);
        let (module, command) = (&recipe.module, recipe.command_name());
        let called = [
            format!("{module}::{}(", recipe.name),
            format!("\"{module}\", \"{command}\""),
            format!("\"{name} "),
            format!("\" {name} "),
        ];
        if !here.contains(name.as_str()) && !called.iter().any(|call| tests.contains(call.as_str())) {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "nothing tests {}", wrong.join(", "));
}

#[test]
fn what_is_tested_here_holds() {
    let known: BTreeSet<String> = recipes().iter().map(name).collect();
    for (name, script) in HERE {
        assert!(known.contains(*name), "there is no recipe `{name}` any more");
        let module = name.split(' ').next().expect("a module");
        let output = Host::new().run(&format!("import \"std/{module}\" as {module};\n{script}"));
        assert!(output.status.success(), "{name}: {}{}", text(&output.stdout), text(&output.stderr));
    }
}
