//! From a URL or a path to a complete, verified, unpacked image file.

use super::cache::{Facts, Slot, cache_folder};
use super::download::{Downloaded, download};
use super::http::{Answer, Client, Want};
use super::part::Part;
use super::signature::Signature;
use super::{Checksum, Compression, Description, Format, checksum::Hasher, describe_file, file_name, sparse};
use crate::floor::progress::Progress;
use crate::floor::{Area, Code, Error, Result, clock, interrupt, regular, timing};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

const CHUNK: usize = 256 << 10;

/// How often an image that is unpacked is brought to the disk.
const FLUSH: Duration = Duration::from_millis(250);

/// Which image is wanted.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where it is: URLs (`http`, `https`, `file`) or paths; the first one that works is taken.
    pub sources: Vec<String>,
    /// What the file at the source must hash to, before it is unpacked.
    pub checksum: Option<Checksum>,
    /// Where the publisher's list of checksums is.
    pub checksum_url: Option<String>,
    /// A signature on the list of checksums, or on the file where there is no list.
    pub signature: Option<Signature>,
    /// Whether to fetch it even if it is in the cache.
    pub force: bool,
    /// How often to try again without anything new coming.
    pub retries: u32,
    /// How long a server may be silent.
    pub stall: Duration,
    /// The folder of the cache.
    pub cache: PathBuf,
}

impl Request {
    /// An image from these sources, with what is usual for the rest.
    pub fn new(sources: Vec<String>) -> Self {
        Self {
            sources,
            checksum: None,
            checksum_url: None,
            signature: None,
            force: false,
            retries: 5,
            stall: Duration::from_secs(30),
            cache: cache_folder(),
        }
    }

    /// Whether it is a file of this machine.
    pub fn is_local(&self) -> bool {
        self.sources.first().is_some_and(|first| local(first).is_some())
    }
}

/// A complete image on this machine.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub description: Description,
    /// How it was compressed at its source.
    pub compression: Option<String>,
    /// The checksum of the file at its source.
    pub checksum: String,
    /// Whether nothing had to be downloaded.
    pub cached: bool,
}

