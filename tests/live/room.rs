//! The libvirt room on the lab's host: provisioning and waiting.

use super::lab::{Guest, lab, wait};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};
use vmscript::floor::Code;
use vmscript::libvirt::{Content, Source};

#[test]
fn a_lease_is_found_at_once_and_the_agent_agrees() {
    let guest = Guest { name: "lease", mac: "52:54:00:1a:00:01", network: "lab", uefi: false };
    // Looks for the lease by itself, far more often than the wait does.
    let watcher = thread::spawn(|| {
        let network = lab().host.network("lab").expect("there");
        loop {
            let leases = network.dhcp_leases().expect("listed");
            if leases.iter().any(|lease| lease.mac == "52:54:00:1a:00:01") {
                return Instant::now();
            }
            thread::sleep(Duration::from_millis(5));
        }
    });
    let made = guest.provision(Some(wait(120, &[Source::Lease]))).expect("provisioned");
    let returned = Instant::now();
    let lag = returned.saturating_duration_since(watcher.join().expect("the watcher saw it"));
    println!("lease to return: {lag:?}, after {:?}", made.addresses[0].elapsed);
    // The figure is `scripts/bench wait`'s; this says that nobody slept a poller's pause on a busy machine.
    assert!(lag < Duration::from_secs(3), "{lag:?}");
    assert!(made.addresses[0].addr.starts_with("192.168.150."), "{:?}", made.addresses);

    let found = made.domain.wait_for_ip(&wait(120, &[Source::Agent])).expect("the agent answers");
    println!("agent after {:?}", found.elapsed);
    assert_eq!((found.source, &found.addr), ("agent", &made.addresses[0].addr));
    let all = made.domain.interface_addresses(Source::ALL).expect("answered");
    let nic = all.iter().find(|one| one.hwaddr.as_deref() == Some(guest.mac)).expect("its interface");
    assert_eq!(nic.addrs.iter().filter(|one| one.addr == found.addr).count(), 1, "joined: {nic:?}");
    assert!(all.iter().any(|one| one.addrs.iter().any(|one| one.addr == "127.0.0.1")), "the agent's loopback: {all:?}");

    // An earlier lease of this MAC address says nothing about the next start.
    made.domain.destroy(false).expect("destroyed");
    thread::sleep(Duration::from_secs(1));
    made.domain.start().expect("started again");
    let again = made.domain.wait_for_ip(&wait(120, &[Source::Lease])).expect("found again");
    println!("second start: {:?}", again.elapsed);
    assert!(again.elapsed > Duration::from_secs(1), "a stale lease was taken for an answer: {again:?}");
    assert_eq!(again.addr, found.addr);
    guest.remove(&made.domain);
}

#[test]
fn a_timeout_leaves_nothing_and_explains_itself() {
    for (guest, seconds) in [
        (Guest { name: "mute", mac: "52:54:00:1a:00:02", network: "silent", uefi: false }, 10),
        (Guest { name: "mute-uefi", mac: "52:54:00:1a:00:03", network: "silent", uefi: true }, 3),
    ] {
        let error = guest.provision(Some(wait(seconds, Source::ALL))).expect_err("no address ever");
        println!("{error:#?}");
        assert_eq!((error.code, error.exit_code()), (Code::Timeout, 4));
        assert!(error.notes.iter().any(|note| note == "network `silent` has no DHCP"), "{error:?}");
        assert!(error.notes.iter().any(|note| note == "state: running (booted)"), "{error:?}");
        assert!(error.notes.iter().all(|note| !note.starts_with("cannot undo")), "{error:?}");
        guest.assert_gone();
    }
}

#[test]
fn uefi_variables_go_with_the_domain() {
    let guest = Guest { name: "efi", mac: "52:54:00:1a:00:06", network: "silent", uefi: true };
    let made = guest.provision(None).expect("provisioned");
    lab().nvram.refresh().expect("refreshed");
    let there = lab().nvram.volumes().expect("listed").iter().any(|one| one.name().starts_with("efi"));
    assert!(there, "libvirt made UEFI variables for the guest");
    guest.remove(&made.domain);
}

#[test]
fn a_guest_that_dies_ends_the_wait_within_a_second() {
    let guest = Guest { name: "dies", mac: "52:54:00:1a:00:04", network: "silent", uefi: false };
    let killer = thread::spawn(|| {
        loop {
            if let Ok(Some(domain)) = lab().host.find_domain("dies")
                && domain.is_active().expect("known")
            {
                thread::sleep(Duration::from_secs(1));
                domain.destroy(false).expect("destroyed");
                return Instant::now();
            }
            thread::sleep(Duration::from_millis(20));
        }
    });
    let error = guest.provision(Some(wait(120, Source::ALL))).expect_err("killed");
    let lag = killer.join().expect("the killer is done").elapsed();
    println!("killed to undone: {lag:?}");
    assert_eq!(error.code, Code::GuestStopped, "{error}");
    assert!(error.message.contains("shut off (destroyed)"), "{error}");
    // Below a second on a machine that does nothing else (`scripts/bench wait`); far below the wait's limit on any.
    assert!(lag < Duration::from_secs(10), "{lag:?}");
    guest.assert_gone();
}

