//! From the patterns of a text to its datatype.

use super::model::{ENDLESS, MAX_DEPTH};
use super::{Datatype, Form};
use crate::schema::rng::{Data, Grammar, Pattern, PatternId};
use std::collections::BTreeSet;

/// What texts these patterns take, all alternatives united.
pub(crate) fn datatype<'p>(
    grammar: &Grammar,
    patterns: impl IntoIterator<Item = &'p PatternId>,
) -> Result<Datatype, String> {
    let mut datatype = Datatype::default();
    for &pattern in patterns {
        collect(grammar, pattern, "", 0, &mut datatype)?;
    }
    datatype.forms.sort();
    datatype.forms.dedup();
    let mut seen = BTreeSet::new();
    datatype.values.retain(|value| seen.insert(value.clone()));
    datatype.settle();
    Ok(datatype)
}

fn collect(
    grammar: &Grammar,
    pattern: PatternId,
    meaning: &str,
    depth: usize,
    datatype: &mut Datatype,
) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(ENDLESS.to_string());
    }
    match &grammar.patterns[pattern] {
        Pattern::Text => datatype.any = true,
        Pattern::Empty => datatype.values.push(String::new()),
        Pattern::Value(value) => datatype.values.push(value.clone()),
        Pattern::Choice(parts) | Pattern::Group(parts) | Pattern::Interleave(parts) => {
            for &part in parts {
                collect(grammar, part, meaning, depth + 1, datatype)?;
            }
        }
        Pattern::OneOrMore(inner) => collect(grammar, *inner, meaning, depth + 1, datatype)?,
        Pattern::Ref(definition) => {
            let definition = &grammar.definitions[*definition];
            // The outermost name says most.
            let meaning = if meaning.is_empty() { &definition.name } else { meaning };
            collect(grammar, definition.pattern, meaning, depth + 1, datatype)?;
        }
        Pattern::Data(data) => datatype.forms.push(form(grammar, data, meaning, depth)?),
        Pattern::NotAllowed | Pattern::Element(..) | Pattern::Attribute(..) => {}
    }
    Ok(())
}

fn form(grammar: &Grammar, data: &Data, meaning: &str, depth: usize) -> Result<Form, String> {
    let mut excepted = Datatype::default();
    if let Some(except) = data.except {
        collect(grammar, except, "", depth + 1, &mut excepted)?;
    }
    Ok(Form {
        base: data.base.clone(),
        meaning: meaning.to_string(),
        pattern: data.regex,
        max_length: data.max_length,
        min: data.min,
        max: data.max,
        except: excepted.values,
    })
}
