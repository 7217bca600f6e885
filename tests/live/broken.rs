//! Connections that break off in the middle of a transfer, and ones that are closed.

use super::lab::lab;
use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use vmscript::floor::{Code, Value};
use vmscript::libvirt::{EventKind, Host, Volume};

const MIB: u64 = 1 << 20;

/// A way to the lab's daemon that breaks off once so many bytes have gone over it.
struct Way {
    host: Host,
    left: Arc<AtomicU64>,
    _folder: tempfile::TempDir,
}

impl Way {
    fn new() -> Self {
        let daemon = lab().uri.split("socket=").nth(1).expect("the URI names the node's socket").to_string();
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("libvirt-sock");
        let listener = UnixListener::bind(&socket).expect("the socket is free");
        let left = Arc::new(AtomicU64::new(u64::MAX));
        let budget = left.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = UnixStream::connect(&daemon).expect("the daemon answers");
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let ends = (from.try_clone().expect("cloned"), to.try_clone().expect("cloned"));
                    let budget = budget.clone();
                    thread::spawn(move || pump(ends.0, ends.1, &budget));
                }
            }
        });
        let uri = format!("qemu+unix:///system?socket={}", socket.display());
        Self { host: Host::connect(Some(&uri)).expect("connected"), left, _folder: folder }
    }

    /// Lets so much more through; then the connection is cut, and the next one is not.
    fn cut_after(&self, bytes: u64) {
        self.left.store(bytes, Ordering::SeqCst);
    }

    fn volume(&self, name: &str) -> Volume {
        self.host.pool("live").expect("there").volume(name).expect("there")
    }
}

/// Hands on what comes until the end, or until the budget is used up: that cuts both directions.
fn pump(mut from: UnixStream, mut to: UnixStream, budget: &AtomicU64) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(got @ 1..) = from.read(&mut buffer) {
        let left = budget.load(Ordering::SeqCst);
        if left < got as u64 {
            budget.store(u64::MAX, Ordering::SeqCst);
            break;
        }
        if left < u64::MAX {
            budget.fetch_sub(got as u64, Ordering::SeqCst);
        }
        if to.write_all(&buffer[..got]).is_err() {
            break;
        }
    }
    for end in [from, to] {
        // The other direction may have been sooner.
        drop(end.shutdown(Shutdown::Both));
    }
}

/// Data that nothing can guess or pack, with a hole in it.
fn fill(path: &Path) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = vec![0; usize::try_from(MIB).expect("small")];
    for number in 0..192 {
        if (96..112).contains(&number) {
            continue;
        }
        for word in block.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        io::Seek::seek(&mut file, io::SeekFrom::Start(number * MIB))?;
        file.write_all(&block)?;
    }
    Ok(())
}

#[test]
fn transfers_go_on_where_the_connection_broke_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let (given, back) = (folder.path().join("given"), folder.path().join("back"));
    fill(&given).expect("written");
    let made = lab()
        .pool
        .create_volume(
            "<volume><name>broken.raw</name><capacity unit='MiB'>192</capacity><allocation>0</allocation></volume>",
        )
        .expect("created");
    let way = Way::new();
    let volume = way.volume("broken.raw");

    way.cut_after(150 * MIB);
    let error = volume.upload(&given).expect_err("it broke off");
    assert_eq!(error.code, Code::NoConnection, "{error}");
    let Some(Value::Int(offset)) = error.facts.get("offset") else { panic!("no offset: {error:?}") };
    let offset = u64::try_from(*offset).expect("not negative");
    assert!((32 * MIB..160 * MIB).contains(&offset), "neither at the beginning nor beyond what was sent: {offset}");
    // What was sent last has not arrived, so that going on is what makes it whole.
    assert!(!made.holds(&given, true).expect("compared"));
    let rest = volume.upload_from(&given, offset).expect("it goes on over a new connection");
    assert!(rest.data < 160 * MIB, "it does not begin anew: {rest:?}");
    assert!(made.holds(&given, true).expect("compared"), "all has arrived");

    way.cut_after(120 * MIB);
    let error = volume.download_to(&back, true).expect_err("it broke off");
    assert_eq!(error.code, Code::NoConnection, "{error}");
    assert!(!back.exists(), "it appears when it is complete");
    let part = fs::metadata(folder.path().join("back.part")).expect("it keeps what it has").len();
    assert!((64 * MIB..160 * MIB).contains(&part), "{part}");
    let rest = volume.download_to(&back, true).expect("it goes on over a new connection");
    assert!(rest.data <= 192 * MIB - part, "it does not begin anew: {rest:?}");
    assert!(fs::read(&back).expect("read") == fs::read(&given).expect("read"), "the same bytes");
    assert!(!folder.path().join("back.part").exists());

    // One that is not to be resumed leaves nothing.
    way.cut_after(60 * MIB);
    let other = folder.path().join("other");
    volume.download(&other).expect_err("it broke off");
    assert!(!other.exists() && !folder.path().join("other.part").exists());
    made.delete().expect("deleted");
}

#[test]
fn a_closed_host_says_so_and_comes_back_with_all_that_was_had_from_it() {
    let host = Host::connect(Some(&lab().uri)).expect("connected");
    let xml =
        "<domain type='qemu'><name>closing</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>";
    let vm = host.define_domain(xml).expect("defined");
    let secret = "<secret ephemeral='yes' private='yes'><usage type='ceph'><name>closing</name></usage></secret>";
    let secret = host.define_secret(secret).expect("defined");
    let filter = host.define_nwfilter("<filter name='closing' chain='root'/>").expect("defined");
    let device = host.node_device("computer").expect("there");
    let network = host.network("lab").expect("there");
    let port = "<networkport><uuid>0f0e0d0c-0b0a-4009-8807-060504031777</uuid><owner><name>closing</name>
      <uuid>0f0e0d0c-0b0a-4009-8807-060504031778</uuid></owner><mac address='52:54:00:1a:17:77'/></networkport>";
    let port = network.create_port(port).expect("made");
    let heard = host.events(&[EventKind::Lifecycle]).expect("subscribed");
    host.close();
    host.close();
    assert!(!host.is_alive());
    let errors = [
        vm.state().map(drop),
        secret.xml().map(drop),
        filter.xml().map(drop),
        device.xml().map(drop),
        network.ports().map(drop),
        port.xml().map(drop),
        host.domains().map(drop),
    ];
    for error in errors.map(|answer| answer.expect_err("it is closed")) {
        assert_eq!(error.code, Code::InvalidState, "{error}");
        assert!(error.message.contains("was closed") && error.hints[0].contains("host.reconnect()"), "{error:?}");
    }
    host.reconnect().expect("connected");
    assert!(host.is_alive());
    assert_eq!(vm.state().expect("known").word(), "shut off");
    assert!(filter.xml().expect("read").contains("closing"));
    assert!(device.xml().expect("read").contains("computer"));
    port.delete().expect("deleted");
    // Subscriptions go on; other tests' domains are none of ours.
    let uuid = vm.uuid().expect("known");
    let heard = heard.about(&uuid);
    vm.undefine().expect("undefined");
    let event = heard.next(Duration::from_secs(60)).expect("not stopped").expect("it is told");
    assert_eq!(event.fields["event"].as_str(), Some("undefined"), "{event:?}");
    secret.undefine().expect("undefined");
    filter.undefine().expect("undefined");
}