#[test]
fn a_sparse_file_moves_only_its_data() {
    const SIZE: u64 = 1 << 30;
    const PIECE: u64 = 1 << 20;
    let dir = tempfile::TempDir::new().expect("a temporary directory");
    let (up, down) = (dir.path().join("up"), dir.path().join("down"));
    let file = File::create(&up).expect("created");
    file.set_len(SIZE).expect("sized");
    let pattern: Vec<u8> = (0..PIECE).map(|byte| u8::try_from(byte % 251).expect("below 251")).collect();
    let places = [0, 300 << 20, SIZE - (100 << 20)];
    for place in places {
        file.write_all_at(&pattern, place).expect("written");
    }
    file.sync_all().expect("synced");
    let volume = lab()
        .pool
        .create_volume(
            "<volume><name>sparse.raw</name><capacity unit='GiB'>1</capacity><allocation>0</allocation></volume>",
        )
        .expect("created");
    let sent = volume.upload(&up).expect("uploaded");
    println!("up {sent:?}");
    assert_eq!(sent.size, SIZE);
    assert!(sent.data <= 4 * PIECE, "{sent:?}");
    let info = volume.info().expect("known");
    assert_eq!(info.capacity, SIZE);
    assert!(info.allocation <= 8 * PIECE, "{info:?}");
    let received = volume.download(&down).expect("downloaded");
    println!("down {received:?}");
    assert_eq!(received.size, SIZE);
    assert!(received.data <= 8 * PIECE, "{received:?}");
    let copy = File::open(&down).expect("there");
    assert_eq!(copy.metadata().expect("known").len(), SIZE);
    let mut read = vec![0; pattern.len()];
    for place in places {
        copy.read_exact_at(&mut read, place).expect("read");
        assert!(read == pattern, "the data at {place} is the same");
    }
    copy.read_exact_at(&mut read, 200 << 20).expect("read");
    assert!(read.iter().all(|byte| *byte == 0), "the hole is a hole");
    volume.delete().expect("deleted");
}

#[test]
fn a_pool_that_scans_itself_is_waited_for() {
    // libvirt scans a pool by itself after each upload and refuses other work meanwhile.
    for round in 0..20 {
        let name = format!("busy{round}");
        let xml = format!("<volume><name>{name}</name><capacity>4096</capacity></volume>");
        let volume = lab().pool.create_filled_volume(&xml, &Content::Bytes(vec![7; 4096])).expect("created");
        lab().pool.refresh().expect("refreshed");
        volume.resize(8192, false).expect("resized");
        assert_eq!(volume.info().expect("known").capacity, 8192);
        volume.delete().expect("deleted");
    }
}

#[test]
fn what_keeps_a_domain_from_starting_is_said_with_the_next_command() {
    let host = &lab().host;
    let asleep = "<network><name>asleep</name><bridge name='virbr7'/></network>";
    let network = host.define_network(asleep).expect("defined");
    let guest = Guest { name: "unready", mac: "52:54:00:1a:00:05", network: "asleep", uefi: false };
    let domain = host.define_domain(&guest.xml()).expect("defined");
    let error = domain.start().expect_err("the disk is missing or the network is asleep");
    println!("{error:#?}");
    lab()
        .pool
        .create_volume("<volume><name>unready.qcow2</name><capacity>1048576</capacity></volume>")
        .expect("created");
    let error = domain.start().expect_err("the network is asleep");
    println!("{error:#?}");
    assert_eq!(error.message, "cannot start domain `unready`: network `asleep` is not active");
    assert_eq!(error.hints, ["start it with `host.network(\"asleep\").start()`"]);
    network.undefine().expect("undefined");
    domain.undefine().expect("undefined");
    lab().pool.volume("unready.qcow2").expect("there").delete().expect("deleted");
    let kvm = guest.xml().replace("type='qemu'", "type='kvm'");
    let error = host.define_domain(&kvm).expect_err("no KVM in the lab");
    println!("{error:#?}");
    assert!(error.hints[0].contains("type: \"qemu\""), "{error:?}");
    assert_eq!(domain.state().expect_err("gone").code, Code::NotFound);
}
