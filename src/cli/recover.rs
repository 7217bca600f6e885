//! `vmscript recover`.

use super::fail;
use crate::api;

/// Undoes what killed runs left behind, or lists it.
pub(super) fn run(act: bool) -> u8 {
    let found = match api::recover(act) {
        Ok(found) => found,
        Err(error) => return fail(&error),
    };
    if found.is_empty() {
        println!("no killed run left anything to undo");
    }
    let mut code = 0;
    for one in found {
        let how = match (&one.failure, one.exists, act) {
            _ if one.owner.is_some() => format!("left alone: {} has it", one.owner.unwrap_or_default()),
            (Some(error), ..) => {
                code = error.exit_code();
                format!("failed: {error}")
            }
            (None, Some(true), true) => "done".to_string(),
            (None, Some(true), false) => "to do".to_string(),
            (None, ..) => "nothing is there".to_string(),
        };
        println!("{}: {}: {how}", one.uri, one.what);
    }
    code
}
