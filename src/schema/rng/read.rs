//! Schema files to patterns: grammars within grammars, includes with overrides, definitions in several parts.

use super::{Data, Definition, DefinitionId, Grammar, NameClass, NameId, Pattern, PatternId, QName};
use crate::floor::{Area, Code, Error, Result};
use crate::schema::xml::{self, Elem};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Reads `<schema>.rng` and what it includes from a directory.
pub(crate) fn read(directory: &Path, schema: &str) -> Result<Grammar> {
    let file = format!("{schema}.rng");
    let mut files = HashMap::new();
    load(directory, &file, &mut files)?;
    let mut reader = Reader { files: &files, grammar: Grammar::default(), names: HashMap::new() };
    let start = reader.grammar(&files[&file], "").map_err(|message| {
        Error::new(Code::Failed, Area::Script, format!("cannot use the schema `{}`", directory.join(&file).display()))
            .caused_by(message)
    })?;
    reader.grammar.start = start;
    Ok(reader.grammar)
}

fn load(directory: &Path, file: &str, files: &mut HashMap<String, Elem>) -> Result<()> {
    if files.contains_key(file) {
        return Ok(());
    }
    let path = directory.join(file);
    let text = std::fs::read_to_string(&path).map_err(|cause| Error::io(&path, "read", &cause))?;
    let root = xml::parse(&text).map_err(|mut error| {
        error.message = format!("`{}`: {}", path.display(), error.message);
        error
    })?;
    let mut includes = Vec::new();
    find_includes(&root, &mut includes);
    files.insert(file.to_string(), root);
    includes.iter().try_for_each(|include| load(directory, include, files))
}

fn find_includes(elem: &Elem, found: &mut Vec<String>) {
    for child in elem.children() {
        if child.local() == "include" {
            found.extend(child.attr("href").map(str::to_string));
        }
        find_includes(child, found);
    }
}

/// A part of a definition or of the start: its element, the namespace around it, and how parts combine.
#[derive(Clone, Copy)]
struct Part<'a> {
    elem: &'a Elem,
    space: &'a str,
    combine: Option<&'a str>,
}

/// One grammar's definitions; a grammar inside another has its own.
#[derive(Default)]
struct Scope<'a> {
    known: HashMap<&'a str, DefinitionId>,
    parts: HashMap<DefinitionId, Vec<Part<'a>>>,
    starts: Vec<Part<'a>>,
    included: HashSet<&'a str>,
}

struct Reader<'a> {
    files: &'a HashMap<String, Elem>,
    grammar: Grammar,
    names: HashMap<QName, NameId>,
}

impl<'a> Reader<'a> {
    fn add(&mut self, pattern: Pattern) -> PatternId {
        self.grammar.patterns.push(pattern);
        self.grammar.patterns.len() - 1
    }

