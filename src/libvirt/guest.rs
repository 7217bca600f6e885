//! Working inside a guest through its agent: programs, files, file systems, accounts, time.

use super::cause::Explain;
use super::stats::tree;
use super::wiring::{Channel, Wiring};
use super::words::without_nul;
use super::{Domain, ffi};
use crate::floor::{Area, Code, Error, Map, Result, Value, clock, format_size, interrupt};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value as Json, json};
use std::time::Duration;
use virt::sys;

/// How long the agent may take for one answer.
const ANSWER: Duration = Duration::from_secs(10);
/// The most data of a file in one message.
const CHUNK: usize = 32 * 1024;
/// The longest input of a program. It goes to the agent in one message, and one that does not fit the buffer of its socket, which
/// has 208 KiB as a rule, is spoilt by libvirt, which begins anew when it is full (seen in 9.0); in base64 it is a third longer.
const INPUT: usize = 96 * 1024;
/// About the most that a program can write: in base64 that is the longest text in a message of libvirt.
const OUTPUT: u64 = 3 * 1024 * 1024;

/// A program to run in a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    /// The program's path in the guest.
    pub path: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment as `NAME=VALUE`; nothing leaves it as it is.
    pub env: Vec<String>,
    /// What it reads from its standard input.
    pub input: Option<Vec<u8>>,
    /// How long it may take.
    pub timeout: Duration,
}

/// How a program in a guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code, unless a signal ended it.
    pub exit_code: Option<i64>,
    /// The signal that ended it.
    pub signal: Option<i64>,
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: Vec<u8>,
    /// Whether some of the output was lost, as the agent keeps 16 MiB of it.
    pub truncated: bool,
}

impl Domain {
    /// Sends one command to the agent and gives its answer. A missing agent is an error at once.
    pub fn agent_command(&self, command: &Json, timeout: Duration) -> Result<Json> {
        self.agent_is_there()?;
        if let Some(planned) = self.planned_command(command) {
            return planned;
        }
        let seconds = i32::try_from(timeout.as_secs()).unwrap_or(i32::MAX).max(1);
        let answer = self
            .raw()?
            .qemu_agent_command(&command.to_string(), seconds, 0)
            .explain("use the agent of", self.object())?;
        let mut answer: Json = serde_json::from_str(&answer).map_err(|error| self.nonsense(&error.to_string()))?;
        Ok(answer["return"].take())
    }

