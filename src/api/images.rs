//! Volumes from images: fetched and uploaded, overlaid, or copied and grown.

use super::convert::options_of;
use super::value;
use crate::floor::{Area, Code, Error, Map as Plain, Options, Result, Value, format_size};
use crate::image::{
    self, Catalogue, Checksum, Compression, Description, Fetched, Format, Key, Request, Signature, check, fetch,
};
use crate::libvirt::{Content, Pool, Volume};
use crate::schema::{Definition, Kind};
use rhai::{Dynamic, Map};
use std::path::Path;

const IMAGE: &[&str] = &[
    "bootable",
    "checksum",
    "checksum_url",
    "compare",
    "convert",
    "dry_run",
    "force",
    "format",
    "path",
    "retries",
    "signature",
    "stall",
    "url",
];
/// What a catalogue says beside these.
const TOLD: &[&str] =
    &["architecture", "catalogue", "default", "description", "filename", "folder", "name", "size", "user"];
const FORMATS: &[&str] = &["iso", "qcow2", "raw", "vdi", "vhd", "vhdx", "vmdk"];
/// How often another run may be faster.
const TURNS: u32 = 5;
const DISK: &[&str] = &["format", "image", "mode", "size", "thick"];

/// An image in a pool.
pub(super) struct Ensured {
    /// Nothing, if it is not there yet and was only looked at.
    pub(super) volume: Option<Volume>,
    pub(super) changed: bool,
    /// Whether its source has something else, which cannot take its place while others need it.
    pub(super) outdated: bool,
}

/// Sees to it that a pool has an image of this name.
pub(super) fn ensure(pool: &Pool, name: &str, given: &Map) -> Result<Ensured> {
    let known = [IMAGE, TOLD].concat();
    let options = Options::from_value("ensure_image", value(&given.clone().into(), "")?, &known)?;
    let request = request(&options)?;
    let wanted = options.one_of("format", FORMATS)?.and_then(Format::from_name);
    let convert = options.one_of("convert", &["qcow2", "raw"])?.and_then(Format::from_name);
    let compare = options.one_of("compare", &["all", "head", "no"])?.unwrap_or("head");
    let dry_run = options.bool("dry_run")?.unwrap_or(false);
    let there = pool.find_whole_volume(name)?;
    if there.is_some() && compare == "no" && !request.force {
        return Ok(Ensured { volume: there, changed: false, outdated: false });
    }
    let bootable = options.bool("bootable")?.unwrap_or(true);
    let checked = |found: &Description| {
        // A name may promise the format that the image gets.
        check(if convert.is_some() { "" } else { name }, found, wanted, bootable).map_err(|error| renamed(error, name))
    };
    if dry_run && !request.is_local() {
        checked(&image::look(&request)?)?;
        if let Some(volume) = there.as_ref().filter(|_| request.force) {
            volume.check_unused()?;
        }
        return Ok(Ensured { changed: there.is_none() || request.force, volume: there, outdated: false });
    }
    let is_own = match &there {
        Some(volume) if !request.force => came_from(volume, &request, convert)?,
        _ => false,
    };
    let mut fetched = fetch(&request)?;
    checked(&fetched.description)?;
    if let Some(format) = convert {
        fetched = image::convert(fetched, format, &request.cache)?;
        check(name, &fetched.description, None, false)?;
    }
    let wish = Wish { pool, name, fetched, force: request.force, whole: compare == "all", dry_run };
    let (mut there, mut is_own) = (there, is_own);
    for _ in 0..TURNS {
        match wish.put(there.as_ref(), is_own) {
            Err(error) if wish.is_overtaken(&error, there.is_some(), is_own) => {
                pool.give_way(name)?;
                there = pool.find_whole_volume(name)?;
                // What is there now came from somebody else.
                is_own = false;
            }
            done => return done,
        }
    }
    wish.put(there.as_ref(), is_own)
}

/// An image that is here, and what is to become of it.
struct Wish<'a> {
    pool: &'a Pool,
    name: &'a str,
    fetched: Fetched,
    force: bool,
    /// Whether all of what is there is compared.
    whole: bool,
    dry_run: bool,
}

