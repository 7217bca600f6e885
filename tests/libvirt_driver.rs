//! The libvirt room on libvirt's embedded test driver: a host of its own for each test, from a file.

use std::fs;
use std::time::Duration;
use tempfile::TempDir;
use vmscript::floor::Code;
use vmscript::floor::clock::Clock;
use vmscript::libvirt::{
    Condition, Content, EventKind, Family, Host, Mode, Provision, Snap, Source, Storage, WaitIp, WaitOptions, wait,
    wait_all, wait_any,
};

const HOST: &str = "<node>
  <network>
    <name>default</name><bridge name='virbr0'/>
    <ip address='192.168.122.1' netmask='255.255.255.0'>
      <dhcp><range start='192.168.122.128' end='192.168.122.253'/></dhcp>
    </ip>
  </network>
  <pool type='dir'><name>images</name><target><path>/images</path></target></pool>
</node>";

fn host() -> (TempDir, Host) {
    let dir = TempDir::new().expect("a temporary directory");
    let file = dir.path().join("host.xml");
    fs::write(&file, HOST).expect("the host's file can be written");
    let host = Host::connect(Some(&format!("test://{}", file.display()))).expect("the test driver connects");
    (dir, host)
}

fn domain(name: &str) -> String {
    format!(
        "<domain type='test'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>2</vcpu><os><type>hvm</type></os>
         <devices><interface type='network'><mac address='52:54:00:AA:00:01'/><source network='default'/></interface>
         </devices></domain>"
    )
}

fn volume(name: &str) -> String {
    format!("<volume><name>{name}</name><capacity unit='MiB'>10</capacity></volume>")
}

#[test]
fn a_host_knows_itself() {
    let (_dir, host) = host();
    assert!(host.uri().starts_with("test:///"));
    assert!(host.is_alive());
    assert_eq!(host.version().expect("a version"), "0.0.2");
    assert_eq!(host.lib_version().expect("a version").split('.').count(), 3);
    assert!(!host.hostname().expect("a name").is_empty());
}

#[test]
fn a_wrong_uri_is_an_error_with_a_hint() {
    let error = Host::connect(Some("qemu+unix:///system?socket=/nowhere/sock")).expect_err("no such socket");
    assert_eq!((error.code, error.exit_code()), (Code::NoConnection, 3));
    assert!(error.hints[0].contains("is the daemon running?"), "{:?}", error.hints);
    let error = Host::connect(Some("nonsense://host/x")).expect_err("no such driver");
    assert_eq!(error.code, Code::NoConnection, "{error}");
    let error = Host::connect(Some("test:///a\0b")).expect_err("a NUL byte");
    assert_eq!(error.code, Code::InvalidArgument);
}

#[test]
fn a_domain_lives() {
    let (_dir, host) = host();
    let vm = host.define_domain(&domain("web")).expect("defined");
    assert_eq!(vm.name(), "web");
    assert_eq!(vm.uuid().expect("a UUID").len(), 36);
    assert_eq!(vm.state().expect("a state").word(), "shut off");
    assert!(!vm.is_active().expect("known"));
    assert!(vm.is_persistent().expect("known"));
    assert_eq!(vm.id(), None);
    let info = vm.info().expect("sizes");
    assert_eq!((info.max_memory, info.vcpus), (64 << 20, 2));

    vm.start().expect("started");
    assert_eq!(vm.state().expect("a state").to_string(), "running (booted)");
    assert!(vm.id().is_some());
    vm.suspend().expect("suspended");
    assert_eq!(vm.state().expect("a state").to_string(), "paused (user)");
    vm.resume().expect("resumed");
    vm.reboot(Mode::Any).expect("rebooted");
    vm.shutdown(Mode::Any).expect("shut down");
    assert_eq!(vm.state().expect("a state").to_string(), "shut off (shutdown)");
    vm.start().expect("started again");
    vm.set_autostart(true).expect("set");
    assert!(vm.autostart().expect("known"));
    vm.destroy(false).expect("destroyed");
    vm.undefine().expect("undefined");
    assert!(host.find_domain("web").expect("asked").is_none());
    assert_eq!(vm.state().expect_err("gone").code, Code::NotFound);
}

