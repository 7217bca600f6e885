//! What a test plans to go wrong on its host, and the time by which it waits.

use super::assertions::code;
use super::{Context, RhaiResultOf, value};
use crate::floor::planned::When;
use crate::floor::{Code, Error, Options, Result, clock as run_clock, duration as time_of};
use crate::libvirt::{Answer, Domain, End, Host, Source, Turn};
use rhai::plugin::*;
use rhai::{Dynamic, Map, Module};
use std::sync::PoisonError;

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

/// A number of times; of calls or of looks.
fn count(options: &Options, key: &str) -> Result<Option<u64>> {
    let wrong = || Error::argument(format!("`{key}` counts, and cannot be negative"));
    options.int(key)?.map(|number| u64::try_from(number).map_err(|_| wrong())).transpose()
}

pub(super) fn when(options: &Options) -> Result<When> {
    let object = options.str("object")?.unwrap_or("*").to_string();
    Ok(When { object, after: count(options, "after")?.unwrap_or(0), times: count(options, "times")? })
}

/// A domain, or the name that one will have; `*` stands for any text.
pub(super) fn object(domain: &Dynamic) -> Result<String> {
    if let Some(domain) = domain.read_lock::<Domain>() {
        return Ok(domain.name().to_string());
    }
    let name = domain.as_immutable_string_ref();
    Ok(name.map_err(|kind| Error::argument(format!("a domain or its name is needed, not {kind}")))?.to_string())
}

pub(super) fn read(what: &str, options: Map, known: &[&str]) -> Result<Options> {
    Options::from_value(what, value(&options.into(), "")?, known)
}

fn sources(what: &str) -> Result<&'static [Source]> {
    match what {
        "agent" => Ok(&[Source::Agent]),
        "arp" => Ok(&[Source::Arp]),
        "lease" => Ok(&[Source::Lease]),
        "ip" => Ok(Source::ALL),
        _ => {
            let error = Error::argument(format!("there is no `{what}` that could answer"));
            Err(error.hint("one of \"agent\", \"arp\", \"lease\", and \"ip\" for all of them"))
        }
    }
}

/// A failure that a script has planned.
#[derive(Debug, Clone)]
pub(super) struct PlannedFailure {
    /// What is to fail, in words: the call, and what of.
    shown: String,
    place: Option<ScriptPlace>,
    host: Host,
    number: usize,
}

/// A place in a script: its source, the line and the column.
pub type ScriptPlace = (String, usize, usize);

fn place(call: &NativeCallContext) -> Option<ScriptPlace> {
    let position = call.call_position();
    Some((call.call_source().unwrap_or_default().to_string(), position.line()?, position.position().unwrap_or(1)))
}

impl Context {
    fn note_failure(&self, planned: PlannedFailure) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(planned);
    }

    /// The first failure that was planned and has not come to pass, in words, and where it was planned.
    pub fn unmet_failure(&self) -> Option<(String, Option<ScriptPlace>)> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let unmet = failures.iter().find(|one| !one.host.has_come_to_pass(one.number))?;
        Some((unmet.shown.clone(), unmet.place.clone()))
    }
}