impl Wish<'_> {
    /// Whether another run was faster: it made what was to be made, or removed what was to be looked at.
    fn is_overtaken(&self, error: &Error, is_there: bool, is_own: bool) -> bool {
        match error.code {
            Code::AlreadyExists => !is_there || is_own || self.force,
            Code::NotFound => is_there,
            _ => false,
        }
    }

    /// Puts it into the pool, if what is there is something else and may go: as it came from the same source, or is to be replaced.
    fn put(&self, there: Option<&Volume>, is_own: bool) -> Result<Ensured> {
        let Self { pool, name, fetched, .. } = self;
        if let Some(volume) = there {
            if !self.force {
                if volume.is_left_over()? {
                    return Err(Error::new(
                        Code::InvalidState,
                        Area::Storage,
                        format!("volume `{name}` was left half made by a killed run"),
                    )
                    .about(format!("volume `{name}`"))
                    .hint("`vmscript recover` removes it"));
                }
                let unchanged = || Ensured { volume: Some(volume.clone()), changed: false, outdated: false };
                if volume.holds(&fetched.path, self.whole)? {
                    return Ok(unchanged());
                }
                let users = volume.users()?;
                if !users.domains.is_empty() || !users.overlays.is_empty() {
                    tracing::warn!(image = name, "its source has something else, but it is in use and stays");
                    return Ok(Ensured { outdated: true, ..unchanged() });
                }
                if !is_own {
                    // Somebody else may be bringing the very same.
                    if !self.dry_run && volume.wait_while_written()? {
                        return self.put(Some(volume), false);
                    }
                    let message =
                        format!("volume `{name}` is there and has other content, which is not known to be from there");
                    return Err(Error::new(Code::AlreadyExists, Area::Storage, message)
                        .about(format!("volume `{name}`"))
                        .hint("take another name, or pass `force: true`, which replaces it")
                        .hint("if another user has been bringing it, and was broken off, `vmscript recover` of that user removes it"));
                }
            }
            volume.check_unused()?;
        }
        pool.need(allocated(&fetched.path)?, &format!("image `{name}`"))?;
        if self.dry_run {
            return Ok(Ensured { volume: there.cloned(), changed: true, outdated: false });
        }
        let file = std::fs::metadata(&fetched.path).map_err(|error| Error::io(&fetched.path, "read", &error))?.len();
        let format = fetched.description.format;
        let capacity = match (format, fetched.description.virtual_size) {
            (Format::Qcow2, Some(size)) => size,
            _ => file,
        };
        let xml = volume_definition(name, capacity, format.driver(), Room::Thin)?.xml();
        let content = Content::File(fetched.path.clone());
        let volume = match there {
            Some(old) => pool.replace_volume(old, &xml, &content)?,
            None => pool.create_filled_volume(&xml, &content)?,
        };
        Ok(Ensured { volume: Some(volume), changed: true, outdated: false })
    }
}