    fn grammar(&mut self, elem: &'a Elem, space: &'a str) -> Result<PatternId, String> {
        let space = elem.attr("ns").unwrap_or(space);
        let mut scope = Scope::default();
        self.collect(elem, space, &HashSet::new(), &mut scope)?;
        // In the order of their numbers, so the same files always give the same table.
        let mut ids: Vec<_> = scope.known.values().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let pattern = self.combined(&scope.parts[&id], &scope)?;
            self.grammar.definitions[id].pattern = pattern;
        }
        self.combined(&scope.starts, &scope)
    }

    fn collect(
        &mut self,
        elem: &'a Elem,
        space: &'a str,
        overridden: &HashSet<&'a str>,
        scope: &mut Scope<'a>,
    ) -> Result<(), String> {
        for child in elem.children() {
            let space = child.attr("ns").unwrap_or(space);
            let part = Part { elem: child, space, combine: child.attr("combine") };
            match child.local() {
                "define" => {
                    let name = required(child, "name")?;
                    if overridden.contains(name) {
                        continue;
                    }
                    let definitions = &mut self.grammar.definitions;
                    let id = *scope.known.entry(name).or_insert_with(|| {
                        definitions.push(Definition { name: name.to_string(), pattern: 0 });
                        definitions.len() - 1
                    });
                    scope.parts.entry(id).or_default().push(part);
                }
                "start" if overridden.contains(START) => {}
                "start" => scope.starts.push(part),
                "div" => self.collect(child, space, overridden, scope)?,
                "include" => {
                    let href = required(child, "href")?;
                    if scope.included.insert(href) {
                        let mut hidden = overridden.clone();
                        overrides(child, &mut hidden)?;
                        let file = self.files.get(href).ok_or_else(|| format!("`{href}` is missing"))?;
                        self.collect(file, file.attr("ns").unwrap_or(""), &hidden, scope)?;
                    }
                    self.collect(child, space, overridden, scope)?;
                }
                other => return Err(format!("unexpected `<{other}>` in a grammar")),
            }
        }
        Ok(())
    }

    fn combined(&mut self, parts: &[Part<'a>], scope: &Scope<'a>) -> Result<PatternId, String> {
        let mut patterns = Vec::new();
        for part in parts {
            patterns.push(self.content(part.elem, part.space, scope)?);
        }
        match patterns.as_slice() {
            [] => Ok(self.add(Pattern::NotAllowed)),
            [one] => Ok(*one),
            _ if parts.iter().any(|part| part.combine == Some("interleave")) => {
                Ok(self.add(Pattern::Interleave(patterns)))
            }
            _ => Ok(self.add(Pattern::Choice(patterns))),
        }
    }

    /// The patterns inside an element, as one group.
    fn content(&mut self, elem: &'a Elem, space: &'a str, scope: &Scope<'a>) -> Result<PatternId, String> {
        let patterns = self.patterns(elem, space, scope)?;
        Ok(match patterns.as_slice() {
            [] => self.add(Pattern::Empty),
            [one] => *one,
            _ => self.add(Pattern::Group(patterns)),
        })
    }

    fn patterns(&mut self, elem: &'a Elem, space: &'a str, scope: &Scope<'a>) -> Result<Vec<PatternId>, String> {
        elem.children()
            .filter(|child| !matches!(child.local(), "param" | "except" | "name" | "anyName" | "nsName"))
            .map(|child| self.pattern(child, space, scope))
            .collect()
    }

    fn pattern(&mut self, elem: &'a Elem, space: &'a str, scope: &Scope<'a>) -> Result<PatternId, String> {
        let outer = space;
        let space = elem.attr("ns").unwrap_or(space);
        let pattern = match elem.local() {
            "empty" => Pattern::Empty,
            "notAllowed" => Pattern::NotAllowed,
            "text" => Pattern::Text,
            "choice" => Pattern::Choice(self.patterns(elem, space, scope)?),
            "group" => Pattern::Group(self.patterns(elem, space, scope)?),
            "interleave" => Pattern::Interleave(self.patterns(elem, space, scope)?),
            "oneOrMore" => Pattern::OneOrMore(self.content(elem, space, scope)?),
            "optional" => {
                let content = self.content(elem, space, scope)?;
                Pattern::Choice(vec![content, self.add(Pattern::Empty)])
            }
            "zeroOrMore" => {
                let content = self.content(elem, space, scope)?;
                let more = self.add(Pattern::OneOrMore(content));
                Pattern::Choice(vec![more, self.add(Pattern::Empty)])
            }
            "mixed" => {
                let content = self.content(elem, space, scope)?;
                Pattern::Interleave(vec![content, self.add(Pattern::Text)])
            }
            "element" => {
                let class = self.class_of(elem, space)?;
                Pattern::Element(class, self.content(elem, space, scope)?)
            }
            "attribute" => {
                // An attribute takes no namespace from around it.
                let class = self.class_of(elem, elem.attr("ns").unwrap_or(""))?;
                let content = match self.patterns(elem, outer, scope)?.first() {
                    Some(first) => *first,
                    None => self.add(Pattern::Text),
                };
                Pattern::Attribute(class, content)
            }
            "data" => Pattern::Data(self.data(elem, space, scope)?),
            "value" => Pattern::Value(elem.text().split_whitespace().collect::<Vec<_>>().join(" ")),
            "ref" => {
                let name = required(elem, "name")?;
                Pattern::Ref(*scope.known.get(name).ok_or_else(|| format!("`{name}` is not defined"))?)
            }
            "grammar" => return self.grammar(elem, space),
            other => return Err(format!("unsupported `<{other}>`")),
        };
        Ok(self.add(pattern))
    }

    fn data(&mut self, elem: &'a Elem, space: &'a str, scope: &Scope<'a>) -> Result<Data, String> {
        let base = required(elem, "type")?.to_string();
        let mut data = Data { base, regex: None, max_length: None, min: None, max: None, except: None };
        for child in elem.children() {
            match child.local() {
                "param" => self.restrict(&mut data, required(child, "name")?, &child.text()),
                "except" => {
                    let patterns = self.patterns(child, space, scope)?;
                    data.except = Some(self.add(Pattern::Choice(patterns)));
                }
                other => return Err(format!("unsupported `<{other}>` in a datatype")),
            }
        }
        Ok(data)
    }

    fn restrict(&mut self, data: &mut Data, name: &str, value: &str) {
        let number = || value.trim().parse().ok();
        match name {
            "pattern" => {
                let regexes = &mut self.grammar.regexes;
                let known = regexes.iter().position(|regex| regex == value);
                data.regex = Some(known.unwrap_or_else(|| {
                    regexes.push(value.to_string());
                    regexes.len() - 1
                }));
            }
            "maxLength" => data.max_length = value.trim().parse().ok(),
            "minInclusive" => data.min = number(),
            "maxInclusive" => data.max = number(),
            // Another restriction is left to libvirt.
            _ => {}
        }
    }

    fn class_of(&mut self, elem: &'a Elem, space: &'a str) -> Result<NameClass, String> {
        match elem.attr("name") {
            Some(name) => Ok(self.name(space, name)),
            None => {
                elem.children().find_map(|child| self.class(child, space)).ok_or_else(|| "a name is missing".into())
            }
        }
    }

    fn class(&mut self, elem: &'a Elem, space: &'a str) -> Option<NameClass> {
        let space = elem.attr("ns").unwrap_or(space);
        match elem.local() {
            "name" => Some(self.name(space, &elem.text())),
            "anyName" | "nsName" => Some(NameClass::Any),
            "choice" => {
                elem.children().map(|child| self.class(child, space)).collect::<Option<_>>().map(NameClass::Choice)
            }
            _ => None,
        }
    }

    fn name(&mut self, space: &str, local: &str) -> NameClass {
        let name = QName { space: space.to_string(), local: local.trim().to_string() };
        let names = &mut self.grammar.names;
        NameClass::Name(*self.names.entry(name).or_insert_with_key(|name| {
            names.push(name.clone());
            names.len() - 1
        }))
    }
}

