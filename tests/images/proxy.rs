//! Downloads through a proxy. It comes from the environment, so that these tests run the program itself.

use super::server::{Server, Stream, respond};
use std::io::{Read, Write};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:1";

/// A proxy that is every server itself, and what it was asked for.
fn proxy() -> (Server, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    let wrap = move |mut stream: std::net::TcpStream| {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).ok()?;
            head.extend(byte);
        }
        let first = String::from_utf8_lossy(&head).lines().next()?.to_string();
        log.lock().expect("the log").push(first);
        stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").ok()?;
        Some(Box::new(stream) as Box<dyn Stream>)
    };
    (Server::start_with(|_, stream| respond(stream, "200 OK", &[], &disk()), wrap), asked)
}

fn disk() -> Vec<u8> {
    let mut disk = vec![0; 4096];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk
}

/// What the program says about an image behind this URL with these variables.
fn info(url: &str, variables: &[(&str, &str)]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_vmscript"));
    for name in ["all_proxy", "http_proxy", "https_proxy", "no_proxy"] {
        program.env_remove(name).env_remove(name.to_uppercase());
    }
    let output =
        program.args(["-e", "print(image_info(args[0]).format)", url]).envs(variables.iter().copied()).output();
    let output = output.expect("the program starts");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn the_variables_choose_the_proxy() {
    let (proxy, asked) = proxy();
    let address = format!("http://127.0.0.1:{}", proxy.port);
    let far = "http://mirror.invalid/disk.raw";
    assert_eq!(info(far, &[("http_proxy", &address), ("https_proxy", NOBODY)]), "raw\n");
    assert_eq!(info(far, &[("ALL_PROXY", &address)]), "raw\n");
    assert_eq!(*asked.lock().expect("the log"), ["CONNECT mirror.invalid:80 HTTP/1.1"; 2]);
    let secure = info("https://mirror.invalid/disk.raw", &[("https_proxy", &address), ("http_proxy", NOBODY)]);
    assert!(secure.starts_with("error: "), "the proxy speaks no TLS: {secure}");
    assert_eq!(asked.lock().expect("the log")[2], "CONNECT mirror.invalid:443 HTTP/1.1");

    let near = Server::start(|_, stream| respond(stream, "200 OK", &[], &disk()));
    let url = near.url("/disk.raw");
    assert!(info(&url, &[("http_proxy", NOBODY)]).contains("Connection refused"));
    assert_eq!(info(&url, &[("http_proxy", NOBODY), ("no_proxy", "example.com,127.0.0.1")]), "raw\n");
    assert_eq!(info(&url, &[("https_proxy", NOBODY)]), "raw\n");
    let wrong = info(&url, &[("http_proxy", "no proxy at all")]);
    assert!(wrong.starts_with("error: the variable `http_proxy` is no address of a proxy"), "{wrong}");
}
