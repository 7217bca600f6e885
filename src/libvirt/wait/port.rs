//! Waiting until somebody listens on a port.

use super::background::Background;
use super::condition::Target;
use super::guest::fields;
use super::ip::Ip;
use super::{Look, Tick, TimedOut};
use crate::floor::{Area, Code, Error, Map, Result};
use crate::libvirt::Host;
use std::io::Read;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(3);
/// The pause between two tries grows between these.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

/// A TCP port that somebody listens on, and that greets with these bytes if any are given.
pub(super) struct Port {
    target: Target,
    number: u16,
    greeting: Option<&'static str>,
    /// The wait for the domain's address, until it is known.
    ip: Option<Box<Ip>>,
    addr: Option<String>,
    source: Option<String>,
    asked: Background<Result<String, String>>,
    next: Duration,
    pause: Duration,
    said: String,
}

impl Port {
    pub(super) fn new(target: Target, number: u16, greeting: Option<&'static str>) -> Self {
        let addr = if let Target::Address(addr, _) = &target { Some(addr.clone()) } else { None };
        let ip = if let Target::Domain(domain, wait) = &target { Some(Box::new(Ip::new(domain, wait))) } else { None };
        let (said, asked) = (String::new(), Background::default());
        Self { target, number, greeting, ip, addr, source: None, asked, next: Duration::ZERO, pause: PAUSES[0], said }
    }

    /// Whether the guest's ports are planned, so that nobody needs to knock.
    pub(super) fn is_planned(&self) -> bool {
        match &self.target {
            Target::Address(_, host) => host.as_ref().is_some_and(Host::has_plan),
            Target::Domain(domain, _) => domain.host().has_plan(),
        }
    }

    fn planned(&self, tick: Tick) -> Option<bool> {
        if self.next > tick.now {
            return None;
        }
        match &self.target {
            Target::Address(addr, host) => host.as_ref()?.planned_port_of(addr, self.number),
            Target::Domain(domain, _) => domain.planned_port(self.number),
        }
    }

    /// The address, if it is known.
    pub(super) fn addr(&self) -> Option<&str> {
        self.addr.as_deref()
    }
}

impl Look for Port {
    fn what(&self) -> String {
        match &self.target {
            Target::Address(addr, _) => format!("port {} of `{addr}`", self.number),
            Target::Domain(domain, _) => format!("port {} of {}", self.number, domain.object()),
        }
    }

    fn word(&self) -> &'static str {
        "port"
    }

    fn begin(&mut self) -> Result<()> {
        self.ip.as_mut().map_or(Ok(()), |ip| ip.begin())
    }

    fn look(&mut self, tick: Tick) -> Result<Option<Map>> {
        let Some(addr) = self.addr.clone() else {
            let Some(ip) = &mut self.ip else { return Ok(None) };
            if let Some(found) = ip.look(tick)? {
                let text = |key: &str| found.get(key).and_then(|value| value.as_str()).map(str::to_string);
                self.addr = text("addr");
                self.source = text("source");
            }
            self.said = self.ip.as_ref().map(|ip| ip.said()).unwrap_or_default();
            return Ok(None);
        };
        if let Some(ip) = &self.ip {
            ip.alive(tick)?;
        }
        let answer = match self.planned(tick) {
            Some(open) if open => Some(Ok(self.greeting.unwrap_or_default().to_string())),
            Some(_) => Some(Err("nobody listens".to_string())),
            None => self.asked.take(),
        };
        match answer {
            Some(Ok(banner)) => {
                let source = self.source.clone();
                let port = i64::from(self.number).into();
                return Ok(Some(fields([
                    ("addr", addr.into()),
                    ("port", port),
                    ("source", source.unwrap_or_else(|| "given".to_string()).into()),
                    ("banner", banner.into()),
                ])));
            }
            Some(Err(said)) => {
                self.said = format!("{addr}:{}: {said}", self.number);
                self.next = tick.now + self.pause;
                self.pause = (self.pause * 3 / 2).min(PAUSES[1]);
            }
            None => {}
        }
        if !self.is_planned() && !self.asked.is_busy() && self.next <= tick.now {
            let (port, greeting) = (self.number, self.greeting);
            self.asked.ask("port", move || knock(&addr, port, greeting));
        }
        Ok(None)
    }

    fn said(&self) -> String {
        self.said.clone()
    }

    fn timed_out(&self, how: TimedOut) -> Error {
        if self.addr.is_none()
            && let Some(ip) = &self.ip
        {
            return ip.timed_out(how);
        }
        let mut error = Error::new(Code::Timeout, Area::Domain, format!("no {} within {:?}", self.what(), how.limit));
        if !self.said.is_empty() {
            error = error.note(self.said.clone());
        }
        error = error.note(format!("waited {:.1} s", how.elapsed.as_secs_f64()));
        if let Target::Domain(domain, _) = &self.target
            && let Ok(state) = domain.state()
            && state.word() != "running"
        {
            let hint = format!("`vmscript vm start {}` lets it go on", domain.name());
            return error.note(format!("state: {state}")).hint(hint);
        }
        error.hint("does the service run in the guest, and does a firewall let it through?")
    }
}

/// Connects, and reads the greeting if one is expected.
fn knock(addr: &str, port: u16, greeting: Option<&'static str>) -> Result<String, String> {
    let words = |error: std::io::Error| error.to_string();
    let address = (addr, port).to_socket_addrs().map_err(words)?.next().ok_or("the name has no address")?;
    let mut stream = TcpStream::connect_timeout(&address, CONNECT).map_err(words)?;
    let Some(greeting) = greeting else { return Ok(String::new()) };
    stream.set_read_timeout(Some(CONNECT)).map_err(words)?;
    let mut buffer = [0; 255];
    let got = stream.read(&mut buffer).map_err(words)?;
    // What comes behind the line, in the same packet, is not for people.
    let line = buffer[..got].split(|byte| *byte == b'\n').next().unwrap_or_default();
    let banner = String::from_utf8_lossy(line).trim().to_string();
    if banner.starts_with(greeting) { Ok(banner) } else { Err(format!("it greets with {banner:?}")) }
}
