//! What can be written on the command line.

#![allow(clippy::doc_markdown, reason = "the doc comments are the help text of the terminal")]

use super::complete;
use super::output::Form;
use crate::floor::duration;
use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCandidates;
use std::path::PathBuf;
use std::time::Duration;

/// A Rhai scripting host and REPL for libvirt.
#[derive(Debug, Parser)]
#[command(
    name = "vmscript",
    version,
    override_usage = "vmscript [OPTIONS]\n       vmscript [OPTIONS] FILE [ARG]...\n       vmscript [OPTIONS] -e CODE [ARG]...\n       vmscript [OPTIONS] - [ARG]...\n       vmscript [OPTIONS] MODULE RECIPE [ARG]...\n       vmscript check FILE...\n       vmscript test [PATH]...",
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Without FILE it opens a prompt. Options after FILE belong to the script, which sees them as `args`.\n\
        A recipe is a command of a module, such as `vmscript vm create web.yaml`; `vmscript recipes` lists them.\n\n\
        Exit codes: 0 done, 1 script or usage error, 2 a definition was refused, 3 no connection,\n\
        4 a domain, network or host operation failed, 5 a storage operation failed, 130 interrupted,\n\
        n from `exit(n)`."
)]
pub(super) struct Arguments {
    /// The host that `connect()` connects to [default: VMSCRIPT_CONNECT, `connect` of the settings, libvirt's own]
    #[arg(short, long, value_name = "URI", env = "VMSCRIPT_CONNECT", hide_env = true,
        add = ArgValueCandidates::new(complete::hosts))]
    pub(super) connect: Option<String>,

    /// Run this code instead of a file
    #[arg(short, value_name = "CODE")]
    pub(super) eval: Option<String>,

    /// Run this file, then stay at the prompt
    #[arg(short, value_name = "FILE")]
    pub(super) interactive: Option<PathBuf>,

    /// Lines to run before the first prompt, instead of those in ~/.config/vmscript/init.rhai
    #[arg(long, value_name = "FILE", env = "VMSCRIPT_INIT", hide_env = true)]
    pub(super) init: Option<PathBuf>,

    /// Begin at the prompt without such lines
    #[arg(long, env = "VMSCRIPT_NO_INIT", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(super) no_init: bool,

    /// The folder of libvirt's schemas, or `none` [default: VMSCRIPT_SCHEMA_DIR, that of the installed libvirt]
    #[arg(long, value_name = "DIR")]
    pub(super) schema_dir: Option<PathBuf>,

    /// How much to log on standard error
    #[arg(long, value_name = "LEVEL", env = "VMSCRIPT_LOG", default_value = "warn", hide_possible_values = false)]
    pub(super) log_level: Level,

    /// How to write the log
    #[arg(long, value_name = "FORMAT", env = "VMSCRIPT_LOG_FORMAT", hide_env = true, default_value = "text")]
    pub(super) log_format: Format,

    /// When to use colours; `NO_COLOR` is honoured
    #[arg(long, value_name = "WHEN", env = "VMSCRIPT_COLOR", hide_env = true, default_value = "auto")]
    pub(super) color: Color,

    /// A folder of further recipes, beside ~/.config/vmscript/recipes and ./recipes; several with `:` between them
    #[arg(long, value_name = "DIR", env = "VMSCRIPT_RECIPES", hide_env = true, value_delimiter = ':')]
    pub(super) recipes: Vec<PathBuf>,

    /// Show no progress bars
    #[arg(long, env = "VMSCRIPT_NO_PROGRESS", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(super) no_progress: bool,

    /// How long a connection over ssh stays open for the next command; not at all with 0s
    #[arg(long, value_name = "TIME", env = "VMSCRIPT_SSH_PERSIST", hide_env = true, value_parser = time,
        default_value = "60s")]
    pub(super) ssh_persist: Duration,

    /// Show at the end what took how long, as text or JSON
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, require_equals = true, default_missing_value = "text",
        env = "VMSCRIPT_TIMINGS", hide_env = true)]
    pub(super) timings: Option<Format>,

    /// Show only what the script prints, and errors
    #[arg(short, long, env = "VMSCRIPT_QUIET", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(super) quiet: bool,

    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check scripts without running them: syntax, names of functions, numbers of arguments, options
    Check {
        /// The scripts
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Print the line that a shell needs for completion: in ~/.bashrc, ~/.zshrc or ~/.config/fish/config.fish
    Completions {
        /// The shell
        #[arg(value_parser = ["bash", "zsh", "fish"])]
        shell: String,
    },
    /// Show each setting and where it comes from
    Config {
        /// How to print them [default: table]
        #[arg(short, long, value_name = "FORMAT", value_parser = Form::WORDS)]
        output: Option<String>,
    },
    /// What libvirt calls as its hook: routes to guests whose taps are named after their addresses
    Hook {
        /// The driver that calls
        driver: Driver,
        /// The guest
        guest: String,
        /// What happens to it, such as `started`
        operation: String,
        /// When, such as `begin`
        sub_operation: String,
        /// Whatever else libvirt tells
        extra: Vec<String>,
    },
    /// Finish the undoing of runs that were killed
    Recover {
        /// Only list what killed runs left behind
        #[arg(long)]
        list: bool,
        /// The same
        #[arg(long)]
        dry_run: bool,
        /// Forget what killed runs left on the host of this URI, and leave it there
        #[arg(long, value_name = "URI", conflicts_with_all = ["list", "dry_run"])]
        forget: Option<String>,
        /// Do not ask; needed where nobody can be asked
        #[arg(long)]
        yes: bool,
    },
    /// List the recipes: commands that come with the program or with you
    Recipes {
        /// How to print them [default: table]
        #[arg(short, long, value_name = "FORMAT", value_parser = Form::WORDS)]
        output: Option<String>,
    },
    /// Run one test, in the working directory and on a host in `host.xml` there
    #[command(hide = true)]
    RunTest(RunTest),
    /// Run the tests of recipes: the functions `test_*` of scripts, each on a fresh host of libvirt's test driver
    Test(Test),
    /// Anything else is a script with its arguments.
    #[command(external_subcommand)]
    Script(Vec<String>),
}

