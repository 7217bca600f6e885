//! Copying, moving and renewing files of UEFI variables: libvirt gives no access to them but as volumes of a pool on their folder.

use super::undo::{Current, Made, Named, Transaction, record};
use super::variables::{Variables, by_uuid, name_file};
use super::{Content, Domain, Host, Pool};
use crate::floor::{Area, Code, Error, Result, clock};
use crate::schema::xml::{self, Elem};
use std::time::Duration;

/// How the pools begin that are made for the moment of a copy.
const PREFIX: &str = "uefi-variables-";
/// How long another run's is waited for; if it is there still, that run was killed.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

impl Domain {
    /// Gives a domain that is off, and was never started, a copy of the UEFI variables of another one. Gives whether there was
    /// something to copy.
    pub fn take_variables(&self, from: &Self) -> Result<bool> {
        let own = self.secure_xml()?;
        let paths = (from.variables_path(&from.secure_xml()?)?, self.variables_path(&own)?);
        let (Some(from), Some(wanted)) = paths else { return Ok(false) };
        let Some(copy) = self.copy_variables(&from, &wanted, |_| Ok(()))? else { return Ok(false) };
        if copy != wanted {
            self.name_variables(&own, &copy)?;
        }
        Ok(true)
    }

    /// Deletes the file of its UEFI variables, so that its next start makes them anew from the template that its definition
    /// has then. Gives whether it has such a file by its definition.
    pub fn renew_variables(&self) -> Result<bool> {
        if self.is_active()? {
            let message = format!("{} runs with its UEFI variables", self.object());
            return Err(Error::new(Code::InvalidState, Area::Domain, message)
                .about(self.object().to_string())
                .hint("stop it first"));
        }
        let Some(path) = self.variables_path(&self.secure_xml()?)? else { return Ok(false) };
        if let Some((other, _)) = self.host().user_of(&Variables::from(path.as_str()), &self.uuid()?)? {
            let message = format!("`{path}` is the file of UEFI variables of {} as well", other.object());
            return Err(Error::new(Code::Busy, Area::Domain, message).about(self.object().to_string()));
        }
        self.host().delete_file(&path)?;
        Ok(true)
    }

    /// Gives it, which is off, the UEFI variables that a file of another host has. Gives whether its file was not the same already.
    pub(super) fn bring_variables(&self, from: &Host, path: &str) -> Result<bool> {
        let split = |path: &str| path.rsplit_once('/').map(|(folder, file)| (folder.to_string(), file.to_string()));
        let Some(own) = self.variables_path(&self.secure_xml()?)? else { return Ok(false) };
        let (Some((place, name)), Some((folder, file))) = (split(path), split(&own)) else { return Ok(false) };
        let content = |pool: &Pool, name: &str| pool.find_volume(name)?.map(|one| one.read(0, 0)).transpose();
        let Some(data) = from.in_folder(&place, |pool| content(pool, &name))? else { return Ok(false) };
        self.host().in_folder(&folder, |pool| {
            match content(pool, &file)? {
                Some(has) if has == data => return Ok(false),
                // Of a machine that is gone: of those that are there none has this file.
                Some(_) => pool.volume(&file)?.delete()?,
                None => {}
            }
            pool.create_filled_volume(&volume(&file, data.len() as u64, "raw"), &Content::Bytes(data)).map(|_| true)
        })
    }

    /// Has its UEFI variables follow it from the host on which it was, as libvirt moves its definition alone.
    pub(super) fn follow_variables(&self, from: &Self, path: &str, is_gone: bool) -> Result<()> {
        // Where both hosts share that folder there is nothing to do, and nothing to delete.
        let is_copied = self.bring_variables(from.host(), path)?;
        let is_spare = is_copied && is_gone && from.host().user_of(&Variables::from(path), &self.uuid()?)?.is_none();
        if is_spare { from.host().delete_file(path) } else { Ok(()) }
    }

    /// Copies the file of its UEFI variables to a path of another name, before it gets that name, and gives the definition that
    /// it had. Which of the two files is left over is told by what it is in the end: undoing the transaction of this thread deletes
    /// that one. A file that is called differently stays where it is.
    pub(super) fn move_variables(&self, name: &str) -> Result<Option<String>> {
        if self.is_active()? {
            return Ok(None);
        }
        let definition = self.secure_xml()?;
        let Some(from) = self.variables_path(&definition)? else { return Ok(None) };
        let uuid = self.uuid()?;
        let (folder, file) = from.rsplit_once('/').unwrap_or_default();
        let path = if file == default(self.name()) || file == by_uuid(self.name(), &uuid) {
            let wanted = format!("{folder}/{}", default(name));
            let around = Current::get();
            let machine = Named { name: self.name().to_string(), uuid };
            let note = |path: &str| {
                let made = Made::Variables { path: path.to_string(), machine: machine.clone() };
                record(self.host(), made, || Ok(()))
            };
            match self.copy_variables(&from, &wanted, |copy| around.within(|| note(&from).and_then(|()| note(copy)))) {
                Ok(Some(copy)) => copy,
                Ok(None) => self.free_path(None, &wanted)?,
                // Where the folder cannot be looked at the file stays as it is.
                Err(error) => {
                    tracing::debug!(%error, "the file of the UEFI variables keeps its name");
                    from
                }
            }
        } else {
            from
        };
        match self.name_variables(&definition, &path) {
            Ok(()) => Ok(Some(definition)),
            Err(error) => Err(self.put_back(&definition, error)),
        }
    }

