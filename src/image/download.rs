//! Getting a file from one of several servers: again where it was torn off, elsewhere where nothing helps.

use super::checksum::Hasher;
use super::http::{Answer, Client, Trouble, Version, Want, interrupted_body};
use super::part::Part;
use super::{Checksum, Request};
use crate::floor::progress::Progress;
use crate::floor::{Error, Result, interrupt};
use std::io::Read;
use std::time::Duration;

const CHUNK: usize = 256 << 10;

/// The pauses between tries grow from this to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// A finished download.
pub(super) struct Downloaded {
    /// Where it came from.
    pub(super) url: String,
    /// Which version it is.
    pub(super) version: Version,
    /// The checksum of what came.
    pub(super) checksum: Checksum,
}

/// What is known of a file that is downloaded.
struct State<'a> {
    client: &'a Client,
    part: &'a Part,
    progress: &'a Progress,
    algorithm: Option<&'a Checksum>,
    version: Version,
    hasher: Hasher,
}

/// Fills `part` from the first server that gives all of it. What `part` holds already is of `version` and from the
/// first server. `on_version` is called when a version begins to come.
pub(super) fn download(
    client: &Client,
    request: &Request,
    part: &Part,
    version: &Version,
    on_version: impl Fn(&str, &Version),
) -> Result<Downloaded> {
    let label = format!("download {}", super::file_name(&request.sources[0]));
    let progress = Progress::begin(&label, None);
    let mut state = State {
        client,
        part,
        progress: &progress,
        algorithm: request.checksum.as_ref(),
        version: version.clone(),
        hasher: Hasher::default(),
    };
    state.rehash()?;
    let mut failures = Vec::new();
    for url in &request.sources {
        match from_one(&mut state, url, request.retries, &on_version) {
            Ok(()) => {
                part.settle()?;
                return Ok(Downloaded { url: url.clone(), version: state.version, checksum: state.hasher.finish() });
            }
            Err(error) if error.code == crate::floor::Code::Interrupted || part.is_abandoned() => return Err(error),
            Err(error) => failures.push(error),
        }
    }
    let mut failures = failures.into_iter();
    let first = failures.next().unwrap_or_else(|| Error::argument("an image needs a `url` or a `path`"));
    Err(failures.fold(first, |error, other| error.note(other.to_string())))
}

/// Tries a server until all is there, or until it has failed so often without sending anything new.
fn from_one(state: &mut State, url: &str, retries: u32, on_version: &impl Fn(&str, &Version)) -> Result<()> {
    let (mut furthest, mut failed, mut pause) = (state.part.length(), 0, FIRST_PAUSE);
    loop {
        let error = match state.attempt(url, on_version) {
            Ok(()) => return Ok(()),
            Err(Trouble::Lasting(error)) => return Err(error),
            Err(Trouble::Passing(error)) => error,
        };
        interrupt::check()?;
        if state.part.length() > furthest {
            (furthest, failed, pause) = (state.part.length(), 0, FIRST_PAUSE);
        }
        failed += 1;
        if failed > retries || state.part.is_abandoned() {
            return Err(error.note(format!("tried {failed} times")));
        }
        tracing::warn!(url, %error, "the download broke off, trying again");
        state.progress.status(&format!("{error}; trying again"));
        state.part.sleep(pause)?;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

impl State<'_> {
    /// Begins to count the checksum with what is there already.
    fn rehash(&mut self) -> Result<()> {
        self.hasher = self.algorithm.map_or_else(Hasher::default, Checksum::hasher);
        let length = self.part.length();
        let mut reader = self.part.follow().take(length);
        let mut buffer = vec![0; CHUNK];
        loop {
            let got = reader
                .read(&mut buffer)
                .map_err(|error| Error::argument("cannot read a download").caused_by(error.to_string()))?;
            if got == 0 {
                return Ok(());
            }
            self.hasher.update(&buffer[..got]);
        }
    }

    fn restart(&mut self) -> Result<()> {
        self.part.restart()?;
        self.rehash()
    }

    /// One request: goes on where it was torn off if the server can, else begins anew.
    fn attempt(&mut self, url: &str, on_version: &impl Fn(&str, &Version)) -> Result<(), Trouble> {
        let lasting = Trouble::Lasting;
        let have = self.part.length();
        let known = self.version.clone();
        // Without a version nobody knows whether the rest belongs to the beginning, unless a checksum tells in the end.
        let resume = have > 0 && (known.exact().is_some() || self.algorithm.is_some());
        let want = if resume { Want::From(have, &known) } else { Want::Whole };
        let Answer::Data { at, total, version, mut body } = self.client.get(url, want)? else {
            return Err(lasting(Error::argument("the server answered what was not asked")));
        };
        if at != have {
            self.restart().map_err(lasting)?;
        }
        on_version(url, &version);
        self.version = version;
        self.progress.total(total);
        let mut buffer = vec![0; CHUNK];
        let mut done = at;
        loop {
            let got = body.read(&mut buffer).map_err(|error| interrupted_body(url, &error))?;
            if got == 0 {
                break;
            }
            interrupt::check().map_err(lasting)?;
            if self.part.is_abandoned() {
                return Err(lasting(Error::interrupted()));
            }
            self.hasher.update(&buffer[..got]);
            self.part.append(&buffer[..got]).map_err(lasting)?;
            done += got as u64;
            self.progress.at(done);
        }
        match total {
            Some(total) if total != done => {
                let cut = std::io::Error::other(format!("it ended after {done} of {total} bytes"));
                Err(interrupted_body(url, &cut))
            }
            _ => Ok(()),
        }
    }
}
