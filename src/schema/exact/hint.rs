//! Hints that nobody wrote: which other value of an enumeration further up would make a mistake right.

use super::report::{Place, Report};
use super::walk::{Fault, Problem};
use crate::schema::xml::Elem;

/// So far up attributes are tried.
const LEVELS: usize = 3;
/// An enumeration of more values, such as the architectures, decides nothing but itself.
const MOST_VALUES: usize = 40;
/// In a document with more problems than this no way out is looked for: each takes many checks of the whole.
const MOST_PROBLEMS: usize = 30;
/// More answers than this say nothing.
const MOST_ANSWERS: usize = 7;

/// A change that would make a mistake right.
#[derive(PartialEq)]
pub(super) struct Counterfactual {
    /// The element whose attribute would change.
    path: Vec<usize>,
    pub(super) text: String,
}

/// Values of the enclosing elements' attributes with which the problem would not be there.
pub(super) fn counterfactual(report: &Report<'_>, problem: &Problem, places: &[Place<'_>]) -> Option<Counterfactual> {
    let missing = matches!(problem.fault, Fault::MissingAttribute { .. } | Fault::MissingElement { .. });
    if missing || report.problems.len() > MOST_PROBLEMS {
        return None;
    }
    let mut probe = report.root.clone();
    for (up, place) in places.iter().rev().take(LEVELS).enumerate() {
        let Some(ty) = place.ty else { continue };
        let elem_path = &problem.path[..problem.path.len() - up];
        let mut answers = Vec::new();
        for attr in &ty.attrs {
            let datatype = &report.schema.table.datatypes[attr.datatype];
            let itself = up == 0 && problem.fault.field() == Some(&attr.name);
            if itself || datatype.values.len() > MOST_VALUES {
                continue;
            }
            let Some(now) = place.elem.attr(&attr.name) else { continue };
            let others = datatype.values.iter().filter(|value| value.as_str() != now && !value.is_empty());
            let fitting: Vec<String> = others
                .filter(|value| {
                    set(&mut probe, elem_path, &attr.name, value);
                    is_fixed(report, problem, &probe)
                })
                .map(|value| format!("{value:?}"))
                .collect();
            set(&mut probe, elem_path, &attr.name, now);
            if !fitting.is_empty() && fitting.len() <= MOST_ANSWERS {
                let element = place.elem.local();
                answers.push(format!("allowed when {element}.{} is {}", attr.key, fitting.join(" or ")));
            }
        }
        if !answers.is_empty() {
            return Some(Counterfactual { path: elem_path.to_vec(), text: answers.join("; ") });
        }
    }
    None
}

/// Whether the problem is gone, and no new one is there but inside the element that had it.
fn is_fixed(report: &Report<'_>, problem: &Problem, probe: &Elem) -> bool {
    let left = report.schema.validator.problems(report.schema, probe);
    let same = |a: &Problem, b: &Problem| {
        a.path == b.path
            && a.fault.field() == b.fault.field()
            && std::mem::discriminant(&a.fault) == std::mem::discriminant(&b.fault)
    };
    let inside = |other: &Problem| {
        other.path.starts_with(&problem.path)
            && !(other.path == problem.path && matches!(other.fault, Fault::Element { .. }))
    };
    left.iter().all(|other| {
        !same(other, problem) && (inside(other) || report.problems.iter().any(|before| same(before, other)))
    })
}

fn set(root: &mut Elem, path: &[usize], name: &str, value: &str) {
    let mut elem = root;
    for &at in path {
        elem = elem.children_mut().nth(at).expect("the probe has the shape of the document");
    }
    if let Some(attr) = elem.attrs.iter_mut().find(|attr| attr.name.is_plain(name)) {
        attr.value = value.to_string();
    }
}
