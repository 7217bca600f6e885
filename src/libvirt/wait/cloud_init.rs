//! Waiting until cloud-init is done, told by the file that it writes at its end.

use super::background::Background;
use super::condition::Target;
use super::guest::{Guest, fields};
use super::port::Port;
use super::ssh::Login;
use super::{Look, Tick, TimedOut, autopsy};
use crate::floor::{Area, Code, Error, Map, Result, Value};
use crate::libvirt::Domain;
use crate::libvirt::wiring::{Channel, Wiring};
use crate::schema::xml;
use std::time::Duration;

const RESULT: &str = "/run/cloud-init/result.json";
/// Here newer versions tell, for each stage, what went wrong without making it fail.
const STATUS: &str = "/run/cloud-init/status.json";
const PAUSE: Duration = Duration::from_secs(1);

/// cloud-init's end.
pub(super) struct CloudInit {
    domain: Domain,
    guest: Option<Guest>,
    /// How to log in where there is no agent, and the port that is waited for first.
    login: Option<(Port, u16, Login)>,
    asked: Background<Result<String, String>>,
    next: Duration,
    said: String,
}

impl CloudInit {
    pub(super) fn new(domain: &Domain, login: Option<(Target, u16, Login)>) -> Self {
        let login = login.map(|(target, number, login)| (Port::new(target, number, Some("SSH-")), number, login));
        let asked = Background::default();
        Self { domain: domain.clone(), guest: None, login, asked, next: Duration::ZERO, said: String::new() }
    }

    /// What came of it, by the text of the result and then, where there is one, of the status.
    fn judge(&self, text: &str) -> Result<Map> {
        let object = self.domain.object();
        let mut documents = serde_json::Deserializer::from_str(text).into_iter::<Value>().flatten();
        let v1 = first_version(documents.next().as_ref());
        let stages = first_version(documents.next().as_ref());
        let warnings: Vec<Value> = stages.values().flat_map(recoverable).collect();
        let errors = match v1.get("errors") {
            Some(Value::List(errors)) => errors.clone(),
            _ => Vec::new(),
        };
        if !errors.is_empty() {
            let mut error = Error::new(Code::Failed, Area::Domain, format!("cloud-init failed in {object}"))
                .about(object.plain())
                .hint("the guest's `/var/log/cloud-init.log` tells more");
            for one in &errors {
                error = error.note(one.as_str().map_or_else(|| one.show(), str::to_string));
            }
            return Err(error);
        }
        let source = if self.login.is_some() { "ssh" } else { "agent" };
        let datasource = v1.get("datasource").cloned().unwrap_or_default();
        // It ends without an error where it has found nothing to do, too.
        if datasource.as_str().is_some_and(|source| source.starts_with("DataSourceNone")) {
            let document = xml::parse(&self.domain.xml()?)?;
            if autopsy::seed(&document).is_some() {
                let message = format!("cloud-init has not found its seed in {object}");
                let error = Error::new(Code::Failed, Area::Domain, message).about(object.plain());
                return Err(autopsy::with_seed(error.note("datasource: DataSourceNone"), &document));
            }
        }
        let status = if warnings.is_empty() { "done" } else { "degraded" };
        Ok(fields([
            ("object", object.plain().into()),
            ("source", source.into()),
            ("datasource", datasource),
            ("status", status.into()),
            ("warnings", Value::List(warnings)),
        ]))
    }

    /// What was planned to be there by now; nothing if nothing is planned, and the guest must be asked.
    fn planned(&self) -> Option<Result<String, String>> {
        let nobody = |number| self.domain.planned_port(number) == Some(false);
        match &self.login {
            Some((port, ..)) if port.addr().is_none() => None,
            Some((_, number, _)) if nobody(*number) => Some(Err("nobody listens".to_string())),
            _ => self.domain.planned_first_boot(),
        }
    }
}

impl Look for CloudInit {
    fn what(&self) -> String {
        format!("end of cloud-init in {}", self.domain.object())
    }

    fn word(&self) -> &'static str {
        "cloud_init"
    }

    fn begin(&mut self) -> Result<()> {
        self.guest = Some(Guest::new(&self.domain)?);
        if let Some((port, ..)) = &mut self.login {
            return port.begin();
        }
        if Wiring::read(&self.domain.xml()?)?.agent == Channel::Absent {
            let message = format!("{} has no agent channel to ask for the end of cloud-init", self.domain.object());
            return Err(Error::new(Code::AgentUnavailable, Area::Domain, message)
                .about(self.domain.object().plain())
                .hint("give it a channel with the target name `org.qemu.guest_agent.0`, or name a `user` for ssh"));
        }
        Ok(())
    }

    fn look(&mut self, tick: Tick) -> Result<Option<Map>> {
        if let Some(guest) = &self.guest {
            guest.alive(tick, "end of cloud-init")?;
        }
        let planned = if self.next <= tick.now { self.planned() } else { None };
        match planned.or_else(|| self.asked.take()) {
            Some(Ok(text)) => return self.judge(&text).map(Some),
            Some(Err(said)) => {
                self.said = said;
                self.next = tick.now + PAUSE;
            }
            None => {}
        }
        if self.asked.is_busy() || self.next > tick.now {
            return Ok(None);
        }
        match &mut self.login {
            None => {
                let domain = self.domain.clone();
                if domain.host().poll().may_ask(tick.now) {
                    self.asked.ask("cloud-init", move || {
                        let result = read(&domain, RESULT)?;
                        Ok(format!("{result}\n{}", read(&domain, STATUS).unwrap_or_default()))
                    });
                }
            }
            Some((port, number, login)) => match port.addr().map(str::to_string) {
                Some(addr) => {
                    let (login, number) = (login.clone(), *number);
                    let command = format!("cat {RESULT} && {{ cat {STATUS} || true; }} 2>/dev/null");
                    self.asked.ask("cloud-init", move || login.run(&addr, number, &command));
                }
                None => drop(port.look(tick)?),
            },
        }
        Ok(None)
    }

    fn said(&self) -> String {
        self.said.clone()
    }

    fn timed_out(&self, how: TimedOut) -> Error {
        let object = self.domain.object();
        let error = Error::new(
            Code::Timeout,
            Area::Domain,
            format!("cloud-init in {object} is not done after {:?}", how.limit),
        )
        .about(object.plain())
        .note(format!("last answer: {}", self.said));
        autopsy::explain(error, &self.domain, None, how)
    }
}

/// What stands in a document of the first version, which is the only one.
fn first_version(document: Option<&Value>) -> Map {
    let v1 = document.and_then(Value::as_map).and_then(|map| map.get("v1"));
    v1.and_then(Value::as_map).cloned().unwrap_or_default()
}

/// What a stage could do without, by severity: a list for each.
fn recoverable(stage: &Value) -> Vec<Value> {
    let errors = stage.as_map().and_then(|stage| stage.get("recoverable_errors")).and_then(Value::as_map);
    let lists = errors.into_iter().flat_map(Map::values);
    lists.flat_map(|list| if let Value::List(all) = list { all.clone() } else { Vec::new() }).collect()
}

/// The text of a small file in the guest, read by the agent; else why not.
fn read(domain: &Domain, path: &str) -> Result<String, String> {
    let data = domain.read_guest_file(path).map_err(|error| error.cause.clone().unwrap_or(error.message.clone()))?;
    String::from_utf8(data).map_err(|error| error.to_string())
}
