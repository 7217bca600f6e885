//! Encrypted downloads: the name in the certificate counts, and so does who signed it. The list of authorities comes from
//! the environment, so that these tests run the program itself.

use super::server::{Server, Stream, respond};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// A server with a certificate for this name, and the certificate.
fn server(name: &str) -> (Server, String) {
    let made = rcgen::generate_simple_self_signed([name.to_string()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key))
        .expect("a configuration");
    let config = Arc::new(config);
    let wrap = move |stream| {
        let connection = ServerConnection::new(config.clone()).ok()?;
        Some(Box::new(StreamOwned::new(connection, stream)) as Box<dyn Stream>)
    };
    let mut disk = vec![0; 4096];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    (Server::start_with(move |_, stream| respond(stream, "200 OK", &[], &disk), wrap), made.cert.pem())
}

/// What the program says about an image behind this URL, and whether it succeeded.
fn info(url: &str, authorities: &Path) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_vmscript"))
        .args(["-e", "print(image_info(args[0]).format)", url])
        .env("SSL_CERT_FILE", authorities)
        .env_remove("SSL_CERT_DIR")
        .output()
        .expect("the program starts");
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn certificates_are_checked() {
    let folder = tempfile::tempdir().expect("a folder");
    let authorities = folder.path().join("authorities.pem");
    let (right, certificate) = server("localhost");
    let (wrong, other) = server("example.com");
    std::fs::write(&authorities, certificate + other.as_str()).expect("written");
    let url = |server: &Server| format!("https://localhost:{}/disk.raw", server.port);
    assert_eq!(info(&url(&right), &authorities), (true, "raw\n".to_string()));
    let (done, text) = info(&url(&wrong), &authorities);
    assert!(!done && text.contains("not valid for name \"localhost\""), "{text}");
    assert!(text.contains("hint: the server's certificate must be valid for its name"), "{text}");
    let (stranger, _) = server("localhost");
    let (done, text) = info(&url(&stranger), &authorities);
    assert!(!done && text.contains("certificate"), "{text}");
}
