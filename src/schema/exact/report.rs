//! Problems in the terms of whoever wrote the value.

use super::hint::{self, Counterfactual};
use super::walk::{Fault, Problem};
use crate::floor::{Finding, Value};
use crate::schema::map::{expected, join};
use crate::schema::rng::{NameId, PatternId};
use crate::schema::table::{Type, datatype, snake};
use crate::schema::tables::Schema;
use crate::schema::xml::Elem;

/// So many names are listed as allowed.
const LISTED: usize = 12;

/// What keeps the schema from allowing a document, in terms of the value it was made from. The topmost `outer` levels
/// are not the user's. Names that the table does not know are refused if `strict`: in a value they can only come from
/// `_xml` and `_attrs`, where somebody knows better.
pub(crate) fn findings(schema: &'static Schema, root: &Elem, outer: usize, strict: bool) -> Vec<Finding> {
    if !schema.is_exact {
        return Vec::new();
    }
    let problems = schema.validator.problems(schema, root);
    let report = Report { schema, root, problems: &problems, outer };
    // A value that another field rules out drags others with it; what puts it right puts them right too.
    let mut roots: Vec<Counterfactual> = Vec::new();
    let mut findings = Vec::new();
    for problem in &problems {
        let places = report.places(problem);
        if !strict && is_unknown(problem, &places) {
            continue;
        }
        let way_out = hint::counterfactual(&report, problem, &places);
        if way_out.as_ref().is_some_and(|way_out| roots.contains(way_out)) {
            continue;
        }
        let hint = way_out.as_ref().map(|way_out| way_out.text.clone());
        findings.push(report.finding(problem, &places, hint));
        if matches!(problem.fault, Fault::Value { .. }) {
            roots.extend(way_out);
        }
    }
    findings
}

/// What a report is made from.
pub(super) struct Report<'a> {
    pub(super) schema: &'static Schema,
    pub(super) root: &'a Elem,
    pub(super) problems: &'a [Problem],
    pub(super) outer: usize,
}

/// An element on the way to a problem.
pub(super) struct Place<'a> {
    pub(super) elem: &'a Elem,
    /// None for an element that the table does not know.
    pub(super) ty: Option<&'static Type>,
    /// Where it is in the value.
    path: String,
}

impl<'a> Report<'a> {
    fn finding(&self, problem: &Problem, places: &[Place<'_>], hint: Option<String>) -> Finding {
        let (place, above) = places.split_last().expect("every path begins with the root");
        let name = place.elem.local();
        let field = |attr: &str| (join(&place.path, &key(place.ty, attr)), key(place.ty, attr));
        let (path, on_key, message) = match &problem.fault {
            Fault::Element { .. } => {
                let name = above.last().map_or_else(|| name.to_string(), |parent| child_key(parent.ty, place.elem));
                (place.path.clone(), true, format!("`{name}` is not allowed here"))
            }
            Fault::Attribute { name, .. } => {
                let (path, key) = field(name);
                (path, true, format!("`{key}` is not allowed here"))
            }
            Fault::Value { name, value, contents } => {
                let (path, key) = field(name);
                (path, false, format!("`{key}` must be {} here, not {}", self.expected(contents), shown(value)))
            }
            Fault::Text { text, contents } => {
                let message = format!("`{name}` must be {} here, not {}", self.expected(contents), shown(text));
                (place.path.clone(), false, message)
            }
            Fault::MissingAttribute { any_of } | Fault::MissingElement { any_of } => {
                (place.path.clone(), true, format!("{name} also needs {}", self.names(place.ty, any_of)))
            }
        };
        let (message, hint) = match self.newer(problem, places) {
            Some((key, release)) => {
                (format!("the installed libvirt does not know `{key}`"), Some(format!("libvirt {release} does")))
            }
            None => (message, hint.or_else(|| self.allowed(problem, places))),
        };
        Finding { path, on_key, message, hint, place: None }
    }

    /// The elements from the user's root to the one with the problem.
    fn places(&self, problem: &Problem) -> Vec<Place<'a>> {
        let table = self.schema.table;
        let root_type = table.root(self.root.local()).map(|ty| &table.types[ty]);
        let mut places = vec![Place { elem: self.root, ty: root_type, path: String::new() }];
        for (level, &at) in problem.path.iter().enumerate() {
            let parent = places.last().expect("the root is there");
            let elem = parent.elem.children().nth(at).expect("a problem is at an element of its document");
            let slot = parent.ty.and_then(|ty| ty.child(&elem.name));
            let path = if level < self.outer {
                String::new()
            } else if elem.origin.is_empty() {
                let same = parent.elem.children().take(at).filter(|before| before.name == elem.name).count();
                let index = if slot.is_some_and(|slot| slot.many) { format!("[{same}]") } else { String::new() };
                join(&parent.path, &child_key(parent.ty, elem)) + index.as_str()
            } else {
                elem.origin.clone()
            };
            places.push(Place { elem, ty: slot.map(|slot| &table.types[slot.ty]), path });
        }
        places.split_off(self.outer.min(places.len() - 1))
    }

