//! Volumes from images: fetched and uploaded, overlaid, or copied and grown.

use super::value;
use crate::floor::{Code, Error, Map as Plain, Options, Result, Value, format_size};
use crate::image::{Checksum, Fetched, Format, Key, Request, Signature, check, fetch};
use crate::libvirt::{Content, Pool, Volume};
use crate::schema::{Definition, Kind};
use rhai::{Dynamic, Map};

const IMAGE: &[&str] =
    &["bootable", "checksum", "checksum_url", "force", "format", "path", "retries", "signature", "stall", "url"];
const FORMATS: &[&str] = &["iso", "qcow2", "raw", "vdi", "vhd", "vhdx", "vmdk"];
const DISK: &[&str] = &["format", "image", "mode", "size"];

/// An image in a pool.
pub(super) struct Ensured {
    pub(super) volume: Volume,
    pub(super) changed: bool,
}

/// Sees to it that a pool has an image of this name.
pub(super) fn ensure(pool: &Pool, name: &str, given: &Map) -> Result<Ensured> {
    let options = Options::from_value("ensure_image", value(&given.clone().into(), "")?, IMAGE)?;
    let request = request(&options)?;
    let wanted = options.one_of("format", FORMATS)?.and_then(Format::from_name);
    let there = pool.find_volume(name)?;
    if let Some(volume) = there.as_ref().filter(|_| !request.force) {
        return Ok(Ensured { volume: volume.clone(), changed: false });
    }
    let fetched = fetch(&request)?;
    check(name, &fetched.description, wanted, options.bool("bootable")?.unwrap_or(true))?;
    let data = allocated(&fetched)?;
    pool.need(data, &format!("image `{name}`"))?;
    if let Some(old) = there {
        old.delete_unused()?;
    }
    let file = std::fs::metadata(&fetched.path).map_err(|error| Error::io(&fetched.path, "read", &error))?.len();
    let format = fetched.description.format;
    let capacity = match (format, fetched.description.virtual_size) {
        (Format::Qcow2, Some(size)) => size,
        _ => file,
    };
    let xml = volume_definition(name, capacity, format.driver(), None)?.xml();
    let volume = pool.create_filled_volume(&xml, &Content::File(fetched.path))?;
    Ok(Ensured { volume, changed: true })
}

/// Creates a disk from an image: `#{ image, mode: "overlay"|"copy", size, format }`.
pub(super) fn create_disk(pool: &Pool, name: &str, given: &Map) -> Result<Volume> {
    let mut plain = given.clone();
    let image = image_of(&plain.remove("image").unwrap_or_default())?;
    let options = Options::from_value("create_disk", value(&plain.into(), "")?, DISK)?;
    let (xml, content) = disk(name, &image, &options)?;
    // An overlay holds nothing but its own tables at first; a copy looks for its own room.
    pool.need(1 << 20, &format!("disk `{name}`"))?;
    pool.create_filled_volume(&xml, &content)
}

/// The volume that a disk comes from.
pub(super) fn image_of(given: &Dynamic) -> Result<Volume> {
    given.read_lock::<Volume>().map(|image| image.clone()).ok_or_else(|| {
        Error::argument("`image` must be a volume").hint("such as `host.pool(\"images\").volume(\"debian.qcow2\")`")
    })
}

