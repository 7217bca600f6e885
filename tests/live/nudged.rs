//! Calls that a daemon sleeps through until another one comes.

use super::lab::lab;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use vmscript::libvirt::Host;

/// libvirt's programs and procedures, as they are on the wire.
const REMOTE: u32 = 0x2000_8086;
const GET_HOSTNAME: u32 = 59;

/// Hands on what a client sends, message by message; the first call for the host's name only together with the next call.
fn doze(mut client: UnixStream, mut daemon: UnixStream, dozed: &AtomicBool) -> io::Result<()> {
    let word = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().expect("four bytes"));
    let mut held = Vec::new();
    loop {
        let mut message = vec![0; 4];
        client.read_exact(&mut message)?;
        let length = usize::try_from(word(&message)).expect("small");
        message.resize(length, 0);
        client.read_exact(&mut message[4..])?;
        let is_call = word(&message[4..8]) == REMOTE;
        if is_call && word(&message[12..16]) == GET_HOSTNAME && !dozed.swap(true, Ordering::SeqCst) {
            held = message;
            continue;
        }
        if is_call {
            daemon.write_all(&std::mem::take(&mut held))?;
        }
        daemon.write_all(&message)?;
    }
}

#[test]
fn a_call_that_the_daemon_sleeps_through_is_answered_all_the_same() {
    let socket = lab().uri.split("socket=").nth(1).expect("the URI names the node's socket").to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let own = folder.path().join("libvirt-sock");
    let listener = UnixListener::bind(&own).expect("the socket is free");
    let dozed = Arc::new(AtomicBool::new(false));
    let noted = dozed.clone();
    thread::spawn(move || {
        let (client, _) = listener.accept().expect("the program connects");
        let daemon = UnixStream::connect(socket).expect("the daemon answers");
        let (mut from, mut to) = (daemon.try_clone().expect("cloned"), client.try_clone().expect("cloned"));
        thread::spawn(move || io::copy(&mut from, &mut to));
        doze(client, daemon, &noted)
    });
    let host = Host::connect(Some(&format!("qemu+unix:///system?socket={}", own.display()))).expect("connected");
    let (sender, answered) = channel();
    thread::spawn(move || sender.send(host.hostname()));
    let name = answered.recv_timeout(Duration::from_secs(120)).expect("answered").expect("known");
    assert!(dozed.load(Ordering::SeqCst), "the call was held back");
    assert!(!name.is_empty());
}
