//! Writes the committed shape, and shows that it holds what libvirt's schemas say.
//!
//! `scripts/baseline` fetches the schemas of several releases and calls this with their folders, oldest first, in
//! `VMSCRIPT_BASELINE`, such as `7.0.0=/a/schemas 9.0.0=/b/schemas`.

use super::{Rule, TEXT, merged, text};
use crate::schema::rng;
use crate::schema::table::{Table, Type, compile};
use crate::schema::{Kind, installed};
use std::collections::HashMap;
use std::env;
use std::path::Path;

/// All roots of a release in one table; `releases` ends with its name.
fn release(directory: &Path, releases: Vec<String>) -> Table {
    let since = u8::try_from(releases.len() - 1).ok();
    let mut whole = Table { releases, ..Table::default() };
    let mut files: Vec<&str> = Kind::ALL.iter().map(|kind| kind.schema()).collect();
    files.sort_unstable_by_key(|file| (*file != "domain", *file));
    files.dedup();
    for file in files.iter().filter(|file| directory.join(format!("{file}.rng")).is_file()) {
        let grammar = rng::read(directory, file).expect("libvirt's schemas can be read");
        append(&mut whole, compile(&grammar).expect("libvirt's schemas can be compiled"), since);
    }
    whole
}

/// Adds the roots of documents in a table, and everything below.
fn append(whole: &mut Table, table: Table, since: Option<u8>) {
    let (types, datatypes) = (whole.types.len(), whole.datatypes.len());
    whole.datatypes.extend(table.datatypes);
    for mut ty in table.types {
        ty.text = ty.text.map(|text| text + datatypes);
        for attr in &mut ty.attrs {
            (attr.datatype, attr.since) = (attr.datatype + datatypes, since);
        }
        for child in &mut ty.children {
            (child.ty, child.since) = (child.ty + types, since);
        }
        whole.types.push(ty);
    }
    let known = |root: &str| Kind::ALL.iter().any(|kind| kind.root() == root);
    for (root, ty) in table.roots.into_iter().filter(|(root, _)| known(root)) {
        if whole.root(&root).is_none() {
            whole.roots.push((root, ty + types));
        }
    }
}

/// The shape of these releases, given as name and table, oldest first.
fn shape(releases: impl IntoIterator<Item = Table>) -> Table {
    let all = releases.into_iter().fold(Table::default(), |shape, next| merged(&shape, &next, Rule::Release));
    smallest(all)
}

/// The same table with equal types once. A domain in a snapshot is the same as any other, if younger.
fn smallest(table: Table) -> Table {
    let facts = |ty: &Type| {
        let attrs = ty.attrs.iter().map(|attr| {
            let datatype = &table.datatypes[attr.datatype];
            format!("{} {} {} {datatype:?}", attr.name, attr.key, attr.required)
        });
        let children = ty.children.iter();
        let children =
            children.map(|slot| format!("{} {} {} {:?}", slot.space, slot.name, slot.key, (slot.required, slot.many)));
        let parts: Vec<String> = attrs.chain(children).collect();
        let text = ty.text.map(|text| &table.datatypes[text]);
        let label = alone(&ty.label);
        format!("{label} {parts:?} {text:?} {} {} {:?}", ty.text_required, ty.free, (&ty.sequence, &ty.extensions))
    };
    let mut classes: Vec<usize> = numbers(table.types.iter().map(facts));
    loop {
        let keys = table.types.iter().zip(&classes).map(|(ty, class)| {
            let inner: Vec<usize> = ty.children.iter().map(|child| classes[child.ty]).collect();
            format!("{class} {inner:?}")
        });
        let next = numbers(keys);
        if next == classes {
            break;
        }
        classes = next;
    }
    // Each class has the number of its first type, so the first types in order are what is left.
    let mut seen = 0;
    let first = |&(at, _): &(usize, Type)| {
        let new = classes[at] == seen;
        seen += usize::from(new);
        new
    };
    let mut types: Vec<Type> = table.types.into_iter().enumerate().filter(first).map(|(_, ty)| ty).collect();
    for child in types.iter_mut().flat_map(|ty| &mut ty.children) {
        child.ty = classes[child.ty];
    }
    let roots = table.roots.into_iter().map(|(root, ty)| (root, classes[ty])).collect();
    Table { types, roots, ..table }
}

/// The label without the document around a domain.
fn alone(label: &str) -> String {
    let outer = ["domainsnapshot/domain", "domainsnapshot/inactiveDomain", "domaincheckpoint/domain"];
    let inner = outer
        .iter()
        .find_map(|outer| label.strip_prefix(outer))
        .filter(|rest| rest.is_empty() || rest.starts_with('/'));
    inner.map_or_else(|| label.to_string(), |rest| format!("domain{rest}"))
}

/// Numbers in the order of first appearance, equal ones for equal facts.
fn numbers(facts: impl Iterator<Item = String>) -> Vec<usize> {
    let mut known = HashMap::new();
    facts
        .map(|fact| {
            let next = known.len();
            *known.entry(fact).or_insert(next)
        })
        .collect()
}

/// The text of a shape with what a reader must know in front.
fn document(shape: &Table) -> String {
    format!(
        "# The shape of libvirt's documents, derived from libvirt's RELAX NG schemas by `scripts/baseline`: see NOTICE.\n{}",
        text::print(shape)
    )
}

