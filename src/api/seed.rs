//! Seeds: what a guest reads at its first boot.

use super::{RhaiResultOf, data, shown, value};
use crate::floor::{self, Error, Options, Result, Value};
use crate::image::Checksum;
use crate::libvirt::{Bus, NewSeed};
use crate::seed::{Guest, Seed};
use rhai::plugin::*;
use rhai::{Array, Blob, Dynamic, Map, Module};
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;

/// Words in the names of what is nobody else's business.
const SECRETS: &[&str] = &["passphrase", "passw", "private", "secret", "token"];

/// Fields of free text, such as the contents of files and commands, in which there may be a secret under any name. A checksum of
/// a weak one would tell it to whoever tries them all.
const FREE: &[&str] = &["bootcmd", "content", "contents", "env", "environment", "runcmd"];

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

/// A seed, a guest's for cloud-init, or that of a folder.
pub(super) fn of(from: &Dynamic) -> Result<Seed> {
    if let Some(guest) = from.read_lock::<Guest>() {
        return guest.cloud_init();
    }
    if let Some(seed) = from.read_lock::<Seed>() {
        return Ok(seed.clone());
    }
    match from.as_immutable_string_ref() {
        Ok(folder) => folder_seed(&folder, None),
        Err(_) => Err(Error::argument("a seed is needed here: `cloud_init(#{...})`, a guest, or the path of a folder")),
    }
}

/// What is left of a value when everything that may be secret is gone: fields by their names, lines by the words in them, and
/// free texts.
fn bare(value: Value) -> Value {
    let is_open = |text: &str| !SECRETS.iter().any(|word| text.to_lowercase().contains(word));
    match value {
        Value::Map(map) => {
            let is_open = |key: &str| is_open(key) && !FREE.contains(&key);
            Value::Map(map.into_iter().filter(|(key, _)| is_open(key)).map(|(key, one)| (key, bare(one))).collect())
        }
        Value::List(list) => Value::List(list.into_iter().map(bare).collect()),
        Value::String(text) if text.starts_with("#cloud-config") => {
            match data::yaml("user_data", text).and_then(|given| shown(&given)) {
                Ok(read) => bare(read),
                Err(_) => Value::Unit,
            }
        }
        Value::String(text) if text.contains('\n') || !is_open(&text) => Value::Unit,
        other => other,
    }
}

/// The files of a folder as a seed.
fn folder_seed(folder: &str, label: Option<&str>) -> Result<Seed> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(path) = folders.pop() {
        let unreadable = |error: std::io::Error| Error::io(&path, "read", &error);
        for entry in std::fs::read_dir(&path).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
            floor::regular(&path)?;
            files.push((name, floor::read(&path, "read")?));
        }
    }
    // Folders list their files in any order.
    files.sort();
    Seed::from_files(files, label)
}

#[export_module]
mod functions {
    use crate::libvirt::Domain;

    /// The files that a guest reads at its first boot. It is shown without its contents.
    pub type Seed = crate::seed::Seed;

