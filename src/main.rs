//! The `vmscript` program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    vmscript::cli::main()
}
