//! A test in a process of its own: whatever it does to its working directory, its clock or itself, no other test sees it.

use super::find::Case;
use crate::floor::{Error, Result, interrupt};
use crate::script::Settings;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often a test is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(5);

/// A test ends itself when its time is over, and tells where it was; one that does not is killed so much later.
pub(super) const LAST: Duration = Duration::from_secs(2);

/// What to do about a test that takes too long.
pub(super) const MORE: &str = "`--timeout` gives it more";

/// What is wrong with a test that takes longer than this.
pub(super) fn too_long(limit: Duration) -> String {
    format!("the test takes longer than {} s", limit.as_secs_f64())
}

/// How a test ended.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    /// Why it failed, as it is shown; nothing if it passed.
    pub(super) failure: Option<String>,
    /// What it printed.
    pub(super) printed: String,
    /// How long it took.
    pub(super) took: Duration,
}

/// What is the same for all tests.
#[derive(Debug)]
pub(super) struct Plan {
    program: PathBuf,
    base: PathBuf,
    host: Option<PathBuf>,
    options: Vec<String>,
    timeout: Duration,
}

impl Plan {
    pub(super) fn new(settings: &Settings, host: Option<&Path>, timeout: Duration, color: bool) -> Result<Self> {
        let here = std::env::current_dir().map_err(|cause| Error::io(Path::new("."), "find", &cause))?;
        let program = std::env::current_exe().map_err(|cause| Error::io(Path::new("vmscript"), "find", &cause))?;
        let mut options = vec!["--color".to_string(), if color { "always" } else { "never" }.to_string()];
        let mut option = |name: &str, path: &Path| {
            options.extend([name.to_string(), here.join(path).display().to_string()]);
        };
        settings.recipes.iter().for_each(|folder| option("--recipes", folder));
        match &settings.schema_dir {
            Some(none) if none.as_os_str() == "none" => options.extend(["--schema-dir".into(), "none".into()]),
            Some(folder) => option("--schema-dir", folder),
            None => {}
        }
        Ok(Self { program, host: host.map(|file| here.join(file)), base: here, options, timeout })
    }

    /// Runs a test; nothing if somebody asked to stop before its end.
    pub(super) fn run(&self, case: &Case) -> Option<Outcome> {
        let started = Instant::now();
        let outcome = |failure| Outcome { failure, printed: String::new(), took: started.elapsed() };
        match &case.test {
            Err(wrong) => Some(outcome(Some(wrong.clone()))),
            Ok(test) => match self.run_function(case, test, started) {
                Ok(done) => done,
                Err(error) => Some(outcome(Some(format!("error: {error}\n")))),
            },
        }
    }

    fn run_function(&self, case: &Case, test: &str, started: Instant) -> Result<Option<Outcome>> {
        let folder = tempfile::Builder::new().prefix("vmscript-test-").tempdir();
        let folder = folder.map_err(|cause| Error::io(&std::env::temp_dir(), "make a folder in", &cause))?;
        let mut command = Command::new(&self.program);
        command.args(&self.options).arg("run-test").arg("--base").arg(&self.base);
        if let Some(host) = &self.host {
            command.arg("--host").arg(host);
        }
        command.arg("--timeout").arg(format!("{}s", self.timeout.as_secs_f64()));
        command.arg("--").arg(&case.file).arg(test);
        // What a killed test leaves behind in its journal goes away with the folder.
        command.env("XDG_STATE_HOME", folder.path().join("state"));
        command
            .process_group(0)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|cause| Error::io(&self.program, "start", &cause))?;
        let (printed, told) = (drain(child.stdout.take()), drain(child.stderr.take()));
        let ended = self.wait(&mut child, started);
        // What it started and did not wait for would keep its pipes open, and outlive it. Mostly there is nobody.
        if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
            kill_process_group(group, Signal::KILL).unwrap_or_default();
        }
        let (printed, told) = (text(printed), text(told));
        let took = started.elapsed();
        let failure = match ended {
            Ended::Well => None,
            Ended::Badly(status) if was_stopped(status) => return Ok(None),
            Ended::Stopped => return Ok(None),
            Ended::Badly(status) if told.is_empty() => Some(format!("error: the test's process ended with {status}\n")),
            Ended::Badly(_) => Some(told),
            Ended::Late => Some(format!("{told}error: {}\n  = hint: {MORE}\n", too_long(self.timeout))),
        };
        Ok(Some(Outcome { failure, printed, took }))
    }

    fn wait(&self, child: &mut Child, started: Instant) -> Ended {
        let why = loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ended::Well,
                Ok(Some(status)) => return Ended::Badly(status),
                Ok(None) if interrupt::pause(LOOK).is_err() => break Ended::Stopped,
                Ok(None) if started.elapsed() > self.timeout + LAST => break Ended::Late,
                Ok(None) => {}
                Err(_) => break Ended::Stopped,
            }
        };
        // It may have ended at this very moment.
        drop(child.kill());
        drop(child.wait());
        why
    }
}

/// Whether a test ended because somebody asked to stop. Ctrl-C in a terminal reaches the test, too, which may be quicker.
fn was_stopped(status: ExitStatus) -> bool {
    const QUICKER: Duration = Duration::from_secs(1);
    const INTERRUPTED: i32 = 130;
    interrupt::wanted() || (status.code() == Some(INTERRUPTED) && interrupt::sleep(QUICKER).is_err())
}

enum Ended {
    Well,
    Badly(ExitStatus),
    Late,
    Stopped,
}

/// Reads to the end beside the test, which would wait for a reader.
fn drain(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe
            && let Err(error) = pipe.read_to_end(&mut bytes)
        {
            tracing::warn!(%error, "what a test printed cannot be read");
        }
        bytes
    })
}

fn text(reader: JoinHandle<Vec<u8>>) -> String {
    String::from_utf8_lossy(&reader.join().unwrap_or_default()).into_owned()
}
