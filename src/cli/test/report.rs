//! What is told of tests: as text, as JSON, and as `JUnit`'s XML.

use super::find::Case;
use super::process::Outcome;
use crate::schema::xml::{Elem, Node, to_string_pretty};
use serde_json::json;
use std::time::Duration;

/// A test that ran.
pub(super) type Done = (Case, Outcome);

/// How it looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looks {
    /// With colours.
    pub(crate) color: bool,
    /// Only failures and the summary.
    pub(crate) quiet: bool,
}

impl Looks {
    fn word(self, good: bool, word: &str) -> String {
        let number = if good { 32 } else { 31 };
        if self.color { format!("\x1b[{number}m{word}\x1b[0m") } else { word.to_string() }
    }

    /// The line of a test.
    pub(super) fn line(self, (case, outcome): &Done) -> String {
        let good = outcome.failure.is_none();
        format!("test {} ... {}\n", case.name, self.word(good, if good { "ok" } else { "FAILED" }))
    }

    /// The last line.
    pub(super) fn summary(self, done: &[Done], left_out: usize, not_run: usize, took: Duration) -> String {
        let failed = failed(done);
        let good = failed == 0 && not_run == 0;
        let mut counts = format!("{} passed; {failed} failed", done.len() - failed);
        for (count, what) in [(not_run, "not run"), (left_out, "filtered out")] {
            if count > 0 {
                counts.push_str(&format!("; {count} {what}"));
            }
        }
        let word = self.word(good, if good { "ok" } else { "FAILED" });
        format!("\ntest result: {word}. {counts}; finished in {:.2} s\n", took.as_secs_f64())
    }
}

/// The failures with all that is known of them.
pub(super) fn failures(done: &[Done]) -> String {
    let mut text = String::new();
    for (at, (case, outcome)) in done.iter().enumerate() {
        let Some(failure) = &outcome.failure else { continue };
        if text.is_empty() {
            text.push_str("\nfailures:\n");
        }
        text.push_str(&format!("\n---- {} ----\n", case.name));
        // A recipe that does not parse fails all tests that import it.
        let same = |(_, other): &&Done| other.failure.as_ref() == Some(failure);
        if let Some((first, _)) = done[..at].iter().find(same).filter(|_| outcome.printed.is_empty()) {
            text.push_str(&format!("the same as {}\n", first.name));
            continue;
        }
        if !outcome.printed.is_empty() {
            text.push_str(&format!("{}\n", outcome.printed));
        }
        text.push_str(failure);
    }
    if failed(done) > 1 {
        text.push_str("\nfailed:\n");
        for (case, _) in done.iter().filter(|(_, outcome)| outcome.failure.is_some()) {
            text.push_str(&format!("    {}\n", case.name));
        }
    }
    text
}

/// Those that took the longest.
pub(super) fn slowest(done: &[Done], count: usize) -> String {
    let mut all: Vec<&Done> = done.iter().collect();
    all.sort_by_key(|(_, outcome)| std::cmp::Reverse(outcome.took));
    let mut text = String::new();
    for (case, outcome) in all.into_iter().take(count) {
        if text.is_empty() {
            text.push_str("\nslowest:\n");
        }
        text.push_str(&format!("    {:.2} s  {}\n", outcome.took.as_secs_f64(), case.name));
    }
    text
}

/// How many failed.
pub(super) fn failed(done: &[Done]) -> usize {
    done.iter().filter(|(_, outcome)| outcome.failure.is_some()).count()
}

/// The tests as JSON before they run.
pub(super) fn list_to_json(cases: &[Case]) -> String {
    let all: Vec<_> = cases.iter().map(|case| json!({ "name": case.name, "file": case.file })).collect();
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}

/// The tests as JSON.
pub(super) fn to_json(done: &[Done]) -> String {
    let test = |(case, outcome): &Done| {
        json!({
            "name": case.name,
            "file": case.file,
            "passed": outcome.failure.is_none(),
            "seconds": outcome.took.as_secs_f64(),
            "failure": outcome.failure.as_deref().map(plain),
            "output": outcome.printed,
        })
    };
    let all: Vec<_> = done.iter().map(test).collect();
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}

/// The tests as `JUnit`'s XML: a suite for each script.
pub(super) fn to_junit(done: &[Done], took: Duration) -> String {
    let mut all = element("testsuites", &[("name", "vmscript".into()), ("time", seconds(took))], done);
    let mut rest = done;
    while let Some((case, _)) = rest.first() {
        let count = rest.iter().take_while(|(one, _)| one.file == case.file).count();
        let (own, others) = rest.split_at(count);
        rest = others;
        let time = own.iter().map(|(_, outcome)| outcome.took).sum();
        let mut suite =
            element("testsuite", &[("name", case.file.display().to_string()), ("time", seconds(time))], own);
        suite.nodes.extend(own.iter().map(|one| Node::Elem(test_case(one))));
        all.nodes.push(Node::Elem(suite));
    }
    format!("<?xml version='1.0' encoding='UTF-8'?>\n{}", to_string_pretty(&all))
}

fn test_case((case, outcome): &Done) -> Elem {
    let (class, name) = case.name.split_once("::").unwrap_or((case.name.as_str(), "parse"));
    let file = case.file.display().to_string();
    let attrs = [("classname", class), ("name", name), ("file", &file), ("time", &seconds(outcome.took))];
    let mut test = Elem::plain("testcase", &attrs);
    if let Some(failure) = &outcome.failure {
        let told = plain(failure);
        let message = told.lines().next().unwrap_or_default().trim_start_matches("error: ");
        test = test.with([Elem::plain("failure", &[("message", message)]).with_text(&told)]);
    }
    if !outcome.printed.is_empty() {
        test = test.with([Elem::plain("system-out", &[]).with_text(plain(&outcome.printed))]);
    }
    test
}

fn element(name: &str, attributes: &[(&str, String)], done: &[Done]) -> Elem {
    let mut elem = Elem::plain(name, &[]);
    let counts = [("tests", done.len().to_string()), ("failures", failed(done).to_string())];
    for (key, value) in attributes.iter().chain(&counts) {
        elem.set(key, value);
    }
    elem
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

/// A text without colours and without what XML cannot hold.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\x1b' {
            // An escape sequence of colours ends with its letter.
            letters.find(char::is_ascii_alphabetic);
        } else if letter == '\n' || letter == '\t' || !letter.is_control() {
            out.push(letter);
        }
    }
    out
}
