//! What is recorded of a machine, and removing it by that record.

use super::support::{Host, text};

/// Makes machines of this name with a disk of their own.
const MAKE: &str = "fn make(name) {
    let volume = #{ name: name + \"_boot\", capacity: 1024, target: #{ format: \"qcow2\" } };
    let disk = #{ type: \"volume\", source: #{ pool: \"default\", volume: name + \"_boot\" }, target: \"vda\" };
    let machine = #{ type: \"test\", name: name, memory: \"64 MiB\", os: #{ type: \"hvm\" }, devices: #{ disks: [disk] } };
    connect().provision(machine, #{ storage: [ #{ pool: \"default\", volume: volume } ] })
}
fn disk_names() { connect().pool(\"default\").volumes().map(|volume| volume.name) }\n";

fn run(script: &str) -> String {
    let output = Host::new().run(&format!("{MAKE}{script}"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn removing_a_machine_deletes_its_own_volumes_and_no_others() {
    let shown = run("let before = disk_names();
        make(\"shop\"); make(\"shop_db\"); make(\"shop-2\");
        connect().pool(\"default\").create_volume(#{ name: \"shop_boot_old\", capacity: 1, target: #{ format: \"raw\" } });
        print(connect().domain(\"shop\").remove().volumes);
        for name in [\"shop_db_boot\", \"shop-2_boot\", \"shop_boot_old\"] { assert(name in disk_names(), name); }
        assert(!(\"shop_boot\" in disk_names()));
        assert(connect().domain(\"shop_db\").is_active);
        connect().domain(\"shop_db\").remove();
        connect().domain(\"shop-2\").remove();
        connect().pool(\"default\").volume(\"shop_boot_old\").delete();
        assert_eq(disk_names(), before);");
    assert_eq!(shown, "[#{\"name\": \"shop_boot\", \"pool\": \"default\"}]\n");
}

#[test]
fn a_volume_that_another_machine_needs_is_found_before_anything_is_touched() {
    let shown = run("make(\"base\");
        let disk = #{ type: \"volume\", source: #{ pool: \"default\", volume: \"base_boot\" }, target: \"vdb\" };
        connect().define_domain(#{
            type: \"test\", name: \"second\", memory: \"64 MiB\", os: #{ type: \"hvm\" }, devices: #{ disks: [disk] },
        });
        try { connect().domain(\"base\").remove(); } catch (err) { print(err.message); }
        print(connect().domain(\"base\").is_active);
        connect().domain(\"second\").remove();
        connect().domain(\"base\").remove();");
    let told = "cannot remove domain `base`: its volumes are needed by domain `second`\n";
    assert_eq!(shown, format!("{told}true\n"));
}

#[test]
fn a_missing_volume_is_told_and_kept_volumes_stay() {
    let shown = run("let vm = make(\"one\");
        vm.destroy();
        connect().pool(\"default\").volume(\"one_boot\").delete(#{ force: true });
        print(vm.remove().missing);
        let kept = make(\"two\").remove(#{ keep_volumes: true });
        print(kept.volumes);
        print(\"two_boot\" in disk_names());");
    assert_eq!(shown, "[#{\"name\": \"one_boot\", \"pool\": \"default\"}]\n[]\ntrue\n");
}

#[test]
fn a_renamed_machine_is_no_other_one_to_who_had_it_before() {
    let shown = run("let vm = make(\"former\");
        vm.destroy();
        vm.rename(\"latter\");
        print(vm.remove().volumes);");
    assert_eq!(shown, "[#{\"name\": \"former_boot\", \"pool\": \"default\"}]\n");
}

#[test]
fn whoever_looks_at_a_machine_changes_no_record() {
    let script = "import \"std/view\" as view;
        let host = connect((), #{ read_only: true });
        print(view::all_of(host.domain(\"web\")).owned_volumes);";
    let output = Host::new().run(script);
    assert_eq!(text(&output.stdout), "[]\n", "{}", text(&output.stderr));
}
