//! What a test plans of the world outside the host: servers, programs, and what guests do by themselves.

use super::hidden::bytes;
use super::testing::{object, read, when};
use super::{Context, RhaiResultOf};
use crate::floor::planned::{Program, When};
use crate::floor::{Error, Options, Result, Value};
use crate::image::{Served, serve};
use crate::libvirt::FirstBoot;
use rhai::plugin::*;
use rhai::{Dynamic, Map, Module};
use std::time::Duration;

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

const PROGRAM: &[&str] = &["after", "exit_code", "stderr", "stdout", "time", "times"];

fn time(options: &Options, key: &str) -> Result<Duration> {
    Ok(options.duration(key)?.unwrap_or_default())
}

fn program_of(command: &str, options: &Options) -> Result<Program> {
    let text = |key: &str| options.str(key).map(|text| text.unwrap_or_default().to_string());
    Ok(Program {
        command: command.to_string(),
        exit_code: options.int("exit_code")?.unwrap_or(0),
        stdout: text("stdout")?,
        stderr: text("stderr")?,
        time: time(options, "time")?,
    })
}

fn texts(options: &Options, key: &str) -> Result<Vec<String>> {
    let wrong = || Error::argument(format!("`{key}` is a list of texts"));
    match options.get(key) {
        None => Ok(Vec::new()),
        Some(Value::List(all)) => all.iter().map(|one| Ok(one.as_str().ok_or_else(wrong)?.to_string())).collect(),
        Some(_) => Err(wrong()),
    }
}