/// Stands for the start among the names of overridden definitions; no definition can have this name.
const START: &str = "<start>";

fn overrides<'a>(include: &'a Elem, found: &mut HashSet<&'a str>) -> Result<(), String> {
    for child in include.children() {
        match child.local() {
            "define" => {
                found.insert(required(child, "name")?);
            }
            "start" => {
                found.insert(START);
            }
            _ => overrides(child, found)?,
        }
    }
    Ok(())
}

fn required<'a>(elem: &'a Elem, attr: &str) -> Result<&'a str, String> {
    elem.attr(attr).map(str::trim).ok_or_else(|| format!("`<{}>` lacks `{attr}`", elem.local()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::table::compile;
    use std::fs;

    const OPEN: &str = r#"<grammar xmlns="http://relaxng.org/ns/structure/1.0">"#;

    /// The keys of the first type of a schema that is made of these files.
    fn keys(files: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        for (name, text) in files {
            let text = format!("{OPEN}{text}</grammar>");
            fs::write(directory.path().join(name), text).expect("a schema can be written");
        }
        let grammar = read(directory.path(), "main").map_err(|error| error.to_string())?;
        let table = compile(&grammar)?;
        Ok(table.types[0].keys().map(str::to_string).collect())
    }

    #[test]
    fn includes_override_and_parts_combine() {
        let main = r#"
            <include href="base.rng"><define name="inner"><attribute name="new"/></define></include>
            <define name="more" combine="interleave"><element name="second"><empty/></element></define>"#;
        let base = r#"
            <start><element name="a"><ref name="inner"/><zeroOrMore><ref name="more"/></zeroOrMore></element></start>
            <define name="inner"><attribute name="old"/></define>
            <define name="more" combine="interleave"><element name="first"><empty/></element></define>"#;
        let found = keys(&[("main.rng", main), ("base.rng", base)]);
        assert_eq!(found, Ok(["new", "firsts", "seconds"].map(str::to_string).to_vec()));
    }

    #[test]
    fn a_grammar_inside_another_has_its_own_names() {
        let main = r#"
            <start><element name="a"><ref name="x"/><grammar>
                <start><ref name="x"/></start><define name="x"><attribute name="inner"/></define>
            </grammar></element></start>
            <define name="x"><attribute name="outer"/></define>"#;
        assert_eq!(keys(&[("main.rng", main)]), Ok(vec!["outer".to_string(), "inner".to_string()]));
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        for (text, message) in [
            ("<start><ref name='x'/></start>", "`x` is not defined"),
            ("<start><ref name='x'/></start><define name='x'><ref name='x'/></define>", "without end"),
            (
                "<start><element name='a'><attribute name='b'><ref name='x'/></attribute></element></start>
                <define name='x'><choice><ref name='x'/><ref name='x'/></choice></define>",
                "without end",
            ),
            ("<start><element><empty/></element></start>", "a name is missing"),
            ("<start><list><empty/></list></start>", "unsupported `<list>`"),
            ("<include href='missing.rng'/>", "cannot read"),
        ] {
            let error = keys(&[("main.rng", text)]).expect_err(text);
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
