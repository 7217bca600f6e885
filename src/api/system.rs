//! This machine and its user: programs that run here, and questions.

use super::hidden::bytes;
use super::{Context, RhaiResultOf, is_making, value};
use crate::floor::planned::Program;
use crate::floor::{
    Area, Code, Error, Input, Options, Result, ask, clock, duration, give_bytes, hide, interrupt, is_output_kept, lost,
    take, tell, tell_bytes,
};
use rhai::plugin::*;
use rhai::{Array, Blob, Dynamic, Map, Module};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

fn command(program: &str, arguments: &Array) -> Command {
    let mut command = Command::new(program);
    command.args(arguments.iter().map(ToString::to_string));
    command
}

fn started<T>(program: &str, result: std::io::Result<T>) -> Result<T> {
    result.map_err(|cause| Error::io(Path::new(program), "run", &cause))
}

/// What happens while a program runs.
enum News {
    Ended(std::io::Result<ExitStatus>),
    /// One of its outputs has come to its end.
    Closed,
}

/// Collects what a program writes, on a thread of its own.
fn collect(mut from: impl Read + Send + 'static, told: mpsc::Sender<News>) -> std::io::Result<Arc<Mutex<Vec<u8>>>> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let own = all.clone();
    thread::Builder::new().spawn(move || {
        let mut piece = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            own.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&piece[..length]);
        }
        // Nobody listens any more after a wish to stop.
        drop(told.send(News::Closed));
    })?;
    Ok(all)
}

/// Hands the input of this program to another one, on a thread of its own, until that is over.
struct Pouring(Arc<AtomicBool>);

impl Pouring {
    fn begin(input: Arc<Input>, to: impl std::io::Write + Send + 'static) -> std::io::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let own = Arc::clone(&over);
        thread::Builder::new().spawn(move || input.pour(to, || own.load(Ordering::Relaxed)))?;
        Ok(Self(over))
    }
}

impl Drop for Pouring {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a program to its end. Whoever asks to stop does not wait for it: it is asked to end, too. What it has started and left
/// behind may hold its outputs open for ever: that is not waited for.
fn output(program: &str, command: &mut Command, input: Option<Arc<Input>>) -> Result<Output> {
    const LOOK: Duration = Duration::from_millis(100);
    const GRACE: Duration = Duration::from_secs(1);
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let piped = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = started(program, piped.spawn())?;
    let pouring = input.clone().zip(child.stdin.take()).map(|(input, to)| Pouring::begin(input, to)).transpose();
    let _pouring = started(program, pouring)?;
    let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty());
    let (sender, receiver) = mpsc::channel();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let stdout = stdout.map(|from| collect(from, sender.clone())).transpose();
    let stderr = stderr.map(|from| collect(from, sender.clone())).transpose();
    let outputs = [started(program, stdout)?, started(program, stderr)?];
    let waiting = thread::Builder::new().spawn(move || drop(sender.send(News::Ended(child.wait()))));
    started(program, waiting)?;
    let (mut status, mut open) = (None, outputs.len());
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(News::Ended(ended)) => status = Some((started(program, ended)?, Instant::now() + GRACE)),
            Ok(News::Closed) => open -= 1,
            Err(_) => {}
        }
        if let Err(interrupted) = interrupt::check() {
            if let (Ok(process), None) = (&process, &status) {
                // It may have ended at this very moment.
                pidfd_send_signal(process, Signal::TERM).unwrap_or_default();
            }
            return Err(interrupted);
        }
        if let Some((status, end)) = status
            && (open == 0 || Instant::now() >= end)
        {
            let taken = |from: &Option<Arc<Mutex<Vec<u8>>>>| {
                from.as_ref().map_or_else(Vec::new, |all| {
                    std::mem::take(&mut *all.lock().unwrap_or_else(PoisonError::into_inner))
                })
            };
            if let Some(failure) = input.and_then(|input| input.failure()) {
                return Err(failure);
            }
            let [stdout, stderr] = outputs.each_ref().map(taken);
            return Ok(Output { status, stdout, stderr });
        }
    }
}

/// When nobody reads any more what is printed, the run ends quietly as other programs do, unless it is making something that its
/// end would undo. What cannot be written ends it in any case.
pub fn stop_unread(written: std::io::Result<()>) {
    if written.is_err() && (matches!(lost(), Some(Some(_))) || !is_making()) {
        interrupt::trigger();
    }
}

/// What is printed as it is, without the secrets that a text may hold. A terminal shows what comes next on a line of its own.
fn raw(data: &Dynamic, is_terminal: bool) -> Result<Vec<u8>> {
    let mut data = bytes(data, "what is printed")?;
    if let Ok(text) = std::str::from_utf8(&data) {
        data = hide(text).into_owned().into_bytes();
    }
    if is_terminal && data.last().is_some_and(|last| *last != b'\n') {
        data.push(b'\n');
    }
    Ok(data)
}

