//! Waiting for ssh: the server's greeting, or a login that succeeds.

use super::background::Background;
use super::condition::Target;
use super::port::Port;
use super::{Look, Tick, TimedOut};
use crate::floor::{Error, Map, Result};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The pause between two logins.
const PAUSE: Duration = Duration::from_secs(1);

/// Who logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The file of the private key; ssh's own choice if it is not given.
    pub key: Option<String>,
}

impl Login {
    /// Runs a command as this user and gives what it prints; the guest's host key is not known beforehand.
    pub(super) fn run(&self, addr: &str, port: u16, command: &str) -> Result<String, String> {
        let mut ssh = Command::new("ssh");
        ssh.args(["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
        ssh.args(["-o", "ConnectTimeout=5", "-o", "LogLevel=ERROR", "-p", &port.to_string(), "-l", &self.user]);
        if let Some(key) = &self.key {
            ssh.args(["-o", "IdentitiesOnly=yes", "-i", key]);
        }
        let output = ssh
            .args(["--", addr, command])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("cannot run `ssh`: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("the command failed").to_string())
    }
}

/// An ssh server.
pub(super) struct Ssh {
    port: Port,
    number: u16,
    login: Option<Login>,
    greeted: Option<Map>,
    asked: Background<Result<String, String>>,
    next: Duration,
    said: Option<String>,
}

impl Ssh {
    pub(super) fn new(target: Target, number: u16, login: Option<Login>) -> Self {
        let port = Port::new(target, number, Some("SSH-"));
        let asked = Background::default();
        Self { port, number, login, greeted: None, asked, next: Duration::ZERO, said: None }
    }
}

impl Look for Ssh {
    fn what(&self) -> String {
        format!("ssh on {}", self.port.what())
    }

    fn word(&self) -> &'static str {
        "ssh"
    }

    fn begin(&mut self) -> Result<()> {
        self.port.begin()
    }

    fn look(&mut self, tick: Tick) -> Result<Option<Map>> {
        let Some(greeted) = &self.greeted else {
            self.greeted = self.port.look(tick)?;
            // Where the port is planned, so is the login.
            let done = self.login.is_none() || self.port.is_planned();
            return Ok(if done { self.greeted.clone() } else { None });
        };
        let (Some(login), Some(addr)) = (&self.login, self.port.addr()) else { return Ok(None) };
        match self.asked.take() {
            Some(Ok(_)) => {
                let mut done = greeted.clone();
                done.insert("user".to_string(), login.user.clone().into());
                return Ok(Some(done));
            }
            Some(Err(said)) => {
                self.said = Some(format!("login as {}: {said}", login.user));
                self.next = tick.now + PAUSE;
            }
            None => {}
        }
        if !self.asked.is_busy() && self.next <= tick.now {
            let (login, addr, number) = (login.clone(), addr.to_string(), self.number);
            self.asked.ask("ssh", move || login.run(&addr, number, "true"));
        }
        Ok(None)
    }

    fn said(&self) -> String {
        self.said.clone().unwrap_or_else(|| self.port.said())
    }

    fn timed_out(&self, how: TimedOut) -> Error {
        let error = self.port.timed_out(how);
        match &self.said {
            Some(said) => error.note(said.clone()),
            None => error,
        }
    }
}