#[test]
fn what_happens_is_told() {
    let (_dir, host) = host();
    let events = host.events(&[EventKind::Lifecycle, EventKind::Network, EventKind::PoolRefresh]).expect("subscribed");
    let domain = host.define_domain(&domain("web")).expect("defined");
    domain.start().expect("started");
    domain.destroy(false).expect("destroyed");
    host.pool("images").expect("there").refresh().expect("refreshed");
    host.network("default").expect("there").destroy().expect("destroyed");
    let mut seen = Vec::new();
    while seen.len() < 5 {
        let event = events.next(Duration::from_secs(5)).expect("not interrupted").expect("an event comes");
        seen.push(format!(
            "{} {} {}",
            event.kind.word(),
            event.name,
            event.fields.get("event").map_or("", |e| e.as_str().unwrap_or(""))
        ));
    }
    assert_eq!(
        seen,
        [
            "lifecycle web defined",
            "lifecycle web started",
            "lifecycle web stopped",
            "pool-refresh images ",
            "network default stopped"
        ]
    );
    assert_eq!(events.next(Duration::from_millis(50)).expect("not interrupted"), None);
}

#[test]
fn what_is_there_is_never_redefined() {
    let (_dir, host) = host();
    let vm = host.define_domain(&domain("web")).expect("defined");
    let again = domain("web").replace("<vcpu>2", "<vcpu>7");
    let error = host.define_domain(&again).expect_err("there already");
    assert_eq!(error.code, Code::AlreadyExists);
    assert_eq!(error.message, "there is a domain `web` already");
    assert_eq!(vm.info().expect("sizes").vcpus, 2);
    assert_eq!(host.create_domain(&again).expect_err("there already").code, Code::AlreadyExists);
}

#[test]
fn nonsense_is_refused_by_validation() {
    let (_dir, host) = host();
    for xml in [domain("web").replace("<vcpu>", "<bogus/><vcpu>"), "<domain/>".to_string()] {
        let error = host.define_domain(&xml).expect_err("refused");
        assert_eq!((error.code, error.exit_code()), (Code::InvalidDefinition, 2), "{error}");
    }
    let error = host.define_network("<network><name>n</name><bogus/></network>").expect_err("refused");
    assert_eq!(error.code, Code::InvalidDefinition, "{error}");
    assert!(host.domains().expect("listed").is_empty());
    let vm = host.define_domain(&domain("web")).expect("defined");
    let wrong = "<domainsnapshot><name>s</name><bogus/></domainsnapshot>";
    let error = vm.create_snapshot(wrong, Snap::default()).expect_err("refused");
    assert_eq!(error.code, Code::InvalidDefinition, "{error}");
}

#[test]
fn what_is_gone_or_there_already_is_told_with_its_place() {
    let (_dir, host) = host();
    let vm = host.define_domain(&domain("web")).expect("defined");
    let snapshot = || vm.create_snapshot("<domainsnapshot><name>s</name></domainsnapshot>", Snap::default());
    snapshot().expect("made");
    let error = snapshot().expect_err("it is there");
    assert_eq!(error.code, Code::AlreadyExists);
    assert_eq!(error.message, "cannot create snapshot `s`: domain `web` has one already");
    assert_eq!(error.hints, ["`host.domain(\"web\").snapshots()` lists what is there"]);
    let pool = host.pool("images").expect("it is there");
    pool.create_volume(&volume("a")).expect("made");
    let made = pool.volume("a").expect("there");
    let error = pool.create_volume(&volume("a")).expect_err("it is there");
    assert_eq!(error.hints, ["`host.pool(\"images\").volume(\"a\")` gets hold of it"]);
    // Another hand takes both away.
    pool.volume("a").expect("there").delete().expect("deleted");
    let (held, snapshot) = (host.domain("web").expect("there"), vm.snapshot("s").expect("there"));
    snapshot.delete(vmscript::libvirt::DeleteSnapshot::default()).expect("deleted");
    held.undefine().expect("undefined");
    for (error, message, listing) in [
        (vm.info().expect_err("gone"), "cannot ask for the sizes of domain `web`: it is gone", "host.domains()"),
        (
            made.info().expect_err("gone"),
            "cannot ask for the size of volume `a`: it is gone",
            "host.pool(\"images\").volumes()",
        ),
        (vm.snapshots().expect_err("gone"), "cannot list the snapshots of domain `web`: it is gone", "host.domains()"),
    ] {
        assert_eq!((error.code, error.message.as_str()), (Code::NotFound, message));
        assert!(error.hints[0].ends_with(&format!("`{listing}` lists what is there")), "{:?}", error.hints);
    }
}

