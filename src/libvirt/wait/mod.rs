//! Waiting: one engine for any number of conditions, all of which look at answers that their host's waits share.

mod agent;
mod autopsy;
mod background;
mod cloud_init;
mod condition;
mod guest;
mod happening;
mod ip;
mod poll;
mod port;
mod serial;
mod ssh;
mod tail;

pub use condition::{Condition, Target};
pub use ip::{Found, WaitIp};
pub(super) use poll::Poll;
pub use ssh::Login;

use super::link::COME_BACK;
use crate::floor::clock::{self, Clock};
use crate::floor::progress::Progress;
use crate::floor::{Area, Code, Error, Map, Result, Value, interrupt, timing};
use std::time::Duration;

/// The pause between two looks: they cost nothing as long as the shared answers are fresh.
const TICK: Duration = Duration::from_millis(50);
/// How old a shared answer may become, after a while of waiting.
const OLDEST: Duration = Duration::from_millis(250);

/// How to wait.
#[derive(Clone, Copy)]
pub struct WaitOptions<'a> {
    /// How long.
    pub timeout: Duration,
    /// Whether a failed condition lets the others go on.
    pub carry_on: bool,
    /// The time.
    pub clock: &'a dyn Clock,
}

impl Default for WaitOptions<'_> {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(300), carry_on: false, clock: clock::current() }
    }
}

/// What became ready: `condition`, `elapsed`, `polls` and what the condition itself tells, such as `source`.
pub type Ready = Map;

/// Waits for one condition.
pub fn wait(condition: Condition<'_>, options: WaitOptions<'_>) -> Result<Ready> {
    let mut ready = run(&mut [condition.0], true, options)?;
    Ok(ready.pop().flatten().unwrap_or_default())
}

/// Waits for all conditions; gives what became ready in the order of the conditions.
pub fn wait_all(conditions: Vec<Condition<'_>>, options: WaitOptions<'_>) -> Result<Vec<Ready>> {
    let mut looks: Vec<_> = conditions.into_iter().map(|one| one.0).collect();
    Ok(run(&mut looks, true, options)?.into_iter().flatten().collect())
}

/// Waits for the first of the conditions; gives its place and what became ready.
pub fn wait_any(conditions: Vec<Condition<'_>>, options: WaitOptions<'_>) -> Result<(usize, Ready)> {
    if conditions.is_empty() {
        return Err(Error::argument("`wait_any` has nothing to wait for"));
    }
    let mut looks: Vec<_> = conditions.into_iter().map(|one| one.0).collect();
    let ready = run(&mut looks, false, WaitOptions { carry_on: true, ..options })?;
    let first = ready.into_iter().enumerate().find_map(|(index, one)| one.map(|one| (index, one)));
    first.ok_or_else(|| Error::argument("`wait_any` has nothing to wait for"))
}

/// Something to look at again and again.
pub(super) trait Look {
    /// What is waited for, such as ``address of domain `web` ``.
    fn what(&self) -> String;

    /// The word for the condition, such as `ip`.
    fn word(&self) -> &'static str;

    /// Prepares: called once, before the first look.
    fn begin(&mut self) -> Result<()> {
        Ok(())
    }

    /// Looks; gives the result when it is there, and fails if it can never come.
    fn look(&mut self, tick: Tick) -> Result<Option<Map>>;

    /// What is known right now, for the progress bar.
    fn said(&self) -> String {
        String::new()
    }

    /// The time is over.
    fn timed_out(&self, how: TimedOut) -> Error {
        let error = Error::new(Code::Timeout, Area::Domain, format!("no {} within {:?}", self.what(), how.limit));
        match self.said() {
            said if said.is_empty() => error,
            said => error.note(said),
        }
    }
}

