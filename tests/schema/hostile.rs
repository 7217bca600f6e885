//! XML that means no good: an error or a document, never a panic, a hang or memory without bound.

use std::fmt::Write as _;
use vmscript::schema::{Definition, Kind, xml};

fn error(text: &str) -> String {
    match xml::parse(text) {
        Ok(_) => panic!("this passed: {}", &text[..text.len().min(100)]),
        Err(error) => error.message.clone(),
    }
}

#[test]
fn deep_nesting_is_an_error() {
    let deep = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    assert!(xml::parse(&deep(250)).is_ok());
    assert!(error(&deep(300)).contains("more than 256 elements are nested"));
    assert!(error(&"<a>".repeat(10_000_000)).contains("nested"));
    let value =
        Definition::from_xml(Kind::Domain, &format!("<domain>{}</domain>", deep(250))).map(|read| read.to_value());
    assert!(value.is_ok());
}

#[test]
fn entities_are_not_expanded() {
    let mut bomb = String::from("<!DOCTYPE a [<!ENTITY e0 \"ha\">");
    for level in 1..50 {
        let _ = write!(bomb, "<!ENTITY e{level} \"&e{0};&e{0};\">", level - 1);
    }
    bomb.push_str("]><a>&e49;</a>");
    assert!(error(&bomb).contains("unknown entity `e49`"));
    assert!(error("<!DOCTYPE a [<!ENTITY f SYSTEM \"file:///etc/passwd\">]><a b='&f;'/>").contains('f'));
    assert_eq!(
        xml::parse("<!DOCTYPE a><a>&lt;&#x41;&#66;&amp;</a>").map(|a| a.text().into_owned()),
        Ok("<AB&".to_string())
    );
}

#[test]
fn a_hundred_megabytes_of_text_pass() {
    let text = "x".repeat(100 << 20);
    let document = format!("<domain><name>{text}</name></domain>");
    assert_eq!(
        xml::parse(&document).map(|domain| domain.find_text("name").map(|name| name.len())),
        Ok(Some(100 << 20))
    );
}

#[test]
fn a_hundred_megabytes_pass_through_everything() {
    let text = "x".repeat(100 << 20);
    let document = format!("<domain type='qemu'><description>{text}</description><memory>1</memory></domain>");
    let read = Definition::read(&document).expect("the document is well-formed");
    assert!(
        read.check().is_err_and(|error| error.to_string().len() < 1000),
        "`name` and `os` are missing, shortly said"
    );
    let made = Definition::from_value(Kind::Domain, &read.to_value()).expect_err("`name` and `os` are missing");
    assert!(made.findings.iter().all(|finding| finding.message.len() < 1000));
    assert_eq!(read.diff(&read.copy()), Ok(vec![]));
    let text = &text[..10 << 20];
    let wrong = Definition::from_xml(Kind::Domain, &format!("<domain type='{text}'><name>x</name></domain>"));
    let error = wrong.and_then(|wrong| wrong.check()).expect_err("that is no type");
    assert!(error.findings.iter().all(|finding| finding.message.len() < 1000), "values are shown shortened");
}

#[test]
fn wide_and_deep_documents_are_checked_in_time_that_grows_with_them() {
    // Each device of another kind, each with names that nobody knows, in an order that no group has.
    let mut wide =
        String::from("<domain type='qemu'><name>x</name><memory>1</memory><os><type>hvm</type></os><devices>");
    for number in 0..20_000 {
        let device = Kind::DEVICES[number * 7 % Kind::DEVICES.len()];
        let _ = write!(wide, "<{device} a{number}='1'><b{number}/></{device}>");
    }
    wide.push_str("</devices></domain>");
    let read = Definition::read(&wide).expect("the document is well-formed");
    assert!(read.check().is_err());
    let deep =
        format!("{}{}", "<backingStore><source><slices>".repeat(80), "</slices></source></backingStore>".repeat(80));
    let deep = format!("<domain type='qemu'><devices><disk>{deep}</disk></devices></domain>");
    let read = Definition::read(&deep).expect("the document is well-formed");
    assert!(read.check().is_err());
    assert!(Definition::from_value(Kind::Domain, &read.to_value()).is_err());
}

#[test]
fn many_attributes_and_namespaces_are_an_error() {
    let mut many = String::from("<a");
    for number in 0..100_000 {
        let _ = write!(many, " a{number}=''");
    }
    assert!(error(&format!("{many}/>")).contains("more than 256 attributes"));
    assert!(error(&format!("<a xmlns='{}'/>", "x".repeat(10_000))).contains("longer than 1024"));
}

#[test]
fn what_is_not_well_formed_is_an_error() {
    for text in [
        "",
        " ",
        "x",
        "<",
        "<a",
        "<a>",
        "</a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>x",
        "x<a/>",
        "<a b/>",
        "<a b=c/>",
        "<a b='1' b='2'/>",
        "<a b='<'/>",
        "<a>&</a>",
        "<a>&x;</a>",
        "<a>&#0;</a>",
        "<a>&#x1;</a>",
        "<a>\u{1}</a>",
        "<a b='\u{1}'/>",
        "<a>\u{ffff}</a>",
        "<p:a/>",
        "<a p:b=''/>",
        "<1/>",
        "<a:b:c/>",
        "< a/>",
        "<a xmlns:p=''/>",
        "<a xmlns:xml='x'/>",
        "<a xmlns='x' xmlns='y'/>",
        "<a xmlns:p='x' xmlns:q='x' p:b='' q:b=''/>",
        "<!-- <a/>",
        "<![CDATA[x]]>",
        "<?xml",
        "<a><![CDATA[x</a>",
        "<a>&#xd800;</a>",
    ] {
        assert!(xml::parse(text).is_err(), "this passed: {text}");
    }
}

#[test]
fn bytes_that_are_cut_anywhere_never_panic() {
    let document =
        "<?xml version='1.0'?><!-- é --><domain xmlns:q='u:ü' a='&amp;'><![CDATA[ß]]><q:b>&#xe9;</q:b></domain>";
    for (at, _) in document.char_indices() {
        let _ = xml::parse(&document[..at]);
        let _ = xml::parse(&document[at..]);
    }
    assert!(xml::parse(document).is_ok());
}

#[test]
fn unknown_names_and_namespaces_are_kept() {
    let document =
        "<domain new='1' xmlns:a='u:a' a:b='2'><a:c xmlns='u:d'><e a:f='3'/></a:c><name>x</name><odd/></domain>";
    let read = Definition::from_xml(Kind::Domain, document).expect("the document is well-formed");
    let value = read.to_value();
    let map = value.as_map().expect("a document is a map");
    assert_eq!(map.get("_xml").map(|raw| format!("{raw:?}").contains("u:d")), Some(true));
    assert_eq!(map.get("_attrs").and_then(|raw| raw.as_map()).map(vmscript::floor::Map::len), Some(2));
    let again = Definition::from_xml(Kind::Domain, &read.xml()).expect("what was written can be read");
    assert_eq!(again.to_value(), value);
}

#[test]
fn another_document_is_refused() {
    let wrong = Definition::from_xml(Kind::Domain, "<network/>").map_err(|error| error.message.clone());
    assert_eq!(wrong.err().as_deref(), Some("expected the element `domain`, not `network`"));
}
