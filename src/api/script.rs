//! What scripts need beside libvirt: time, the environment, the end of the run.

use crate::floor::progress::Progress;
use crate::floor::{Error, clock, did_you_mean, duration, nearest as near, shell_word as word, timing};
use rhai::plugin::*;
use rhai::{Array, Dynamic, EvalAltResult, FnPtr, Map, Module};
use std::sync::PoisonError;

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

#[export_module]
mod functions {
    use super::super::{Context, RhaiResultOf, value};

    /// Options with defaults for the keys that are missing. A key without a default is refused with a suggestion.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let options = with_defaults(#{ timeout: "1m" }, #{ timeout: "5m", force: false });
    /// assert_eq(options.timeout, "1m");
    /// assert_eq(options.force, false);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn with_defaults(options: Map, defaults: Map) -> RhaiResultOf<Map> {
        let mut all = defaults;
        for (key, value) in options {
            if !all.contains_key(&key) {
                let known: Vec<_> = all.keys().map(ToString::to_string).collect();
                let hint = did_you_mean(&key, known.iter().map(String::as_str));
                let hint = hint.unwrap_or_else(|| format!("options: {}", known.join(", ")));
                return Err(Error::argument(format!("no option `{key}`")).hint(hint).into());
            }
            all.insert(key, value);
        }
        Ok(all)
    }

    /// The word of a list that is meant by a misspelt one, or `()` if none is near.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(nearest("memroy", ["memory", "name"]), "memory");
    /// assert_eq(nearest("disks", ["memory", "name"]), ());
    /// ```
    pub fn nearest(word: &str, words: Array) -> Dynamic {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        near(word, words.iter().map(String::as_str)).map_or(Dynamic::UNIT, |found| found.to_string().into())
    }

    /// A name as the shell takes it for one word, as in a hint that somebody copies.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(["web", "my web"].map(|name| shell_word(name)), ["web", "'my web'"]);
    /// ```
    pub fn shell_word(name: &str) -> String {
        word(name)
    }

    /// Calls a closure that takes a while, and gives its result. Recipes that run as commands tell it as a step when it
    /// went well, and a terminal shows meanwhile that it is going on; `--timings` has it, too.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(step("catalogue", "read", || 6 * 7), 42);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn step(call: NativeCallContext, object: &str, what: &str, body: FnPtr) -> RhaiResultOf<Dynamic> {
        let _progress = Progress::begin(&format!("{object}: {what}"), None);
        timing::timed(object, what, || body.call_within_context::<Dynamic>(&call, ()))
    }

    /// The value of an environment variable, or `()` if it is not set.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let home = env("HOME");
    /// let image = env("IMAGE") ?? "debian-13.qcow2";
    /// ```
    pub fn env(name: &str) -> Dynamic {
        // An empty name, `=` or a NUL is no variable; the system library would panic on setting, not on reading.
        std::env::var_os(name).map_or(Dynamic::UNIT, |value| value.to_string_lossy().into_owned().into())
    }

    /// Ends the run with this exit code, a whole number. It cannot be caught.
    ///
    /// # Example
    ///
    /// ```rhai
    /// if connect().domains().is_empty() { exit(3); }
    /// ```
    // Rhai's own `exit` takes any value and ends well, so this takes its place.
    #[rhai_fn(return_raw)]
    pub fn exit(code: Dynamic) -> RhaiResultOf<()> {
        if !code.is_int() {
            let wrong = format!("an exit code is a whole number, not {code:?}");
            return Err(Error::argument(wrong).hint("`parse_int` makes one of a text").into());
        }
        Err(EvalAltResult::ErrorTerminated(code, Position::NONE).into())
    }

    /// Ends the run with this exit code; a recipe that runs as a command gives this result all the same. It cannot be caught.
    ///
    /// # Example
    ///
    /// ```rhai
    /// exit(3, [#{ name: "web", exit_code: 3 }]);
    /// ```
    #[rhai_fn(name = "exit", return_raw)]
    pub fn exit_with(call: NativeCallContext, code: Dynamic, result: Dynamic) -> RhaiResultOf<()> {
        *Context::of(&call).left.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        exit(code)
    }

    /// Ends the run well. It cannot be caught.
    ///
    /// # Example
    ///
    /// ```rhai
    /// exit();
    /// ```
    #[rhai_fn(name = "exit", return_raw)]
    pub fn exit_well() -> RhaiResultOf<()> {
        exit(0.into())
    }

    /// Sleeps for so many seconds. Ctrl-C ends it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// sleep(0);
    /// ```
    // Rhai's own `sleep` takes numbers, so these two must exist exactly as it has them.
    #[rhai_fn(return_raw)]
    pub fn sleep(seconds: i64) -> RhaiResultOf<()> {
        Ok(clock::sleep(duration(&seconds.into())?)?)
    }

    /// Sleeps for so many seconds. Ctrl-C ends it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// sleep(0.01);
    /// ```
    #[rhai_fn(name = "sleep", return_raw)]
    pub fn sleep_fraction(seconds: f64) -> RhaiResultOf<()> {
        Ok(clock::sleep(duration(&crate::floor::Value::Float(seconds))?)?)
    }

    /// Sleeps for a time such as `"500ms"` or `"1m30s"`. Ctrl-C ends it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// sleep("10ms");
    /// ```
    #[rhai_fn(name = "sleep", return_raw)]
    pub fn sleep_text(time: &str) -> RhaiResultOf<()> {
        Ok(clock::sleep(duration(&time.into())?)?)
    }

    /// A duration such as `"1m30s"` or `90` as seconds.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(parse_duration("1m30s"), 90.0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn parse_duration(time: Dynamic) -> RhaiResultOf<f64> {
        Ok(duration(&value(&time, "")?)?.as_secs_f64())
    }

    /// A time in seconds since 1970, such as the `expiry` of a lease, as ISO 8601 writes it in UTC.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(format_time(1700000000), "2023-11-14T22:13:20Z");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn format_time(seconds: i64) -> RhaiResultOf<String> {
        let wrong = || Error::argument(format!("{seconds} is no time between 1970 and 9999"));
        Ok(crate::floor::time_text(seconds).ok_or_else(wrong)?)
    }

    /// The time of day in seconds since 1970. In a test of a recipe it goes by the test's clock.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let name = `nightly-${format_time(now()).sub_string(0, 10)}`;
    /// assert(name.starts_with("nightly-20"), name);
    /// ```
    pub fn now() -> i64 {
        crate::floor::clock::time_of_day()
    }

    /// A size such as `"20 GiB"` as bytes. Units are libvirt's: `KiB` and `K` are 1024 bytes, `KB` is 1000.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(parse_size("2 GiB"), 2147483648);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn parse_size(size: Dynamic) -> RhaiResultOf<i64> {
        let bytes = crate::floor::size(&value(&size, "")?)?;
        i64::try_from(bytes).map_err(|_| Error::argument(format!("{bytes} bytes do not fit an integer")).into())
    }
    /// The SHA-256 checksum of a text, in 64 hexadecimal digits (FIPS 180-4).
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(sha256("web").starts_with("4b5e57f6"));
    /// ```
    pub fn sha256(text: &str) -> String {
        crate::image::Checksum::of(text.as_bytes()).digits().to_string()
    }
}
