//! Commands about the session itself.

use crate::floor::Error;
use crate::repl::Repl;
use crate::repl::engine::failure;
use crate::repl::reply::{Answer, Reply};
use crate::repl::settings::PREFERENCES;
use crate::repl::show::table;

pub(super) fn set(repl: &mut Repl, arguments: &str) -> Answer {
    let words: Vec<_> = arguments.split_whitespace().collect();
    match words.as_slice() {
        [] => {
            let rows: Vec<_> = PREFERENCES
                .iter()
                .map(|(name, _, about)| vec![(*name).to_string(), repl.preferences.get(name), (*about).to_string()])
                .collect();
            Ok(Reply::text(table(&rows, repl.look().width)))
        }
        [name] if PREFERENCES.iter().any(|(known, ..)| known == name) => Ok(Reply::text(repl.preferences.get(name))),
        [name, value @ ..] => {
            repl.preferences.set(name, &value.join(" ")).map_err(|error| failure(&error))?;
            Ok(Reply::default())
        }
    }
}

pub(super) fn log(repl: &mut Repl, level: &str) -> Answer {
    match &repl.surroundings.log {
        Some(set) => set(level).map_err(|error| failure(&error))?,
        None => return Err(failure(&Error::argument("nothing is logged here"))),
    }
    Ok(Reply::default())
}

pub(super) fn quit(_: &mut Repl, _: &str) -> Answer {
    Ok(Reply::leave(0))
}

pub(super) fn reset(repl: &mut Repl, _: &str) -> Answer {
    repl.reset();
    Ok(Reply::default())
}
