//! Downloads: torn off, refused, slow, changed, packed. In the end the right image is there, or none.

use super::server::{Server, head, respond, rest, serve};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use vmscript::floor::{Code, Error, timing};
use vmscript::image::{Checksum, Fetched, Format, Request, fetch};

const TAG: &str = "\"v1\"";

/// A bootable raw disk of 4 MiB, most of which are zeros.
pub(crate) fn disk() -> Arc<Vec<u8>> {
    let mut data: Vec<u8> = (0..200_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    data[510..512].copy_from_slice(&[0x55, 0xaa]);
    data.resize(4 << 20, 0);
    Arc::new(data)
}

pub(crate) fn sum(data: &[u8]) -> String {
    let mut child =
        Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sha256sum runs");
    child.stdin.take().expect("piped").write_all(data).expect("written");
    let output = child.wait_with_output().expect("it ends").stdout;
    String::from_utf8(output).expect("text")[..64].to_string()
}

fn packed(tool: &str, data: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("data");
    std::fs::write(&file, data).expect("written");
    Command::new(tool).arg("-c").arg(file).output().expect("the tool runs").stdout
}

struct Lab {
    cache: TempDir,
    server: Server,
}

impl Lab {
    fn new(server: Server) -> Self {
        Self { cache: tempfile::tempdir().expect("a folder"), server }
    }

    fn request(&self, path: &str) -> Request {
        let mut request = Request::new(vec![self.server.url(path)]);
        request.cache = self.cache.path().to_path_buf();
        request.stall = Duration::from_secs(5);
        request.retries = 3;
        request
    }

    fn get(&self, path: &str) -> Result<Fetched, Error> {
        fetch(&self.request(path))
    }

    /// The files in the cache with the name of a complete image.
    fn images(&self) -> Vec<PathBuf> {
        let folders = std::fs::read_dir(self.cache.path()).expect("the cache").flatten();
        folders.map(|folder| folder.path().join("image")).filter(|image| image.exists()).collect()
    }

    /// What failed, and that nothing is there that could be taken for an image.
    fn refused(&self, request: &Request) -> Error {
        let error = fetch(request).expect_err("it fails");
        assert_eq!(self.images(), Vec::<PathBuf>::new(), "no image appears");
        error
    }
}

fn same(path: &Path, data: &[u8]) {
    assert!(std::fs::read(path).expect("the image") == data, "the image is what was served");
}

#[test]
fn a_good_server_is_asked_once_and_then_for_news_only() {
    let data = disk();
    let served = data.clone();
    let lab = Lab::new(Server::start(move |request, stream| serve(request, stream, &served, TAG)));
    let first = lab.get("/disk.raw").expect("an image");
    same(&first.path, &data);
    assert_eq!(
        (first.cached, first.description.format, first.checksum),
        (false, Format::Raw, format!("sha256:{}", sum(&data)))
    );
    let again = lab.get("/disk.raw").expect("an image");
    assert!(again.cached && again.path == first.path);
    assert_eq!(lab.server.requests(), 2, "one download, one question");
    let mut known = lab.request("/disk.raw");
    known.checksum = Checksum::parse(&sum(&data)).ok();
    assert!(fetch(&known).expect("an image").cached);
    assert_eq!(lab.server.requests(), 2, "what the checksum proves is not asked");
    known.force = true;
    assert!(!fetch(&known).expect("an image").cached);
}

#[test]
fn a_download_is_among_the_timings() {
    let data = disk();
    let lab = Lab::new(Server::start(move |request, stream| serve(request, stream, &data, TAG)));
    timing::enable();
    lab.get("/timed.img").expect("an image");
    let done = timing::take();
    assert!(done.iter().any(|one| one.object == "image timed.img" && one.step == "download"), "{done:?}");
}

#[test]
fn a_changed_image_is_fetched_again() {
    let data = disk();
    let served = data.clone();
    let lab = Lab::new(Server::start(move |request, stream| {
        if request.number == 0 {
            serve(request, stream, &served, TAG);
        } else {
            serve(request, stream, &served[..1 << 20], "\"v2\"");
        }
    }));
    same(&lab.get("/a").expect("an image").path, &data);
    let second = lab.get("/a").expect("an image");
    assert!(!second.cached);
    same(&second.path, &data[..1 << 20]);
}

#[test]
fn a_torn_off_download_goes_on_where_it_was() {
    let data = disk();
    let served = data.clone();
    let lab = Lab::new(Server::start(move |request, stream| {
        if request.number < 2 {
            let from = request.from().unwrap_or(0);
            let end = served.len() * (3 + 3 * request.number) / 10;
            let range = format!("bytes {from}-{}/{}", served.len() - 1, served.len());
            let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
            head(stream, status, &[("Content-Range", &range), ("ETag", TAG)], served.len() - from);
            drop(stream.write_all(&served[from..end]));
        } else {
            serve(request, stream, &served, TAG);
        }
    }));
    same(&lab.get("/a").expect("an image").path, &data);
    let ranges = lab.server.ranges();
    assert_eq!(ranges.len(), 3);
    assert_eq!((ranges[0].as_str(), ranges[1].as_str()), ("whole", format!("bytes={}-", data.len() * 3 / 10).as_str()));
}

#[test]
fn another_run_goes_on_too_unless_the_image_changed() {
    let data = disk();
    for tag in [TAG, "\"v2\""] {
        let served = data.clone();
        let lab = Lab::new(Server::start(move |request, stream| {
            if request.number < 2 {
                head(stream, "200 OK", &[("ETag", TAG)], served.len());
                drop(stream.write_all(if request.number == 0 { &served[..2 << 20] } else { &[] }));
            } else {
                serve(request, stream, &served, tag);
            }
        }));
        let mut request = lab.request("/a");
        request.retries = 0;
        let error = lab.refused(&request);
        assert_eq!(error.code, Code::Failed, "{error}");
        // The second run begins with what the first one got, and so does the third unless the server says otherwise.
        lab.refused(&request);
        same(&fetch(&request).expect("an image").path, &data);
        assert_eq!(lab.server.ranges()[1], format!("bytes={}-", 2 << 20));
    }
}

#[test]
fn a_server_without_ranges_sends_all_again() {
    let data = disk();
    let served = data.clone();
    let lab = Lab::new(Server::start(move |request, stream| {
        head(stream, "200 OK", &[("ETag", TAG)], served.len());
        let end = if request.number == 0 { served.len() * 3 / 10 } else { served.len() };
        drop(stream.write_all(&served[..end]));
    }));
    same(&lab.get("/a").expect("an image").path, &data);
    assert_eq!(lab.server.requests(), 2);
}

#[test]
fn a_server_that_always_drops_at_30_percent_without_ranges_is_given_up() {
    let served = disk();
    let lab = Lab::new(Server::start(move |_, stream| {
        head(stream, "200 OK", &[("ETag", TAG)], served.len());
        drop(stream.write_all(&served[..served.len() * 3 / 10]));
    }));
    let error = lab.refused(&lab.request("/a"));
    assert!(error.notes.contains(&"tried 4 times".to_string()), "{error:?}");
}

#[test]
fn a_server_in_trouble_is_asked_again() {
    let data = disk();
    let served = data.clone();
    let lab = Lab::new(Server::start(move |request, stream| match request.number {
        0 | 1 => respond(stream, "503 Service Unavailable", &[], b"busy"),
        _ => serve(request, stream, &served, TAG),
    }));
    same(&lab.get("/a").expect("an image").path, &data);
    assert_eq!(lab.server.requests(), 3);
}

#[test]
fn a_wrong_length_and_a_missing_file_are_errors() {
    let served = disk();
    let lab = Lab::new(Server::start(move |request, stream| match request.path.as_str() {
        "/long" => {
            head(stream, "200 OK", &[], served.len() + 10);
            drop(stream.write_all(&served));
        }
        _ => respond(stream, "404 Not Found", &[], b"<html>"),
    }));
    let mut request = lab.request("/long");
    request.retries = 1;
    assert_eq!(lab.refused(&request).code, Code::Failed);
    let error = lab.refused(&lab.request("/none"));
    assert_eq!((error.code, error.cause.as_deref()), (Code::NotFound, Some("the server has no such file (HTTP 404)")));
}

#[test]
fn a_wrong_checksum_leaves_nothing() {
    let data = disk();
    let served = data.clone();
    let lab = Lab::new(Server::start(move |request, stream| serve(request, stream, &served, TAG)));
    let mut request = lab.request("/disk.raw");
    request.checksum = Checksum::parse(&"0".repeat(64)).ok();
    let error = lab.refused(&request);
    assert_eq!(error.message, format!("the checksum of `{}` is wrong", lab.server.url("/disk.raw")));
    assert_eq!(error.notes[1], format!("found:    sha256:{}", sum(&data)));
}

#[test]
fn checksum_files_are_read_and_believed() {
    let data = disk();
    let (served, list) = (data.clone(), format!("SHA256 (disk.raw) = {}\n{}  other.raw\n", sum(&data), "0".repeat(64)));
    let lab = Lab::new(Server::start(move |request, stream| match request.path.as_str() {
        "/SUMS" => respond(stream, "200 OK", &[], list.as_bytes()),
        _ => serve(request, stream, &served, TAG),
    }));
    let listed = |path: &str| {
        let mut request = lab.request(path);
        request.checksum_url = Some(lab.server.url("/SUMS"));
        request
    };
    assert_eq!(lab.refused(&listed("/other.raw")).code, Code::Failed);
    let error = lab.refused(&listed("/none.raw"));
    assert_eq!(error.message, format!("`{}` lists no checksum of `none.raw`", lab.server.url("/SUMS")));
    same(&fetch(&listed("/disk.raw?mirror=1")).expect("an image").path, &data);
}

#[test]
fn a_silent_server_is_left_and_a_slow_one_is_not() {
    let data = disk();
    let served = data.clone();
    let lab = Lab::new(Server::start(move |request, stream| {
        head(stream, "200 OK", &[], served.len());
        if request.path == "/silent" {
            drop(stream.write_all(&served[..1000]));
            drop(stream.flush());
            rest(20_000);
        }
        for piece in served.chunks(served.len() / 8) {
            drop(stream.write_all(piece));
            drop(stream.flush());
            rest(100);
        }
    }));
    let mut request = lab.request("/silent");
    (request.stall, request.retries) = (Duration::from_millis(400), 1);
    let start = Instant::now();
    let error = lab.refused(&request);
    assert_eq!(
        (error.code, error.cause.as_deref()),
        (Code::Timeout, Some("nothing came from the server for too long"))
    );
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    request.sources = vec![lab.server.url("/slow")];
    same(&fetch(&request).expect("slow, but never silent").path, &data);
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    let data = disk();
    let served = data.clone();
    let lab = Lab::new(Server::start(move |request, stream| match request.path.as_str() {
        "/loop" => respond(stream, "302 Found", &[("Location", "/loop")], &[]),
        "/moved" => respond(stream, "301 Moved Permanently", &[("Location", "/disk.raw")], &[]),
        _ => serve(request, stream, &served, TAG),
    }));
    same(&lab.get("/moved").expect("an image").path, &data);
    let lab = Lab { cache: tempfile::tempdir().expect("a folder"), server: lab.server };
    let error = lab.refused(&lab.request("/loop"));
    assert_eq!(error.cause.as_deref(), Some("the server redirects more than 8 times"));
}

#[test]
fn mirrors_are_tried_in_turn_and_all_failures_are_told() {
    let data = disk();
    let served = data.clone();
    let lab = Lab::new(Server::start(move |request, stream| match request.path.as_str() {
        "/good" => serve(request, stream, &served, TAG),
        _ => respond(stream, "404 Not Found", &[], &[]),
    }));
    let mut request = lab.request("/gone");
    request.sources.push(lab.server.url("/nowhere"));
    let error = lab.refused(&request);
    assert!(error.to_string().contains("/gone") && error.notes[0].contains("/nowhere"), "{error:?}");
    request.sources.push(lab.server.url("/good"));
    same(&fetch(&request).expect("an image").path, &data);
}

#[test]
fn packed_images_are_unpacked_on_the_way_with_holes() {
    use std::os::unix::fs::MetadataExt;
    let data = disk();
    for tool in ["xz", "gzip", "bzip2", "zstd"] {
        let file = Arc::new(packed(tool, &data));
        let served = file.clone();
        let lab = Lab::new(Server::start(move |request, stream| {
            if request.number == 0 {
                head(stream, "200 OK", &[("ETag", TAG)], served.len());
                drop(stream.write_all(&served[..served.len() / 3]));
            } else {
                serve(request, stream, &served, TAG);
            }
        }));
        let mut request = lab.request("/disk");
        request.checksum = Checksum::parse(&sum(&file)).ok();
        let got = fetch(&request).expect("an image");
        same(&got.path, &data);
        let blocks = std::fs::metadata(&got.path).expect("metadata").blocks() * 512;
        assert!(blocks < 1_000_000, "{tool}: zeros are holes: {blocks}");
        assert_eq!(lab.server.ranges()[1], format!("bytes={}-", file.len() / 3), "{tool}");
    }
}

#[test]
fn broken_packed_data_are_refused() {
    let mut file = packed("xz", &disk());
    let middle = file.len() / 2;
    file[middle..middle + 64].fill(0);
    let lab = Lab::new(Server::start(move |request, stream| serve(request, stream, &file, TAG)));
    let error = lab.refused(&lab.request("/disk.xz"));
    assert_eq!(error.message, "the xz data of the image are broken");
}

#[test]
fn files_are_used_where_they_are_and_unpacked_once() {
    let data = disk();
    let folder = tempfile::tempdir().expect("a folder");
    let (raw, xz) = (folder.path().join("disk.raw"), folder.path().join("disk.raw.xz"));
    std::fs::write(&raw, data.as_slice()).expect("written");
    std::fs::write(&xz, packed("xz", &data)).expect("written");
    let mut request = Request::new(vec![format!("file://{}", raw.display())]);
    request.cache = folder.path().join("cache");
    request.checksum = Checksum::parse(&sum(&data)).ok();
    assert_eq!(fetch(&request).expect("an image").path, raw);
    request.checksum = Checksum::parse(&"1".repeat(64)).ok();
    assert_eq!(fetch(&request).expect_err("another content").code, Code::Failed);
    (request.checksum, request.sources) = (None, vec![xz.display().to_string()]);
    let first = fetch(&request).expect("an image");
    same(&first.path, &data);
    assert!(!first.cached && fetch(&request).expect("an image").cached);
}
