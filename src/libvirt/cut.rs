//! Giving up connections from outside: a call that waits for a daemon's answer cannot be interrupted, but fails when the
//! socket is shut down.

use nix::sys::socket::{Shutdown, SockaddrIn, SockaddrIn6, SockaddrStorage, getpeername, shutdown};
use std::os::fd::RawFd;
use std::sync::{Mutex, PoisonError};

/// libvirt's ports for TCP and TLS.
const PORTS: [u16; 2] = [16509, 16514];

/// The ways to daemons that this process took.
static WAYS: Mutex<Vec<Way>> = Mutex::new(Vec::new());

#[derive(Debug, Clone, PartialEq)]
enum Way {
    /// A Unix socket; libvirt's own are called so.
    Socket,
    /// A port.
    Port(u16),
    /// A pair of sockets, at whose other end a program such as ssh is.
    Program,
}

/// Notes which way leads to the daemon of a URI.
pub(super) fn note(uri: &str) {
    let (scheme, rest) = uri.split_once("://").unwrap_or((uri, ""));
    let server = rest.split(['/', '?']).next().unwrap_or_default();
    let port = server.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let found = match scheme.split_once('+').map(|(_, transport)| transport) {
        Some("ssh" | "libssh" | "libssh2" | "ext") => vec![Way::Program],
        Some("unix") => vec![Way::Socket],
        None if server.is_empty() => vec![Way::Socket],
        _ => port.map_or(PORTS.map(Way::Port).to_vec(), |port| vec![Way::Port(port)]),
    };
    let mut ways = WAYS.lock().unwrap_or_else(PoisonError::into_inner);
    for way in found {
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
}

/// Shuts this process's connections to daemons: whoever waits for an answer is told that the connection is lost.
pub fn cut_connections() {
    let ways = WAYS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers = open.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<RawFd>().ok());
    for socket in numbers.filter(|socket| leads(*socket, &ways)) {
        match shutdown(socket, Shutdown::Both) {
            Ok(()) => tracing::warn!(socket, "the connection was cut"),
            Err(error) => tracing::debug!(socket, %error, "the connection was not cut"),
        }
    }
}

/// Whether a file of this process is a socket on one of these ways.
fn leads(socket: RawFd, ways: &[Way]) -> bool {
    let Ok(peer) = getpeername::<SockaddrStorage>(socket) else { return false };
    if let Some(unix) = peer.as_unix_addr() {
        return match unix.path().and_then(|path| path.file_name()?.to_str()) {
            Some(name) => ways.contains(&Way::Socket) && (name.ends_with("-sock") || name.ends_with("-sock-ro")),
            None => ways.contains(&Way::Program),
        };
    }
    let port = peer.as_sockaddr_in().map(SockaddrIn::port);
    let port = port.or_else(|| peer.as_sockaddr_in6().map(SockaddrIn6::port));
    port.is_some_and(|port| ways.contains(&Way::Port(port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    #[test]
    fn only_the_way_to_a_daemon_is_cut() {
        let (daemon, other) =
            (TcpListener::bind("127.0.0.1:0").expect("a port"), TcpListener::bind("127.0.0.1:0").expect("a port"));
        let port = |listener: &TcpListener| listener.local_addr().expect("bound").port();
        let connected = |listener: &TcpListener| TcpStream::connect(("127.0.0.1", port(listener))).expect("connected");
        let (mut to_daemon, to_other) = (connected(&daemon), connected(&other));
        note(&format!("qemu+tcp://127.0.0.1:{}/system", port(&daemon)));
        let ways = WAYS.lock().expect("not poisoned").clone();
        assert!(leads(to_daemon.as_raw_fd(), &ways) && !leads(to_other.as_raw_fd(), &ways));
        let cutter = std::thread::spawn(cut_connections);
        // The listener never answers: without the cut this would wait for ever.
        assert_eq!(to_daemon.read(&mut [0; 1]).expect("the end"), 0);
        cutter.join().expect("cut");
    }
}
