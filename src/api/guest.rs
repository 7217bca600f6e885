//! Working inside a guest through its agent.

use super::hidden::{bytes, text_or_secret};
use super::records::record;
use super::{RhaiResultOf, dynamic, value};
use crate::floor::{Area, Code, Error, Options, Result};
use crate::libvirt::{Ended, Exec};
use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, Module};
use std::time::Duration;

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

/// How a program is run, and what is done with what it wrote.
struct How {
    exec: Exec,
    /// Whether its failure is an error.
    check: bool,
    /// Whether what it wrote is given as bytes.
    binary: bool,
}

fn exec_options(path: &str, args: &Array, mut given: Map) -> Result<How> {
    let input = given.remove("input").filter(|input| !input.is_unit());
    let known = &["binary", "check", "env", "input", "timeout"];
    let options = Options::from_value("exec", value(&given.into(), "")?, known)?;
    let env = options.get("env").and_then(|env| env.as_map().cloned()).unwrap_or_default();
    let exec = Exec {
        path: path.to_string(),
        args: args.iter().map(ToString::to_string).collect(),
        env: env.into_iter().map(|(name, value)| format!("{name}={}", dynamic(value))).collect(),
        input: input.map(|input| bytes(&input, "the input of a program")).transpose()?,
        timeout: options.duration("timeout")?.unwrap_or(Duration::from_secs(60)),
    };
    let (check, binary) = (options.bool("check")?.unwrap_or(false), options.bool("binary")?.unwrap_or(false));
    Ok(How { exec, check, binary })
}

/// How a program ended, with what it wrote as text or as bytes.
fn ending(mut ended: Ended, binary: bool) -> Map {
    if !binary {
        return record(ended);
    }
    let blobs = [("stdout", std::mem::take(&mut ended.stdout)), ("stderr", std::mem::take(&mut ended.stderr))];
    let mut map = record(ended);
    map.extend(blobs.map(|(name, blob)| (name.into(), Dynamic::from_blob(blob))));
    map
}

fn failed(path: &str, domain: &str, ended: &Ended) -> Error {
    let how = match (ended.exit_code, ended.signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown end".to_string(),
    };
    let error = Error::new(Code::Failed, Area::Domain, format!("`{path}` in domain `{domain}` ended with {how}"));
    let error = error.about(format!("domain {domain}"));
    let [_, stderr] = ended.texts();
    stderr.lines().rev().take(3).fold(error, |error, line| error.note(format!("it said: {line}")))
}

#[export_module]
mod functions {
    use crate::libvirt::Domain;

