//! Waiting: conditions, and what waits for them.

use super::convert::value;
use super::provision::{WAIT, wait as ip_options, wait_with};
use super::records::record;
use crate::floor::{Error, Map as Plain, Options, Result, Value};
use crate::libvirt::{self, Domain, EventKind, Host, Login, Target, WaitOptions};
use rhai::plugin::*;
use rhai::{Array, Dynamic, EvalAltResult, FnPtr, Map, Module};
use std::cell::RefCell;
use std::sync::Arc;

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

type Make = dyn Fn() -> Result<libvirt::Condition<'static>> + Send + Sync;

/// A condition as a script holds it; each wait makes it anew.
#[derive(Clone)]
pub enum Spec {
    /// One of the libvirt room.
    Native(Arc<Make>),
    /// A closure of the script.
    Closure(FnPtr),
}

impl Spec {
    /// A condition of the libvirt room; what is wrong with it is said now.
    fn native(make: impl Fn() -> Result<libvirt::Condition<'static>> + Send + Sync + 'static) -> Result<Self> {
        make()?;
        Ok(Self::Native(Arc::new(make)))
    }
}

/// Makes conditions and waits for them. What a closure throws is thrown as it is.
fn run<T>(
    call: &NativeCallContext,
    specs: &[Spec],
    wait: impl FnOnce(Vec<libvirt::Condition<'_>>) -> Result<T>,
) -> Result<T, Box<EvalAltResult>> {
    let thrown: RefCell<Option<Box<EvalAltResult>>> = RefCell::default();
    let conditions = specs.iter().map(|spec| match spec {
        Spec::Native(make) => make(),
        Spec::Closure(check) => Ok(libvirt::Condition::until(|| {
            let gave = check.call_within_context::<Dynamic>(call, ());
            gave.map_err(|error| {
                *thrown.borrow_mut() = Some(error);
                Error::argument("the closure failed")
            })
            // Whatever is no plain value is at least something.
            .map(|gave| value(&gave, "").unwrap_or(Value::Bool(true)))
        })),
    });
    let conditions = conditions.collect::<Result<Vec<_>>>()?;
    let done = wait(conditions);
    match thrown.take() {
        Some(error) if done.is_err() => Err(error),
        _ => Ok(done?),
    }
}

fn specs(conditions: &Array) -> Result<Vec<Spec>> {
    let spec = |one: &Dynamic| {
        one.clone().try_cast::<Spec>().ok_or_else(|| {
            let kind = one.type_name();
            Error::argument(format!("a list of conditions cannot hold a value of type {kind}"))
                .hint("conditions are made by `ip(vm)`, `agent(vm)`, `port(vm, 22)`, `holds(|| ...)` and the like")
        })
    };
    conditions.iter().map(spec).collect()
}

fn options(what: &str, given: Map) -> Result<WaitOptions<'static>> {
    // Of one condition, or of the first of some, none is left to carry on with.
    let known: &[&str] = if what == "wait_all" { &["on_error", "timeout"] } else { &["timeout"] };
    let options = Options::from_value(what, value(&given.into(), "")?, known)?;
    let standard = WaitOptions::default();
    Ok(WaitOptions {
        timeout: options.duration("timeout")?.unwrap_or(standard.timeout),
        carry_on: options.one_of("on_error", &["continue", "stop"])? == Some("continue"),
        ..standard
    })
}

/// The options of a condition that has an address: its own and those of `wait_for_ip`. The time is given to the wait, if it
/// is not part of it.
fn conditional(what: &str, own: &[&str], given: Map) -> Result<Options> {
    let is_wait = what.starts_with("wait_for_");
    let known: Vec<&str> = own.iter().chain(WAIT).copied().filter(|key| is_wait || *key != "timeout").collect();
    Options::from_value(what, value(&given.into(), "")?, &known)
}

/// The options of waits for ssh: those of the address, and who logs in.
fn ssh_options(what: &str, vm: &Domain, given: Map) -> Result<(Target, u16, Option<Login>)> {
    let mut options = conditional(what, &["key", "port", "user"], given)?;
    let login = options.str("user")?.map(str::to_string);
    let key = options.str("key")?.map(str::to_string);
    if login.is_none() && key.is_some() {
        return Err(Error::argument(format!("`key` of `{what}` needs a `user`")));
    }
    let number = number(options.int("port")?.unwrap_or(22))?;
    let wait = wait_with(what, &mut options)?;
    Ok((Target::Domain(vm.clone(), wait), number, login.map(|user| Login { user, key })))
}

