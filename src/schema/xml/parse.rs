//! Text to tree, safe on hostile input: depth, attributes and namespaces are bounded and no entity is ever expanded
//! but the five predefined ones.

use super::{Attr, Elem, Name, Node, XML_SPACE, allowed, is_name};
use crate::floor::{Area, Code, Error, Result};
use crate::schema::overlay;
use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use std::collections::HashMap;
use std::sync::Arc;

/// As deep as libxml2 goes without its `huge` option, so libvirt refuses what is refused here.
const MAX_DEPTH: usize = 256;
const MAX_ATTRIBUTES: usize = 256;
const MAX_NAMESPACE: usize = 1024;

/// Reads a document.
pub fn parse(text: &str) -> Result<Elem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser = Parser::new(text, false);
    let mut roots = parser.run(0).map_err(|message| parser.error(&message))?;
    roots.retain(|node| !matches!(node, Node::Text(text) if is_blank(text)));
    match (roots.pop(), roots.is_empty()) {
        (Some(Node::Elem(root)), true) => Ok(root),
        (None, _) => Err(parser.error("there is no element")),
        _ => Err(parser.error("there is something besides the root element")),
    }
}

/// Reads a piece of a document; libvirt's customary prefixes need not be declared in it.
pub(crate) fn parse_fragment(text: &str, keep_blanks: bool) -> Result<Vec<Node>> {
    let mut parser = Parser::new(text, keep_blanks);
    for (prefix, space) in overlay::NAMESPACES {
        parser.bind(prefix, space);
    }
    // Whoever reads a fragment puts it somewhere below a root.
    parser.run(8).map_err(|message| parser.error(&message))
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_whitespace())
}