#[test]
fn the_committed_shape_is_what_it_is_made_from() {
    if let Ok(given) = env::var("VMSCRIPT_BASELINE") {
        let mut names = Vec::new();
        let releases = given.split_whitespace().map(|one| {
            let (name, directory) = one.split_once('=').expect("a release is given as `NAME=FOLDER`");
            names.push(name.to_string());
            release(Path::new(directory), names.clone())
        });
        let made = document(&shape(releases.collect::<Vec<_>>()));
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/schema/baseline/shape.txt");
        if env::var_os("UPDATE").is_some() {
            std::fs::write(file, made).expect("the shape can be written");
        } else {
            assert!(made == TEXT, "the shape is stale: `scripts/baseline` rewrites it");
        }
    } else {
        let read = text::parse(TEXT).expect("the committed shape can be read");
        assert!(document(&read) == TEXT, "the shape is not what is written of it");
    }
}

#[test]
fn the_installed_libvirt_has_nothing_that_the_shape_does_not_know() {
    let shape = text::parse(TEXT).expect("the committed shape can be read");
    let directory = installed::directory().expect("the names of schemas are right").expect("libvirt is installed");
    let mut names = shape.releases.clone();
    names.push("installed".to_string());
    let all = merged(&shape, &release(&directory, names), Rule::Release);
    let newest = u8::try_from(shape.releases.len()).ok();
    let new = all.types.iter().flat_map(|ty| {
        let attrs = ty.attrs.iter().filter(|attr| attr.since == newest).map(|attr| &attr.key);
        let children = ty.children.iter().filter(|child| child.since == newest).map(|child| &child.key);
        attrs.chain(children).map(|key| format!("{} {key}", ty.label))
    });
    assert_eq!(new.collect::<Vec<_>>(), [""; 0], "`scripts/baseline` takes up new releases");
}

mod tests {
    use super::*;
    use crate::schema::table::{ChildSlot, Datatype};

    /// A release with one schema, whose element `pool` holds this.
    fn table(content: &str, releases: &[&str]) -> Table {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let text = format!(
            "<grammar xmlns='http://relaxng.org/ns/structure/1.0'
                datatypeLibrary='http://www.w3.org/2001/XMLSchema-datatypes'>
                <start><element name='pool'><interleave>{content}</interleave></element></start></grammar>"
        );
        std::fs::write(directory.path().join("storagepool.rng"), text).expect("the schema can be written");
        release(directory.path(), releases.iter().map(ToString::to_string).collect())
    }

    fn words(words: &str) -> String {
        let values = words.split(' ').map(|word| format!("<value>{word}</value>"));
        format!("<choice>{}</choice>", values.collect::<String>())
    }

    fn child<'t>(table: &'t Table, name: &str) -> &'t ChildSlot {
        table.types[0].children.iter().find(|child| child.name == name).expect("the child is there")
    }

    fn datatype<'t>(table: &'t Table, attr: &str) -> &'t Datatype {
        &table.datatypes[table.types[0].attr(attr).expect("the attribute is there").datatype]
    }

    const DISK: &str = "<element name='disk'><empty/></element>";

    #[test]
    fn releases_only_ever_add() {
        let mode = |values: &str| format!("<attribute name='mode'>{}</attribute>", words(values));
        let old = table(&format!("{}{DISK}<element name='gone'><text/></element>", mode("a b")), &["1"]);
        let new = format!(
            "{}<zeroOrMore>{DISK}</zeroOrMore><optional><attribute name='size'><data type='int'/></attribute></optional>",
            mode("b c")
        );
        let shape = shape([old, table(&new, &["1", "2"])]);
        assert_eq!(datatype(&shape, "mode").values, ["a", "b", "c"]);
        let disks = child(&shape, "disk");
        assert_eq!((disks.key.as_str(), disks.many, disks.since), ("disks", true, Some(0)));
        assert!(!child(&shape, "gone").required);
        assert_eq!(shape.types[0].attr("size").map(|attr| attr.since), Some(Some(1)));
        let printed = text::print(&shape);
        assert_eq!(text::print(&text::parse(&printed).expect("what was written can be read")), printed);
    }

    #[test]
    fn a_key_stays_what_it_is_when_a_new_field_would_take_it() {
        let model = "<element name='model'><text/></element>";
        let attr = "<optional><attribute name='model'><text/></attribute></optional>";
        let shape = shape([table(model, &["1"]), table(&format!("{attr}{model}"), &["1", "2"])]);
        assert_eq!(child(&shape, "model").key, "model");
        assert_eq!(shape.types[0].attr("model").map(|attr| attr.key.as_str()), Some("model_attribute"));
    }

    #[test]
    fn the_installed_libvirt_decides_values_and_the_shape_how_they_look() {
        let flag = |values: &str| format!("<attribute name='flag'>{}</attribute>", words(values));
        let shape = shape([table(&format!("{}<oneOrMore>{DISK}</oneOrMore>", flag("yes no old")), &["1"])]);
        let installed = format!("{}{DISK}<element name='new'><text/></element>", flag("yes no new"));
        let table = merged(&shape, &table(&installed, &["installed"]), Rule::Installed);
        let flags = datatype(&table, "flag");
        assert_eq!(
            (flags.values.as_slice(), flags.later.as_slice()),
            (&["yes", "no", "new"].map(String::from)[..], &["old".to_string()][..])
        );
        assert!(flags.bool.is_some());
        assert!(child(&table, "disk").many);
        assert_eq!(child(&table, "new").since, None);
        let without = merged(&shape, &self::table(DISK, &["installed"]), Rule::Installed);
        assert_eq!(without.types[0].attr("flag").map(|attr| (attr.installed, attr.required)), Some((false, false)));
    }
}