/// That an ssh server greets, or a login succeeds.
fn greeting(what: &str, vm: &Domain, options: Map) -> Result<Spec> {
    let (target, number, login) = ssh_options(what, vm, options)?;
    Spec::native(move || Ok(libvirt::Condition::ssh(target.clone(), number, login.clone())))
}

fn number(port: i64) -> Result<u16> {
    let number = u16::try_from(port).ok().filter(|number| *number > 0);
    number.ok_or_else(|| Error::argument(format!("{port} is not a port: 1 to 65535")))
}

fn event_of(host: &Host, of: Option<(String, String)>, kind: &str, fields: Map) -> Result<Spec> {
    let words: Vec<_> = EventKind::ALL.iter().map(|kind| kind.word()).collect();
    let kind = EventKind::from_word(kind).ok_or_else(|| {
        let error = Error::argument(format!("there is no event `{kind}`"));
        match crate::floor::did_you_mean(kind, words.iter().copied()) {
            Some(hint) => error.hint(hint),
            None => error.hint(format!("events are {}", words.join(", "))),
        }
    })?;
    let fields = match value(&fields.into(), "")? {
        Value::Map(fields) => fields,
        _ => Plain::new(),
    };
    kind.check(&fields)?;
    let host = host.clone();
    Spec::native(move || Ok(libvirt::Condition::event(&host, kind, of.clone(), fields.clone())))
}

#[export_module]
mod functions {
    use super::super::{Context, RhaiResultOf};

    /// Something that can be waited for with `wait`, `wait_all` and `wait_any`.
    pub type Condition = super::Spec;

    /// The condition that a domain has an address; how long is said by the wait.
    ///
    /// Options:
    /// * those of `wait_for_ip`, except `timeout`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// let found = wait_all([ip(host.domain("web"), #{ family: "ipv4" })]);
    /// print(found[0].addr);
    /// ```
    #[rhai_fn(name = "ip", return_raw)]
    pub fn ip_with(vm: Domain, options: Map) -> RhaiResultOf<Condition> {
        let wait = super::wait_with("ip", &mut conditional("ip", &[], options)?)?;
        Ok(Spec::native(move || Ok(libvirt::Condition::ip(&vm, &wait)))?)
    }

