//! Moving data into and out of volumes, as a stream: constant memory, and holes are never sent.

use super::Volume;
use super::cause::Explain;
use super::ffi::{self, Downloading, Received};
use super::object::Object;
use super::retry::while_busy;
use crate::floor::progress::Progress;
use crate::floor::{Area, Code, Error, Result, interrupt};
use crate::schema::xml;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use virt::error::Error as VirtError;
use virt::stream::Stream;
use virt::sys;

/// The most data that fits into one message of libvirt's protocol.
const CHUNK: usize = 262_120;

/// What tells most images apart: headers, tables and the first of the data.
const HEAD: u64 = 1 << 20;

/// How much a transfer moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// The bytes from beginning to end, holes included.
    pub size: u64,
    /// The bytes that went over the wire.
    pub data: u64,
}

/// How much of what was sent may not have arrived when a connection breaks: far more than fits into all buffers on the way.
const ON_THE_WAY: u64 = 64 << 20;

impl Volume {
    /// Fills it with a file of this machine.
    pub fn upload(&self, path: &Path) -> Result<Transfer> {
        self.upload_from(path, 0)
    }

    /// Goes on filling it with a file of this machine at an offset, which is the same in both. An error has the fact
    /// `offset`: from where to go on.
    pub fn upload_from(&self, path: &Path, offset: u64) -> Result<Transfer> {
        let unreadable = |error: io::Error| Error::io(path, "read", &error);
        let mut file = File::open(path).map_err(unreadable)?;
        let size = file.seek(SeekFrom::End(0)).map_err(unreadable)?;
        let progress = Progress::begin(&format!("upload {}", self.name()), Some(size));
        if offset > size {
            return Err(Error::argument(format!("`{}` has {size} bytes: there is no offset {offset}", path.display())));
        }
        let sparse = sys::VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM;
        let mut at = offset;
        if while_busy(self.host(), || self.host().is_skipped("upload", self.object()))? {
            self.note_upload(path)?;
            return Ok(Transfer { size: size - offset, data: 0 });
        }
        let raw = self.raw()?;
        let open = |stream: &Stream| raw.upload(stream, offset, 0, sparse);
        let sent = self.through("upload to", open, |stream| {
            send_file(stream, &file, path, &mut at, size, self.object(), &progress)
        });
        sent.map_err(|mut error| {
            let arrived = i64::try_from(at.saturating_sub(ON_THE_WAY).max(offset)).unwrap_or(i64::MAX);
            error.facts.insert("offset".to_string(), arrived.into());
            error
        })
    }

    /// Fails if a file is larger than it is, which a volume that is a file would take, and be larger itself. Images of other
    /// formats than raw bring their sizes along.
    pub fn check_fits(&self, path: &Path) -> Result<()> {
        let size = path.metadata().map_err(|error| Error::io(path, "read", &error))?.len();
        let format =
            xml::parse(&self.xml()?)?.find("target/format").and_then(|format| Some(format.attr("type")?.to_string()));
        let capacity = self.info()?.capacity;
        if format.is_some_and(|format| format != "raw") || size <= capacity {
            return Ok(());
        }
        let message = format!(
            "cannot upload to {}: `{}` has {size} bytes, and the volume {capacity}",
            self.object(),
            path.display()
        );
        Err(Error::new(Code::InvalidArgument, Area::Storage, message)
            .about(self.object().plain())
            .hint("make it larger first: `volume.resize(size)`"))
    }

    /// Fills it with data in memory.
    pub fn upload_bytes(&self, data: &[u8]) -> Result<Transfer> {
        let size = data.len() as u64;
        let progress = Progress::begin(&format!("upload {}", self.name()), Some(size));
        if while_busy(self.host(), || self.host().is_skipped("upload", self.object()))? {
            return Ok(Transfer { size, data: 0 });
        }
        let raw = self.raw()?;
        let open = |stream: &Stream| raw.upload(stream, 0, size, 0);
        self.through("upload to", open, |stream| {
            let mut done = 0;
            for chunk in data.chunks(CHUNK) {
                interrupt::check()?;
                send(stream, chunk, self.object())?;
                done += chunk.len() as u64;
                progress.at(done);
            }
            Ok(Transfer { size, data: size })
        })
    }

    /// So many bytes of it from a place on, or less at its end.
    pub fn read(&self, at: u64, length: u64) -> Result<Vec<u8>> {
        let raw = self.raw()?;
        let open = |stream: &Stream| raw.download(stream, at, length, 0);
        self.through("download", open, |stream| {
            let mut found = Vec::new();
            let mut buffer = vec![0; CHUNK];
            loop {
                match ffi::receive(stream, &mut buffer).explain("download", self.object())? {
                    Received::Data(0) => return Ok(found),
                    Received::Data(got) => found.extend(&buffer[..got]),
                    Received::Hole(hole) => found.resize(found.len() + usize::try_from(hole).unwrap_or_default(), 0),
                }
            }
        })
    }