    /// The key that only other releases of libvirt know, and the first of those.
    fn newer(&self, problem: &Problem, places: &[Place<'_>]) -> Option<(&'static str, &'static str)> {
        let parent = |up: usize| places.len().checked_sub(up).and_then(|at| places[at].ty);
        let (key, since) = match &problem.fault {
            Fault::Attribute { name, .. } => {
                parent(1)?.attr(name).filter(|slot| !slot.installed).map(|slot| (&slot.key, slot.since))
            }
            Fault::Element { .. } => {
                let slot = parent(2)?.child(&places.last()?.elem.name);
                slot.filter(|slot| !slot.installed).map(|slot| (&slot.key, slot.since))
            }
            _ => None,
        }?;
        Some((key, self.schema.table.releases.get(usize::from(since?))?))
    }

    fn expected(&self, contents: &[PatternId]) -> String {
        let found = datatype(&self.schema.grammar, contents).unwrap_or_default();
        expected(self.schema.table, &found)
    }

    fn names(&self, ty: Option<&Type>, names: &[NameId]) -> String {
        let keys: Vec<String> = self.keys(ty, names).into_iter().map(|key| format!("`{key}`")).collect();
        if keys.is_empty() { "something more".to_string() } else { keys.join(" or ") }
    }

    fn keys(&self, ty: Option<&Type>, names: &[NameId]) -> Vec<String> {
        names.iter().map(|&name| key(ty, &self.schema.grammar.names[name].local)).collect()
    }

    /// What may stand in the place of what may not.
    fn allowed(&self, problem: &Problem, places: &[Place<'_>]) -> Option<String> {
        let (names, ty) = match &problem.fault {
            Fault::Element { allowed } => (allowed, places.len().checked_sub(2).and_then(|at| places[at].ty)),
            Fault::Attribute { allowed, .. } => (allowed, places.last()?.ty),
            _ => return None,
        };
        let keys = self.keys(ty, names);
        (!keys.is_empty() && keys.len() <= LISTED).then(|| format!("allowed here: {}", keys.join(", ")))
    }
}

fn is_unknown(problem: &Problem, places: &[Place<'_>]) -> bool {
    let Some(place) = places.last() else { return false };
    match &problem.fault {
        Fault::Attribute { name, .. } => place.ty.is_some_and(|ty| ty.attr(name).is_none()),
        Fault::Element { .. } => place.ty.is_none(),
        _ => false,
    }
}

/// A text as it is shown: shortened if it is long.
fn shown(text: &str) -> String {
    Value::from(text).show()
}

/// The key of an attribute or a child.
fn key(ty: Option<&Type>, name: &str) -> String {
    let attr = ty.and_then(|ty| ty.attr(name)).map(|slot| slot.key.clone());
    let child = || ty?.children.iter().find(|slot| slot.name == name).map(|slot| slot.key.clone());
    attr.or_else(child).unwrap_or_else(|| snake(name))
}

fn child_key(ty: Option<&Type>, elem: &Elem) -> String {
    ty.and_then(|ty| ty.child(&elem.name)).map_or_else(|| snake(elem.local()), |slot| slot.key.clone())
}