    /// The condition that a domain has an address.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print(wait(ip(connect().domain("web"))).addr);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn ip(vm: Domain) -> RhaiResultOf<Condition> {
        ip_with(vm, Map::new())
    }

    /// The condition that a domain's guest agent answers.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print(wait_any([agent(connect().domain("web")), delay("1s")]).condition);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn agent(vm: Domain) -> RhaiResultOf<Condition> {
        Ok(Spec::native(move || Ok(libvirt::Condition::agent(&vm)))?)
    }

    /// The condition that a domain is in a state: a word as `vm.state` gives it, or `gone`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// assert_eq(wait(state(vm, "running")).state, "running");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn state(vm: Domain, word: &str) -> RhaiResultOf<Condition> {
        let word = word.to_string();
        Ok(Spec::native(move || libvirt::Condition::state(&vm, &word))?)
    }

    /// The condition that somebody listens on a TCP port of a domain, whose address is waited for first.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let first = wait_any([port(vm, 80), delay("100ms")]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn port(vm: Domain, number: i64) -> RhaiResultOf<Condition> {
        let number = super::number(number)?;
        let target = Target::Domain(vm, libvirt::WaitIp::default());
        Ok(Spec::native(move || Ok(libvirt::Condition::port(target.clone(), number)))?)
    }

    /// The condition that somebody listens on a TCP port of an address or a named machine.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let first = wait_any([port("127.0.0.1", 9), delay("100ms")]);
    /// assert_eq(first.condition, "delay");
    /// ```
    #[rhai_fn(name = "port", return_raw)]
    pub fn port_of_address(call: NativeCallContext, address: &str, number: i64) -> RhaiResultOf<Condition> {
        let number = super::number(number)?;
        let target = Target::Address(address.to_string(), Context::of(&call).planned()?);
        Ok(Spec::native(move || Ok(libvirt::Condition::port(target.clone(), number)))?)
    }

    /// The condition that an ssh server greets, or that a login succeeds if a user is named.
    ///
    /// Options:
    /// * those of `wait_for_ip`, except `timeout`.
    /// * `user`: who logs in, with the program `ssh`; the guest's host key is not checked.
    /// * `key`: the file of the private key, default is what `ssh` finds itself.
    /// * `port`: default 22.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let first = wait_any([ssh(vm, #{ user: "root", source: "lease" }), delay("100ms")]);
    /// ```
    #[rhai_fn(name = "ssh", return_raw)]
    pub fn ssh_with(vm: Domain, options: Map) -> RhaiResultOf<Condition> {
        Ok(greeting("ssh", &vm, options)?)
    }

    /// The condition that an ssh server greets.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let first = wait_any([ssh(connect().domain("web")), delay("100ms")]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn ssh(vm: Domain) -> RhaiResultOf<Condition> {
        ssh_with(vm, Map::new())
    }

    /// The condition that cloud-init is done, told by the agent. A failure of cloud-init fails the wait; what else went wrong is
    /// told as `warnings`, and the `status` is `"degraded"` then, else `"done"`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let first = wait_any([cloud_init(vm), delay("100ms")]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn cloud_init(vm: Domain) -> RhaiResultOf<Condition> {
        Ok(Spec::native(move || Ok(libvirt::Condition::cloud_init(&vm, None)))?)
    }

    /// The condition that cloud-init is done, told by ssh.
    ///
    /// Options:
    /// * those of `ssh`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let first = wait_any([cloud_init(vm, #{ user: "root" }), delay("100ms")]);
    /// ```
    #[rhai_fn(name = "cloud_init", return_raw)]
    pub fn cloud_init_with(vm: Domain, options: Map) -> RhaiResultOf<Condition> {
        let (target, number, login) = ssh_options("cloud_init", &vm, options)?;
        let login = login.map(|login| (target, number, login));
        Ok(Spec::native(move || Ok(libvirt::Condition::cloud_init(&vm, login.clone())))?)
    }

    /// The condition that the serial console prints a line that a regular expression matches.
    ///
    /// The console's log is read where this machine can read it, from its beginning; else the console itself, from now on.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let ready = serial(vm, "login:|Kernel panic");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn serial(vm: Domain, pattern: &str) -> RhaiResultOf<Condition> {
        let pattern = pattern.to_string();
        Ok(Spec::native(move || libvirt::Condition::serial(&vm, &pattern))?)
    }

    /// The condition that an event of this kind happens to a domain after the wait began.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let first = wait_any([event(vm, "reboot"), delay("100ms")]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn event(vm: Domain, kind: &str) -> RhaiResultOf<Condition> {
        event_with(vm, kind, Map::new())
    }

    /// The condition that an event of this kind with these fields happens to a domain after the wait began.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let stopped = event(vm, "lifecycle", #{ event: "stopped" });
    /// ```
    #[rhai_fn(name = "event", return_raw)]
    pub fn event_with(vm: Domain, kind: &str, fields: Map) -> RhaiResultOf<Condition> {
        let of = (format!("domain `{}`", vm.name()), vm.uuid()?);
        Ok(event_of(vm.host(), Some(of), kind, fields)?)
    }

    /// The condition that an event of this kind with these fields happens on a host after the wait began.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let refreshed = event(connect(), "pool-refresh", #{});
    /// ```
    #[rhai_fn(name = "event", return_raw)]
    pub fn event_of_host(host: Host, kind: &str, fields: Map) -> RhaiResultOf<Condition> {
        Ok(event_of(&host, None, kind, fields)?)
    }

    /// The condition that a closure gives something other than `()` and `false`; asked ever more rarely, up to once a
    /// second. A call is not cut off when the time of the wait is over: what waits itself has a time of its own.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// let found = wait(holds(|| host.domains().len() > 0), #{ timeout: "5s" });
    /// assert_eq(found.value, true);
    /// ```
    pub fn holds(check: FnPtr) -> Condition {
        Spec::Closure(check)
    }

    /// The condition that so much time has passed.
    ///
    /// # Example
    ///
    /// ```rhai
    /// wait(delay("10ms"));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn delay(time: Dynamic) -> RhaiResultOf<Condition> {
        let time = crate::floor::duration(&value(&time, "")?)?;
        Ok(Spec::native(move || Ok(libvirt::Condition::delay(time)))?)
    }

    /// Waits for a condition, and gives `#{ condition, elapsed, polls, source, ... }`; see the conditions for the rest.
    ///
    /// Options:
    /// * `timeout`: seconds or text such as `"5m"`, default 300 seconds.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// print(wait(ip(vm), #{ timeout: "1m" }).source);
    /// ```
    #[rhai_fn(name = "wait", return_raw)]
    pub fn wait_with(call: NativeCallContext, condition: Condition, options: Map) -> RhaiResultOf<Map> {
        let options = super::options("wait", options)?;
        let mut done = run(&call, &[condition], |conditions| libvirt::wait_all(conditions, options))?;
        Ok(record(done.pop().unwrap_or_default()))
    }

    /// Waits up to 300 seconds for a condition.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print(wait(state(connect().domain("web"), "running")).elapsed);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn wait(call: NativeCallContext, condition: Condition) -> RhaiResultOf<Map> {
        wait_with(call, condition, Map::new())
    }

    /// Waits for all conditions at once, and gives what became ready in their order.
    ///
    /// Options:
    /// * `timeout`: for all together; seconds or text such as `"5m"`, default 300 seconds.
    /// * `on_error`: `"stop"`, the default, ends the wait with the first condition that fails; `"continue"` lets the others
    ///   go on, and names each failure at the end (`err.failures`).
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// let found = wait_all([ip(host.domain("web")), delay("10ms")], #{ timeout: "1m", on_error: "continue" });
    /// print(found[0].addr);
    /// ```
    #[rhai_fn(name = "wait_all", return_raw)]
    pub fn wait_all_with(call: NativeCallContext, conditions: Array, options: Map) -> RhaiResultOf<Array> {
        let options = super::options("wait_all", options)?;
        let done = run(&call, &specs(&conditions)?, |conditions| libvirt::wait_all(conditions, options))?;
        Ok(done.into_iter().map(|one| record(one).into()).collect())
    }

    /// Waits up to 300 seconds for all conditions at once.
    ///
    /// # Example
    ///
    /// ```rhai
    /// for found in wait_all([ip(connect().domain("web"))]) { print(found.addr); }
    /// ```
    #[rhai_fn(return_raw)]
    pub fn wait_all(call: NativeCallContext, conditions: Array) -> RhaiResultOf<Array> {
        wait_all_with(call, conditions, Map::new())
    }

    /// Waits for the first of several conditions; its place is the `index` of the result. Fails when all have failed.
    ///
    /// Options:
    /// * `timeout`: seconds or text such as `"5m"`, default 300 seconds.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let first = wait_any([delay("1h"), ip(vm)], #{ timeout: "10s" });
    /// assert_eq(first.index, 1);
    /// ```
    #[rhai_fn(name = "wait_any", return_raw)]
    pub fn wait_any_with(call: NativeCallContext, conditions: Array, options: Map) -> RhaiResultOf<Map> {
        let options = super::options("wait_any", options)?;
        let (index, mut first) = run(&call, &specs(&conditions)?, |conditions| libvirt::wait_any(conditions, options))?;
        first.insert("index".to_string(), i64::try_from(index).unwrap_or(i64::MAX).into());
        Ok(record(first))
    }

    /// Waits up to 300 seconds for the first of several conditions.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(wait_any([delay("1h"), delay("1ms")]).index, 1);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn wait_any(call: NativeCallContext, conditions: Array) -> RhaiResultOf<Map> {
        wait_any_with(call, conditions, Map::new())
    }

    /// Waits until the domain has an address, and gives `#{ addr, prefix, type, hwaddr, source, static, elapsed }`.
    ///
    /// An address counts only if it belongs to one of the domain's interfaces, and is neither loopback nor link-local. A
    /// lease from before the last start or reboot that this run asked for does not count. Of an interface that was given an
    /// address of its own (`static_ip`) only that one counts: with another one the guest has not read its seed. The wait fails
    /// at once when the guest stops.
    ///
    /// Options:
    /// * `timeout`: seconds or text such as `"5m"`, default 300 seconds.
    /// * `source`: `lease`, `agent`, `arp`, `any`, the default, or a list in the order in which they are asked.
    /// * `interface`: the MAC, the target device, the alias or the place of the interface; default is the first to have one.
    /// * `family`: `ipv4` or `ipv6`, default either.
    /// * `subnet`: in which the address must lie, such as `"10.0.0.0/24"`.
    /// * `stable`: how long the answer must stay the same.
    /// * `any_address`: let loopback, link-local and earlier addresses count, too, and others than the declared ones.
    /// * `address`: the static address that the guest is known to take; it is confirmed by a source or a connection.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let found = vm.wait_for_ip(#{ timeout: "10s", source: ["lease", "agent"], subnet: "192.168.0.0/16" });
    /// print(found.addr);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn wait_for_ip(vm: &mut Domain, options: Map) -> RhaiResultOf<Map> {
        Ok(record(vm.wait_for_ip(&ip_options(value(&options.into(), "")?)?)?))
    }

    /// Waits up to 300 seconds until the domain has an address from any source.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// print(vm.wait_for_ip().addr);
    /// ```
    #[rhai_fn(name = "wait_for_ip", pure, return_raw)]
    pub fn wait_for_any_ip(vm: &mut Domain) -> RhaiResultOf<Map> {
        wait_for_ip(vm, Map::new())
    }

    /// Waits until the domain's guest agent answers.
    ///
    /// Options:
    /// * `timeout`: seconds or text such as `"5m"`, default 300 seconds.
    ///
    /// # Example
    ///
    /// ```rhai
    /// try {
    ///     connect().domain("idle").wait_for_agent(#{ timeout: "1s" });
    /// } catch (err) {
    ///     assert_eq(err.code, "guest-stopped");
    /// }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn wait_for_agent(call: NativeCallContext, vm: &mut Domain, options: Map) -> RhaiResultOf<Map> {
        let condition = agent(vm.clone())?;
        wait_with(call, condition, options)
    }

    /// Waits up to 300 seconds until the domain's guest agent answers.
    ///
    /// # Example
    ///
    /// ```rhai
    /// try { connect().domain("idle").wait_for_agent(); } catch (err) { print(err); }
    /// ```
    #[rhai_fn(name = "wait_for_agent", pure, return_raw)]
    pub fn wait_for_agent_plain(call: NativeCallContext, vm: &mut Domain) -> RhaiResultOf<Map> {
        wait_for_agent(call, vm, Map::new())
    }

    /// Waits until the domain is in a state: a word as `vm.state` gives it, or `gone`.
    ///
    /// Options:
    /// * `timeout`: seconds or text such as `"5m"`, default 300 seconds.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.destroy();
    /// vm.wait_for_state("shut off", #{ timeout: "10s" });
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn wait_for_state(call: NativeCallContext, vm: &mut Domain, word: &str, options: Map) -> RhaiResultOf<Map> {
        let condition = state(vm.clone(), word)?;
        wait_with(call, condition, options)
    }

    /// Waits up to 300 seconds until the domain is in a state.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print(connect().domain("web").wait_for_state("running").reason);
    /// ```
    #[rhai_fn(name = "wait_for_state", pure, return_raw)]
    pub fn wait_for_state_plain(call: NativeCallContext, vm: &mut Domain, word: &str) -> RhaiResultOf<Map> {
        wait_for_state(call, vm, word, Map::new())
    }

    /// Waits until an ssh server greets in the domain, or a login succeeds.
    ///
    /// Options:
    /// * those of `ssh`.
    /// * `timeout`: seconds or text such as `"5m"`, default 300 seconds.
    ///
    /// # Example
    ///
    /// ```rhai
    /// try {
    ///     connect().domain("web").wait_for_ssh(#{ timeout: "100ms", user: "root" });
    /// } catch (err) {
    ///     assert_eq(err.code, "timeout");
    /// }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn wait_for_ssh(call: NativeCallContext, vm: &mut Domain, options: Map) -> RhaiResultOf<Map> {
        let timeout = options.get_key_value("timeout").map(|(key, time)| (key.clone(), time.clone()));
        let condition = greeting("wait_for_ssh", vm, options)?;
        let timeout = timeout.into_iter().collect();
        wait_with(call, condition, timeout)
    }

    /// Waits up to 300 seconds until an ssh server greets in the domain.
    ///
    /// # Example
    ///
    /// ```rhai
    /// try { connect().domain("idle").wait_for_ssh(); } catch (err) { print(err); }
    /// ```
    #[rhai_fn(name = "wait_for_ssh", pure, return_raw)]
    pub fn wait_for_ssh_plain(call: NativeCallContext, vm: &mut Domain) -> RhaiResultOf<Map> {
        wait_for_ssh(call, vm, Map::new())
    }
}