struct Parser<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    keep_blanks: bool,
    /// Prefix to the namespaces it means, the innermost last.
    bindings: HashMap<String, Vec<Arc<str>>>,
    none: Arc<str>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, keep_blanks: bool) -> Self {
        let mut parser =
            Self { text, reader: Reader::from_str(text), keep_blanks, bindings: HashMap::new(), none: "".into() };
        parser.reader.config_mut().check_comments = true;
        parser.bind("xml", XML_SPACE);
        parser
    }

    fn error(&self, message: &str) -> Error {
        let at = usize::try_from(self.reader.error_position().max(self.reader.buffer_position())).unwrap_or(usize::MAX);
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = 1 + before.matches('\n').count();
        Error::new(Code::InvalidDefinition, Area::Script, format!("not well-formed XML: {message} (line {line})"))
    }

    fn bind(&mut self, prefix: &str, space: &str) {
        self.bindings.entry(prefix.to_string()).or_default().push(space.into());
    }

    /// The nodes up to the end of the text; `depth` is how deep they will lie.
    fn run(&mut self, depth: usize) -> Result<Vec<Node>, String> {
        // The elements that are open, each with the prefixes it declares; below them what stands outside of all.
        let mut outside = Elem::new(Name::plain(""));
        let mut open: Vec<(Elem, Vec<String>)> = Vec::new();
        loop {
            let event = self.reader.read_event().map_err(|error| error.to_string())?;
            let inner = open.last_mut().map_or(&mut outside, |(elem, _)| elem);
            match event {
                Event::Start(tag) => {
                    if depth + open.len() >= MAX_DEPTH {
                        return Err(format!("more than {MAX_DEPTH} elements are nested"));
                    }
                    let opened = self.element(&tag)?;
                    open.push(opened);
                }
                Event::Empty(tag) => {
                    let (elem, declared) = self.element(&tag)?;
                    self.unbind(&declared);
                    inner.nodes.push(Node::Elem(elem));
                }
                Event::End(_) => {
                    let (mut elem, declared) = open.pop().ok_or("an end tag without its start")?;
                    self.unbind(&declared);
                    let keep = self.keep_blanks
                        || elem.name.is_plain("metadata")
                        || open.iter().any(|(outer, _)| outer.name.is_plain("metadata"));
                    if !keep && elem.children().next().is_some() {
                        elem.nodes.retain(|node| !matches!(node, Node::Text(text) if is_blank(text)));
                    }
                    open.last_mut().map_or(&mut outside, |(outer, _)| outer).nodes.push(Node::Elem(elem));
                }
                Event::Text(text) => push_checked(inner, &text.xml10_content())?,
                Event::CData(text) => push_checked(inner, &text.xml10_content())?,
                Event::GeneralRef(reference) => {
                    if let Some(c) = reference.resolve_char_ref().map_err(|error| error.to_string())? {
                        push_checked(inner, c.encode_utf8(&mut [0; 4]))?;
                    } else {
                        let found = resolve_predefined_entity(&reference);
                        inner.push_text(found.ok_or_else(|| format!("unknown entity `{}`", &*reference))?);
                    }
                }
                // A document type may declare entities; using one is then an unknown entity.
                Event::DocType(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        match open.pop() {
            Some((elem, _)) => Err(format!("`<{}>` is not closed", elem.name.written())),
            None => Ok(outside.nodes),
        }
    }

    fn unbind(&mut self, declared: &[String]) {
        for prefix in declared {
            if let Some(spaces) = self.bindings.get_mut(prefix) {
                spaces.pop();
            }
        }
    }

    /// An element with its attributes, and the prefixes it declares.
    fn element(&mut self, tag: &BytesStart<'_>) -> Result<(Elem, Vec<String>), String> {
        let mut declared = Vec::new();
        let mut found = Vec::new();
        for attr in tag.attributes().with_checks(false) {
            let attr = attr.map_err(|error| error.to_string())?;
            let name = attr.key.as_ref().to_string();
            let value = attr.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
            if attr.value.contains('<') || !allowed(&value) {
                return Err(format!("the value of `{name}` holds a character that is not allowed"));
            }
            if found.len() + declared.len() >= MAX_ATTRIBUTES {
                return Err(format!("more than {MAX_ATTRIBUTES} attributes at one element"));
            }
            let prefix = if name == "xmlns" { Some("") } else { name.strip_prefix("xmlns:") };
            let Some(prefix) = prefix else {
                found.push((name, value.into_owned()));
                continue;
            };
            if value.len() > MAX_NAMESPACE {
                return Err(format!("the namespace of `{name}` is longer than {MAX_NAMESPACE} bytes"));
            }
            if declared.iter().any(|known| known == prefix) {
                return Err(format!("`{name}` appears twice"));
            }
            if !prefix.is_empty() && (!is_name(prefix) || value.is_empty() || prefix == "xml" || prefix == "xmlns") {
                return Err(format!("`{name}` cannot be declared so"));
            }
            self.bind(prefix, &value);
            declared.push(prefix.to_string());
        }
        let name = self.name(tag.name().as_ref(), true)?;
        let mut elem = Elem::new(name);
        for (name, value) in found {
            let name = self.name(&name, false)?;
            if elem.attrs.iter().any(|known| known.name.local == name.local && known.name.space == name.space) {
                return Err(format!("`{}` appears twice", name.written()));
            }
            elem.attrs.push(Attr { name, value });
        }
        Ok((elem, declared))
    }

    fn name(&self, written: &str, of_element: bool) -> Result<Name, String> {
        let (prefix, local) = written.split_once(':').unwrap_or(("", written));
        if !is_name(local) || (local.len() < written.len() && !is_name(prefix)) {
            return Err(format!("`{written}` is not a name"));
        }
        let bound = self.bindings.get(prefix).and_then(|spaces| spaces.last());
        let space = match bound {
            // Attributes without prefix belong to no namespace, whatever the default is.
            _ if prefix.is_empty() && !of_element => &self.none,
            Some(space) => space,
            None if prefix.is_empty() => &self.none,
            None => return Err(format!("the prefix of `{written}` is not declared")),
        };
        let prefix = if prefix.is_empty() { Arc::clone(&self.none) } else { prefix.into() };
        Ok(Name { space: Arc::clone(space), prefix, local: local.to_string() })
    }
}

fn push_checked(elem: &mut Elem, text: &str) -> Result<(), String> {
    if !allowed(text) {
        return Err("the text holds a control character that XML does not allow".to_string());
    }
    elem.push_text(text);
    Ok(())
}
