//! Wrong scripts: each shows exactly the expected output and ends with the expected exit code.
//!
//! `tests/errors/*.rhai` are the scripts. A first line `// args: ...` replaces the command line, in which `FILE` is the
//! script and `HOST` the test host. The file `.out` beside it holds what was printed, on standard output and standard
//! error, and the exit code; `UPDATE=1` rewrites it. A line `// signal: INT` asks for a Ctrl-C after the first printed line, whose
//! first letter it costs.

use super::support::{Host, root, same_as_committed, text};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

#[test]
fn wrong_scripts_show_exactly_the_expected_diagnostics() {
    let mut scripts: Vec<_> = std::fs::read_dir(root().join("tests/errors"))
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry is readable").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "rhai"))
        .collect();
    scripts.sort();
    assert!(scripts.len() >= 25, "only {} wrong scripts", scripts.len());
    let mut wrong = Vec::new();
    for script in &scripts {
        let shown = run(script);
        same_as_committed(&script.with_extension("out"), &shown, &mut wrong);
        if wrong.last() == Some(&script.with_extension("out")) {
            eprintln!("{} shows now:\n{shown}", script.display());
        }
    }
    assert!(wrong.is_empty(), "these differ (UPDATE=1 rewrites them): {wrong:#?}");
}

/// Runs a program that gets Ctrl-C when it has printed its first line.
fn interrupted(mut command: Command) -> std::io::Result<Output> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut line = [0; 1];
    child.stdout.as_mut().expect("piped").read_exact(&mut line)?;
    // The script must have come to its next call; there is no event to wait for.
    std::thread::sleep(Duration::from_millis(300));
    let sent = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status()?;
    assert!(sent.success());
    child.wait_with_output()
}

fn run(script: &Path) -> String {
    let host = Host::new();
    let name = script.file_name().expect("a script has a name");
    std::fs::copy(script, host.folder().join(name)).expect("the script is copied");
    let source = std::fs::read_to_string(script).expect("the script is text");
    let line = source.lines().next().and_then(|line| line.strip_prefix("// args: ")).unwrap_or("FILE");
    let args: Vec<String> = line
        .split_whitespace()
        .map(|word| word.replace("FILE", &name.to_string_lossy()).replace("HOST", &host.uri()))
        .collect();
    let output =
        if source.contains("// signal: INT") { interrupted(host.command(args)) } else { host.command(args).output() };
    let output = output.expect("the program starts");
    let code = output.status.code().map_or("none".to_string(), |code| code.to_string());
    let folder = host.folder().display().to_string();
    format!("{}{}exit code {code}\n", text(&output.stdout), text(&output.stderr)).replace(&folder, "DIR")
}
