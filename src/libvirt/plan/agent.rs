//! What the agent of a guest answers in a test: the programs that it runs end as planned, and it has the files that are planned
//! and those that were written.

use super::Items;
use super::guest::fits;
use crate::floor::planned::{Counted, Program, When, first_due};
use crate::floor::{Area, Code, Error, Result, clock};
use crate::libvirt::Domain;
use crate::libvirt::object::Object;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value as Json, json};
use std::time::Duration;

/// A program that runs in a guest, as it were: when it ends, and how.
pub(super) type Running = (Duration, Program);

/// A file of a guest that is open: what it holds, and how much of that was read.
#[derive(Debug)]
pub(super) struct Opened {
    path: String,
    data: Vec<u8>,
    at: usize,
    is_written: bool,
}

impl Domain {
    /// What its agent answers to a command, if the host has a plan.
    pub(in super::super) fn planned_command(&self, command: &Json) -> Option<Result<Json>> {
        let mut items = self.host().plan()?.lock();
        let object = self.object();
        let known = items.agents.iter().any(|one| fits(&one.when, object))
            || items.guest_programs.iter().any(|one| fits(&one.when, object))
            || items.guest_files.iter().any(|one| fits(&one.when, object));
        let name = command["execute"].as_str().unwrap_or_default();
        if !known {
            return Some(Err(self.unplanned(name)));
        }
        let arguments = &command["arguments"];
        Some(match name {
            "guest-ping" => Ok(json!({})),
            "guest-exec" => {
                let path = text(&arguments["path"]);
                let args: Vec<String> = arguments["arg"].as_array().into_iter().flatten().map(text).collect();
                let due =
                    first_due(&mut items.guest_programs, |one| fits(&one.when, object) && one.what.fits(&path, &args));
                due.ok_or_else(|| self.unplanned_program(&path, &args)).map(|program| {
                    items.running.push((clock::now() + program.time, program));
                    json!({ "pid": items.running.len() })
                })
            }
            "guest-exec-status" => nth(&mut items.running, &arguments["pid"])
                .map(|(end, program)| {
                    json!({
                        "exited": clock::now() >= *end, "exitcode": program.exit_code,
                        "out-data": BASE64.encode(&program.stdout), "err-data": BASE64.encode(&program.stderr),
                    })
                })
                .ok_or_else(|| self.refused(name, "Invalid parameter 'pid'")),
            _ => items
                .file_command(name, arguments, object)
                .map_or_else(|| Err(self.unplanned(name)), |answer| answer.map_err(|words| self.refused(name, &words))),
        })
    }

    /// What an agent that does not answer fails with.
    pub(in super::super) fn silent_agent(&self) -> Error {
        let words = "Guest agent is not responding: Guest agent not available for now";
        self.agentless(Code::AgentUnavailable, words).caused_by(words)
    }

    fn agentless(&self, code: Code, words: &str) -> Error {
        let message = format!("cannot use the agent of {}: {words}", self.object());
        Error::new(code, Area::Domain, message).about(self.object().plain())
    }

    /// What the agent itself refuses.
    fn refused(&self, command: &str, words: &str) -> Error {
        let cause = format!("internal error: unable to execute QEMU agent command '{command}': {words}");
        let words = format!("unable to execute QEMU agent command `{command}`: {}", words.replace('\'', "`"));
        self.agentless(Code::Failed, &words).caused_by(cause)
    }

    fn unplanned(&self, command: &str) -> Error {
        self.agentless(Code::Unsupported, &format!("the test plans no answer to `{command}`")).hint(
            "`answers(\"agent\")` plans an agent, `program` and `guest_file` what it runs and has; it has nothing else",
        )
    }

    fn unplanned_program(&self, path: &str, args: &[String]) -> Error {
        let line = [&[path.to_string()], args].concat().join(" ");
        let message = format!("cannot run `{line}` in {}: the test plans no such program", self.object());
        Error::new(Code::Failed, Area::Domain, message)
            .about(self.object().plain())
            .hint("`program(domain, command)` plans how one ends")
    }
}

impl Items {
    /// Keeps what a file holds from now on.
    pub(super) fn keep(&mut self, path: &str, data: Vec<u8>, when: When) {
        self.guest_files.retain(|one| one.when.object != when.object || one.what.0 != path);
        self.guest_files.insert(0, Counted::new(when, (path.to_string(), data)));
    }

    /// What the agent answers to a command about files, or why it refuses that.
    fn file_command(&mut self, name: &str, arguments: &Json, object: &Object) -> Option<Result<Json, String>> {
        if name == "guest-file-open" {
            return Some(self.open(&text(&arguments["path"]), arguments["mode"].as_str().unwrap_or("r"), object));
        }
        let Some(file) = nth(&mut self.opened, &arguments["handle"]) else {
            let is_known = name.starts_with("guest-file-");
            return is_known.then(|| Err(format!("handle '{}' has not been found", arguments["handle"])));
        };
        match name {
            "guest-file-read" => {
                let count = arguments["count"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(4096);
                let end = file.data.len().min(file.at.saturating_add(count));
                let piece = &file.data[file.at..end];
                file.at = end;
                let is_end = piece.len() < count;
                Some(Ok(json!({ "count": piece.len(), "buf-b64": BASE64.encode(piece), "eof": is_end })))
            }
            "guest-file-write" => {
                let piece = BASE64.decode(text(&arguments["buf-b64"])).unwrap_or_default();
                file.data.extend_from_slice(&piece);
                Some(Ok(json!({ "count": piece.len(), "eof": false })))
            }
            "guest-file-flush" | "guest-file-close" => {
                if file.is_written {
                    let (path, data) = (file.path.clone(), file.data.clone());
                    self.keep(&path, data, When { object: object.name.to_string(), after: 0, times: None });
                }
                Some(Ok(json!({})))
            }
            _ => None,
        }
    }

    fn open(&mut self, path: &str, mode: &str, object: &Object) -> Result<Json, String> {
        let mut files = self.guest_files.iter_mut().filter(|one| one.what.0 == path && fits(&one.when, object));
        let there =
            files.next().filter(|_| !mode.starts_with('w')).and_then(|one| one.is_due().then(|| one.what.1.clone()));
        let is_written = !mode.starts_with('r');
        let data = match there {
            None if mode.starts_with('r') => {
                return Err(format!("failed to open file '{path}' (mode: '{mode}'): No such file or directory"));
            }
            there => there.unwrap_or_default(),
        };
        self.opened.push(Opened { path: path.to_string(), data, at: 0, is_written });
        Ok(json!(self.opened.len()))
    }
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_string()
}

/// What has a number that the agent gave.
fn nth<'a, T>(all: &'a mut [T], number: &Json) -> Option<&'a mut T> {
    all.get_mut(number.as_u64().and_then(|number| usize::try_from(number).ok()?.checked_sub(1))?)
}
