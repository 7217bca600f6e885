//! Doing things together: all or nothing.

use crate::floor::Error;
use crate::libvirt::Transaction;
use rhai::plugin::*;
use rhai::{Dynamic, EvalAltResult, FnPtr, Module};

pub(super) fn module() -> Module {
    exported_module!(functions)
}

/// Whether a failed call ends the run well: `exit(0)`.
fn is_good_end(error: &EvalAltResult) -> bool {
    match error.unwrap_inner() {
        EvalAltResult::ErrorTerminated(token, _) => token.as_int().is_ok_and(|code| code == 0),
        _ => false,
    }
}

/// Adds notes to the error that a script threw; where it is none of ours, the log has them.
fn with_notes(error: EvalAltResult, notes: Vec<String>) -> EvalAltResult {
    match error {
        EvalAltResult::ErrorRuntime(value, place) if value.is::<Error>() => {
            let error = notes.into_iter().fold(value.cast::<Error>(), Error::note);
            EvalAltResult::ErrorRuntime(Dynamic::from(error), place)
        }
        EvalAltResult::ErrorInFunctionCall(name, source, inner, place) => {
            EvalAltResult::ErrorInFunctionCall(name, source, with_notes(*inner, notes).into(), place)
        }
        other => {
            for note in notes {
                tracing::warn!("{note}");
            }
            other
        }
    }
}

/// Runs something in a transaction; see the function that scripts have.
pub(crate) fn in_transaction<T>(body: impl FnOnce() -> Result<T, Box<EvalAltResult>>) -> Result<T, Box<EvalAltResult>> {
    let transaction = Transaction::begin();
    match body() {
        Ok(value) => {
            transaction.commit();
            Ok(value)
        }
        Err(error) if is_good_end(&error) => {
            transaction.commit();
            Err(error)
        }
        Err(error) => Err(with_notes(*error, transaction.undo()).into()),
    }
}

#[export_module]
mod functions {
    use super::super::RhaiResultOf;

    /// Runs a closure; if it fails, is interrupted or ends the run with `exit(n)`, everything that it made is removed
    /// again, in reverse: domains with their UEFI variables and TPM state, networks, pools and volumes.
    ///
    /// What was there before is never touched. What is about to be made is written to a journal first, so that
    /// `vmscript recover` can finish the undoing of a run that was killed. What cannot be removed is told in the notes of
    /// the error. A transaction inside another one belongs to the outer one when it has succeeded.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// try {
    ///     transaction(|| {
    ///         host.define_network(#{ name: "lab", ips: [ #{ address: "10.17.3.1", prefix: 24 } ] });
    ///         throw "changed my mind";
    ///     });
    /// } catch (err) {
    ///     assert_eq(err, "changed my mind");
    /// }
    /// assert_eq(host.find_network("lab"), ());
    /// ```
    #[rhai_fn(return_raw)]
    pub fn transaction(call: NativeCallContext, body: FnPtr) -> RhaiResultOf<Dynamic> {
        in_transaction(|| body.call_within_context::<Dynamic>(&call, ()))
    }
}
