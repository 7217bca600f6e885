//! What is shown behind the cursor while a line is written: the rest of a name, a signature, what a field takes.

use super::Repl;
use super::commands;
use super::complete::context::{Frame, frames};
use super::complete::{code, types};
use super::lexer::{Kind, Piece, pieces};
use crate::script::{Function, Parameter};
use std::time::Duration;

/// So long a hint waits for a host, which is asked with every key.
const PATIENCE: Duration = Duration::from_millis(50);

/// A hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// What is shown.
    pub shown: String,
    /// What the right arrow inserts, if it does.
    pub insert: Option<String>,
}

impl Repl {
    /// The hint at the end of a line.
    pub fn hint(&mut self, line: &str) -> Option<Hint> {
        self.take_host();
        if let Some((command, arguments)) = commands::parse(line) {
            let shown = command.filter(|command| arguments.is_empty() && !command.arguments.is_empty())?;
            let blank = if line.ends_with(char::is_whitespace) { "" } else { " " };
            return Some(Hint { shown: format!("{blank}{}", shown.arguments), insert: None });
        }
        let all = pieces(line);
        let last = all.last()?;
        let touching = last.range().end == line.len();
        match last.kind {
            Kind::Name if touching => self.name(line, &all),
            Kind::Text | Kind::Comment if last.open => None,
            _ => self.place(&all),
        }
    }

    /// For a name: its signature if it is a function, the rest of it if only one thing begins like that.
    fn name(&self, line: &str, all: &[Piece<'_>]) -> Option<Hint> {
        let functions = self.called(all, all.len() - 1);
        if let Some(shown) = functions.iter().find_map(signature) {
            return Some(Hint { shown, insert: None });
        }
        let (start, found) = self.candidates(line, line.len(), PATIENCE);
        let [only] = found.as_slice() else { return None };
        let rest = only.text.get(line.len() - start..).filter(|rest| !rest.is_empty())?.to_string();
        Some(Hint { shown: rest.clone(), insert: Some(rest) })
    }

    /// For a place behind a bracket, a comma or a colon: the parameters to come, or what the field takes.
    fn place(&self, all: &[Piece<'_>]) -> Option<Hint> {
        let last = all.last()?;
        let frames = frames(all);
        let shown = match frames.last()? {
            Frame::Map { key: Some(key), .. } if last.is(":") => {
                let field = code::fields_here(all, &frames)?.into_iter().find(|field| field.key == *key)?;
                format!(" {}", field.takes)
            }
            Frame::Call { name, argument } if last.is("(") || last.is(",") => {
                let functions = self.called(all, *name);
                let function = functions.iter().find(|function| function.parameters.len() > *argument)?;
                parameters(&function.parameters[*argument..]) + ")"
            }
            _ => return None,
        };
        Some(Hint { shown, insert: None })
    }

    /// The functions that the name among the pieces means.
    fn called(&self, all: &[Piece<'_>], name: usize) -> Vec<Function> {
        let Some(piece) = all.get(name) else { return Vec::new() };
        let dot = name.checked_sub(1).filter(|at| all[*at].is(".") || all[*at].is("?."));
        let Some(dot) = dot else {
            let own = self.session.functions().into_iter().filter(|function| function.name == piece.text);
            return types::functions(None, piece.text).cloned().chain(own).collect();
        };
        let known = types::before(&self.live(PATIENCE), &all[..dot]);
        known.map(|known| types::functions(Some(&known.kind), piece.text).cloned().collect()).unwrap_or_default()
    }
}

fn signature(function: &Function) -> Option<String> {
    if function.getter || function.setter {
        return None;
    }
    let returns = if function.returns == "()" { String::new() } else { format!(" -> {}", function.returns) };
    Some(format!("({}){returns}", parameters(&function.parameters)))
}

fn parameters(parameters: &[Parameter]) -> String {
    let each = parameters.iter().map(|parameter| format!("{}: {}", parameter.name, parameter.kind));
    each.collect::<Vec<_>>().join(", ")
}