    /// Whether the guest agent answers. A missing agent is noticed at once.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// assert(vm.agent_ping());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn agent_ping(vm: &mut Domain) -> RhaiResultOf<bool> {
        Ok(vm.agent_ping()?)
    }

    /// Sends a command to the guest agent and gives its answer: `execute` is the agent's own name of it.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// print(vm.agent_command(#{ execute: "guest-info" }).version);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn agent_command(vm: &mut Domain, command: Map) -> RhaiResultOf<Dynamic> {
        let command = serde_json::to_value(value(&command.into(), "")?).unwrap_or_default();
        let answer = vm.agent_command(&command, Duration::from_secs(10))?;
        Ok(dynamic(serde_json::from_value(answer).unwrap_or_default()))
    }

    /// Runs a program in the guest and waits for its end: `#{ exit_code, signal, stdout, stderr, truncated }`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let done = vm.exec("/bin/echo", ["hello"]);
    /// assert_eq(done.stdout, "hello\n");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn exec(vm: &mut Domain, path: &str, args: Array) -> RhaiResultOf<Map> {
        exec_with(vm, path, args, Map::new())
    }

    /// Runs a program in the guest and waits for its end.
    ///
    /// Options:
    /// * `input`: what it reads from its standard input, a text or a blob; an agent takes 96 KiB at most.
    /// * `env`: a map of its environment.
    /// * `timeout`: seconds or text such as `"5m"`, default 60 seconds.
    /// * `check`: whether an exit code other than 0 is an error, default `false`.
    /// * `binary`: whether `stdout` and `stderr` are given as blobs, every byte as it is, default `false`. In a text, what is no
    ///   UTF-8 becomes `\u{fffd}`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let done = vm.exec("/bin/sh", ["-c", "cat; echo $WHO"], #{ input: "hello ", env: #{ WHO: "you" }, timeout: "30s", check: true });
    /// assert_eq(done.stdout, "hello you\n");
    /// assert_eq(vm.exec("/bin/sh", ["-c", "printf '\\200'"], #{ binary: true }).stdout[0], 128);
    /// ```
    #[rhai_fn(name = "exec", pure, return_raw)]
    pub fn exec_with(vm: &mut Domain, path: &str, args: Array, options: Map) -> RhaiResultOf<Map> {
        let how = exec_options(path, &args, options)?;
        let ended = vm.exec(&how.exec)?;
        if how.check && ended.exit_code != Some(0) {
            return Err(failed(path, vm.name(), &ended).into());
        }
        Ok(ending(ended, how.binary))
    }

    /// Runs a program in the guest and waits for its end, all in one map: `path`, `args` and the options above.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// assert_eq(vm.exec(#{ path: "/bin/echo", args: ["hello"], timeout: "30s" }).stdout, "hello\n");
    /// ```
    #[rhai_fn(name = "exec", pure, return_raw)]
    pub fn exec_map(vm: &mut Domain, program: Map) -> RhaiResultOf<Map> {
        let mut options = program;
        let path = options.remove("path").map(|path| path.to_string());
        let path = path.ok_or_else(|| Error::argument("a program needs its `path`"))?;
        let args = options.remove("args").and_then(Dynamic::try_cast::<Array>).unwrap_or_default();
        exec_with(vm, &path, args, options)
    }

    /// Reads a text file of the guest.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// print(vm.read_file("/proc/version"));
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn read_file(vm: &mut Domain, path: &str) -> RhaiResultOf<String> {
        Ok(String::from_utf8_lossy(&vm.read_guest_file(path)?).into_owned())
    }

    /// Reads a file of the guest, as the options say.
    ///
    /// Options:
    /// * `binary`: whether it is given as a blob, every byte as it is, default `false`. In a text, what is
    ///   no UTF-8 becomes `\u{fffd}`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.write_file("/tmp/odd", blob(3, 0xff));
    /// assert_eq(vm.read_file("/tmp/odd", #{ binary: true }), blob(3, 0xff));
    /// ```
    #[rhai_fn(name = "read_file", pure, return_raw)]
    pub fn read_file_with(vm: &mut Domain, path: &str, options: Map) -> RhaiResultOf<Dynamic> {
        let options = Options::from_value("read_file", value(&options.into(), "")?, &["binary"])?;
        let data = vm.read_guest_file(path)?;
        Ok(if options.bool("binary")?.unwrap_or(false) {
            Dynamic::from_blob(data)
        } else {
            String::from_utf8_lossy(&data).into_owned().into()
        })
    }

    /// Writes a file of the guest, a text or a blob: what was in it is gone.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.write_file("/tmp/greeting", "hello");
    /// assert_eq(vm.read_file("/tmp/greeting"), "hello");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn write_file(vm: &mut Domain, path: &str, text: Dynamic) -> RhaiResultOf<()> {
        Ok(vm.write_guest_file(path, &bytes(&text, "what a file holds")?)?)
    }

    /// What the agent tells of its guest: `#{ os, hostname, timezone, users, fss, disks, ifs }`, by the names of `virsh guestinfo`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// print(vm.guest_info());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn guest_info(vm: &mut Domain) -> RhaiResultOf<Map> {
        Ok(record(vm.guest_info()?))
    }

    /// Freezes the file systems of the guest, so that its disks can be copied as they are; gives their number. Thaw them soon.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// try {
    ///     print(vm.fs_freeze());
    ///     vm.fs_thaw();
    /// } catch (err) {
    ///     print(err.message);
    /// }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn fs_freeze(vm: &mut Domain) -> RhaiResultOf<i64> {
        Ok(i64::try_from(vm.fs_freeze()?).unwrap_or(i64::MAX))
    }

    /// Thaws the file systems of the guest; gives their number.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// try { print(vm.fs_thaw()); } catch (err) { print(err.message); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn fs_thaw(vm: &mut Domain) -> RhaiResultOf<i64> {
        Ok(i64::try_from(vm.fs_thaw()?).unwrap_or(i64::MAX))
    }

    /// Has the guest tell its disks which space it does not use.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// try { vm.fs_trim(); } catch (err) { print(err.message); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn fs_trim(vm: &mut Domain) -> RhaiResultOf<()> {
        Ok(vm.fs_trim()?)
    }

    /// Sets the password of an account in the guest: a secret, or text.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// try { vm.set_user_password("root", secret("cmd:echo correct horse")); } catch (err) { print(err.message); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn set_user_password(vm: &mut Domain, user: &str, password: Dynamic) -> RhaiResultOf<()> {
        Ok(vm.set_user_password(user, &text_or_secret(&password, "a password")?)?)
    }

    /// The ssh keys that let somebody into the guest as that user.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// try { print(vm.authorized_keys("root")); } catch (err) { print(err.message); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn authorized_keys(vm: &mut Domain, user: &str) -> RhaiResultOf<Array> {
        Ok(vm.authorized_keys(user)?.into_iter().map(Dynamic::from).collect())
    }

    /// Adds ssh keys that let somebody into the guest as that user.
    ///
    /// Options:
    /// * `reset`: remove all other keys, default `false`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// try { vm.add_authorized_keys("root", ["ssh-ed25519 AAAA you@example.org"], #{ reset: false }); } catch (err) { print(err.message); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn add_authorized_keys(vm: &mut Domain, user: &str, keys: Array, options: Map) -> RhaiResultOf<()> {
        let options = Options::from_value("add_authorized_keys", value(&options.into(), "")?, &["reset"])?;
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        Ok(vm.add_authorized_keys(user, &keys, options.bool("reset")?.unwrap_or(false))?)
    }

    /// The clock of the guest in seconds since 1970.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// print(vm.guest_time());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn guest_time(vm: &mut Domain) -> RhaiResultOf<f64> {
        Ok(vm.guest_time()?)
    }

    /// Sets the clock of the guest to the one of the host.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// try { vm.sync_time(); } catch (err) { print(err.message); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn sync_time(vm: &mut Domain) -> RhaiResultOf<()> {
        Ok(vm.sync_time()?)
    }
}
