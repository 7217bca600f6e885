//! Web servers that a test plans: what they have, and how they fail.

use super::checksum::Hasher;
use super::http::{Answer, Trouble, Version, Want, failed, refusal};
use crate::floor::clock;
use crate::floor::planned::{Counted, When, first_due};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// What a server has under a URL.
#[derive(Debug, Clone)]
pub struct Served {
    /// The bytes.
    pub content: Arc<[u8]>,
    /// The status of a server that does not give them.
    pub status: Option<u16>,
    /// How long the transfer takes.
    pub time: Duration,
    /// After so many bytes the server hangs up.
    pub ends: Option<u64>,
    /// After so many bytes nothing comes any more.
    pub stalls: Option<u64>,
}

static SERVED: Mutex<Vec<Counted<Served>>> = Mutex::new(Vec::new());
/// Where images are kept if nobody else is asked.
static ALONE: OnceLock<PathBuf> = OnceLock::new();

/// Plans what a server has under the URLs that are meant.
pub fn serve(served: Served, when: When) {
    SERVED.lock().unwrap_or_else(PoisonError::into_inner).push(Counted::new(when, served));
}

/// From now on nobody is asked over the network: there is only what is planned. No other run shall find that, so images are
/// kept in this folder. Only the first call counts.
pub fn serve_alone(cache: PathBuf) {
    drop(ALONE.set(cache));
}

/// The folder for images where there is only what is planned.
pub(super) fn own_cache() -> Option<&'static PathBuf> {
    ALONE.get()
}

/// The answer of a planned server, if there is one for this URL, or of none, if there are no others.
pub(super) fn get(url: &str, want: Want, stall: Duration) -> Option<Result<Answer, Trouble>> {
    let mut all = SERVED.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(served) = first_due(&mut all, |one| one.when.fits(url)) else {
        return own_cache().map(|_| {
            let error = failed(url, "the test plans nothing under this URL");
            Err(Trouble::Lasting(error.hint("`serves(url, ...)` plans what a server has")))
        });
    };
    drop(all);
    Some(served.answer(url, want, stall))
}

impl Served {
    fn answer(&self, url: &str, want: Want, stall: Duration) -> Result<Answer, Trouble> {
        if let Some(status) = self.status {
            clock::sleep(self.time).map_err(Trouble::Lasting)?;
            return Err(refusal(url, status));
        }
        let mut hasher = Hasher::default();
        hasher.update(&self.content);
        let version = Version { etag: Some(format!("\"{}\"", hasher.finish())), last_modified: None };
        let length = self.content.len() as u64;
        let at = match want {
            Want::Unless(known) if *known == version => return Ok(Answer::Same),
            Want::From(at, known) if at < length && known.exact().is_none_or(|_| *known == version) => at,
            Want::Whole | Want::Unless(_) | Want::From(..) => 0,
        };
        let body = Body { served: self.clone(), at, began: false, stall };
        Ok(Answer::Data { at, total: Some(length), version, body: Box::new(body) })
    }
}

/// The rest of what is served.
struct Body {
    served: Served,
    at: u64,
    began: bool,
    stall: Duration,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stopped = |error: crate::floor::Error| io::Error::other(error.to_string());
        if !self.began {
            self.began = true;
            clock::sleep(self.served.time).map_err(stopped)?;
        }
        let left = |end: Option<u64>| end.map_or(u64::MAX, |end| end.saturating_sub(self.at));
        if left(self.served.stalls) == 0 {
            clock::sleep(self.stall).map_err(stopped)?;
            return Err(io::ErrorKind::TimedOut.into());
        }
        let most = left(self.served.stalls).min(left(self.served.ends));
        let start = usize::try_from(self.at).unwrap_or(usize::MAX);
        let rest = self.served.content.get(start..).unwrap_or_default();
        let got = rest.len().min(buffer.len()).min(usize::try_from(most).unwrap_or(usize::MAX));
        buffer[..got].copy_from_slice(&rest[..got]);
        self.at += got as u64;
        Ok(got)
    }
}
