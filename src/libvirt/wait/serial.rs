//! Waiting for a line on the serial console: from its log where this machine can read it, else from the console itself.

use super::guest::{Guest, fields};
use super::{Look, Tick, TimedOut, autopsy, tail};
use crate::floor::{Area, Code, Error, Map, Result, interrupt};
use crate::libvirt::Domain;
use crate::libvirt::cause::Explain;
use crate::schema::Pattern;
use std::fs::File;
use std::io::Read;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use virt::stream::Stream;

/// The most of a line that is kept.
const LONGEST: usize = 64 * 1024;

/// A line on the serial console.
pub(super) struct Serial {
    domain: Domain,
    pattern: Pattern,
    guest: Option<Guest>,
    from: Option<From>,
    /// What was read and has no end of line yet.
    rest: Vec<u8>,
    last: String,
}

enum From {
    Log(File),
    Console { data: Receiver<Vec<u8>>, _stop: Stop },
    Plan,
}

/// Ends the reading of a console when the wait is over.
struct Stop(Stream);

impl Drop for Stop {
    fn drop(&mut self) {
        // The reader then meets an error and ends, too.
        drop(self.0.clone().abort());
    }
}

impl Serial {
    pub(super) fn new(domain: &Domain, pattern: &str) -> Result<Self> {
        let pattern = Pattern::new(pattern)?;
        Ok(Self { domain: domain.clone(), pattern, guest: None, from: None, rest: Vec::new(), last: String::new() })
    }

    /// Reads what is new.
    fn read(&mut self) {
        match &mut self.from {
            None => {}
            Some(From::Log(file)) => {
                // A log that cannot be read any more ends like one that is silent: with a timeout that tells.
                drop(file.read_to_end(&mut self.rest));
            }
            Some(From::Plan) => self.rest.extend(self.domain.planned_console().unwrap_or_default().bytes()),
            Some(From::Console { data, .. }) => {
                loop {
                    match data.try_recv() {
                        Ok(piece) => self.rest.extend(piece),
                        Err(TryRecvError::Empty) => break,
                        // It ends with the guest, and with the connection.
                        Err(TryRecvError::Disconnected) => {
                            self.from = None;
                            break;
                        }
                    }
                }
            }
        }
    }
}

impl Look for Serial {
    fn what(&self) -> String {
        format!("line like `{}` on the serial console of {}", self.pattern, self.domain.object())
    }

    fn word(&self) -> &'static str {
        "serial"
    }

    fn begin(&mut self) -> Result<()> {
        self.guest = Some(Guest::new(&self.domain)?);
        let log = tail::serial_log(&self.domain.xml()?);
        if self.domain.host().has_plan() {
            self.from = Some(From::Plan);
            return Ok(());
        }
        self.from = Some(match log.and_then(|path| File::open(path).ok()) {
            Some(file) => From::Log(file),
            None => console(&self.domain)?,
        });
        Ok(())
    }

    fn look(&mut self, tick: Tick) -> Result<Option<Map>> {
        self.read();
        let mut from = 0;
        // A prompt has no end of line: what is left counts as a line, too.
        while let Some(length) = self.rest[from..].iter().position(|byte| *byte == b'\n').or_else(|| {
            let left = self.rest.len() - from;
            (left > 0).then_some(left)
        }) {
            let line = String::from_utf8_lossy(&self.rest[from..from + length]).trim_end().to_string();
            if self.pattern.is_match(&line) {
                let source = if matches!(self.from, Some(From::Log(_))) { "log" } else { "console" };
                let object = self.domain.object().plain();
                return Ok(Some(fields([("object", object.into()), ("source", source.into()), ("line", line.into())])));
            }
            if !line.is_empty() {
                self.last = line;
            }
            if from + length >= self.rest.len() {
                break;
            }
            from += length + 1;
        }
        self.rest.drain(..from);
        if self.rest.len() > LONGEST {
            self.rest.clear();
        }
        if let Some(guest) = &self.guest {
            guest.alive(tick, "serial console")?;
        }
        if self.from.is_none() {
            self.from = Some(console(&self.domain)?);
        }
        Ok(None)
    }

    fn said(&self) -> String {
        format!("serial: {}", self.last)
    }

    fn timed_out(&self, how: TimedOut) -> Error {
        let object = self.domain.object();
        let message = format!("no {} within {:?}", self.what(), how.limit);
        let error = Error::new(Code::Timeout, Area::Domain, message)
            .about(object.plain())
            .note(format!("last line: {}", self.last));
        autopsy::explain(error, &self.domain, None, how)
    }
}

/// Opens the console and reads it on a thread of its own.
fn console(domain: &Domain) -> Result<From> {
    let object = domain.object();
    let stream = Stream::new(&domain.host().raw()?, 0).explain("open a stream for", object)?;
    domain.raw()?.open_console(None, &stream, 0).explain("open the console of", object)?;
    let (sender, receiver) = mpsc::channel();
    let stop = Stop(stream.clone());
    let started = thread::Builder::new().name("console".to_string()).spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(got @ 1..) = stream.recv(&mut buffer) {
            let got = usize::try_from(got).unwrap_or_default().min(buffer.len());
            if sender.send(buffer[..got].to_vec()).is_err() {
                break;
            }
            interrupt::wake();
        }
    });
    started.map_err(|error| {
        Error::new(Code::Failed, Area::Domain, format!("cannot read the console of {object}: {error}"))
    })?;
    Ok(From::Console { data: receiver, _stop: stop })
}
