//! `vmscript test`: users' tests of their own recipes, each in a process of its own.

mod find;
mod one;
mod process;
mod report;

pub(super) use one::run_one;
pub(super) use report::Looks;

use super::arguments::{Format, Test};
use super::fail;
use crate::floor::{Error, Result, give, hide, interrupt, lost, tell};
use crate::script::Settings;
use find::Case;
use process::{Outcome, Plan};
use report::Done;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

/// Runs the tests; gives the exit code.
pub(super) fn run(settings: &Settings, test: &Test, looks: Looks) -> u8 {
    run_all(settings, test, looks).unwrap_or_else(|error| fail(&error))
}

fn run_all(settings: &Settings, test: &Test, looks: Looks) -> Result<u8> {
    let paths = if test.paths.is_empty() { vec![PathBuf::from("tests")] } else { test.paths.clone() };
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        let error = Error::argument(format!("there is no `{}`", missing.display()));
        return Err(error.hint("`vmscript test PATH` runs the tests of a script or of a folder, else of `tests`"));
    }
    let all = find::find(settings, &paths, looks.color)?;
    let count = all.len();
    // Nobody knows which tests there would be in a script that cannot be read.
    let wanted = |case: &Case| {
        test.filter.is_empty() || case.test.is_err() || test.filter.iter().any(|part| case.name.contains(part))
    };
    let cases: Vec<Case> = all.into_iter().filter(wanted).collect();
    if cases.is_empty() {
        return Err(nothing(&paths, count));
    }
    if test.list {
        let (tests, wrong): (Vec<Case>, Vec<Case>) = cases.into_iter().partition(|case| case.test.is_ok());
        let names = || tests.iter().flat_map(|case| [case.name.as_str(), "\n"]).collect();
        print(&if matches!(test.output, Format::Text) { names() } else { report::list_to_json(&tests) });
        wrong.iter().filter_map(|case| case.test.as_ref().err()).for_each(|mistake| tell(mistake.trim_end()));
        return Ok(u8::from(!wrong.is_empty()));
    }
    let plan = Plan::new(settings, test.host.as_deref(), test.timeout, looks.color)?;
    let jobs = test.jobs.map(usize::from).or_else(|| thread::available_parallelism().ok().map(Into::into));
    let (started, told) = (Instant::now(), matches!(test.output, Format::Text));
    if told && !looks.quiet {
        print(&format!("running {} test{}\n", cases.len(), if cases.len() == 1 { "" } else { "s" }));
    }
    let done = run_cases(&plan, &cases, jobs.unwrap_or(1), |done| {
        if told && !looks.quiet {
            print(&looks.line(done));
        }
    });
    let took = started.elapsed();
    if told {
        let not_run = cases.len() - done.len();
        print(&report::failures(&done));
        print(&report::slowest(&done, test.slowest));
        print(&looks.summary(&done, count - cases.len(), not_run, took));
    } else {
        print(&report::to_json(&done));
    }
    if let Some(file) = &test.junit {
        std::fs::write(file, report::to_junit(&done, took)).map_err(|cause| Error::io(file, "write", &cause))?;
    }
    // What cannot be written stopped the rest as somebody would, and has a code of its own.
    let is_unwritten = matches!(lost(), Some(Some(_)));
    Ok(if interrupt::wanted() && !is_unwritten { 130 } else { u8::from(report::failed(&done) > 0) })
}

/// Runs tests at once; what is done is told in the order of the tests.
fn run_cases(plan: &Plan, cases: &[Case], jobs: usize, mut tell: impl FnMut(&Done)) -> Vec<Done> {
    let next = AtomicUsize::new(0);
    let mut outcomes: Vec<Option<Outcome>> = cases.iter().map(|_| None).collect();
    let mut done = Vec::new();
    let mut told = |index: usize, outcome| {
        let one = (cases[index].clone(), outcome);
        tell(&one);
        done.push(one);
    };
    let mut first = 0;
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..jobs.min(cases.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while !interrupt::wanted()
                    && let index = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(case) = cases.get(index)
                    && let Some(outcome) = plan.run(case)
                {
                    // Whoever listens stays until all have hung up.
                    drop(sender.send((index, outcome)));
                }
            });
        }
        drop(sender);
        for (index, outcome) in receiver {
            outcomes[index] = Some(outcome);
            while let Some(outcome) = outcomes.get_mut(first).and_then(Option::take) {
                told(first, outcome);
                first += 1;
            }
        }
    });
    // Somebody asked to stop, and some before these did not come to their end.
    for (index, outcome) in outcomes.into_iter().enumerate() {
        if let Some(outcome) = outcome {
            told(index, outcome);
        }
    }
    done
}

fn nothing(paths: &[PathBuf], left_out: usize) -> Error {
    let names: Vec<_> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
    if left_out > 0 {
        let error = Error::argument(format!("none of the {left_out} tests fits the filter"));
        return error.hint("`--list` without a filter lists them all");
    }
    Error::argument(format!("there is no test in {}", names.join(", ")))
        .hint("tests are functions of `.rhai` files whose names begin with `test_`")
}

/// Prints a part of the report; when nobody reads any more, the rest of the tests is left out.
fn print(text: &str) {
    if give(&hide(text)).is_err() {
        interrupt::ask_to_stop();
    }
}