/// Gets an image: from the cache where it is current, else from its source.
pub fn fetch(request: &Request) -> Result<Fetched> {
    let Some(first) = request.sources.first() else {
        return Err(Error::argument("an image needs a `url` or a `path`"));
    };
    let client = Client::new(request.stall);
    let mut request = request.clone();
    let list = request.checksum_url.clone().filter(|_| request.checksum.is_none());
    if let Some(path) = local(first) {
        if let Some(list) = list {
            request.checksum = Some(listed(&client, &request, &list)?);
        }
        return from_file(&request, &path);
    }
    let slot = Slot::open(&request.cache, first)?;
    if let Some(list) = list {
        match listed(&client, &request, &list) {
            Ok(checksum) => request.checksum = Some(checksum),
            // What is there was verified when it came.
            Err(error) if unreachable(&error) && !request.force && slot.facts().is_some() => {
                tracing::warn!(%error, "taking the image in the cache, as nobody can say whether there is a newer one");
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(facts) = slot.facts().filter(|_| !request.force)
        && current(&client, &request, &facts)?
    {
        return complete(&slot.image(), &facts, true);
    }
    let resumed = slot.part_facts().is_some();
    match get(&client, &request, &slot) {
        // What an earlier run left may have been damaged by a crash.
        Err(error) if resumed && !slot.part().exists() && error.code == Code::Failed => get(&client, &request, &slot),
        done => done,
    }
}

/// What an image is, without getting all of it.
pub fn inspect(source: &str) -> Result<(Description, Option<Compression>)> {
    let unreadable = |error: std::io::Error| {
        Error::new(Code::Failed, Area::Storage, format!("cannot read the image `{}`", super::http::shown(source)))
            .caused_by(error.to_string())
    };
    if let Some(path) = local(source) {
        let mut file = File::open(&path).map_err(|error| Error::io(&path, "read", &error))?;
        let (packed, reader) = Compression::sniff(BufReader::new(&file)).map_err(unreadable)?;
        let found = if let Some(kind) = packed {
            super::describe(kind.unpack(reader).map_err(unreadable)?)
        } else {
            drop(reader);
            describe_file(&mut file)
        };
        return Ok((found.map_err(unreadable)?, packed));
    }
    let client = Client::new(Request::new(Vec::new()).stall);
    let Answer::Data { body, total, .. } = client.get(source, Want::Whole).map_err(super::http::Trouble::into_error)?
    else {
        return Err(Error::argument("the server answered what was not asked"));
    };
    let (packed, reader) = Compression::sniff(BufReader::new(body)).map_err(unreadable)?;
    let mut found = match packed {
        Some(kind) => super::describe(kind.unpack(reader).map_err(unreadable)?),
        None => super::describe(reader),
    }
    .map_err(unreadable)?;
    if packed.is_none() && found.virtual_size.is_none() && matches!(found.format, Format::Raw | Format::Iso) {
        found.virtual_size = total;
    }
    Ok((found, packed))
}

/// What an image is that [`fetch`] would get from a server: the first source that answers is asked for its beginning, and the
/// publisher's list for its checksum.
pub fn look(request: &Request) -> Result<Description> {
    let mut asked = Err(Error::argument("an image needs a `url` or a `path`"));
    for source in &request.sources {
        asked = inspect(source).map(|(found, _)| found);
        if asked.is_ok() {
            break;
        }
    }
    if let Some(list) = request.checksum_url.as_ref().filter(|_| request.checksum.is_none()) {
        listed(&Client::new(request.stall), request, list)?;
    }
    asked
}

/// Where the image lies that came from there last, as it came and in this format; nowhere if none came, or if it is a file of
/// this machine.
pub fn fetched_before(request: &Request, converted: Option<Format>) -> Result<Vec<PathBuf>> {
    let Some(first) = request.sources.first().filter(|first| local(first).is_none()) else { return Ok(Vec::new()) };
    let slot = Slot::open(&request.cache, first)?;
    if slot.facts().is_none() {
        return Ok(Vec::new());
    }
    let mut found = vec![slot.image()];
    if let Some(format) = converted {
        found.extend(super::convert::made_of(&slot.image(), format, &request.cache)?);
    }
    Ok(found)
}

/// The checksum that a publisher's list has for an image, as [`fetch`] would look for it.
pub fn listed_checksum(source: &str, list: &str) -> Result<Checksum> {
    let request = Request::new(vec![source.to_string()]);
    listed(&Client::new(request.stall), &request, list)
}

/// The path of a source that is a file of this machine.
fn local(source: &str) -> Option<PathBuf> {
    match source.split_once("://") {
        None => Some(PathBuf::from(source)),
        Some(("file", path)) => Some(PathBuf::from(path)),
        Some(_) => None,
    }
}

/// The checksum from the publisher's list, whose signature is checked first.
fn listed(client: &Client, request: &Request, list: &str) -> Result<Checksum> {
    let text = document(client, list)?;
    if let Some(signature) = &request.signature {
        signature.verify_text(&document(client, &signature.source)?, &text, list)?;
    }
    let text = String::from_utf8_lossy(&text);
    let name = file_name(&request.sources[0]);
    // A list that is called like the image is about it, whatever older name stands in it.
    let beside = file_name(list).strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    let found = Checksum::find(&text, name).or_else(|| Checksum::single(&text).filter(|_| beside));
    found.ok_or_else(|| {
        Error::new(
            Code::NotFound,
            Area::Storage,
            format!("`{}` lists no checksum of `{name}`", super::http::shown(list)),
        )
        .hint("give the checksum itself: `checksum: \"sha256:...\"`")
    })
}

/// A small document: a list of checksums, or a signature, which is text or not.
fn document(client: &Client, source: &str) -> Result<Vec<u8>> {
    match local(source) {
        Some(path) => fs::read(&path).map_err(|error| Error::io(&path, "read", &error)),
        None => retried(|| client.document(source)),
    }
}

/// A small request, tried three times.
fn retried<T>(mut request: impl FnMut() -> Result<T, super::http::Trouble>) -> Result<T> {
    let mut pause = Duration::from_millis(250);
    loop {
        match request() {
            Ok(done) => return Ok(done),
            Err(super::http::Trouble::Passing(error)) if pause < Duration::from_secs(2) => {
                tracing::warn!(%error, "trying again");
                clock::sleep(pause)?;
                pause *= 2;
            }
            Err(trouble) => return Err(trouble.into_error()),
        }
    }
}

/// Whether the cached image is the one that is wanted. If only the network is in trouble, it is.
fn current(client: &Client, request: &Request, facts: &Facts) -> Result<bool> {
    if let Some(checksum) = &request.checksum {
        return Ok(facts.has(checksum));
    }
    if facts.version.etag.is_none() && facts.version.last_modified.is_none() {
        return Ok(false);
    }
    match retried(|| client.get(&facts.url, Want::Unless(&facts.version))) {
        Ok(Answer::Same) => Ok(true),
        Ok(Answer::Data { version, .. }) => Ok(version == facts.version),
        Err(error) if unreachable(&error) => {
            tracing::warn!(%error, "taking the image in the cache, as nobody can say whether there is a newer one");
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

/// Whether only the network or the server is in trouble, so that nothing is known about the image itself.
fn unreachable(error: &Error) -> bool {
    matches!(error.code, Code::Failed | Code::Timeout) && error.message.starts_with("cannot fetch")
}

/// What an image is called where it is told what took how long.
fn timed_name(source: &str) -> String {
    format!("image {}", file_name(source))
}

/// Downloads and unpacks side by side; the image appears when all is verified.
fn get(client: &Client, request: &Request, slot: &Slot) -> Result<Fetched> {
    let earlier = slot.part_facts().filter(|facts| facts.url == request.sources[0] && !request.force);
    let part = Part::open(&slot.part(), earlier.is_some())?;
    let version = earlier.unwrap_or_default().version;
    let note = |url: &str, version: &super::http::Version| {
        slot.note_part(&Facts { url: url.to_string(), version: version.clone(), ..Facts::default() });
    };
    // Only the thread that downloads sleeps, between two tries; the other one waits for it.
    let task = clock::Task::begin();
    let side_by_side = || {
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                task.run(|| {
                    let name = timed_name(&request.sources[0]);
                    let done = timing::timed(&name, "download", || download(client, request, &part, &version, note));
                    part.end();
                    done
                })
            });
            let unpacked = unpack(&part, &slot.unpacked());
            if unpacked.is_err() && !part.is_ended() {
                // The thread waits for the server otherwise.
                part.abandon();
                client.stop();
            }
            (worker.join().expect("the download does not panic"), unpacked)
        })
    };
    let (downloaded, unpacked) = clock::aside(side_by_side);
    let done = match (downloaded, unpacked) {
        // Ctrl-C leaves what came, so that the next run goes on there.
        (_, Err(error)) | (Err(error), _) if error.code == Code::Interrupted => {
            part.settle()?;
            return Err(error);
        }
        (Ok(_), Err(error)) => Err(error),
        (Err(error), Ok(_)) => {
            part.settle()?;
            return Err(error);
        }
        // Of two failures the download's own is the cause, unless it was stopped because of the other.
        (Err(download), Err(unpacking)) => Err(if part.is_abandoned() { unpacking } else { download }),
        (Ok(downloaded), Ok(compression)) => verified(request, slot, &downloaded).map(|()| (downloaded, compression)),
    };
    match done {
        Ok((downloaded, compression)) => store(slot, &part, downloaded, compression),
        Err(error) => {
            // Nothing of this is worth going on with.
            slot.drop_part()?;
            Err(error)
        }
    }
}

fn verified(request: &Request, slot: &Slot, done: &Downloaded) -> Result<()> {
    let name = super::http::shown(&done.url);
    if let Some(checksum) = &request.checksum {
        checksum.verify(&done.checksum, &name)?;
    }
    match &request.signature {
        Some(signature) if request.checksum_url.is_none() => {
            let client = Client::new(request.stall);
            signature.verify_file(&document(&client, &signature.source)?, &slot.part(), &name)
        }
        _ => Ok(()),
    }
}

fn store(slot: &Slot, part: &Part, done: Downloaded, compression: Option<Compression>) -> Result<Fetched> {
    slot.forget()?;
    let image = slot.image();
    match compression {
        Some(_) => fs::rename(slot.unpacked(), &image).map_err(|error| Error::io(&image, "write", &error))?,
        None => part.keep_as(&image)?,
    }
    let facts = Facts {
        url: done.url,
        version: done.version,
        checksum: done.checksum.to_string(),
        compression: compression.map(|kind| kind.name().to_string()),
    };
    slot.note_image(&facts)?;
    complete(&image, &facts, false)
}

/// Unpacks a growing file into another one, or waits for its end if it is not compressed.
fn unpack(part: &Part, to: &Path) -> Result<Option<Compression>> {
    loop {
        let mut reader = BufReader::with_capacity(CHUNK, part.follow());
        let done = match Compression::sniff(&mut reader) {
            Ok((Some(kind), packed)) => unpack_to(kind, packed, to).map(|()| Some(kind)),
            _ => part.wait().map(|()| None),
        };
        interrupt::check()?;
        if !reader.get_ref().is_stale() {
            return done;
        }
    }
}

fn unpack_to(kind: Compression, packed: impl BufRead, to: &Path) -> Result<()> {
    let unwritable = |error: std::io::Error| Error::io(to, "write", &error);
    let file = File::options().read(true).write(true).create(true).truncate(true).open(to).map_err(unwritable)?;
    let ended = AtomicBool::new(false);
    let (unpacked, flushed) = std::thread::scope(|scope| {
        let flusher = scope.spawn(|| flush(&file, &ended));
        let unpacked = write_unpacked(kind, packed, &file, to);
        ended.store(true, Ordering::Relaxed);
        flusher.thread().unpark();
        (unpacked, flusher.join().expect("flushing does not panic"))
    });
    let length = unpacked?;
    flushed.and_then(|()| file.set_len(length)).and_then(|()| file.sync_all()).map_err(unwritable)
}

/// Brings to the disk what is written, while more is unpacked: in the end there is little to wait for. The kernel tells a
/// failed write only once, so what it says here counts.
fn flush(file: &File, ended: &AtomicBool) -> std::io::Result<()> {
    while !ended.load(Ordering::Relaxed) {
        std::thread::park_timeout(FLUSH);
        file.sync_data()?;
    }
    Ok(())
}

/// Unpacks into a file; gives the length of what is unpacked.
fn write_unpacked(kind: Compression, packed: impl BufRead, file: &File, to: &Path) -> Result<u64> {
    let broken = |error: std::io::Error| {
        Error::new(Code::Failed, Area::Storage, format!("the {} data of the image are broken", kind.name()))
            .caused_by(error.to_string())
    };
    let mut reader = kind.unpack(packed).map_err(broken)?;
    let mut buffer = vec![0; CHUNK];
    let mut at = 0;
    loop {
        interrupt::check()?;
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(at),
            Ok(got) => {
                sparse::write_at(file, &buffer[..got], at).map_err(|error| Error::io(to, "write", &error))?;
                at += got as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(broken(error)),
        }
    }
}

/// A file of this machine is used where it is; unpacked it goes to the cache.
fn from_file(request: &Request, path: &Path) -> Result<Fetched> {
    let unreadable = |error: std::io::Error| Error::io(path, "read", &error);
    regular(path)?;
    let file = File::open(path).map_err(unreadable)?;
    let facts = file.metadata().map_err(unreadable)?;
    let (compression, _) = Compression::sniff(BufReader::new(&file)).map_err(unreadable)?;
    let checksum = match &request.checksum {
        Some(expected) => {
            let name = timed_name(&path.display().to_string());
            let found = timing::timed(&name, "verify", || count(expected.hasher(), path, facts.len()))?;
            expected.verify(&found, &path.display().to_string())?;
            found.to_string()
        }
        None => String::new(),
    };
    if let Some(signature) = request.signature.as_ref().filter(|_| request.checksum_url.is_none()) {
        let client = Client::new(request.stall);
        signature.verify_file(&document(&client, &signature.source)?, path, &path.display().to_string())?;
    }
    let Some(kind) = compression else {
        return complete(path, &Facts { checksum, ..Facts::default() }, true);
    };
    let whole = fs::canonicalize(path).map_err(unreadable)?;
    let slot = Slot::open(&request.cache, &whole.display().to_string())?;
    let since = facts.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let version =
        super::http::Version { etag: Some(format!("{}-{}", facts.len(), since.as_nanos())), last_modified: None };
    if let Some(known) = slot.facts().filter(|known| known.version == version && !request.force) {
        return complete(&slot.image(), &Facts { checksum, ..known }, true);
    }
    let progress = Progress::begin(&format!("unpack {}", file_name(&whole.display().to_string())), None);
    let file = File::open(path).map_err(unreadable)?;
    let packed = BufReader::with_capacity(CHUNK, file);
    timing::timed(&timed_name(&whole.display().to_string()), "unpack", || unpack_to(kind, packed, &slot.unpacked()))?;
    drop(progress);
    slot.forget()?;
    let image = slot.image();
    fs::rename(slot.unpacked(), &image).map_err(|error| Error::io(&image, "write", &error))?;
    let facts =
        Facts { url: whole.display().to_string(), version, checksum, compression: Some(kind.name().to_string()) };
    slot.note_image(&facts)?;
    complete(&image, &facts, false)
}

/// The checksum of a file.
fn count(mut hasher: Hasher, path: &Path, size: u64) -> Result<Checksum> {
    let unreadable = |error: std::io::Error| Error::io(path, "read", &error);
    let progress = Progress::begin(&format!("verify {}", path.display()), Some(size));
    let mut file = File::open(path).map_err(unreadable)?;
    let mut buffer = vec![0; CHUNK];
    let mut done = 0;
    loop {
        interrupt::check()?;
        let got = file.read(&mut buffer).map_err(unreadable)?;
        if got == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(&buffer[..got]);
        done += got as u64;
        progress.at(done);
    }
}

fn complete(path: &Path, facts: &Facts, cached: bool) -> Result<Fetched> {
    let unreadable = |error: std::io::Error| Error::io(path, "read", &error);
    let mut file = File::open(path).map_err(unreadable)?;
    let description = describe_file(&mut file).map_err(unreadable)?;
    Ok(Fetched {
        path: path.to_path_buf(),
        description,
        compression: facts.compression.clone(),
        checksum: facts.checksum.clone(),
        cached,
    })
}