/// As a shell counts: a program that a signal ended has 128 and its number.
fn code(status: ExitStatus) -> i64 {
    use std::os::unix::process::ExitStatusExt;
    i64::from(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
}

/// How a program ends that a test plans, after its time.
fn planned(call: &NativeCallContext, program: &str, arguments: &Array) -> Result<Option<Program>> {
    let Some(host) = Context::of(call).planned()? else { return Ok(None) };
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let planned = host.planned_program(program, &arguments);
    planned.map(|planned| clock::sleep(planned.time).map(|()| planned)).transpose()
}

#[export_module]
mod functions {
    /// Runs a program of this machine and waits for its end: `#{ exit_code, stdout, stderr }`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(run_program("echo", ["hello"]).stdout, "hello\n");
    /// assert_eq(run_program("sh", ["-c", "exit 3"]).exit_code, 3);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn run_program(call: NativeCallContext, program: &str, arguments: Array) -> RhaiResultOf<Map> {
        run_program_with(call, program, arguments, Map::new())
    }

    /// Runs a program of this machine and waits for its end, as the options say.
    ///
    /// Options:
    /// * `stdin`: whether what comes on standard input is handed to it, as it comes and any amount of it; each of several
    ///   programs gets all of it. At a terminal nothing comes. Default `false`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(run_program("cat", [], #{ stdin: false }).stdout, "");
    /// ```
    #[rhai_fn(name = "run_program", return_raw)]
    pub fn run_program_with(
        call: NativeCallContext,
        program: &str,
        arguments: Array,
        options: Map,
    ) -> RhaiResultOf<Map> {
        let options = Options::from_value("run_program", value(&options.into(), "")?, &["stdin"])?;
        let stdin = options.bool("stdin")?.unwrap_or(false);
        if let Some(planned) = planned(&call, program, &arguments)? {
            let (stdout, stderr) = (planned.stdout.into(), planned.stderr.into());
            let fields = [("exit_code", planned.exit_code.into()), ("stdout", stdout), ("stderr", stderr)];
            return Ok(fields.into_iter().map(|(key, value)| (key.into(), value)).collect());
        }
        let output = output(program, &mut command(program, &arguments), if stdin { Input::shared()? } else { None })?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields = [
            ("exit_code".into(), code(output.status).into()),
            ("stdout".into(), text(&output.stdout).into()),
            ("stderr".into(), text(&output.stderr).into()),
        ];
        Ok(fields.into_iter().collect())
    }

    /// Runs a program that has the terminal for itself, such as `ssh`, and gives its exit code.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(run_interactive("true", []), 0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn run_interactive(call: NativeCallContext, program: &str, arguments: Array) -> RhaiResultOf<i64> {
        if let Some(planned) = planned(&call, program, &arguments)? {
            return Ok(planned.exit_code);
        }
        let status = started(program, command(program, &arguments).status())?;
        interrupt::check()?;
        Ok(code(status))
    }

    /// The full path of this program.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(run_program(own_program(), ["--version"]).exit_code, 0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn own_program() -> RhaiResultOf<String> {
        let path = std::env::current_exe().map_err(|cause| Error::io(Path::new("/proc/self/exe"), "read", &cause))?;
        Ok(path.display().to_string())
    }

    /// Prints a text on standard error, as `print` does on standard output.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print_error("not so good");
    /// ```
    pub fn print_error(text: &str) {
        tell(&hide(text));
    }

    /// Prints a text or a blob as it is, without a line break behind it (a terminal gets one); where a recipe's result is asked for
    /// with `-o json` and its like, on standard error, as all that it prints.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print_raw("no line ");
    /// print_raw("no line".to_blob());
    /// ```
    #[rhai_fn(return_raw)]
    pub fn print_raw(data: Dynamic) -> RhaiResultOf<()> {
        if is_output_kept() {
            return print_error_raw(data);
        }
        let data = raw(&data, std::io::stdout().is_terminal())?;
        stop_unread(give_bytes(&data));
        Ok(())
    }

    /// Prints a text or a blob on standard error, as `print_raw` does on standard output.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print_error_raw("not so good\n");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn print_error_raw(data: Dynamic) -> RhaiResultOf<()> {
        tell_bytes(&raw(&data, std::io::stderr().is_terminal())?);
        Ok(())
    }

    /// All that comes on standard input as a blob, whose end is waited for so long; at a terminal nothing does.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let text = read_input("5s").as_string();
    /// ```
    #[rhai_fn(return_raw)]
    pub fn read_input(timeout: Dynamic) -> RhaiResultOf<Blob> {
        Ok(take(duration(&value(&timeout, "")?)?)?)
    }

    /// Whether somebody sits at a terminal: standard input and standard output are one.
    ///
    /// # Example
    ///
    /// ```rhai
    /// if !is_terminal() { print("nobody is here"); }
    /// ```
    pub fn is_terminal() -> bool {
        std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
    }

    /// Asks the user at the terminal. Where there is none, it is an error.
    ///
    /// # Example
    ///
    /// ```rhai
    /// try {
    ///     confirm("delete all?");
    /// } catch (err) {
    ///     assert_eq(err.message, "nobody can be asked: delete all?");
    /// }
    /// ```
    #[rhai_fn(return_raw)]
    pub fn confirm(question: &str) -> RhaiResultOf<bool> {
        Ok(ask(question)?.ok_or_else(|| {
            Error::new(Code::InvalidArgument, Area::Script, format!("nobody can be asked: {question}"))
                .hint("`yes: true` answers it")
        })?)
    }
}