#[export_module]
mod functions {
    /// From now on calls of this name fail on the default host, as if libvirt refused them: whoever makes them, the script
    /// or what it calls. For hosts of libvirt's test driver, such as `vmscript test` gives.
    ///
    /// The calls are those of the reference that change something, such as `define_domain`, `create_volume`, `start` and
    /// `upload`; an unknown one is refused with a list. A test fails if no such call came until its end: it would prove nothing.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// fail("start");
    /// let error = assert_error("failed", || host.domain("idle").start());
    /// assert_contains(error.message, "cannot start domain `idle`");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn fail(call: NativeCallContext, verb: &str) -> RhaiResultOf<()> {
        fail_with(call, verb, Map::new())
    }

    /// Calls of this name fail on the default host, as the options say.
    ///
    /// Options:
    /// * `after`: so many calls succeed first, default 0: with 1 the second one fails.
    /// * `times`: so many calls fail then, and the rest succeeds; default all.
    /// * `object`: only calls on objects of this name count, or of this kind and name: `"web"`, `"web-*"`, `"network *"`.
    /// * `code`: the code of the error, default `"failed"`; with `"busy"` and `"no-connection"` it is tried again as on a real host.
    /// * `message`: libvirt's words.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// fail("create_volume", #{ after: 1, times: 1, code: "no-space" });
    /// let create = |name| pool.create_volume(#{ name: name, capacity: "1 MiB", target: #{ format: "raw" } });
    /// create.call("a");
    /// assert_error("no-space", || create.call("b"));
    /// create.call("c");
    /// ```
    #[rhai_fn(name = "fail", return_raw)]
    pub fn fail_with(call: NativeCallContext, verb: &str, options: Map) -> RhaiResultOf<()> {
        let options = read("fail", options, &["after", "code", "message", "object", "times"])?;
        let code = options.str("code")?.map(code).transpose()?.unwrap_or(Code::Failed);
        let words = options.str("message")?.unwrap_or("the test planned it to fail").to_string();
        let (context, when) = (Context::of(&call), when(&options)?);
        let host = context.connect(None, false)?;
        let shown = if when.object == "*" { format!("`{verb}`") } else { format!("`{verb}` of `{}`", when.object) };
        let number = host.plan_call(verb, Turn::Fail { code, words }, when)?;
        context.note_failure(PlannedFailure { shown, place: place(&call), host, number });
        Ok(())
    }

    /// From now on calls of this name are not made on the default host, and count as done: for what libvirt's test driver
    /// cannot do, such as `upload`, `resize` and `attach_device`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// skip("upload");
    /// write_file("data", "12345");
    /// assert_eq(connect().pool("default").volume("web.qcow2").upload("data").size, 5);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn skip(call: NativeCallContext, verb: &str) -> RhaiResultOf<()> {
        skip_with(call, verb, Map::new())
    }

    /// Calls of this name are not made on the default host, and count as done, as the options say.
    ///
    /// Options:
    /// * those of `fail`, except `code`, `message`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// skip("resize", #{ object: "web.qcow2" });
    /// connect().pool("default").volume("web.qcow2").resize("4 GiB");
    /// ```
    #[rhai_fn(name = "skip", return_raw)]
    pub fn skip_with(call: NativeCallContext, verb: &str, options: Map) -> RhaiResultOf<()> {
        let options = read("skip", options, &["after", "object", "times"])?;
        Context::of(&call).connect(None, false)?.plan_call(verb, Turn::Skip, when(&options)?)?;
        Ok(())
    }

    /// From now on calls of this name take so much longer on the default host.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let before = clock();
    /// slow("start", "20ms");
    /// connect().domain("idle").start();
    /// assert(clock() - before >= 0.02);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn slow(call: NativeCallContext, verb: &str, time: Dynamic) -> RhaiResultOf<()> {
        slow_with(call, verb, time, Map::new())
    }

    /// Calls of this name take so much longer on the default host, as the options say.
    ///
    /// Options:
    /// * those of `fail`, except `code`, `message`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// slow("start", "20ms", #{ times: 1 });
    /// connect().domain("idle").start();
    /// ```
    #[rhai_fn(name = "slow", return_raw)]
    pub fn slow_with(call: NativeCallContext, verb: &str, time: Dynamic, options: Map) -> RhaiResultOf<()> {
        let options = read("slow", options, &["after", "object", "times"])?;
        let time = time_of(&value(&time, "time")?)?;
        Context::of(&call).connect(None, false)?.plan_call(verb, Turn::Slow(time), when(&options)?)?;
        Ok(())
    }

    /// From now on this is the address of a domain, which is given or named; the name may be that of one to come.
    ///
    /// # Example
    ///
    /// ```rhai
    /// address("web", "192.168.122.5/24");
    /// assert_eq(connect().domain("web").wait_for_ip().addr, "192.168.122.5");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn address(call: NativeCallContext, domain: Dynamic, addr: &str) -> RhaiResultOf<()> {
        address_with(call, domain, addr, Map::new())
    }

    /// The address of a domain, as the options say.
    ///
    /// Options:
    /// * `after`: so often the source is asked in vain first, default 0.
    /// * `source`: who knows it: `"lease"`, the default, `"agent"` or `"arp"`; the others know nothing.
    ///
    /// # Example
    ///
    /// ```rhai
    /// address("web", "192.168.122.5/24", #{ after: 3, source: "agent" });
    /// assert_eq(connect().domain("web").wait_for_ip(#{ timeout: "1m" }).addr, "192.168.122.5");
    /// ```
    #[rhai_fn(name = "address", return_raw)]
    pub fn address_with(call: NativeCallContext, domain: Dynamic, addr: &str, options: Map) -> RhaiResultOf<()> {
        let options = read("address", options, &["after", "source"])?;
        let when = When { object: object(&domain)?, ..when(&options)? };
        let source = match options.one_of("source", &["agent", "arp", "lease"])? {
            Some("agent") => Source::Agent,
            Some("arp") => Source::Arp,
            _ => Source::Lease,
        };
        let wrong = || {
            Error::argument(format!("`{addr}` is no address with a prefix")).hint("write it like \"192.168.122.5/24\"")
        };
        let net = addr.parse().map_err(|_| wrong())?;
        Ok(Context::of(&call).connect(None, false)?.plan_answer(source, Answer::Address(net), when)?)
    }

    /// From now on a source of addresses knows nothing on the default host: `"lease"`, `"arp"`, `"agent"`, whose guest does not
    /// answer at all, or `"ip"` for all of them.
    ///
    /// # Example
    ///
    /// ```rhai
    /// never_answers("ip");
    /// let error = assert_error("timeout", || connect().domain("web").wait_for_ip(#{ timeout: "100ms" }));
    /// assert_contains(error.facts.sources, "agent");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn never_answers(call: NativeCallContext, source: &str) -> RhaiResultOf<()> {
        never_answers_with(call, source, Map::new())
    }

    /// A source of addresses knows nothing, as the options say.
    ///
    /// Options:
    /// * `object`: the name of the domain, `*` stands for any text; default all.
    ///
    /// # Example
    ///
    /// ```rhai
    /// never_answers("agent", #{ object: "web" });
    /// assert(!connect().domain("web").agent_ping());
    /// ```
    #[rhai_fn(name = "never_answers", return_raw)]
    pub fn never_answers_with(call: NativeCallContext, source: &str, options: Map) -> RhaiResultOf<()> {
        let when = when(&read("never_answers", options, &["object"])?)?;
        let host = Context::of(&call).connect(None, false)?;
        for source in sources(source)? {
            host.plan_answer(*source, Answer::Nothing, when.clone())?;
        }
        Ok(())
    }

    /// A guest shuts down by itself as soon as its state is looked at, by a wait or by the script.
    ///
    /// # Example
    ///
    /// ```rhai
    /// stops("web");
    /// assert_error("guest-stopped", || connect().domain("web").wait_for_ip());
    /// ```
    #[rhai_fn(return_raw)]
    pub fn stops(call: NativeCallContext, domain: Dynamic) -> RhaiResultOf<()> {
        stops_with(call, domain, Map::new())
    }

    /// A guest goes off by itself, as the options say.
    ///
    /// Options:
    /// * `after`: so often its state is looked at first, by a wait or by the script; default 0.
    /// * `how`: `"shutdown"`, the default, or `"crash"`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// stops(vm, #{ after: 2, how: "crash" });
    /// assert_eq([vm.state, vm.state, vm.state], ["running", "running", "shut off"]);
    /// ```
    #[rhai_fn(name = "stops", return_raw)]
    pub fn stops_with(call: NativeCallContext, domain: Dynamic, options: Map) -> RhaiResultOf<()> {
        let options = read("stops", options, &["after", "how"])?;
        let crash = options.one_of("how", &["crash", "shutdown"])? == Some("crash");
        let when = When { object: object(&domain)?, times: Some(1), ..when(&options)? };
        let end = if crash { End::Crash } else { End::Shutdown };
        Ok(Context::of(&call).connect(None, false)?.plan_end(end, when)?)
    }

    /// From now on somebody listens on a port of a guest, which is given or named, or of an address: an ssh server on 22, say.
    /// In `vmscript test` nobody does on any other, and a login succeeds where the port answers.
    ///
    /// # Example
    ///
    /// ```rhai
    /// address("web", "192.168.122.5/24");
    /// listens("web", 22);
    /// assert_eq(connect().domain("web").wait_for_ssh().addr, "192.168.122.5");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn listens(call: NativeCallContext, domain: Dynamic, port: i64) -> RhaiResultOf<()> {
        listens_with(call, domain, port, Map::new())
    }

    /// Somebody listens on a port of a guest or an address, as the options say.
    ///
    /// Options:
    /// * `after`: so often it is tried in vain first, default 0.
    ///
    /// # Example
    ///
    /// ```rhai
    /// address("web", "192.168.122.5/24");
    /// listens("web", 80, #{ after: 2 });
    /// assert_eq(wait(port(connect().domain("web"), 80)).port, 80);
    /// listens("10.9.0.1", 179);
    /// assert_eq(wait(port("10.9.0.1", 179)).port, 179);
    /// ```
    #[rhai_fn(name = "listens", return_raw)]
    pub fn listens_with(call: NativeCallContext, domain: Dynamic, port: i64, options: Map) -> RhaiResultOf<()> {
        let when = When { object: object(&domain)?, ..when(&read("listens", options, &["after"])?)? };
        let port = u16::try_from(port).map_err(|_| Error::argument(format!("there is no port {port}")))?;
        Ok(Context::of(&call).connect(None, false)?.plan_port(port, when)?)
    }

    /// The seconds since some moment, by the clock that waits and `sleep` go by. In `vmscript test` that is one on which no
    /// wait takes time.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let before = clock();
    /// sleep("10ms");
    /// assert(clock() - before >= 0.01);
    /// ```
    pub fn clock() -> f64 {
        run_clock::now().as_secs_f64()
    }
}
