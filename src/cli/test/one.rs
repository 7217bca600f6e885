//! `vmscript run-test`: one test in a process of its own, which `vmscript test` starts in a folder made for it.

use super::super::arguments::RunTest;
use super::super::{end, fail};
use super::process::{MORE, too_long};
use crate::api;
use crate::floor::clock::{self, VirtualClock};
use crate::floor::{Error, Result, interrupt};
use crate::script::{Ended, Failure, Label, Session, Settings};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The host that tests start from if nobody names another one: the network and the pool that libvirt comes with.
const HOST: &str = include_str!("host.xml");

/// Runs one test; gives the exit code.
pub(crate) fn run_one(settings: &Settings, one: &RunTest, color: bool) -> u8 {
    let over = end_after(one.timeout);
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
            end(done.map(|()| Ended::Normally).map_err(|failure| late(failure, one.timeout, &over)), &session, color)
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