    fn name_variables(&self, definition: &str, path: &str) -> Result<()> {
        let mut root = xml::parse(definition)?;
        name_file(&mut root, path);
        self.redefine(&xml::to_string(&root))
    }

    /// Copies a file to this path, or to one beside it if somebody has that; gives where the copy is, if there is such a file.
    /// Whoever wants to know where before there is something is told.
    fn copy_variables(&self, from: &str, wanted: &str, note: impl Fn(&str) -> Result<()>) -> Result<Option<String>> {
        let (place, file) = from.rsplit_once('/').unwrap_or_default();
        let (folder, _) = wanted.rsplit_once('/').unwrap_or_default();
        self.host().in_folder(place, |source| {
            let Some(base) = source.find_volume(file)? else { return Ok(None) };
            let copy = |pool: &Pool| {
                let path = self.free_path(Some(pool), wanted)?;
                note(&path)?;
                let (_, name) = path.rsplit_once('/').unwrap_or_default();
                let format = base.format()?.unwrap_or_else(|| "raw".to_string());
                pool.copy_volume(&volume(name, base.info()?.capacity, &format), &base, None, false)?;
                Ok(Some(path))
            };
            if place == folder { copy(source) } else { self.host().in_folder(folder, copy) }
        })
    }

    /// This path, or one by its UUID beside it if a domain names that or a file is there.
    fn free_path(&self, pool: Option<&Pool>, wanted: &str) -> Result<String> {
        let (folder, file) = wanted.rsplit_once('/').unwrap_or_default();
        let uuid = self.uuid()?;
        let there = pool.map(|pool| pool.find_volume(file)).transpose()?.flatten().is_some();
        if !there && self.host().user_of(&Variables::from(wanted), &uuid)?.is_none() {
            return Ok(wanted.to_string());
        }
        Ok(format!("{folder}/{}", by_uuid(file.trim_end_matches("_VARS.fd"), &uuid)))
    }
}

impl Host {
    /// Does something with a folder as a pool: the one that is there, or one that is gone afterwards.
    fn in_folder<T>(&self, folder: &str, work: impl FnOnce(&Pool) -> Result<T>) -> Result<T> {
        // Whatever this is a part of: the copy goes and stays with the domain that has it.
        let transaction = Transaction::begin_apart();
        let done = self.pool_on(folder).and_then(|(pool, is_own)| {
            let done = work(&pool)?;
            if is_own {
                pool.destroy()?;
            }
            Ok(done)
        });
        match done {
            Ok(done) => {
                transaction.commit();
                Ok(done)
            }
            Err(error) => Err(transaction.roll_back(error)),
        }
    }

    /// A pool on a folder, and whether it was made for that. libvirt has one at most: that of another run is waited for.
    fn pool_on(&self, folder: &str) -> Result<(Pool, bool)> {
        let name = format!("{PREFIX}{}", std::process::id());
        let elem = |name| Elem::plain(name, &[]);
        let target = elem("target").with([elem("path").with_text(folder)]);
        let root = Elem::plain("pool", &[("type", "dir")]).with([elem("name").with_text(&name), target]);
        let end = clock::now() + PATIENCE;
        loop {
            let late = clock::now() > end;
            let found = self.raw()?.lookup_storage_pool_by_target_path(folder).ok();
            match found.map(|raw| Pool::new(self, raw)).transpose()? {
                Some(pool) if late || !pool.name().starts_with(PREFIX) => {
                    pool.refresh()?;
                    return Ok((pool, false));
                }
                Some(_) => {}
                None => match self.create_pool(&xml::to_string(&root)) {
                    Ok(pool) => return Ok((pool, true)),
                    Err(error) => {
                        let is_taken = error.code == Code::AlreadyExists
                            || error.message.contains(&format!("conflict with pool: `{PREFIX}"));
                        if late || !is_taken {
                            return Err(error);
                        }
                    }
                },
            }
            clock::pause(PAUSE)?;
        }
    }

    pub(super) fn has_file(&self, path: &str) -> Result<bool> {
        let (folder, file) = path.rsplit_once('/').unwrap_or_default();
        self.in_folder(folder, |pool| Ok(pool.find_volume(file)?.is_some()))
    }

    /// Whether a file of UEFI variables is there that no domain has.
    pub(super) fn is_left_file(&self, path: &str) -> Result<bool> {
        Ok(self.user_of(&Variables::from(path), "")?.is_none() && self.has_file(path)?)
    }

    pub(super) fn delete_file(&self, path: &str) -> Result<()> {
        let (folder, file) = path.rsplit_once('/').unwrap_or_default();
        self.in_folder(folder, |pool| match pool.find_volume(file)? {
            Some(volume) => volume.delete(),
            None => Ok(()),
        })
    }
}

/// What libvirt calls the file of a domain.
fn default(name: &str) -> String {
    format!("{name}_VARS.fd")
}

fn volume(name: &str, capacity: u64, format: &str) -> String {
    let elem = |name| Elem::plain(name, &[]);
    let mode = elem("permissions").with([elem("mode").with_text("0600")]);
    let target = elem("target").with([Elem::plain("format", &[("type", format)]), mode]);
    let capacity = elem("capacity").with_text(capacity.to_string());
    xml::to_string(&elem("volume").with([elem("name").with_text(name), capacity, target]))
}
