//! `vmscript recover`.

use super::fail;
use crate::api;
use crate::floor::{Code, Error, ask, give, hide, shell_word, tell};
use std::collections::BTreeSet;

/// Undoes what killed runs left behind, or lists it. On a terminal it asks first, with the list; where nobody can be asked it has
/// to be told `--yes`.
pub(super) fn run(act: bool, yes: bool) -> u8 {
    if act && !yes {
        let wanted = match api::recover(false) {
            Ok(found) => found.into_iter().filter(|one| one.exists == Some(true) && one.kept.is_none()),
            Err(error) => return fail(&error),
        };
        let wanted: Vec<String> = wanted.map(|one| format!("{}: {}", one.uri, one.what)).collect();
        let answer = if wanted.is_empty() { Ok(Some(true)) } else { ask(&format!("{}\ndo this?", wanted.join("\n"))) };
        match answer {
            Ok(Some(true)) => {}
            Err(interrupted) => return fail(&interrupted),
            Ok(Some(false)) => {
                return fail(&Error::declined("nothing was undone").hint("`--list` shows what there is"));
            }
            Ok(None) => {
                let message = format!("nobody can be asked whether to undo these:\n{}", wanted.join("\n"));
                return fail(&Error::argument(message).hint("`--yes` undoes them without a question"));
            }
        }
    }
    let found = match api::recover(act) {
        Ok(found) => found,
        Err(error) => return fail(&error),
    };
    if found.is_empty() {
        say("no killed run left anything to undo");
    }
    let mut code = 0;
    let mut away = BTreeSet::new();
    for one in found {
        let how = match (&one.failure, one.exists, act) {
            _ if one.kept.is_some() => format!("left alone: {}", one.kept.unwrap_or_default()),
            (Some(error), ..) => {
                code = error.exit_code();
                if error.code == Code::NoConnection {
                    away.insert(one.uri.clone());
                }
                format!("failed: {error}")
            }
            (None, Some(true), true) => "done".to_string(),
            (None, Some(true), false) => "to do".to_string(),
            (None, ..) => "nothing is there".to_string(),
        };
        say(&format!("{}: {}: {how}", one.uri, one.what));
    }
    for uri in away {
        let uri = shell_word(&uri);
        tell(&hide(&format!("  = hint: `vmscript recover --forget {uri}` gives up on a host that is gone for good")));
    }
    code
}

/// Forgets what killed runs left on a host, such as one that is gone for good.
pub(super) fn forget(uri: &str, yes: bool) -> u8 {
    let left = api::left_over(uri);
    for what in &left {
        say(&format!("{uri}: {what}: left alone"));
    }
    if left.is_empty() {
        say(&format!("no killed run left anything on {uri}"));
    } else if !yes {
        match ask(&format!("forget these {} and leave them there?", left.len())) {
            Ok(Some(true)) => {}
            Err(interrupted) => return fail(&interrupted),
            Ok(Some(false)) => return fail(&Error::declined("nothing was forgotten")),
            Ok(None) => {
                return fail(&Error::argument("nothing was forgotten").hint("`--yes` forgets without a question"));
            }
        }
    }
    api::forget(uri).map_or_else(|error| fail(&error), |()| 0)
}

/// Prints a line; what is undone does not hang on who reads it.
fn say(line: &str) {
    drop(give(&format!("{line}\n")));
}