#[test]
fn a_missing_name_is_corrected() {
    let (_dir, host) = host();
    host.define_domain(&domain("webserver")).expect("defined");
    let error = host.domain("websever").expect_err("no such domain");
    assert_eq!(error.code, Code::NotFound);
    assert_eq!(error.message, "there is no domain `websever`");
    assert_eq!(error.hints, ["did you mean `webserver`?"]);
    assert_eq!(host.network("defualt").expect_err("none").hints, ["did you mean `default`?"]);
    assert_eq!(host.pool("zzz").expect_err("none").hints, ["`host.pools()` lists what is there: `images`"]);
    let pool = host.pool("images").expect("there");
    pool.create_volume(&volume("a.qcow2")).expect("created");
    assert_eq!(pool.volume("a.qcow").expect_err("none").hints, ["did you mean `a.qcow2`?"]);
    assert_eq!(host.volume_by_path("/nowhere").expect_err("none").code, Code::NotFound);
    assert_eq!(host.domain("a\0b").expect_err("no name").code, Code::InvalidArgument);
}

#[test]
fn lists_are_sorted_by_name() {
    let (_dir, host) = host();
    for name in ["c", "a", "b"] {
        host.define_domain(&domain(name)).expect("defined");
    }
    let domains = host.domains().expect("listed");
    let names: Vec<_> = domains.iter().map(vmscript::libvirt::Domain::name).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(host.networks().expect("listed").len(), 1);
    assert_eq!(host.pools().expect("listed").len(), 1);
}

#[test]
fn networks_come_and_go() {
    let (_dir, host) = host();
    let network = host.network("default").expect("there");
    assert_eq!(network.bridge().as_deref(), Some("virbr0"));
    assert!(network.is_active().expect("known"));
    network.set_autostart(true).expect("set");
    assert!(network.autostart().expect("known"));
    network.destroy().expect("destroyed");
    assert!(!network.is_active().expect("known"));
    network.start().expect("started");
    network.destroy().expect("destroyed");
    network.undefine().expect("undefined");
    host.create_network("<network><name>n</name><bridge name='virbr9'/></network>").expect("created");
    assert!(!host.network("n").expect("there").is_persistent().expect("known"));
}

#[test]
fn pools_and_volumes_come_and_go() {
    let (_dir, host) = host();
    let xml = "<pool type='dir'><name>p</name><target><path>/p</path></target></pool>";
    let pool = host.define_pool(xml).expect("defined");
    assert_eq!(host.define_pool(xml).expect_err("there already").code, Code::AlreadyExists);
    pool.build(None).expect("built");
    pool.start().expect("started");
    pool.set_autostart(true).expect("set");
    assert_eq!(pool.info().expect("known").state, "running");
    let vol = pool.create_volume(&volume("a.img")).expect("created");
    assert_eq!(pool.create_volume(&volume("a.img")).expect_err("there already").code, Code::AlreadyExists);
    assert_eq!(vol.info().expect("known").capacity, 10 << 20);
    assert_eq!(vol.path().expect("known"), "/p/a.img");
    assert_eq!(vol.pool().expect("known").name(), "p");
    assert_eq!(host.volume_by_path("/p/a.img").expect("there").name(), "a.img");
    pool.refresh().expect("refreshed");
    vol.delete().expect("deleted");
    assert!(pool.volumes().expect("listed").is_empty());
    pool.destroy().expect("destroyed");
    pool.delete().expect("deleted");
    pool.undefine().expect("undefined");
    assert!(host.find_pool("p").expect("asked").is_none());
    host.create_pool(xml).expect("created");
    assert!(host.pool("p").expect("there").is_active().expect("known"));
}