#[derive(Debug, Args)]
pub(super) struct Test {
    /// Scripts, and folders of scripts [default: tests]
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,

    /// Only the tests with this text in their name, such as `web::test_create`
    #[arg(long, value_name = "TEXT")]
    pub(super) filter: Vec<String>,

    /// Start from the host of this file, in the format of libvirt's test driver, instead of an almost empty one
    #[arg(long, value_name = "FILE")]
    pub(super) host: Option<PathBuf>,

    /// How many tests run at once [default: the number of processors]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) jobs: Option<u16>,

    /// Write a report in the format of JUnit to this file, too
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,

    /// Only list the tests
    #[arg(long)]
    pub(super) list: bool,

    /// How to report
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(super) output: Format,

    /// Tell only failures and the sum
    #[arg(short, long)]
    pub(super) quiet: bool,

    /// Tell this many of the slowest tests
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) slowest: usize,

    /// How long a test may take, by the clock on the wall
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    pub(super) timeout: Duration,
}

#[derive(Debug, Args)]
pub(super) struct RunTest {
    /// The script, seen from the base
    pub(super) file: PathBuf,
    /// The function
    pub(super) test: String,
    /// Where relative paths of scripts start
    #[arg(long)]
    pub(super) base: PathBuf,
    /// The file of the host to start from
    #[arg(long)]
    pub(super) host: Option<PathBuf>,
    /// How long it may take, by the clock on the wall
    #[arg(long, default_value = "60s", value_parser = time)]
    pub(super) timeout: Duration,
}

fn time(text: &str) -> Result<Duration, String> {
    duration(&text.into()).map_err(|error| error.to_string())
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Driver {
    Qemu,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}
