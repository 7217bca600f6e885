//! Catalogues of images as their users have them, and images made into other formats.

use super::fetching::disk;
use super::server::{Server, respond};
use std::path::Path;
use std::process::Command;
use vmscript::image::{Catalogue, Checksum, Format, Request, convert, fetch};

#[test]
fn the_catalogue_of_a_home_lab_loads_as_it_is() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images/homestead-images.yaml");
    let all = Catalogue::open(std::slice::from_ref(&file)).expect("a catalogue");
    let cloud = all.find(None, "x86_64").expect("the default image");
    assert_eq!((cloud.name.as_str(), cloud.format.as_deref()), ("fedora-42-cloud", Some("qcow2")));
    assert_eq!(cloud.filename, "Fedora-Cloud-Base-UEFI-UKI-42-1.1.x86_64.qcow2");
    assert!(cloud.checksum_url.as_ref().is_some_and(|url| url.ends_with("Fedora-Cloud-42-1.1-x86_64-CHECKSUM")));
    assert_eq!(cloud.folder.as_deref(), Some("/var/lib/libvirt/images"));
    assert_eq!(cloud.catalogue, file.display().to_string());
    for (name, packed) in [("fedora-42-coreos", "qcow2.xz"), ("scos-okd", "qcow2.gz")] {
        let image = all.find(Some(name), "x86_64").expect("there");
        assert!(image.urls[0].ends_with(packed), "{image:?}");
        Checksum::parse(image.checksum.as_deref().expect("given")).expect("a checksum");
    }
    assert_eq!(all.find(Some("debian-13"), "x86_64").expect("bundled").user.as_deref(), Some("debian"));
    assert_eq!(all.search("fedora coreos", None)[0].name, "fedora-42-coreos");
}

#[test]
fn a_catalogue_is_checked_against_its_servers() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(|request, stream| match request.path.as_str() {
        "/disk.raw" | "/other.raw" => respond(stream, "200 OK", &[], &disk()),
        "/SUMS" => respond(stream, "200 OK", &[], format!("{}  disk.raw\n", "0".repeat(64)).as_bytes()),
        _ => respond(stream, "404 Not Found", &[], &[]),
    });
    let url = |path: &str| server.url(path);
    let sums = url("/SUMS");
    let catalogue = format!(
        "vm_images:\n  own-good: {{ url: ['{}', '{}'], checksum_url: '{sums}', format: raw }}\n  \
         own-unlisted: {{ url: '{}', checksum_url: '{sums}', format: raw }}\n  own-wrong: {{ url: '{}', format: qcow2 }}\n",
        url("/gone.raw"),
        url("/disk.raw"),
        url("/other.raw"),
        url("/disk.raw"),
    );
    std::fs::write(folder.path().join("own.yaml"), catalogue).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_vmscript"))
        .args([
            "image",
            "check",
            "--catalogue",
            "own.yaml",
            "--search",
            "own-",
            "-o",
            "csv",
            "--columns",
            "name,result",
        ])
        .current_dir(folder.path())
        .output()
        .expect("the program starts");
    let expected = format!(
        "name,result\r\nown-good,the server has no such file (HTTP 404)\r\nown-good,ok\r\n\
         own-unlisted,`{sums}` lists no checksum of `other.raw`\r\nown-wrong,\"it is raw, not qcow2\"\r\n"
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_image_becomes_another_format_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let raw = folder.path().join("disk.raw");
    std::fs::write(&raw, disk().as_slice()).expect("written");
    let mut request = Request::new(vec![raw.display().to_string()]);
    request.cache = folder.path().join("cache");
    let image = || fetch(&request).expect("an image");
    assert_eq!(convert(image(), Format::Raw, &request.cache).expect("as it is").path, raw);
    let first = convert(image(), Format::Qcow2, &request.cache).expect("converted");
    assert_eq!((first.description.format, first.description.virtual_size), (Format::Qcow2, Some(4 << 20)));
    assert!(!first.cached);
    let again = convert(image(), Format::Qcow2, &request.cache).expect("converted");
    assert!(again.cached && again.path == first.path);
    // And back: nothing is lost.
    let back = convert(again, Format::Raw, &request.cache).expect("converted");
    assert!(std::fs::read(&back.path).expect("the image") == disk().as_slice());
    // A newer source is converted anew.
    std::thread::sleep(std::time::Duration::from_millis(20));
    std::fs::write(&raw, &disk()[..1 << 20]).expect("written");
    let newer = convert(image(), Format::Qcow2, &request.cache).expect("converted");
    assert_eq!((newer.cached, newer.description.virtual_size), (false, Some(1 << 20)));
}