/// Whether a volume holds what was fetched from there last: then it is an image of that source, and nothing else goes when
/// it is replaced.
fn came_from(volume: &Volume, request: &Request, convert: Option<Format>) -> Result<bool> {
    for path in image::fetched_before(request, convert)? {
        if volume.holds(&path, false)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How an image is checked.
const CHECK: &[&str] = &["bootable", "format", "name"];
/// How much of a raw volume is looked at: what firmware starts from, and what tells a disc.
const BEGINNING: u64 = 64 << 10;

/// Checks the image at a path or a URL.
pub(super) fn check_file(source: &str, given: &Map) -> Result<(Description, Option<Compression>)> {
    let options = check_options(given)?;
    let found = image::inspect(source)?;
    let name = image::unpacked_name(source.rsplit('/').next().unwrap_or(source));
    checked(name, &found.0, &options)?;
    Ok(found)
}

/// Checks the image in a volume. What the pool knows of it takes one call. What cannot be read is not refused.
pub(super) fn check_volume(volume: &Volume, given: &Map) -> Result<(Description, Option<Compression>)> {
    let options = check_options(given)?;
    let (format, capacity) = volume.looks()?;
    let known = format.as_deref().and_then(|name| Format::ALL.iter().copied().find(|one| one.driver() == name));
    let mut found = match known {
        Some(format) if format.driver() != "raw" => Description::of(format),
        _ => beginning(volume)?,
    };
    if found.bootable == Some(false) {
        // Another run may be bringing it right now.
        volume.wait_until_whole()?;
        found = beginning(volume)?;
    }
    found.virtual_size = found.virtual_size.or(Some(capacity));
    checked(volume.name(), &Description { backing_file: None, ..found.clone() }, &options)?;
    Ok((found, None))
}

/// What the beginning of a raw volume says.
fn beginning(volume: &Volume) -> Result<Description> {
    match volume.read(0, BEGINNING) {
        Ok(head) => Ok(image::describe(head.as_slice()).unwrap_or_else(|_| Description::of(Format::Raw))),
        Err(error) if error.code == Code::Interrupted => Err(error),
        Err(_) => Ok(Description::of(Format::Raw)),
    }
}

fn check_options(given: &Map) -> Result<Options> {
    Options::from_value("check_image", value(&given.clone().into(), "")?, CHECK)
}

fn checked(name: &str, found: &Description, options: &Options) -> Result<()> {
    let wanted = options.one_of("format", FORMATS)?.and_then(Format::from_name);
    check(options.str("name")?.unwrap_or(name), found, wanted, options.bool("bootable")?.unwrap_or(true))
}

/// An image of a catalogue: `#{ search, architecture, catalogue }` choose.
pub(super) fn catalogue(what: &str, given: &Map, keys: &[&str]) -> Result<(Catalogue, Options)> {
    let options = Options::from_value(what, value(&given.clone().into(), "")?, keys)?;
    let files = options.list("catalogue").into_iter().map(|file| match file {
        Value::String(path) => Ok(path.into()),
        other => Err(Error::argument(format!("`catalogue` must be a path or a list of them, not {}", other.show()))),
    });
    Ok((Catalogue::open(&files.collect::<Result<Vec<_>>>()?)?, options))
}

/// An error about an image whose name was not given to whoever checked it.
fn renamed(mut error: Error, name: &str) -> Error {
    error.message = error.message.replace("image ``", &format!("image `{name}`"));
    error
}

/// Creates a disk from an image: `#{ image, mode: "overlay"|"copy", size, format }`.
pub(super) fn create_disk(pool: &Pool, name: &str, given: &Map) -> Result<Volume> {
    let mut plain = given.clone();
    let image = image_of(&plain.remove("image").unwrap_or_default())?;
    let options = options_of("create_disk", &plain, DISK)?;
    let (xml, content) = disk(name, &image, &options)?;
    // An overlay holds nothing but its own tables at first; a copy looks for its own room.
    pool.need(1 << 20, &format!("disk `{name}`"))?;
    pool.create_filled_volume(&xml, &content)
}

/// The volume that a disk comes from, with all that it is to hold.
pub(super) fn image_of(given: &Dynamic) -> Result<Volume> {
    let image = given.read_lock::<Volume>().map(|image| image.clone()).ok_or_else(|| {
        Error::argument("`image` must be a volume").hint("such as `host.pool(\"images\").volume(\"debian.qcow2\")`")
    })?;
    image.wait_until_whole()?;
    Ok(image)
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
        return Err(Error::new(Code::InvalidArgument, Area::Storage, message)
            .hint("leave `size` out, or make it at least as large as the image"));
    }
    let from = image.format()?.unwrap_or_else(|| "raw".to_string());
    let overlay = options.one_of("mode", &["overlay", "copy"])?.unwrap_or("overlay") == "overlay";
    let format = options.one_of("format", &["qcow2", "raw"])?;
    let thick = options.bool("thick")?.unwrap_or(false);
    if thick && (overlay || from != "raw" || format == Some("qcow2")) {
        return Err(Error::argument("only a raw copy of a raw image can be thick")
            .hint("say `mode: \"copy\"`; `ensure_image` with `convert: \"raw\"` makes a raw image"));
    }
    if !overlay {
        let room = if thick { Room::Thick } else { Room::Thin };
        let xml = volume_definition(name, base, format.unwrap_or(&from), room)?.xml();
        return Ok((xml, Content::Copy { from: image.clone(), grow: size.filter(|size| *size > base), thick }));
    }
    if format == Some("raw") {
        return Err(Error::argument("an overlay cannot be raw").hint("leave `format` out, or say `mode: \"copy\"`"));
    }
    let room = Room::On(image.path()?, from);
    Ok((volume_definition(name, size.unwrap_or(base), "qcow2", room)?.xml(), Content::None))
}

/// Which room a new volume has.
pub(super) enum Room {
    /// What is written to it takes space.
    Thin,
    /// It takes its space at once.
    Thick,
    /// It stands on a file of this path and format.
    On(String, String),
}

/// A volume of this size and format.
pub(super) fn volume_definition(name: &str, capacity: u64, format: &str, room: Room) -> Result<Definition> {
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
    match room {
        Room::Thin => fields.push(("allocation", 0.into())),
        Room::Thick => fields.push(("allocation", capacity.into())),
        Room::On(path, format) => {
            fields.push(("backing_store", map(vec![("path", path.into()), ("format", format.into())])));
        }
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
pub(super) fn allocated(path: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let facts = std::fs::metadata(path).map_err(|error| Error::io(path, "read", &error))?;
    Ok((facts.blocks() * 512).min(facts.len()))
}
