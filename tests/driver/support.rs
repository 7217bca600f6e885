//! Runs the real program on a test host of its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The project's folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A test host from `host.xml`, in a folder that goes away with it.
pub(crate) struct Host {
    folder: tempfile::TempDir,
}

impl Host {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        std::fs::copy(root().join("tests/driver/host.xml"), folder.path().join("host.xml"))
            .expect("the host is copied");
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn uri(&self) -> String {
        format!("test://{}", self.folder.path().join("host.xml").display())
    }

    /// The program with this host as its default, nothing of the user's surroundings, in the host's folder.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmscript"));
        command.args(args).current_dir(self.folder()).env("VMSCRIPT_CONNECT", self.uri());
        command.env("XDG_STATE_HOME", self.folder().join("state"));
        for name in ["VMSCRIPT_LOG", "LIBVIRT_DEFAULT_URI", "NO_COLOR", "VMSCRIPT_SCHEMA_DIR"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs a script text.
    pub(crate) fn run(&self, script: &str) -> Output {
        let file = self.folder().join("script.rhai");
        std::fs::write(&file, script).expect("the script is written");
        self.command(["script.rhai"]).output().expect("the program starts")
    }
}

/// Compares a generated file with the one in the tree; `UPDATE=1` rewrites it instead.
pub(crate) fn same_as_committed(path: &Path, generated: &str, wrong: &mut Vec<PathBuf>) {
    if std::fs::read_to_string(path).unwrap_or_default() == generated {
        return;
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().expect("the file has a folder")).expect("the folder is made");
        std::fs::write(path, generated).expect("the file is written");
    } else {
        wrong.push(path.to_path_buf());
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
