//! Objects and their verbs, seen from outside and from inside the guest.

use super::lab::{Guest, lab, wait};
use super::program::prints;
use std::time::{Duration, Instant};
use vmscript::floor::{Code, Map};
use vmscript::libvirt::{Apply, BlockJobOptions, DeleteSnapshot, Domain, Exec, Filter, Revert, Snap, Source};

/// What a shell command in the guest prints.
pub(crate) fn shell(domain: &Domain, command: &str) -> String {
    let exec = Exec {
        path: "/bin/sh".into(),
        args: vec!["-c".into(), command.into()],
        env: Vec::new(),
        input: None,
        timeout: Duration::from_secs(60),
    };
    // After a start, and after a return from a file, the agent needs a moment to come back.
    let deadline = Instant::now() + Duration::from_secs(60);
    let ended = loop {
        match domain.exec(&exec) {
            Err(error) if error.code == Code::AgentUnavailable && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(200));
            }
            answer => break answer.expect("the agent runs it"),
        }
    };
    assert_eq!(ended.exit_code, Some(0), "{command}: {ended:?}");
    let [stdout, _] = ended.texts();
    stdout
}

#[test]
fn many_domains_are_asked_at_once() {
    let host = &lab().host;
    let names: Vec<String> = (0..5).map(|number| format!("bulk-{number}")).collect();
    let made: Vec<_> = names
        .iter()
        .map(|name| {
            let xml = format!(
                "<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>2</vcpu>
                 <os><type>hvm</type></os></domain>"
            );
            host.define_domain(&xml).expect("defined")
        })
        .collect();
    let filter = Filter { name: Some("bulk-*".into()), active: Some(false), ..Filter::default() };
    let listed = host.domains_where(&filter).expect("listed");
    assert_eq!(listed.iter().map(|one| one.name().to_string()).collect::<Vec<_>>(), names);
    let stats = host.domain_stats(&["state", "balloon", "vcpu"], &filter).expect("asked");
    println!("{stats:?}");
    assert_eq!(stats.len(), 5);
    assert!(stats.iter().all(|one| one["state"].as_str() == Some("shut off")));
    assert!(stats.iter().all(|one| one["balloon"].as_map().is_some_and(|map| map["maximum"] == (64_i64 << 20).into())));
    // Those that run are asked one by one, the others at once: all tell the same.
    for running in &made[..3] {
        running.start().expect("started");
    }
    let all = Filter { name: Some("bulk-*".into()), ..Filter::default() };
    let stats = host.domain_stats(&["info"], &all).expect("asked");
    let told = |one: &Map| (one["state"].as_str().unwrap_or_default().to_string(), one["info"].clone());
    let told: Vec<_> = stats.iter().map(told).collect();
    let info = told[4].1.as_map().expect("a map").clone();
    assert_eq!((&info["max_memory"], &info["vcpus"]), (&(64_i64 << 20).into(), &2_i64.into()));
    for (number, (state, told)) in told.iter().enumerate() {
        assert_eq!(state, if number < 3 { "running" } else { "shut off" });
        assert_eq!(told.as_map(), Some(&info), "{number}");
    }
    for running in &made[..3] {
        running.destroy(false).expect("stopped");
    }
    for domain in made {
        domain.undefine().expect("undefined");
    }
}

