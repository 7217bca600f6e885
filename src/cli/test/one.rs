//! `vmscript run-test`: one test in a process of its own, which `vmscript test` starts in a folder made for it.

use super::super::arguments::RunTest;
use super::super::{end, fail};
use super::process::{LAST, LOOK, MORE, too_long};
use crate::api;
use crate::floor::clock::{self, VirtualClock};
use crate::floor::{Error, Result, interrupt};
use crate::script::{Ended, Failure, Label, Session, Settings};
use rustix::process::{Signal, getppid, kill_current_process_group, set_parent_process_death_signal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The host that tests start from if nobody names another one: the network and the pool that libvirt comes with.
const HOST: &str = include_str!("host.xml");

/// Runs one test; gives the exit code.
pub(crate) fn run_one(settings: &Settings, one: &RunTest, color: bool) -> u8 {
    let orphaned = end_with_parent();
    let over = end_after(one.timeout);
    let code = run(settings, one, color, &over);
    // A parent that dies is still there for a moment when its end is told.
    orphaned(interrupt::wanted() && !over.load(Ordering::SeqCst));
    code
}

/// Asks the test to stop when the process that started it ends. What that would have cleared away is then left to the test:
/// what it gives does so, if it is alone by then; it may be told that this is to be expected.
fn end_with_parent() -> impl FnOnce(bool) {
    let (parent, folder) = (getppid(), std::env::current_dir());
    if let Err(error) = set_parent_process_death_signal(Some(Signal::TERM)) {
        tracing::warn!(%error, "a test may outlive who runs it");
    }
    move |is_expected| {
        let patience = Instant::now() + if is_expected { LAST } else { Duration::ZERO };
        while getppid() == parent {
            if Instant::now() >= patience {
                return;
            }
            std::thread::sleep(LOOK);
        }
        if let Ok(folder) = folder {
            drop(std::fs::remove_dir_all(folder));
        }
        // Those that the test has started, and itself.
        kill_current_process_group(Signal::KILL).unwrap_or_default();
    }
}

fn run(settings: &Settings, one: &RunTest, color: bool, over: &AtomicBool) -> u8 {
    clock::set(Box::new(VirtualClock::new(api::settle)));
    match prepared(settings, one) {
        Ok((settings, own_host)) => {
            let mut session = Session::new(&settings);
            let done = match chosen(&mut session, one, &own_host) {
                // Whatever the script did to tell its host, it is not part of the test.
                Ok(true) => {
                    session = Session::new(&settings);
                    session.run_test(&one.file, &one.test)
                }
                Ok(false) => session.run_test(&one.file, &one.test),
                Err(failure) => Err(failure),
            };
            end(done.map(|()| Ended::Normally).map_err(|failure| late(failure, one.timeout, over)), &session, color)
        }
        Err(error) => fail(&error),
    }
}

/// Asks the test to stop when its time is over, and remembers that it did.
fn end_after(limit: Duration) -> Arc<AtomicBool> {
    let over = Arc::new(AtomicBool::new(false));
    let told = over.clone();
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        told.store(true, Ordering::SeqCst);
        interrupt::ask_to_stop();
    });
    over
}

/// Says so if a test was stopped because its time is over.
fn late((mut shown, code): Failure, limit: Duration, over: &AtomicBool) -> Failure {
    if !over.load(Ordering::SeqCst) {
        return (shown, code);
    }
    if let Some(first) = shown.first_mut() {
        first.message = too_long(limit);
        first.lines = vec![(Label::Hint, MORE.to_string())];
    }
    (shown, 1)
}

/// The settings of the test, and the file of its host, which is there already.
fn prepared(settings: &Settings, one: &RunTest) -> Result<(Settings, PathBuf)> {
    let here = std::env::current_dir().map_err(|cause| Error::io(Path::new("."), "find", &cause))?;
    let file = here.join("host.xml");
    let text = match &one.host {
        Some(given) => read(&one.base.join(given))?,
        None => HOST.to_string(),
    };
    write(&file, &text)?;
    api::serve_alone(here.join("images"));
    let uri = Some(format!("test://{}", file.display()));
    Ok((Settings { uri, base: Some(one.base.clone()), confined: true, ..settings.clone() }, file))
}

/// Puts the host that the script asks for in the place of the other one, before anybody connects to it.
fn chosen(session: &mut Session, one: &RunTest, file: &Path) -> std::result::Result<bool, Failure> {
    let Some(asked) = session.test_host(&one.file)? else { return Ok(false) };
    let text = if asked.trim_start().starts_with('<') {
        Ok(asked)
    } else {
        let beside = one.base.join(&one.file);
        read(&beside.parent().unwrap_or(Path::new("")).join(asked))
    };
    text.and_then(|text| write(file, &text)).map(|()| true).map_err(|error| crate::script::failure(&error))
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|cause| Error::io(file, "read", &cause))
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).map_err(|cause| Error::io(file, "write", &cause))
}