#[test]
fn what_the_driver_cannot_do_is_said_with_a_hint() {
    let (dir, host) = host();
    let pool = host.pool("images").expect("there");
    let vol = pool.create_volume(&volume("a.img")).expect("created");
    let file = dir.path().join("data");
    fs::write(&file, "data").expect("written");
    for error in [
        vol.upload(&file).expect_err("not supported"),
        vol.upload_bytes(b"data").expect_err("not supported"),
        vol.download(&dir.path().join("down")).expect_err("not supported"),
        pool.create_filled_volume(&volume("seed.iso"), &Content::Bytes(b"data".to_vec())).expect_err("not supported"),
        vol.resize(20 << 20, false).expect_err("not supported"),
        host.network("default").expect("there").dhcp_leases().expect_err("not supported"),
    ] {
        assert_eq!(error.code, Code::Unsupported, "{error}");
        assert!(error.message.contains("the host's driver does not support this"), "{error}");
        assert!(error.hints[0].contains("test driver"), "{error:?}");
    }
    assert!(pool.find_volume("seed.iso").expect("asked").is_none(), "a volume that could not be filled is gone");
    assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 2, "the host's file, the data and nothing else");
    let error = vol.upload(&dir.path().join("missing")).expect_err("no such file");
    assert_eq!(error.code, Code::Io);
}

#[test]
fn addresses_come_from_each_source_and_are_joined() {
    let (_dir, host) = host();
    let vm = host.define_domain(&domain("web")).expect("defined");
    assert_eq!(vm.interface_addresses(Source::ALL).expect_err("stopped").code, Code::InvalidState);
    vm.start().expect("started");
    let one = vm.interface_addresses(&[Source::Lease]).expect("answered");
    assert_eq!(one[0].hwaddr.as_deref(), Some("52:54:00:aa:00:01"));
    let all = vm.interface_addresses(Source::ALL).expect("answered");
    assert_eq!((all.len(), all[0].addrs.len()), (1, 1), "{all:?}");
    assert_eq!(all[0].addrs[0].source, Source::Lease);
}

#[test]
fn waiting_finds_the_address() {
    let (_dir, host) = host();
    let vm = host.define_domain(&domain("web")).expect("defined");
    vm.start().expect("started");
    for sources in [&[Source::Lease][..], &[Source::Agent], &[Source::Arp], Source::ALL] {
        let wait =
            WaitIp { sources: sources.to_vec(), interface: Some("52:54:00:AA:00:01".into()), ..WaitIp::default() };
        let found = vm.wait_for_ip(&wait).expect("found");
        assert!(found.addr.starts_with("192.168.122."), "{found:?}");
        assert_eq!(found.mac, "52:54:00:aa:00:01");
        assert!(sources.iter().any(|source| source.word() == found.source));
    }
    let wait = WaitIp { interface: Some("52:54:00:00:00:99".into()), ..WaitIp::default() };
    let error = vm.wait_for_ip(&wait).expect_err("no such interface");
    assert!(error.hints[0].starts_with("its interfaces: 52:54:00:aa:00:01"), "{error:?}");
}

#[test]
fn waiting_for_a_stopped_guest_fails_at_once() {
    let (_dir, host) = host();
    let vm = host.define_domain(&domain("web")).expect("defined");
    let error = vm.wait_for_ip(&WaitIp::default()).expect_err("stopped");
    assert_eq!(error.code, Code::GuestStopped);
    assert!(error.message.contains("is shut off"), "{error}");
}