#[test]
fn devices_come_and_go_in_a_running_guest() {
    let guest = Guest { name: "hotplug", mac: "52:54:00:1a:00:10", network: "lab", uefi: false };
    let vm = guest.provision(Some(wait(120, &[Source::Agent]))).expect("provisioned").domain;
    let volume = lab()
        .pool
        .create_volume("<volume><name>hot.raw</name><capacity unit='MiB'>32</capacity></volume>")
        .expect("created");
    let disk = format!(
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'/>
         <target dev='vdh' bus='virtio'/></disk>",
        volume.path().expect("known")
    );
    vm.attach_device(&disk, Apply::Both).expect("attached");
    vm.attach_device(
        "<interface type='network'><mac address='52:54:00:1a:00:11'/><source network='lab'/><model type='virtio'/>
         </interface>",
        Apply::Both,
    )
    .expect("attached");
    let end = Instant::now() + Duration::from_secs(20);
    while !(shell(&vm, "cat /proc/partitions").contains("vdb")
        && shell(&vm, "cat /sys/class/net/*/address").contains("52:54:00:1a:00:11"))
    {
        assert!(
            Instant::now() < end,
            "the guest sees neither: {}",
            shell(&vm, "cat /proc/partitions; ls /sys/class/net")
        );
    }
    assert!(vm.inactive_xml().expect("read").contains("vdh"), "the definition has it too");
    vm.block_resize("vdh", 64 << 20).expect("resized");
    assert_eq!(shell(&vm, "cat /sys/block/vdb/size").trim(), "131072");
    vm.set_link_state(guest.mac, false, Apply::Live).expect("pulled");
    assert_eq!(shell(&vm, "cat /sys/class/net/eth0/carrier").trim(), "0");
    vm.set_link_state(guest.mac, true, Apply::Live).expect("put back");
    vm.detach_device("vdh", Apply::Both).expect("detached");
    vm.detach_device("52:54:00:1a:00:11", Apply::Both).expect("detached");
    assert!(!shell(&vm, "cat /proc/partitions").contains("vdb"));
    assert!(!vm.inactive_xml().expect("read").contains("vdh"), "the definition has not any more");
    let error = vm.detach_device("vdz", Apply::Both).expect_err("there is no such disk");
    assert_eq!((error.code, error.hints.as_slice()), (Code::NotFound, ["did you mean `vda`?".to_string()].as_slice()));
    volume.delete().expect("deleted");
    guest.remove(&vm);
}