#[export_module]
mod functions {
    /// From now on this is what a web server has under a URL: a text, or what the options say. In `vmscript test` there is
    /// nothing under any other, and nobody asks the network.
    ///
    /// # Example
    ///
    /// ```rhai
    /// serves("https://images.example/SHA256SUMS", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  empty.raw\n");
    /// assert(listed_checksum("https://images.example/empty.raw", "https://images.example/SHA256SUMS").starts_with("sha256:e3b0"));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn serves(call: NativeCallContext, url: &str, text: &str) -> RhaiResultOf<()> {
        serves_with(call, url, Map::from([("text".into(), text.into())]))
    }

    /// What a web server has under a URL, in which `*` stands for any text, as the options say.
    ///
    /// Options:
    /// * `file`: the file with what is there; or
    /// * `text`: what is there.
    /// * `status`: the HTTP status instead, such as 404 or 503.
    /// * `time`: how long the transfer takes.
    /// * `ends`: after so many bytes the server hangs up.
    /// * `stalls`: after so many bytes nothing comes any more.
    /// * `after`, `times`: so many requests are answered otherwise first, and so many like this then; the default is all.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let data = "";
    /// data.pad(1000, "0");
    /// write_file("disk.raw", data);
    /// // The first request is refused, the second one breaks off, the third one goes on there.
    /// serves("https://images.example/disk.raw", #{ status: 503, times: 1 });
    /// serves("https://images.example/disk.raw", #{ file: "disk.raw", ends: 400, times: 1 });
    /// serves("https://images.example/disk.raw", #{ file: "disk.raw" });
    /// skip("upload");
    /// let pool = connect().pool("default");
    /// pool.ensure_image("disk.raw", #{ url: "https://images.example/disk.raw", bootable: false });
    /// assert_eq(pool.volume("disk.raw").info.capacity, 1000);
    /// ```
    #[rhai_fn(name = "serves", return_raw)]
    pub fn serves_with(call: NativeCallContext, url: &str, options: Map) -> RhaiResultOf<()> {
        let known = &["after", "ends", "file", "stalls", "status", "text", "time", "times"];
        let options = read("serves", options, known)?;
        let count = |key: &str| -> Result<Option<u64>> {
            let wrong = || Error::argument(format!("`{key}` counts bytes, and cannot be negative"));
            options.int(key)?.map(|number| u64::try_from(number).map_err(|_| wrong())).transpose()
        };
        let content = match (options.str("file")?, options.str("text")?) {
            (Some(file), None) => crate::floor::read(std::path::Path::new(file), "read")?,
            (None, text) => text.unwrap_or_default().as_bytes().to_vec(),
            (Some(_), Some(_)) => return Err(Error::argument("`serves` takes a `file` or a `text`").into()),
        };
        let wrong = |status: i64| Error::argument(format!("there is no HTTP status {status}"));
        let status = options.int("status")?.map(|status| {
            u16::try_from(status).ok().filter(|status| (300..600).contains(status)).ok_or_else(|| wrong(status))
        });
        let served = Served {
            content: content.into(),
            status: status.transpose()?,
            time: time(&options, "time")?,
            ends: count("ends")?,
            stalls: count("stalls")?,
        };
        let when = When { object: url.to_string(), ..when(&options)? };
        // Only hosts that can have a plan have a world that can be planned.
        Context::of(&call).connect(None, false)?.begin_plan()?;
        serve(served, when);
        Ok(())
    }

    /// From now on programs of this machine are not run, and end well: those of this name or with this command line, in
    /// which `*` stands for any text. What a shell is told to run counts, too.
    ///
    /// # Example
    ///
    /// ```rhai
    /// program("ssh *uptime");
    /// assert_eq(run_program("ssh", ["root@10.0.0.5", "uptime"]).exit_code, 0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn program(call: NativeCallContext, command: &str) -> RhaiResultOf<()> {
        program_with(call, command, Map::new())
    }

    /// How programs of this machine end, as the options say.
    ///
    /// Options:
    /// * `stdout`, `stderr`: what it writes.
    /// * `exit_code`: default 0.
    /// * `time`: how long it takes.
    /// * `after`, `times`: so many are run otherwise first, and so many like this then; the default is all.
    ///
    /// # Example
    ///
    /// ```rhai
    /// program("ansible-playbook", #{ exit_code: 2, stderr: "no hosts\n", time: "10ms", times: 1 });
    /// program("ansible-playbook", #{ stdout: "ok=3\n" });
    /// assert_eq(run_program("ansible-playbook", ["site.yml"]).exit_code, 2);
    /// assert_eq(run_program("ansible-playbook", ["site.yml"]).stdout, "ok=3\n");
    /// ```
    #[rhai_fn(name = "program", return_raw)]
    pub fn program_with(call: NativeCallContext, command: &str, options: Map) -> RhaiResultOf<()> {
        let options = read("program", options, PROGRAM)?;
        let program = program_of(command, &options)?;
        Ok(Context::of(&call).connect(None, false)?.plan_program(false, program, when(&options)?)?)
    }

    /// How programs end that the agent of a guest runs; the guest is given or named. An agent that runs programs answers.
    ///
    /// Options:
    /// * those of `program`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// program("web", "hostname", #{ stdout: "web\n" });
    /// program("web", "systemctl *", #{ exit_code: 3, stderr: "failed\n" });
    /// let vm = connect().domain("web");
    /// assert_eq(vm.exec("hostname", []).stdout, "web\n");
    /// assert_eq(vm.exec("/bin/sh", ["-c", "systemctl is-active nginx"]).exit_code, 3);
    /// ```
    #[rhai_fn(name = "program", return_raw)]
    pub fn guest_program(call: NativeCallContext, domain: Dynamic, command: &str, options: Map) -> RhaiResultOf<()> {
        let options = read("program", options, PROGRAM)?;
        let program = program_of(command, &options)?;
        let when = When { object: object(&domain)?, ..when(&options)? };
        Ok(Context::of(&call).connect(None, false)?.plan_program(true, program, when)?)
    }

    /// From now on a guest, which is given or named, has a file that its agent can read: a text or a blob. What is written to a
    /// file in a test is kept with these.
    ///
    /// # Example
    ///
    /// ```rhai
    /// guest_file("web", "/etc/hostname", "web\n");
    /// let vm = connect().domain("web");
    /// vm.write_file("/etc/motd", `this is ${vm.read_file("/etc/hostname")}`);
    /// assert_eq(vm.read_file("/etc/motd"), "this is web\n");
    /// assert_error("failed", || vm.read_file("/etc/issue"));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn guest_file(call: NativeCallContext, domain: Dynamic, path: &str, data: Dynamic) -> RhaiResultOf<()> {
        guest_file_with(call, domain, path, data, Map::new())
    }

    /// A guest has a file, as the options say.
    ///
    /// Options:
    /// * `after`: so often it is not there yet when it is opened, default 0.
    ///
    /// # Example
    ///
    /// ```rhai
    /// guest_file("web", "/run/ready", "yes", #{ after: 3 });
    /// let vm = connect().domain("web");
    /// let found = wait(holds(|| { try { return vm.read_file("/run/ready"); } catch { return false; } }));
    /// assert_eq(found.value, "yes");
    /// ```
    #[rhai_fn(name = "guest_file", return_raw)]
    pub fn guest_file_with(
        call: NativeCallContext,
        domain: Dynamic,
        path: &str,
        data: Dynamic,
        options: Map,
    ) -> RhaiResultOf<()> {
        let options = read("guest_file", options, &["after"])?;
        let when = When { object: object(&domain)?, ..when(&options)? };
        let data = bytes(&data, "what a file holds")?;
        Ok(Context::of(&call).connect(None, false)?.plan_file(path, data, when)?)
    }

    /// From now on the agent of a guest answers: `"agent"` is the only one who can. In `vmscript test` it else does so where
    /// no address is planned.
    ///
    /// # Example
    ///
    /// ```rhai
    /// answers("agent");
    /// assert(connect().domain("web").agent_ping());
    /// ```
    #[rhai_fn(return_raw)]
    pub fn answers(call: NativeCallContext, source: &str) -> RhaiResultOf<()> {
        answers_with(call, source, Map::new())
    }

    /// The agents of guests answer, as the options say.
    ///
    /// Options:
    /// * `object`: the name of the domain, `*` stands for any text; default all.
    /// * `after`: so often they are asked in vain first.
    ///
    /// # Example
    ///
    /// ```rhai
    /// answers("agent", #{ object: "web", after: 5 });
    /// assert_eq(connect().domain("web").wait_for_agent(#{ timeout: "1m" }).source, "agent");
    /// ```
    #[rhai_fn(name = "answers", return_raw)]
    pub fn answers_with(call: NativeCallContext, source: &str, options: Map) -> RhaiResultOf<()> {
        if source != "agent" {
            let error = Error::argument(format!("`{source}` cannot be told to answer"));
            return Err(error.hint("`answers(\"agent\")`; `address` plans what the others answer").into());
        }
        let when = when(&read("answers", options, &["after", "object"])?)?;
        Ok(Context::of(&call).connect(None, false)?.plan_agent(when)?)
    }

    /// From now on cloud-init is done in a guest, which is given or named. In `vmscript test` it else never ends.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// address(vm, "192.168.122.5/24");
    /// listens(vm, 22);
    /// cloud_init_ends(vm);
    /// assert_eq(wait(cloud_init(vm, #{ user: "debian" })).status, "done");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn cloud_init_ends(call: NativeCallContext, domain: Dynamic) -> RhaiResultOf<()> {
        cloud_init_ends_with(call, domain, Map::new())
    }

    /// How cloud-init ends in a guest, as the options say.
    ///
    /// Options:
    /// * `after`: so often it is not done yet when somebody looks.
    /// * `errors`: what failed, a list of texts: the wait fails with them.
    /// * `warnings`: what went wrong without making it fail: the wait gives them, and the status `"degraded"`.
    /// * `datasource`: default `"DataSourceNoCloud"`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// address(vm, "192.168.122.5/24");
    /// listens(vm, 22);
    /// cloud_init_ends(vm, #{ after: 5, errors: ["cannot install nginx"] });
    /// let error = assert_error("failed", || wait(cloud_init(vm, #{ user: "debian" })));
    /// assert_eq(error.notes[0], "cannot install nginx");
    /// ```
    #[rhai_fn(name = "cloud_init_ends", return_raw)]
    pub fn cloud_init_ends_with(call: NativeCallContext, domain: Dynamic, options: Map) -> RhaiResultOf<()> {
        let options = read("cloud_init_ends", options, &["after", "datasource", "errors", "warnings"])?;
        let boot = FirstBoot {
            errors: texts(&options, "errors")?,
            warnings: texts(&options, "warnings")?,
            datasource: options.str("datasource")?.unwrap_or("DataSourceNoCloud").to_string(),
        };
        let when = When { object: object(&domain)?, ..when(&options)? };
        Ok(Context::of(&call).connect(None, false)?.plan_first_boot(boot, when)?)
    }

    /// A guest, which is given or named, prints this on its serial console as soon as somebody looks.
    ///
    /// # Example
    ///
    /// ```rhai
    /// prints("web", "web login: ");
    /// assert_eq(connect().domain("web").open_console().expect("login:", "1m").matched, "login:");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn prints(call: NativeCallContext, domain: Dynamic, text: &str) -> RhaiResultOf<()> {
        prints_with(call, domain, text, Map::new())
    }

    /// A guest prints this on its serial console, as the options say.
    ///
    /// Options:
    /// * `after`: so often somebody looks in vain first, default 0.
    ///
    /// # Example
    ///
    /// ```rhai
    /// prints("web", "Welcome\n");
    /// prints("web", "web login: ", #{ after: 5 });
    /// assert_eq(wait(serial(connect().domain("web"), "login:")).line, "web login:");
    /// ```
    #[rhai_fn(name = "prints", return_raw)]
    pub fn prints_with(call: NativeCallContext, domain: Dynamic, text: &str, options: Map) -> RhaiResultOf<()> {
        let options = read("prints", options, &["after"])?;
        let when = When { object: object(&domain)?, ..when(&options)? };
        Ok(Context::of(&call).connect(None, false)?.plan_console(text.to_string(), when)?)
    }
}