    /// Writes it to a file of this machine, which appears when it is complete.
    pub fn download(&self, path: &Path) -> Result<Transfer> {
        self.download_to(path, false)
    }

    /// Writes it to a file of this machine. One that can be resumed leaves what it has in `FILE.part` if it fails, and
    /// goes on there the next time.
    pub fn download_to(&self, path: &Path, resume: bool) -> Result<Transfer> {
        let unwritable = |error: io::Error| Error::io(path, "write", &error);
        if while_busy(self.host(), || self.host().is_skipped("download", self.object()))? {
            let size = self.info()?.capacity;
            File::create(path).and_then(|file| file.set_len(size)).map_err(unwritable)?;
            return Ok(Transfer { size, data: 0 });
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let size = self.raw()?.info_flags(sys::VIR_STORAGE_VOL_GET_PHYSICAL).ok().map(|info| info.allocation);
        let progress = Progress::begin(&format!("download {}", self.name()), size);
        let file = File::options().write(true).create(true).truncate(!resume).open(&part).map_err(unwritable)?;
        let start = file.metadata().map_err(unwritable)?.len();
        let mut at = start;
        let _downloading = Downloading::begin();
        let sparse = sys::VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM;
        let raw = self.raw()?;
        let open = |stream: &Stream| raw.download(stream, start, 0, sparse);
        let done = self
            .through("download", open, |stream| receive_file(stream, &file, path, &mut at, self.object(), &progress));
        // A hole at the end is not written by anything else.
        let done = file.set_len(at).map_err(unwritable).and(done);
        match done.and_then(|moved| fs::rename(&part, path).map(|()| moved).map_err(unwritable)) {
            Ok(moved) => Ok(moved),
            Err(error) if resume => {
                let note = format!("{at} bytes are kept in `{}`: the same call goes on there", part.display());
                Err(error.note(note))
            }
            Err(error) => Err(match fs::remove_file(&part) {
                Ok(()) => error,
                Err(_) => error.note(format!("`{}` is left behind", part.display())),
            }),
        }
    }

    /// Whether it holds the same as a file of this machine: the same length, beginning and last data, or all of it. A raw
    /// volume has its length from the first byte on, and its last data only when it is whole.
    pub fn holds(&self, path: &Path, whole: bool) -> Result<bool> {
        let unreadable = |error: io::Error| Error::io(path, "read", &error);
        if let Some(noted) = self.holds_upload(path) {
            return noted;
        }
        let file = File::open(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        let own =
            self.raw()?.info_flags(sys::VIR_STORAGE_VOL_GET_PHYSICAL).explain("ask for the size of", self.object())?;
        if own.allocation != size {
            return Ok(false);
        }
        let head = if whole { size } else { size.min(HEAD) };
        if !self.holds_part(&file, path, 0..head)? {
            return Ok(false);
        }
        let last = if whole { None } else { last_data(&file).map_err(unreadable)? };
        match last.filter(|last| last.end > head) {
            Some(last) => self.holds_part(&file, path, last.start.max(head)..last.end),
            None => Ok(true),
        }
    }

    fn holds_part(&self, file: &File, path: &Path, part: Range<u64>) -> Result<bool> {
        let progress = Progress::begin(&format!("compare {}", self.name()), Some(part.end));
        let sparse = sys::VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM;
        let raw = self.raw()?;
        let stream = self.stream(|stream| raw.download(stream, part.start, part.end - part.start, sparse))?;
        let _downloading = Downloading::begin();
        let same = compare(&stream, file, path, part.start, self.object(), &progress)?;
        if same {
            stream.finish().explain("download", self.object())?;
        } else {
            // What is left of it is of no interest.
            drop(stream.abort());
        }
        Ok(same)
    }

    fn stream(&self, open: impl Fn(&Stream) -> Result<(), VirtError>) -> Result<Stream> {
        while_busy(self.host(), || {
            let stream = Stream::new(&self.host().raw()?, 0).explain("open a stream for", self.object())?;
            open(&stream).explain("transfer data of", self.object())?;
            Ok(stream)
        })
    }

    /// Opens a stream, moves data through it, and ends it: only then libvirt says whether all has arrived.
    fn through<T>(
        &self,
        doing: &str,
        open: impl Fn(&Stream) -> Result<(), VirtError>,
        moving: impl FnOnce(&Stream) -> Result<T>,
    ) -> Result<T> {
        let stream = self.stream(open)?;
        match moving(&stream) {
            Ok(moved) => stream.finish().explain(doing, self.object()).map(|()| moved),
            Err(error) => {
                // The error at hand says more than whatever the abortion may meet.
                drop(stream.abort());
                Err(error)
            }
        }
    }
}

fn send_file(
    stream: &Stream,
    file: &File,
    path: &Path,
    at: &mut u64,
    size: u64,
    object: &Object,
    progress: &Progress,
) -> Result<Transfer> {
    let mut buffer = vec![0; CHUNK];
    let mut data = 0;
    while *at < size {
        let (start, end) = piece(file, *at, size).map_err(|error| Error::io(path, "read", &error))?;
        if start > *at {
            ffi::send_hole(stream, start - *at).explain("upload to", object)?;
            *at = start;
            progress.at(start);
        }
        while *at < end {
            interrupt::check()?;
            let want = usize::try_from(end - *at).map_or(CHUNK, |left| left.min(CHUNK));
            let got = file.read_at(&mut buffer[..want], *at).map_err(|error| Error::io(path, "read", &error))?;
            if got == 0 {
                let cut = io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was read");
                return Err(Error::io(path, "read", &cut));
            }
            send(stream, &buffer[..got], object)?;
            *at += got as u64;
            data += got as u64;
            progress.at(*at);
        }
    }
    Ok(Transfer { size, data })
}

/// The next piece of data below `size`; empty and at `size` if only a hole is left.
fn piece(file: &File, at: u64, size: u64) -> io::Result<(u64, u64)> {
    match ffi::next_data(file, at) {
        Ok(Some((start, end))) => Ok((start.min(size), end.min(size))),
        Ok(None) => Ok((size, size)),
        // Devices and some file systems know no holes.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok((at, size)),
        Err(error) => Err(error),
    }
}

fn send(stream: &Stream, mut data: &[u8], object: &Object) -> Result<()> {
    while !data.is_empty() {
        let sent = stream.send(data).explain("upload to", object)?;
        data = &data[usize::try_from(sent).unwrap_or_default().min(data.len())..];
    }
    Ok(())
}

/// The last data of a file, at most as much as is looked at: what is only zeros does not count. Nothing if there is no data.
fn last_data(file: &File) -> io::Result<Option<Range<u64>>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some((start, end)) = ffi::next_data(file, at)? {
        pieces.push(start..end);
        at = end;
    }
    let mut buffer = vec![0; CHUNK];
    for piece in pieces.into_iter().rev() {
        let mut end = piece.end;
        while end > piece.start {
            let start = end.saturating_sub(CHUNK as u64).max(piece.start);
            let data = &mut buffer[..usize::try_from(end - start).unwrap_or(CHUNK)];
            file.read_exact_at(data, start)?;
            if data.iter().any(|byte| *byte != 0) {
                return Ok(Some(start..end));
            }
            end = start;
        }
    }
    Ok(None)
}

fn compare(
    stream: &Stream,
    file: &File,
    path: &Path,
    mut at: u64,
    object: &Object,
    progress: &Progress,
) -> Result<bool> {
    let (mut theirs, mut ours) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        interrupt::check()?;
        let mut hole = match ffi::receive(stream, &mut theirs).explain("download", object)? {
            Received::Data(0) => return Ok(true),
            Received::Data(got) => {
                file.read_exact_at(&mut ours[..got], at).map_err(|error| Error::io(path, "read", &error))?;
                if ours[..got] != theirs[..got] {
                    return Ok(false);
                }
                at += got as u64;
                0
            }
            Received::Hole(length) => length,
        };
        while hole > 0 {
            let want = usize::try_from(hole).map_or(CHUNK, |left| left.min(CHUNK));
            file.read_exact_at(&mut ours[..want], at).map_err(|error| Error::io(path, "read", &error))?;
            if ours[..want].iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at += want as u64;
            hole -= want as u64;
        }
        progress.at(at);
    }
}

fn receive_file(
    stream: &Stream,
    file: &File,
    path: &Path,
    at: &mut u64,
    object: &Object,
    progress: &Progress,
) -> Result<Transfer> {
    let mut buffer = vec![0; CHUNK];
    let mut data = 0;
    loop {
        interrupt::check()?;
        match ffi::receive(stream, &mut buffer).explain("download", object)? {
            Received::Data(0) => return Ok(Transfer { size: *at, data }),
            Received::Data(got) => {
                file.write_all_at(&buffer[..got], *at).map_err(|error| Error::io(path, "write", &error))?;
                *at += got as u64;
                data += got as u64;
            }
            Received::Hole(length) => *at += length,
        }
        progress.at(*at);
    }
}