#[test]
fn the_agent_works_in_the_guest_and_its_absence_is_noticed_at_once() {
    let guest = Guest { name: "agent", mac: "52:54:00:1a:00:12", network: "lab", uefi: false };
    let vm = guest.provision(None).expect("provisioned").domain;
    // The guest has not booted yet.
    let begin = Instant::now();
    assert!(!vm.agent_ping().expect("an answer"));
    let error = vm.read_guest_file("/etc/passwd").expect_err("no agent yet");
    assert_eq!(error.code, Code::AgentUnavailable, "{error}");
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    vm.wait_for_ip(&wait(120, &[Source::Agent])).expect("booted");
    assert!(vm.agent_ping().expect("an answer"));

    let cat = Exec {
        path: "/bin/sh".into(),
        args: vec!["-c".into(), "cat; echo $GREETING >&2; exit 3".into()],
        env: vec!["GREETING=hello".into()],
        input: Some(b"from outside".to_vec()),
        timeout: Duration::from_secs(20),
    };
    let ended = vm.exec(&cat).expect("ran");
    assert_eq!((ended.exit_code, ended.texts()), (Some(3), ["from outside", "hello\n"].map(str::to_string)));
    let slow = Exec { args: vec!["-c".into(), "sleep 30".into()], timeout: Duration::from_secs(1), ..cat };
    assert_eq!(vm.exec(&slow).expect_err("too slow").code, Code::Timeout);
    // An agent that falls silent meanwhile has no more time than the program.
    let hung = "sleep 1; kill -STOP $PPID; sleep 29; kill -CONT $PPID";
    let silent = Exec { args: vec!["-c".into(), hung.into()], timeout: Duration::from_secs(3), ..slow };
    let begin = Instant::now();
    let error = vm.exec(&silent).expect_err("silent");
    assert_eq!(error.code, Code::Timeout, "{error}");
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert!(error.message.contains("did not tell within 3 s how"), "{error}");
    vm.wait_for_ip(&wait(60, &[Source::Agent])).expect("it answers again");

    let data: Vec<u8> = (0..600_000_u32).map(|at| u8::try_from(at % 251).expect("below 251")).collect();
    vm.write_guest_file("/tmp/data", &data).expect("written");
    assert!(vm.read_guest_file("/tmp/data").expect("read") == data, "the file came back as it went");
    assert_eq!(shell(&vm, "wc -c < /tmp/data").trim(), "600000");
    let script = r#"let vm = connect().domain("agent");
        let data = blob(70000, 0xfe);
        vm.write_file("/tmp/odd", data);
        assert_eq(vm.read_file("/tmp/odd", #{ binary: true }), data);
        print(vm.read_file("/tmp/odd").len);"#;
    assert_eq!(prints(script), "70000\n");
    println!("{:?}", vm.guest_info().expect("told"));
    guest.remove(&vm);
}

#[test]
fn snapshots_take_a_guest_back_and_layers_are_merged() {
    let guest = Guest { name: "snaps", mac: "52:54:00:1a:00:13", network: "lab", uefi: false };
    let vm = guest.provision(Some(wait(120, &[Source::Agent]))).expect("provisioned").domain;
    shell(&vm, "echo old > /tmp/note");
    let snapshot = vm
        .create_snapshot("<domainsnapshot><name>before</name></domainsnapshot>", Snap::default())
        .expect("made, with memory");
    shell(&vm, "echo new > /tmp/note");
    snapshot.revert(Revert::default()).expect("taken back");
    assert_eq!(vm.state().expect("known").word(), "running");
    assert_eq!(shell(&vm, "cat /tmp/note"), "old\n");
    assert_eq!(vm.current_snapshot().expect("asked").expect("there is one").name(), "before");
    assert_eq!(vm.snapshot("befor").expect_err("no such").hints, ["did you mean `before`?"]);
    snapshot.delete(DeleteSnapshot::default()).expect("deleted");
    assert!(vm.snapshots().expect("listed").is_empty());

    // A layer above the disk, which is merged again while the guest runs.
    let base = vm.device("vda").expect("its disk");
    let layer =
        "<domainsnapshot><name>layer</name><disks><disk name='vda' snapshot='external'/></disks></domainsnapshot>";
    vm.create_snapshot(layer, Snap { disk_only: true, atomic: true, no_metadata: true, ..Snap::default() })
        .expect("made, without memory");
    assert_eq!(vm.backing_file("vda").expect("known").as_deref(), Some("/var/lib/libvirt/live/snaps.qcow2"));
    shell(&vm, "dd if=/dev/zero of=/dev/null bs=1k count=1");
    vm.block_commit("vda", &BlockJobOptions::default()).expect("merged");
    assert_eq!(vm.backing_file("vda").expect("known"), None);
    assert!(vm.device("vda").expect("its disk").contains("snaps.qcow2"), "{base}");

    // The guest moves to a copy of its disk.
    let copy = "<disk type='file'><driver type='qcow2'/><source file='/var/lib/libvirt/live/moved.qcow2'/></disk>";
    vm.block_copy("vda", copy, &BlockJobOptions::default()).expect("copied");
    assert!(vm.device("vda").expect("its disk").contains("moved.qcow2"));
    assert!(vm.block_job("vda").expect("asked").is_none());
    assert!(
        !shell(&vm, "dd if=/dev/vda of=/dev/null bs=64k count=16 2>&1").is_empty() || vm.agent_ping().expect("asked")
    );
    guest.remove(&vm);
    lab().pool.refresh().expect("refreshed");
    for left in ["moved.qcow2", "snaps.layer-1.qcow2"] {
        lab().pool.volume(left).expect("there").delete().expect("deleted");
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    prints(
        r#"let host = connect();
        for look in [|| host.nwfilter("nope"), || host.node_device("nope"), || host.nwfilter_binding("nope")] {
            let error = ();
            try { look.call(); } catch (err) { error = err; }
            assert_eq(error.code, "not-found");
            assert(error.hints.len() > 0, error.message);
        }"#,
    );
}