#[test]
fn waiting_ends_in_time_and_says_why() {
    let (_dir, host) = host();
    let vm = host.define_domain(&domain("web")).expect("defined");
    vm.start().expect("started");
    // The test driver invents only IPv4 addresses.
    let wait = WaitIp {
        timeout: Duration::from_millis(200),
        family: Some(vmscript::libvirt::Family::V6),
        ..WaitIp::default()
    };
    let error = vm.wait_for_ip(&wait).expect_err("no IPv6 address");
    assert_eq!(error.code, Code::Timeout);
    assert!(error.notes.iter().any(|note| note == "state: running (booted)"), "{error:?}");
    assert!(error.notes.iter().any(|note| note.starts_with("lease: 192.168.122.") && note.ends_with(" is ipv4")));
    assert!(error.notes.iter().any(|note| note == "network `default` has DHCP"), "{error:?}");
}

#[test]
fn provisioning_makes_all_of_it() {
    let (_dir, host) = host();
    let storage = vec![Storage { pool: "images".into(), xml: volume("web.img"), content: Content::None }];
    let options = Provision { storage, autostart: true, wait: vec![(0, WaitIp::default())], ..Provision::default() };
    let made = host.provision(&domain("web"), &options).expect("provisioned");
    assert!(made.domain.is_active().expect("known"));
    assert!(made.domain.autostart().expect("known"));
    assert!(made.addresses[0].addr.starts_with("192.168.122."));
    assert!(host.pool("images").expect("there").find_volume("web.img").expect("asked").is_some());

    let error = host.provision(&domain("web"), &options).expect_err("there already");
    assert_eq!(error.code, Code::AlreadyExists);
    assert!(made.domain.is_active().expect("known"), "what was there is untouched");
}

#[test]
fn failed_provisioning_leaves_nothing() {
    let (_dir, host) = host();
    let storage = |name: &str, content| Storage { pool: "images".into(), xml: volume(name), content };
    let pool = host.pool("images").expect("there");
    let v6 = WaitIp {
        timeout: Duration::from_millis(100),
        family: Some(vmscript::libvirt::Family::V6),
        ..WaitIp::default()
    };
    for (options, code) in [
        // The wait runs out.
        (
            Provision {
                storage: vec![storage("a", Content::None)],
                wait: vec![(0, v6.clone())],
                ..Provision::default()
            },
            Code::Timeout,
        ),
        // The upload is not supported here.
        (
            Provision {
                storage: vec![storage("a", Content::None), storage("b", Content::Bytes(vec![1]))],
                ..Provision::default()
            },
            Code::Unsupported,
        ),
        // There is no second interface.
        (
            Provision {
                storage: vec![storage("a", Content::None)],
                wait: vec![(1, v6.clone())],
                ..Provision::default()
            },
            Code::InvalidArgument,
        ),
    ] {
        let error = host.provision(&domain("web"), &options).expect_err("fails");
        assert_eq!(error.code, code, "{error}");
        assert!(error.notes.iter().all(|note| !note.contains("cannot undo")), "{error:?}");
        assert!(host.domains().expect("listed").is_empty());
        assert!(pool.volumes().expect("listed").is_empty());
    }
    // What was there before is an error before anything is touched.
    pool.create_volume(&volume("b")).expect("created");
    let options =
        Provision { storage: vec![storage("a", Content::None), storage("b", Content::None)], ..Provision::default() };
    assert_eq!(host.provision(&domain("web"), &options).expect_err("there already").code, Code::AlreadyExists);
    assert_eq!(pool.volumes().expect("listed").len(), 1);
    // `keep` leaves the domain.
    let options = Provision { keep: true, wait: vec![(0, v6)], ..Provision::default() };
    let error = host.provision(&domain("web"), &options).expect_err("runs out");
    assert!(error.hints.iter().any(|hint| hint.contains("host.domain(\"web\").undefine()")), "{error:?}");
    assert!(host.domain("web").expect("kept").is_active().expect("known"));
}

/// A clock on which a pause takes no time.
#[derive(Default)]
struct Quick(std::sync::Mutex<Duration>);

impl Clock for Quick {
    fn now(&self) -> Duration {
        *self.0.lock().expect("not poisoned")
    }

    fn pause(&self, time: Duration) -> vmscript::floor::Result<()> {
        *self.0.lock().expect("not poisoned") += time;
        Ok(())
    }
}