impl<T: Look + ?Sized> Look for &mut T {
    fn what(&self) -> String {
        (**self).what()
    }
    fn word(&self) -> &'static str {
        (**self).word()
    }
    fn begin(&mut self) -> Result<()> {
        (**self).begin()
    }
    fn look(&mut self, tick: Tick) -> Result<Option<Map>> {
        (**self).look(tick)
    }
    fn said(&self) -> String {
        (**self).said()
    }
    fn timed_out(&self, how: TimedOut) -> Error {
        (**self).timed_out(how)
    }
}

/// The time of a look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tick {
    pub(super) now: Duration,
    /// How old a shared answer may be.
    pub(super) age: Duration,
}

/// How long was waited in vain.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimedOut {
    pub(super) limit: Duration,
    pub(super) elapsed: Duration,
    pub(super) polls: u32,
}

/// Looks at all conditions until all are decided, or the first is ready if not `all` are wanted. No look is cut off, as that of a
/// closure may be doing something; but none begins when the time is over, except for the first of each condition.
pub(super) fn run(looks: &mut [Box<dyn Look + '_>], all: bool, options: WaitOptions<'_>) -> Result<Vec<Option<Ready>>> {
    let clock = options.clock;
    let start = clock.now();
    let label = match &*looks {
        [one] => format!("wait for the {}", one.what()),
        many => format!("wait for {} conditions", many.len()),
    };
    let progress = Progress::begin(&label, None);
    let mut slots: Vec<Option<Result<Ready>>> = looks.iter().map(|_| None).collect();
    let mut states = vec![Begun::default(); looks.len()];
    let mut age = TICK;
    let mut polls = 0;
    loop {
        interrupt::check()?;
        polls += 1;
        let tick = Tick { now: clock.now(), age };
        let is_over = || clock.now().saturating_sub(start) >= options.timeout;
        for ((look, slot), state) in
            looks.iter_mut().zip(&mut slots).zip(&mut states).filter(|((_, slot), _)| slot.is_none())
        {
            // A look that takes long takes the time of the others, too, and each has had one of its own.
            if polls > 1 && is_over() && clock.now() > tick.now + TICK {
                break;
            }
            match state.look(look.as_mut(), tick) {
                Ok(None) => {}
                Ok(Some(fields)) => {
                    // A look takes its time, too: what the last one finds is there, however late, and the time is told.
                    let elapsed = clock.now().saturating_sub(start);
                    tracing::info!(elapsed = elapsed.as_secs_f64(), "{} is there", look.what());
                    if let Some(object) = fields.get("object").and_then(Value::as_str) {
                        let source = fields.get("source").and_then(Value::as_str).unwrap_or_default();
                        // Who is waited for may be the one who tells.
                        let source = if source == look.word() { "" } else { source };
                        let step = format!("wait for {} {source}", look.word());
                        // What was there at the first look was no step for anybody who watches.
                        if polls > 1 {
                            timing::record(object, step.trim_end(), elapsed);
                        } else {
                            timing::keep(object, step.trim_end(), elapsed);
                        }
                    }
                    *slot = Some(Ok(complete(look.word(), fields, elapsed, polls)));
                    if !all {
                        return finish(looks, slots, all);
                    }
                }
                Err(error) if error.code == Code::Interrupted => return Err(error),
                Err(error) => {
                    *slot = Some(Err(error));
                    if !options.carry_on {
                        return finish(looks, slots, all);
                    }
                }
            }
        }
        if slots.iter().all(Option::is_some) {
            return finish(looks, slots, all);
        }
        let elapsed = clock.now().saturating_sub(start);
        if is_over() {
            let how = TimedOut { limit: options.timeout, elapsed, polls };
            for ((look, slot), state) in
                looks.iter().zip(&mut slots).zip(states).filter(|((_, slot), _)| slot.is_none())
            {
                *slot = Some(Err(state.lost.map_or_else(|| look.timed_out(how), |(_, error)| error)));
            }
            return finish(looks, slots, all);
        }
        let said: Vec<_> =
            looks.iter().zip(&slots).filter(|(_, slot)| slot.is_none()).map(|(look, _)| look.said()).collect();
        if polls % 10 == 0 {
            tracing::debug!(polls, elapsed = elapsed.as_secs_f64(), "{label}: {}", said.join(" | "));
        }
        progress.status(&said.join(" | "));
        clock.pause(TICK.min(options.timeout.saturating_sub(elapsed)))?;
        age = (age * 3 / 2).min(OLDEST);
    }
}

/// What is known of a look beside its answers.
#[derive(Debug, Clone, Default)]
struct Begun {
    begun: bool,
    /// Since when there is no connection to its host, and what was said.
    lost: Option<(Duration, Error)>,
}

impl Begun {
    /// Looks, after the beginning. A host that went away is given the time to come back.
    fn look(&mut self, look: &mut dyn Look, tick: Tick) -> Result<Option<Map>> {
        let answer = if self.begun { Ok(()) } else { look.begin() };
        match answer.and_then(|()| {
            self.begun = true;
            look.look(tick)
        }) {
            Err(error) if error.code == Code::NoConnection => {
                let since = self.lost.as_ref().map_or(tick.now, |(since, _)| *since);
                if tick.now.saturating_sub(since) >= COME_BACK {
                    return Err(error);
                }
                self.lost = Some((since, error));
                Ok(None)
            }
            answer => {
                self.lost = None;
                answer
            }
        }
    }
}

fn complete(word: &'static str, mut fields: Map, elapsed: Duration, polls: u32) -> Ready {
    fields.insert("condition".to_string(), word.into());
    fields.insert("elapsed".to_string(), Value::Float(elapsed.as_secs_f64()));
    fields.insert("polls".to_string(), i64::from(polls).into());
    fields
}

/// What became ready; or the failure, or one error that names all failures.
fn finish(looks: &[Box<dyn Look + '_>], slots: Vec<Option<Result<Ready>>>, all: bool) -> Result<Vec<Option<Ready>>> {
    let count = slots.len();
    let (mut ready, mut failures, mut pending) = (Vec::with_capacity(count), Vec::new(), Vec::new());
    for (look, slot) in looks.iter().zip(slots) {
        let done = match slot {
            Some(Ok(done)) => Some(done),
            Some(Err(error)) => {
                failures.push(error);
                None
            }
            None => {
                pending.push(look.what());
                None
            }
        };
        ready.push(done);
    }
    if failures.is_empty() || (!all && ready.iter().any(Option::is_some)) {
        return Ok(ready);
    }
    if failures.len() > 1 {
        return Err(Error::together(&format!("{} of {count} waits failed", failures.len()), failures));
    }
    let error = failures.remove(0);
    Err(if pending.is_empty() { error } else { error.note(format!("no longer waited for: {}", pending.join(", "))) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A clock on which a pause takes no time.
    #[derive(Default)]
    struct Quick(AtomicU64);

    impl Clock for Quick {
        fn now(&self) -> Duration {
            Duration::from_millis(self.0.load(Ordering::Relaxed))
        }
        fn pause(&self, time: Duration) -> Result<()> {
            let millis = u64::try_from(time.as_millis()).expect("pauses are short");
            self.0.fetch_add(millis.max(1), Ordering::Relaxed);
            Ok(())
        }
    }

    /// A host that is away for a while, over and over.
    struct Away {
        for_each: Duration,
        rounds: u32,
        since: Option<Duration>,
    }

    impl Look for Away {
        fn what(&self) -> String {
            "host".to_string()
        }
        fn word(&self) -> &'static str {
            "host"
        }
        fn look(&mut self, tick: Tick) -> Result<Option<Map>> {
            let since = *self.since.get_or_insert(tick.now);
            if tick.now.saturating_sub(since) < self.for_each {
                return Err(Error::new(Code::NoConnection, Area::Connection, "gone"));
            }
            self.since = None;
            self.rounds -= 1;
            Ok((self.rounds == 0).then(Map::new))
        }
    }

    fn away(for_each: u64, rounds: u32, timeout: u64) -> (Result<Vec<Option<Ready>>>, Duration) {
        let clock = Quick::default();
        let look = Away { for_each: Duration::from_secs(for_each), rounds, since: None };
        let options = WaitOptions { clock: &clock, timeout: Duration::from_secs(timeout), ..WaitOptions::default() };
        (run(&mut [Box::new(look)], true, options), clock.now())
    }

    /// Something that takes long to look at, and is there at the last of some looks.
    struct Slow<'a> {
        clock: &'a Quick,
        /// Of each look; the last of them counts for all further ones.
        takes: &'a [u64],
        there_at: usize,
        looks: &'a AtomicU64,
    }

    impl Look for Slow<'_> {
        fn what(&self) -> String {
            "slow one".to_string()
        }
        fn word(&self) -> &'static str {
            "slow"
        }
        fn look(&mut self, _: Tick) -> Result<Option<Map>> {
            let number = usize::try_from(self.looks.fetch_add(1, Ordering::Relaxed)).expect("looks are few");
            let seconds = self.takes[number.min(self.takes.len() - 1)];
            self.clock.0.fetch_add(seconds * 1000, Ordering::Relaxed);
            Ok((number + 1 == self.there_at).then(Map::new))
        }
    }

    /// Waits for 3 s for slow ones; gives the results, the seconds that it took, and the number of looks at each.
    fn slow(all: &[(&[u64], usize)]) -> (Result<Vec<Option<Ready>>>, u64, Vec<u64>) {
        let (clock, counts) = (Quick::default(), all.iter().map(|_| AtomicU64::new(0)).collect::<Vec<_>>());
        let looks = all.iter().zip(&counts);
        let mut looks: Vec<Box<dyn Look>> = looks
            .map(|((takes, there_at), looks)| {
                Box::new(Slow { clock: &clock, takes, there_at: *there_at, looks }) as Box<dyn Look>
            })
            .collect();
        let options = WaitOptions { clock: &clock, timeout: Duration::from_secs(3), carry_on: true };
        let done = run(&mut looks, true, options);
        drop(looks);
        (done, clock.now().as_secs(), counts.into_iter().map(AtomicU64::into_inner).collect())
    }

    #[test]
    fn no_look_begins_when_the_time_is_over() {
        let (done, took, looks) = slow(&[(&[10], 0)]);
        let error = done.expect_err("it never came");
        assert_eq!((error.code, took, looks), (Code::Timeout, 10, vec![1]));
        // Each has had one look; the third of the first one takes what is left of the second one's time.
        let (done, took, looks) = slow(&[(&[1, 1, 5], 0), (&[0], 0), (&[0], 3)]);
        assert_eq!((done.expect_err("none came").code, took, looks), (Code::Timeout, 7, vec![3, 2, 2]));
    }

    #[test]
    fn what_the_last_look_finds_counts() {
        let (done, took, looks) = slow(&[(&[1, 5], 2)]);
        let ready = done.expect("it is there").remove(0).expect("it is ready");
        assert_eq!((took, looks), (6, vec![2]));
        let elapsed =
            ready.get("elapsed").and_then(|time| if let Value::Float(time) = time { Some(*time) } else { None });
        assert!(elapsed.is_some_and(|time| (6.0..6.2).contains(&time)), "{elapsed:?}");
    }

    #[test]
    fn a_host_that_comes_back_is_waited_for_each_time_it_goes() {
        let (done, took) = away(20, 3, 300);
        done.expect("it came back");
        assert!(took >= Duration::from_secs(60), "{took:?}");
        let (error, took) = (away(40, 1, 300).0.expect_err("it stayed away"), away(40, 1, 300).1);
        assert_eq!(error.code, Code::NoConnection);
        assert!((30..31).contains(&took.as_secs()), "{took:?}");
        assert_eq!(away(40, 1, 10).0.expect_err("no time left").code, Code::NoConnection);
    }
}