/// The definition of a disk on an image, and what goes into it.
pub(super) fn disk(name: &str, image: &Volume, options: &Options) -> Result<(String, Content)> {
    let base = image.info()?.capacity;
    let size = options.size("size")?;
    if let Some(size) = size.filter(|size| *size < base) {
        let message = format!(
            "disk `{name}` cannot be {}: its image `{}` has {}",
            format_size(size),
            image.name(),
            format_size(base)
        );
        return Err(Error::new(Code::InvalidArgument, crate::floor::Area::Storage, message)
            .hint("leave `size` out, or make it at least as large as the image"));
    }
    let from = image.format()?.unwrap_or_else(|| "raw".to_string());
    let overlay = options.one_of("mode", &["overlay", "copy"])?.unwrap_or("overlay") == "overlay";
    let format = options.one_of("format", &["qcow2", "raw"])?;
    if !overlay {
        let xml = volume_definition(name, base, format.unwrap_or(&from), None)?.xml();
        return Ok((xml, Content::Copy(image.clone(), size.filter(|size| *size > base))));
    }
    if format == Some("raw") {
        return Err(Error::argument("an overlay cannot be raw").hint("leave `format` out, or say `mode: \"copy\"`"));
    }
    let backing = (image.path()?, from);
    Ok((volume_definition(name, size.unwrap_or(base), "qcow2", Some(backing))?.xml(), Content::None))
}

/// A volume of this size and format, on top of another file if one is given with its format.
pub(super) fn volume_definition(
    name: &str,
    capacity: u64,
    format: &str,
    backing: Option<(String, String)>,
) -> Result<Definition> {
    let map = |fields: Vec<(&str, Value)>| {
        Value::Map(fields.into_iter().map(|(key, value)| (key.to_string(), value)).collect::<Plain>())
    };
    let mut target = vec![("format", format.into())];
    if format == "qcow2" {
        // Without it libvirt makes images for QEMU before version 1.1.
        target.push(("compat", "1.1".into()));
    }
    let capacity = i64::try_from(capacity).unwrap_or(i64::MAX);
    let mut fields = vec![("name", name.into()), ("capacity", capacity.into()), ("target", map(target))];
    if let Some((path, format)) = backing {
        fields.push(("backing_store", map(vec![("path", path.into()), ("format", format.into())])));
    } else {
        // Holes stay holes.
        fields.push(("allocation", 0.into()));
    }
    Definition::from_value(Kind::Volume, &map(fields))
}

fn request(options: &Options) -> Result<Request> {
    let mut sources = Vec::new();
    for source in options.list("url").into_iter().chain(options.list("path")) {
        let Value::String(source) = source else {
            return Err(Error::argument(format!("`url` must be text or a list of it, not {}", source.show())));
        };
        sources.push(source);
    }
    if sources.is_empty() {
        return Err(Error::argument("`ensure_image` needs `url` or `path`"));
    }
    let mut request = Request::new(sources);
    request.checksum = options.str("checksum")?.map(Checksum::parse).transpose()?;
    request.checksum_url = options.str("checksum_url")?.map(str::to_string);
    request.force = options.bool("force")?.unwrap_or(false);
    if let Some(retries) = options.int("retries")? {
        request.retries = u32::try_from(retries).map_err(|_| Error::argument("`retries` must not be negative"))?;
    }
    if let Some(stall) = options.duration("stall")? {
        request.stall = stall;
    }
    request.signature = options.get("signature").cloned().map(signature).transpose()?;
    Ok(request)
}

fn signature(given: Value) -> Result<Signature> {
    let options = Options::from_value("signature", given, &["keyring", "minisign", "url"])?;
    let source = options.str("url")?.ok_or_else(|| Error::argument("`signature` needs `url`"))?.to_string();
    let key = match (options.str("minisign")?, options.str("keyring")?) {
        (Some(key), None) => Key::Minisign(key.to_string()),
        (None, Some(keyring)) => Key::OpenPgp(keyring.into()),
        _ => {
            return Err(Error::argument("`signature` needs either `minisign` or `keyring`")
                .hint("`minisign: \"RW...\"` is a public key, `keyring` the path of a keyring for `gpgv`"));
        }
    };
    Ok(Signature { source, key })
}

/// What the image takes on the disk without its holes.
fn allocated(fetched: &Fetched) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let facts = std::fs::metadata(&fetched.path).map_err(|error| Error::io(&fetched.path, "read", &error))?;
    Ok((facts.blocks() * 512).min(facts.len()))
}
