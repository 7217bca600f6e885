//! The host keys of guests, as `ssh` keeps them: a file for each machine, so that whoever gets its name or its address next
//! is not taken for somebody who pretends to be it.

use super::Domain;
use crate::floor::{Result, state_folder};
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

impl Domain {
    /// What `ssh` has to be told to know this machine again, wherever it is reached.
    pub fn host_key_arguments(&self) -> Result<Vec<String>> {
        let uuid = self.uuid()?;
        let mut arguments = options(&["StrictHostKeyChecking=accept-new".to_string()]);
        let Some(folder) = folder() else { return Ok(arguments) };
        // Where nothing can be kept, `ssh` does as it always does.
        if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(&folder) {
            tracing::warn!(%error, "host keys cannot be kept in {}", folder.display());
            return Ok(arguments);
        }
        let file = value(&folder.join(&uuid));
        arguments.extend(options(&[format!("HostKeyAlias={uuid}"), format!("UserKnownHostsFile={file}")]));
        Ok(arguments)
    }

    /// The guest that comes next has a key of its own. One who cannot forget does no harm: `ssh` tells the file.
    pub(super) fn forget_host_key(&self) {
        let (Some(folder), Ok(uuid)) = (folder(), self.uuid()) else { return };
        let file = folder.join(uuid);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(%error, "the former host key of {} stays in {}", self.object(), file.display());
            }
            _ => {}
        }
    }
}

fn folder() -> Option<PathBuf> {
    state_folder().map(|folder| folder.join("known_hosts"))
}

/// A path as OpenSSH reads it: a list of words in which `%` begins a token.
fn value(file: &Path) -> String {
    let text = file.display().to_string();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%"))
}

fn options(list: &[String]) -> Vec<String> {
    list.iter().flat_map(|option| ["-o".to_string(), option.clone()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn openssh_reads_the_path_as_it_is() {
        for path in ["/home/me/.local/state/vmscript/known_hosts/1", "/my \"own\" 100% \\ folder/1"] {
            let option = format!("UserKnownHostsFile={}", value(Path::new(path)));
            let told = Command::new("ssh").args(["-G", "-o", &option, "guest"]).output().expect("ssh runs");
            let told = String::from_utf8_lossy(&told.stdout).into_owned();
            let read = told.lines().find_map(|line| line.strip_prefix("userknownhostsfile ")).expect("it is told");
            assert_eq!(read.replace("%%", "%"), path);
        }
    }
}