    /// A seed for cloud-init's `NoCloud` data source.
    ///
    /// * `user_data`: a map becomes `#cloud-config`; text passes through, its header is checked.
    /// * `meta_data`: a map or text. Without `instance-id` it gets one that changes with the content.
    /// * `network_config`: a map or text, version 1 or 2; optional.
    /// * `vendor_data`: a map or text; optional.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let seed = cloud_init(#{
    ///     user_data: #{ hostname: "web", packages: ["vim"] },
    ///     network_config: #{ version: 2, ethernets: #{ eth0: #{ dhcp4: true } } },
    /// });
    /// assert_eq(seed.files, ["user-data", "meta-data", "network-config"]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn cloud_init(documents: Map) -> RhaiResultOf<Seed> {
        Ok(data::make(&documents.into(), crate::seed::cloud_init)?)
    }

    /// The files of a folder as a seed. What they are tells its label: `cidata` for `user-data` and `meta-data`, which are
    /// checked as by `cloud_init`; `ignition` for `ignition/config.ign`, `combustion` for `combustion/script`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// write_file("user-data", "#cloud-config\nhostname: web\n");
    /// assert("meta-data" in seed_from(".").files);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn seed_from(folder: &str) -> RhaiResultOf<Seed> {
        Ok(folder_seed(folder, None)?)
    }

    /// The files of a folder as a seed.
    ///
    /// Options:
    /// * `label`: the name that the guest finds its disk by, such as `"cidata"` or `"config-2"`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// write_file("answers.txt", "yes");
    /// assert("answers.txt" in seed_from(".", #{ label: "answers" }).files);
    /// ```
    #[rhai_fn(name = "seed_from", return_raw)]
    pub fn seed_from_with(folder: &str, options: Map) -> RhaiResultOf<Seed> {
        let options = Options::from_value("seed_from", value(&options.into(), "")?, &["label"])?;
        Ok(folder_seed(folder, options.str("label")?)?)
    }

    /// Takes the seed out of a machine and deletes its volume: its disk or CD-ROM drive goes, or becomes empty on a bus from
    /// which nothing can be unplugged (`sata`, `ide`). The seed is known by the name of its file system. Gives whether there
    /// was one.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.set_seed(guest(#{ hostname: "web" }));
    /// assert(vm.eject_seed());
    /// assert(!vm.eject_seed());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn eject_seed(vm: &mut Domain) -> RhaiResultOf<bool> {
        Ok(vm.eject_seed(false)?)
    }

    /// Takes the seed out of a machine.
    ///
    /// Options:
    /// * `keep`: whether its volume stays, default `false`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.set_seed(guest(#{ hostname: "web" }));
    /// vm.eject_seed(#{ keep: true });
    /// connect().pool("default").volume("guest-seed.iso").delete();
    /// ```
    #[rhai_fn(name = "eject_seed", pure, return_raw)]
    pub fn eject_seed_with(vm: &mut Domain, options: Map) -> RhaiResultOf<bool> {
        let options = Options::from_value("eject_seed", value(&options.into(), "")?, &["keep"])?;
        Ok(vm.eject_seed(options.bool("keep")?.unwrap_or(false))?)
    }

    /// Gives a machine a new seed in place of the one that it has, if any: a seed, a guest, or the path of a folder. The
    /// guest reads it at its next boot; cloud-init sets it up again if the instance id is another one.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.set_seed(guest(#{ hostname: "web" }));
    /// vm.set_seed(guest(#{ hostname: "db" }));
    /// vm.eject_seed();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn set_seed(vm: &mut Domain, seed: Dynamic) -> RhaiResultOf<()> {
        set_seed_with(vm, seed, Map::new())
    }

    /// Gives a machine a new seed.
    ///
    /// Options:
    /// * `bus`: of the disk of a machine without one: `virtio`, `scsi`, `sata`, `ide` or `usb`; the one it starts from if
    ///   not given. `sata` and `ide` come with its next start.
    /// * `pool`: of the volume; that of the former seed if not given, or `default`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.set_seed(guest(#{ hostname: "web" }), #{ bus: "virtio", pool: "default" });
    /// vm.eject_seed();
    /// ```
    #[rhai_fn(name = "set_seed", pure, return_raw)]
    pub fn set_seed_with(vm: &mut Domain, seed: Dynamic, options: Map) -> RhaiResultOf<()> {
        let options = Options::from_value("set_seed", value(&options.into(), "")?, &["bus", "pool"])?;
        let wish = NewSeed {
            bus: options.one_of("bus", Bus::WORDS)?.and_then(Bus::from_word),
            pool: options.str("pool")?.map(str::to_string),
        };
        Ok(vm.set_seed(of(&seed)?.iso()?, &wish)?)
    }

    /// The user data of a machine's seed as text, or `()` if it has none that can be read back.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.set_seed(guest(#{ hostname: "web" }));
    /// assert(vm.seed_user_data.starts_with("#cloud-config"));
    /// vm.eject_seed();
    /// ```
    #[rhai_fn(get = "seed_user_data", pure, return_raw)]
    pub fn seed_user_data(vm: &mut Domain) -> RhaiResultOf<Dynamic> {
        Ok(vm.seed_user_data()?.map_or(Dynamic::UNIT, Into::into))
    }

    /// Eight digits that change with a value, and tell nothing of it: the beginning of its SHA-256 checksum. Secrets,
    /// fields named after passwords, private keys and tokens, lines that speak of them, and free texts (contents of files,
    /// commands, whatever has several lines) do not count.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let guest = #{ hostname: "web", password: "one" };
    /// assert_eq(fingerprint(guest), fingerprint(guest + #{ password: "two" }));
    /// assert(fingerprint(guest) != fingerprint(guest + #{ hostname: "db" }));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn fingerprint(data: Dynamic) -> RhaiResultOf<String> {
        let text = format!("{:?}", bare(shown(&data)?));
        Ok(Checksum::of(text.as_bytes()).digits().chars().take(8).collect())
    }

    /// A salted mark that changes with everything in a value, secrets too: `SALT-DIGITS`. It is so short (twelve bits) that a
    /// secret cannot be told by it, and one change in four thousand leaves it as it is. A mark that was made before gives the
    /// salt, to compare with it; an empty text makes a new one.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let mark = fingerprint(#{ password: "one" }, "");
    /// assert_eq(fingerprint(#{ password: "one" }, mark), mark);
    /// assert_eq(fingerprint(#{ password: "one" }, "5a17-000"), "5a17-257");
    /// assert(fingerprint(#{ password: "two" }, "5a17-000") != "5a17-257");
    /// ```
    #[rhai_fn(name = "fingerprint", return_raw)]
    pub fn salted_fingerprint(data: Dynamic, former: &str) -> RhaiResultOf<String> {
        let made = || format!("{:08x}", RandomState::new().hash_one(0) >> 32);
        let salt = former.split_once('-').map_or_else(made, |(salt, _)| salt.to_string());
        let text = format!("{salt} {:?}", shown(&data)?);
        let digits: String = Checksum::of(text.as_bytes()).digits().chars().take(3).collect();
        Ok(format!("{salt}-{digits}"))
    }

    /// The names of its files.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let seed = cloud_init(#{ user_data: #{ hostname: "web" } });
    /// print(seed.files);
    /// ```
    #[rhai_fn(get = "files", pure)]
    pub fn files(seed: &mut Seed) -> Array {
        seed.files.iter().map(|(name, _)| name.clone().into()).collect()
    }

    /// The seed as an ISO 9660 image with the volume id `cidata`, byte for byte the same for the same seed.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let seed = cloud_init(#{ user_data: #{ hostname: "web" } });
    /// assert_eq(seed.iso(), seed.iso());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn iso(seed: &mut Seed) -> RhaiResultOf<Blob> {
        Ok(seed.iso()?)
    }

    /// The names and sizes of its files; never what they hold.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let seed = cloud_init(#{ user_data: #{ hostname: "web" } });
    /// print(seed);
    /// ```
    #[rhai_fn(pure)]
    pub fn to_string(seed: &mut Seed) -> String {
        format!("{seed:?}")
    }
}
