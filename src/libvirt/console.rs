//! A domain's serial console: what it prints, what is typed, and waiting for a text.

use super::Domain;
use super::cause::Explain;
use super::ffi::{self, Received};
use super::words::without_nul;
use crate::floor::terminal::Line;
use crate::floor::{Area, Code, Error, Result, clock, interrupt};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use virt::stream::Stream;
use virt::sys;

/// The most that is kept of what nobody has read.
const KEPT: usize = 4 << 20;
const PAUSE: Duration = Duration::from_millis(100);
/// How much of the last output an error shows.
const TAIL: usize = 5;

/// An open console. It closes with the last clone.
#[derive(Clone)]
pub struct Console(Arc<Inner>);

struct Inner {
    domain: Domain,
    /// Without one it shows what a test plans.
    stream: Option<Stream>,
    seen: Arc<Mutex<Seen>>,
}

/// What has arrived and was not read yet.
#[derive(Debug, Default)]
struct Seen {
    data: Vec<u8>,
    /// How the console ended, when it has.
    ended: Option<String>,
}

/// A text that was waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Which of the texts came.
    pub matched: String,
    /// What came before it.
    pub before: String,
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Console").field(&self.0.domain.name()).finish()
    }
}

impl Domain {
    /// Opens a console: the first one, or the one with that device name or alias. `force` closes that of somebody else.
    pub fn open_console(&self, device: Option<&str>, force: bool) -> Result<Console> {
        without_nul("a name", &[device])?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        if self.host().has_plan() {
            return Ok(Console(Arc::new(Inner { domain: self.clone(), stream: None, seen })));
        }
        let stream = Stream::new(&self.host().raw()?, 0).explain("open a stream for", self.object())?;
        let flags = if force { sys::VIR_DOMAIN_CONSOLE_FORCE } else { 0 };
        self.raw()?.open_console(device, &stream, flags).explain("open the console of", self.object())?;
        let (reader, sink) = (stream.clone(), Arc::clone(&seen));
        let reading = move || read_all(&reader, &sink);
        let thread = thread::Builder::new().name("console".to_string()).spawn(reading);
        thread.map_err(|error| {
            Error::new(Code::Failed, Area::Domain, "cannot start a thread").caused_by(error.to_string())
        })?;
        Ok(Console(Arc::new(Inner { domain: self.clone(), stream: Some(stream), seen })))
    }
}

impl Console {
    /// The domain it is of.
    pub fn domain(&self) -> &Domain {
        &self.0.domain
    }

    /// What it has printed since it was read the last time.
    pub fn read(&self) -> String {
        String::from_utf8_lossy(&self.receive()).into_owned()
    }

    /// Types a text; a line needs its `\n`.
    pub fn send(&self, text: &str) -> Result<()> {
        self.send_bytes(text.as_bytes())
    }

    fn send_bytes(&self, mut rest: &[u8]) -> Result<()> {
        // Nobody reads what a test types.
        let Some(stream) = &self.0.stream else { return Ok(()) };
        while !rest.is_empty() {
            interrupt::check()?;
            let sent = stream.send(rest).explain("type on the console of", self.0.domain.object())?;
            rest = rest.get(usize::try_from(sent).unwrap_or(0)..).unwrap_or_default();
        }
        Ok(())
    }

    /// Waits until it prints one of the texts. What came until then is read; what comes after it is kept.
    pub fn expect(&self, texts: &[String], timeout: Duration) -> Result<Expected> {
        let end = clock::now() + timeout;
        loop {
            let ended = {
                let mut seen = self.seen();
                if let Some((at, text)) = first(&seen.data, texts) {
                    let before = String::from_utf8_lossy(&seen.data[..at]).into_owned();
                    seen.data.drain(..at + text.len());
                    return Ok(Expected { matched: text.to_string(), before });
                }
                seen.ended.clone()
            };
            if let Some(why) = ended {
                return Err(self.missing(texts, &format!("the console was closed ({why})"), Code::GuestStopped));
            }
            let left = end.saturating_sub(clock::now());
            if left.is_zero() {
                let why = format!("it did not print that within {} s", timeout.as_secs_f64());
                return Err(self.missing(texts, &why, Code::Timeout));
            }
            clock::pause(left.min(PAUSE))?;
        }
    }

    /// Whether it is still open.
    pub fn is_open(&self) -> bool {
        self.seen().ended.is_none()
    }

    fn missing(&self, texts: &[String], why: &str, code: Code) -> Error {
        let listed = texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(" or ");
        let object = self.0.domain.object();
        let message = format!("the console of {object} did not show {listed}: {why}");
        let seen = String::from_utf8_lossy(&self.seen().data).into_owned();
        let lines: Vec<&str> = seen.lines().filter(|line| !line.trim().is_empty()).collect();
        let error = Error::new(code, Area::Domain, message).about(object.plain());
        lines[lines.len().saturating_sub(TAIL)..]
            .iter()
            .fold(error, |error, line| error.note(format!("console: {line}")))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if self.0.stream.is_none() {
            seen.data.extend(self.0.domain.planned_console().unwrap_or_default().bytes());
            if !self.0.domain.state().is_ok_and(|state| !state.is_over()) {
                seen.ended = Some("end of the stream".to_string());
            }
        }
        seen
    }
}

impl Line for Console {
    fn name(&self) -> String {
        format!("the console of {}", self.0.domain.object())
    }

    fn receive(&self) -> Vec<u8> {
        std::mem::take(&mut self.seen().data)
    }

    fn send(&self, data: &[u8]) -> Result<()> {
        self.send_bytes(data)
    }

    fn is_open(&self) -> bool {
        self.is_open()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Ends the reading thread too. If the stream is over already, there is nothing to end.
        drop(self.stream.take().map(Stream::abort));
    }
}

fn read_all(stream: &Stream, seen: &Mutex<Seen>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let got = ffi::receive(stream, &mut buffer);
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        match got {
            Ok(Received::Data(0)) => seen.ended = Some("end of the stream".to_string()),
            Ok(Received::Data(got)) => {
                seen.data.extend_from_slice(&buffer[..got]);
                let too_much = seen.data.len().saturating_sub(KEPT);
                seen.data.drain(..too_much);
            }
            Ok(Received::Hole(_)) => {}
            Err(error) => seen.ended = Some(error.message().to_string()),
        }
        let over = seen.ended.is_some();
        drop(seen);
        interrupt::wake();
        if over {
            return;
        }
    }
}

/// The text that comes first, and where.
fn first<'t>(data: &[u8], texts: &'t [String]) -> Option<(usize, &'t str)> {
    let place = |text: &str| data.windows(text.len().max(1)).position(|window| window == text.as_bytes());
    texts.iter().filter_map(|text| place(text).map(|at| (at, text.as_str()))).min_by_key(|(at, _)| *at)
}
