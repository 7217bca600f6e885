//! Several documents of user data in one, as a MIME message.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What cloud-init takes a part for, by the header that it begins with; longer headers before those that begin alike.
const TYPES: &[(&str, &str)] = &[
    ("#!", "text/x-shellscript"),
    ("#cloud-boothook", "text/cloud-boothook"),
    ("#cloud-config-archive", "text/cloud-config-archive"),
    ("#cloud-config-jsonp", "text/cloud-config-jsonp"),
    ("#cloud-config", "text/cloud-config"),
    ("#include-once", "text/x-include-once-url"),
    ("#include", "text/x-include-url"),
    ("#part-handler", "text/part-handler"),
    ("## template: jinja", "text/jinja2"),
];

/// One message of these documents, in their order. All of them are in base64, so that no boundary can be in them.
pub(super) fn message(parts: &[String]) -> String {
    const BOUNDARY: &str = "==part-of-a-seed==";
    let mut text = format!("Content-Type: multipart/mixed; boundary=\"{BOUNDARY}\"\nMIME-Version: 1.0\n\n");
    for (at, part) in parts.iter().enumerate() {
        let lower = part.trim_start().to_lowercase();
        let kind = TYPES.iter().find(|(header, _)| lower.starts_with(header)).map_or("text/plain", |(_, kind)| kind);
        text += &format!("--{BOUNDARY}\nContent-Type: {kind}; charset=\"utf-8\"\nMIME-Version: 1.0\n");
        text += "Content-Transfer-Encoding: base64\n";
        text += &format!("Content-Disposition: attachment; filename=\"part-{:03}\"\n\n", at + 1);
        let mut rest = STANDARD.encode(part);
        while rest.len() > 76 {
            let more = rest.split_off(76);
            text += &format!("{rest}\n");
            rest = more;
        }
        text += &format!("{rest}\n");
    }
    text += &format!("--{BOUNDARY}--\n");
    text
}
