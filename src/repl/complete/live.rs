//! The session as the line editor asks it: a host that does not answer must not hold up who writes a line.

use crate::repl::Repl;
use crate::script::{self, Session};
use rhai::{Dynamic, FuncArgs};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(2);

/// A session whose objects are asked on a thread of its own, and only waited for so long.
pub(in crate::repl) struct Live<'s> {
    session: &'s Session,
    unanswered: &'s Arc<AtomicBool>,
    patience: Duration,
}

impl Repl {
    /// The session, asked with so much patience.
    pub(in crate::repl) fn live(&self, patience: Duration) -> Live<'_> {
        Live { session: &self.session, unanswered: &self.unanswered, patience }
    }
}

impl Deref for Live<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session
    }
}

impl Live<'_> {
    /// [`Session::property`], if it can be had in time.
    pub(super) fn property(&self, value: &Dynamic, name: &str) -> Option<Dynamic> {
        if value.is_map() {
            return self.session.property(value, name);
        }
        self.call(value, &format!("get${name}"), ())
    }

    /// [`Session::call`], if it answers in time.
    pub(super) fn call(
        &self,
        value: &Dynamic,
        method: &str,
        arguments: impl FuncArgs + Send + 'static,
    ) -> Option<Dynamic> {
        let (value, method) = (value.clone(), method.to_string());
        self.ask(move || script::call(&value, &method, arguments)).flatten()
    }

    /// What this gives, if it does in time. As long as an earlier question is open, such as a hint's, nothing else is
    /// asked: that would wait as well.
    pub(super) fn ask<T: Send + 'static>(&self, question: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let end = Instant::now() + self.patience;
        while self.unanswered.swap(true, Ordering::SeqCst) {
            if Instant::now() >= end {
                return None;
            }
            std::thread::sleep(PAUSE);
        }
        let (send, answer) = channel();
        let unanswered = self.unanswered.clone();
        std::thread::spawn(move || {
            let found = question();
            unanswered.store(false, Ordering::SeqCst);
            // Whoever asked may have given up.
            drop(send.send(found));
        });
        answer.recv_timeout(end.saturating_duration_since(Instant::now())).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repl::Surroundings;
    use crate::script::Settings;

    #[test]
    fn a_question_without_an_answer_is_given_up_and_none_follows_until_it_comes() {
        let script = Settings { uri: Some("test:///default".to_string()), ..Settings::default() };
        let repl = Repl::new(Surroundings { script, ..Surroundings::default() });
        let live = repl.live(Duration::from_millis(20));
        let (release, held) = channel::<()>();
        let start = Instant::now();
        assert_eq!(live.ask(move || held.recv().is_ok()), None);
        assert_eq!(live.ask(|| 1), None);
        release.send(()).expect("the question is still open");
        while live.ask(|| 2).is_none() {
            assert!(start.elapsed() < Duration::from_secs(20), "an answer that came late is no end");
        }
    }
}