    /// Whether the agent answers.
    pub fn agent_ping(&self) -> Result<bool> {
        match self.agent_command(&json!({ "execute": "guest-ping" }), Duration::from_secs(1)) {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.code, Code::AgentUnavailable | Code::InvalidState | Code::Timeout) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Runs a program in the guest and waits for its end.
    pub fn exec(&self, exec: &Exec) -> Result<Ended> {
        let mut arguments = json!({ "path": exec.path, "arg": exec.args, "capture-output": true });
        if !exec.env.is_empty() {
            arguments["env"] = json!(exec.env);
        }
        if let Some(input) = &exec.input {
            self.fits_a_message(exec, input)?;
            arguments["input-data"] = BASE64.encode(input).into();
        }
        let end = clock::now() + exec.timeout;
        let started = self.ask_agent_within("guest-exec", &arguments, exec.timeout)?;
        let pid = started["pid"].clone();
        let mut pause = Duration::from_millis(20);
        loop {
            let left = end.saturating_sub(clock::now());
            let status = self.ask_agent_within("guest-exec-status", &json!({ "pid": pid }), left);
            let status = match status {
                Err(error) if error.code == Code::AgentUnavailable && clock::now() >= end => {
                    let message = format!(
                        "the agent of {} did not tell within {} s how `{}` ended",
                        self.object(),
                        exec.timeout.as_secs_f64(),
                        exec.path
                    );
                    return Err(Error::new(Code::Timeout, Area::Domain, message)
                        .about(self.object().plain())
                        .told_by_libvirt(error.cause.clone().unwrap_or_else(|| error.message.clone()))
                        .note(format!("its process id in the guest is {pid}")));
                }
                status => status.map_err(|error| self.too_much(exec, error))?,
            };
            if status["exited"] == true {
                return Ok(Ended {
                    exit_code: status["exitcode"].as_i64(),
                    signal: status["signal"].as_i64(),
                    stdout: self.decoded(&status["out-data"])?,
                    stderr: self.decoded(&status["err-data"])?,
                    truncated: status["out-truncated"] == true || status["err-truncated"] == true,
                });
            }
            let left = end.saturating_sub(clock::now());
            if left.is_zero() {
                let message =
                    format!("`{}` still runs in {} after {} s", exec.path, self.object(), exec.timeout.as_secs_f64());
                return Err(Error::new(Code::Timeout, Area::Domain, message)
                    .about(self.object().plain())
                    .note(format!("its process id in the guest is {pid}")));
            }
            clock::pause(left.min(pause)).map_err(|interrupted| {
                interrupted.note(format!(
                    "`{}` still runs in {}: its process id there is {pid}",
                    exec.path,
                    self.object()
                ))
            })?;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    /// Reads a file of the guest.
    pub fn read_guest_file(&self, path: &str) -> Result<Vec<u8>> {
        let handle = self.ask_agent("guest-file-open", &json!({ "path": path, "mode": "r" }))?;
        let mut data = Vec::new();
        let read = loop {
            interrupt::check()?;
            let piece = self.ask_agent("guest-file-read", &json!({ "handle": handle, "count": CHUNK }));
            match piece.and_then(|piece| Ok((self.decoded(&piece["buf-b64"])?, piece["eof"] == true))) {
                Ok((piece, eof)) => {
                    data.extend_from_slice(&piece);
                    if eof || piece.is_empty() {
                        break Ok(data);
                    }
                }
                Err(error) => break Err(error),
            }
        };
        let closed = self.ask_agent("guest-file-close", &json!({ "handle": handle }));
        read.and_then(|data| closed.map(|_| data))
    }

    /// Writes a file of the guest: what was in it is gone.
    pub fn write_guest_file(&self, path: &str, data: &[u8]) -> Result<()> {
        let handle = self.ask_agent("guest-file-open", &json!({ "path": path, "mode": "w" }))?;
        let written = data.chunks(CHUNK).try_for_each(|chunk| {
            interrupt::check()?;
            let mut rest = chunk;
            while !rest.is_empty() {
                let wrote =
                    self.ask_agent("guest-file-write", &json!({ "handle": handle, "buf-b64": BASE64.encode(rest) }))?;
                let count = wrote["count"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
                if count == 0 || count > rest.len() {
                    return Err(self.nonsense("the agent wrote nothing"));
                }
                rest = &rest[count..];
            }
            Ok(())
        });
        let closed = self.ask_agent("guest-file-close", &json!({ "handle": handle }));
        written.and_then(|()| closed.map(drop))
    }

    /// What the agent tells of its guest: operating system, host name, time zone, users, file systems, disks, interfaces.
    pub fn guest_info(&self) -> Result<Map> {
        self.agent_is_there()?;
        let flat = ffi::guest_info(&self.raw()?).explain("ask for the guest of", self.object())?;
        Ok(tree(None, flat))
    }

    /// Freezes the guest's file systems so that its disks can be copied; gives their number.
    pub fn fs_freeze(&self) -> Result<u64> {
        self.agent_is_there()?;
        self.host().attempt("fs_freeze", self.object())?;
        ffi::fs_freeze(&self.raw()?).map(|count| count as u64).explain("freeze the file systems of", self.object())
    }

    /// Thaws the guest's file systems; gives their number.
    pub fn fs_thaw(&self) -> Result<u64> {
        self.agent_is_there()?;
        self.host().attempt("fs_thaw", self.object())?;
        ffi::fs_thaw(&self.raw()?).map(|count| count as u64).explain("thaw the file systems of", self.object())
    }

    /// Has the guest tell its disks what it does not use.
    pub fn fs_trim(&self) -> Result<()> {
        self.agent_is_there()?;
        self.host().attempt("fs_trim", self.object())?;
        ffi::fs_trim(&self.raw()?).explain("trim the file systems of", self.object())
    }

    /// Sets the password of an account in the guest.
    pub fn set_user_password(&self, user: &str, password: &str) -> Result<()> {
        self.agent_is_there()?;
        without_nul("a password", &[Some(user), Some(password)])?;
        self.raw()?.set_user_password(user, password, 0).map(drop).explain("set a password in", self.object())
    }

    /// The ssh keys that let somebody in as that user.
    pub fn authorized_keys(&self, user: &str) -> Result<Vec<String>> {
        let answer = self.ask_agent("guest-ssh-get-authorized-keys", &json!({ "username": user }))?;
        let keys = answer["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(keys.iter().filter_map(|key| key.as_str().map(str::to_string)).collect())
    }

    /// Adds ssh keys that let somebody in as that user; `reset` removes all others.
    pub fn add_authorized_keys(&self, user: &str, keys: &[String], reset: bool) -> Result<()> {
        let arguments = json!({ "username": user, "keys": keys, "reset": reset });
        self.ask_agent("guest-ssh-add-authorized-keys", &arguments).map(drop)
    }

    /// The guest's clock in seconds since 1970.
    #[allow(clippy::cast_precision_loss, reason = "seconds stay exact for longer than anybody lives")]
    pub fn guest_time(&self) -> Result<f64> {
        self.agent_is_there()?;
        let (seconds, nanoseconds) = self.raw()?.time(0).explain("ask for the time of", self.object())?;
        Ok(seconds as f64 + f64::from(nanoseconds) / 1e9)
    }

    /// Sets the guest's clock to the host's.
    pub fn sync_time(&self) -> Result<()> {
        self.agent_is_there()?;
        self.raw()?.set_time(0, 0, sys::VIR_DOMAIN_TIME_SYNC).map(drop).explain("set the time of", self.object())
    }

    fn fits_a_message(&self, exec: &Exec, input: &[u8]) -> Result<()> {
        if input.len() <= INPUT {
            return Ok(());
        }
        let size = |bytes: usize| format_size(u64::try_from(bytes).unwrap_or(u64::MAX));
        let message = format!(
            "the input of `{}` has {}, and the agent of {} takes {} at most",
            exec.path,
            size(input.len()),
            self.object(),
            size(INPUT)
        );
        Err(Error::new(Code::InvalidArgument, Area::Domain, message)
            .about(self.object().plain())
            .hint("`vmscript vm ssh` hands over any amount; scripts have `write_file`"))
    }

    /// What came of a program that wrote more than libvirt hands over is lost.
    fn too_much(&self, exec: &Exec, error: Error) -> Error {
        let words = error.cause.clone().unwrap_or_default();
        // The first ones are those of a message to the client, the second ones those of an answer of the agent.
        let breaks = words.contains("No complete agent response");
        if !breaks && !words.contains("encode message payload") {
            return error;
        }
        let message = format!("`{}` wrote more in {} than an agent can hand over", exec.path, self.object());
        let error = Error::new(Code::Failed, Area::Domain, message)
            .about(self.object().plain())
            .told_by_libvirt(words)
            .note(format!("it ended; {} can be handed over, and what it wrote is lost", format_size(OUTPUT)))
            .hint("`vmscript vm ssh` has no such limit");
        if breaks {
            error.note("libvirt has hung up: the agent answers again when it is started anew in the guest")
        } else {
            error
        }
    }

    fn ask_agent(&self, command: &str, arguments: &Json) -> Result<Json> {
        self.ask_agent_within(command, arguments, ANSWER)
    }

    /// Asks the agent, which has this time at most, rounded up to whole seconds.
    fn ask_agent_within(&self, command: &str, arguments: &Json, time: Duration) -> Result<Json> {
        let command = json!({ "execute": command, "arguments": arguments });
        let whole = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        self.agent_command(&command, Duration::from_secs(whole).min(ANSWER))
    }

    /// libvirt waits for seconds for an agent that is not there; its channel tells at once.
    pub(super) fn agent_is_there(&self) -> Result<()> {
        if self.planned_agent() == Some(false) {
            return Err(self.silent_agent());
        }
        if Wiring::read(&self.xml()?)?.agent != Channel::Disconnected {
            return Ok(());
        }
        let message = format!("cannot ask the agent of {}: the guest agent is not connected", self.object());
        Err(Error::new(Code::AgentUnavailable, Area::Domain, message)
            .about(self.object().plain())
            .hint("is `qemu-guest-agent` installed and running in the guest? it needs a moment after the start"))
    }

    fn decoded(&self, value: &Json) -> Result<Vec<u8>> {
        let text = value.as_str().unwrap_or_default();
        BASE64.decode(text).map_err(|error| self.nonsense(&error.to_string()))
    }

    fn nonsense(&self, what: &str) -> Error {
        Error::new(Code::Failed, Area::Domain, format!("the agent of {} answered nonsense: {what}", self.object()))
            .about(self.object().plain())
    }
}

impl Ended {
    /// What it wrote, as text: standard output, and standard error.
    pub fn texts(&self) -> [String; 2] {
        [&self.stdout, &self.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}

impl From<Ended> for Value {
    fn from(ended: Ended) -> Self {
        let [stdout, stderr] = ended.texts();
        let fields = [
            ("exit_code", ended.exit_code.into()),
            ("signal", ended.signal.into()),
            ("stdout", stdout.into()),
            ("stderr", stderr.into()),
            ("truncated", ended.truncated.into()),
        ];
        Self::Map(fields.map(|(name, value)| (name.to_string(), value)).into_iter().collect())
    }
}