#[test]
fn five_minutes_of_waiting_pass_in_a_moment_and_end_with_an_autopsy() {
    let (_dir, host) = host();
    let domain = host.define_domain(&domain("web")).expect("defined");
    domain.start().expect("started");
    let clock = Quick::default();
    let options = WaitOptions { clock: &clock, carry_on: true, ..WaitOptions::default() };
    let never = WaitIp { family: Some(Family::V6), ..WaitIp::default() };
    let started = std::time::Instant::now();
    let conditions = vec![
        Condition::ip(&domain, &never),
        Condition::delay(Duration::from_secs(200)),
        Condition::state(&domain, "paused").expect("a state"),
    ];
    let error = wait_all(conditions, options).expect_err("neither an IPv6 address nor a pause");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert!(clock.now() >= Duration::from_secs(300), "{:?}", clock.now());
    assert_eq!((error.code, error.message.as_str()), (Code::Timeout, "2 of 3 waits failed"));
    let facts = &error.failures[0].facts;
    assert_eq!(facts["state"], "running".into());
    assert!(
        facts["sources"].as_map().expect("a map")["lease"].as_str().expect("text").ends_with("is ipv4"),
        "{facts:?}"
    );
    assert!(matches!(facts["polls"], vmscript::floor::Value::Int(101..)), "{facts:?}");
}

#[test]
fn the_first_of_several_ends_the_wait_and_failures_do_not() {
    let (_dir, host) = host();
    let domain = host.define_domain(&domain("web")).expect("defined");
    let conditions = vec![Condition::ip(&domain, &WaitIp::default()), Condition::delay(Duration::from_millis(100))];
    let (index, ready) = wait_any(conditions, WaitOptions::default()).expect("the delay");
    assert_eq!((index, &ready["condition"]), (1, &"delay".into()));
    let error = wait_all(
        vec![Condition::ip(&domain, &WaitIp::default()), Condition::delay(Duration::from_secs(60))],
        WaitOptions::default(),
    );
    let error = error.expect_err("it is shut off");
    assert_eq!(error.code, Code::GuestStopped);
    assert_eq!(error.notes.last().map(String::as_str), Some("no longer waited for: delay of 60s"));
}

#[test]
fn an_address_may_have_to_be_in_a_subnet_and_to_stay() {
    let (_dir, host) = host();
    let domain = host.define_domain(&domain("web")).expect("defined");
    domain.start().expect("started");
    let clock = Quick::default();
    let options = WaitOptions { clock: &clock, ..WaitOptions::default() };
    let stable = WaitIp {
        subnet: Some(WaitIp::parse_subnet("192.168.0.0/16").expect("a subnet")),
        stable: Duration::from_secs(30),
        interface: Some("0".into()),
        ..WaitIp::default()
    };
    let ready = wait(Condition::ip(&domain, &stable), options).expect("an address");
    assert!(ready["addr"].as_str().expect("text").starts_with("192.168.122."), "{ready:?}");
    assert!(clock.now() >= Duration::from_secs(30), "{:?}", clock.now());
    let elsewhere = WaitIp { subnet: Some(WaitIp::parse_subnet("10.0.0.0/8").expect("a subnet")), ..stable };
    let error = wait(Condition::ip(&domain, &elsewhere), options).expect_err("not there");
    assert!(error.notes[0].contains("is not in 10.0.0.0/8"), "{error:?}");
}

#[test]
fn an_event_is_waited_for() {
    let (_dir, host) = host();
    let domain = host.define_domain(&domain("web")).expect("defined");
    let fields = [("event".to_string(), "started".into())].into_iter().collect();
    let condition = Condition::event(&host, EventKind::Lifecycle, Some(("domain `web`".into(), "web".into())), fields);
    let mut left = Some(domain);
    // The second condition starts the domain once the wait has begun.
    let starts = Condition::until(move || left.take().map_or(Ok(true.into()), |one| one.start().map(|()| true.into())));
    let ready = wait_all(vec![condition, starts], WaitOptions::default()).expect("it is started");
    assert_eq!(ready[0]["detail"], "booted".into());
}
