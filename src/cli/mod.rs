//! The command line: arguments, what is printed, exit codes.

mod arguments;
mod bars;
mod complete;
mod config;
mod hints;
mod line;
mod logs;
mod output;
mod rank;
mod recipe;
mod recover;
mod run_recipe;
mod table;
mod test;
mod timings;
mod wording;

use crate::api;
use crate::floor::interrupt::{self, Insistence};
use crate::floor::{Error, Value, give, hide, lose, lost, progress, set_ask, tell, timing};
use crate::repl::{First, SetLog, Surroundings, asker, start};
use crate::script::{Ahead, Ended, Session, Settings, render};
use arguments::{Arguments, Color, Command, Driver};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use config::Config;
use output::Output;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Runs the program.
pub fn main() -> ! {
    let code = program();
    // What is printed is flushed with each line; of what had none nobody could be told any more.
    drop(std::io::stdout().flush());
    api::leave(code)
}

fn program() -> u8 {
    if std::env::var_os("COMPLETE").is_some_and(|shell| !shell.is_empty() && shell != "0") {
        return complete::answer();
    }
    let handled = ctrlc::set_handler(interrupt::trigger);
    let ahead =
        Ahead::begin(&std::env::args_os().skip(1).filter_map(|word| word.into_string().ok()).collect::<Vec<_>>());
    let config = match Config::read() {
        Ok(config) => config,
        // A hook that fails stops the guest, and its routes do not hang on what a file of settings says.
        Err(error) if std::env::args_os().any(|word| word == "hook") => {
            fail(&error);
            Config::default()
        }
        Err(error) => {
            // Help is not wrong because of the file of the folder that somebody stands in.
            let asked = Arguments::command().try_get_matches().err().filter(|asked| !asked.use_stderr());
            let code = asked.map_or_else(|| fail(&error), |asked| usage_shown(&asked));
            return with_output(code);
        }
    };
    let parsed = config.apply(Arguments::command()).try_get_matches();
    let parsed = parsed.and_then(|given| Arguments::from_arg_matches(&given).map(|arguments| (arguments, given)));
    let (arguments, given) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            return with_output(usage_shown(&error));
        }
    };
    let set_log = logs::init(&arguments);
    // A second Ctrl-C while the first is being honoured (storage is being undone, say) changes nothing; while a call waits for
    // a host that does not answer it cuts the connection.
    interrupt::insist(Insistence {
        patience: Duration::from_millis(1500),
        tell: || bars::suspend(|| tell("the host has not answered yet; Ctrl-C again cuts the connection to it")),
        deed: api::cut_connections,
    });
    if let Err(error) = handled {
        tracing::warn!(%error, "Ctrl-C will end the program at once");
    }
    api::set_ssh_persist(arguments.ssh_persist);
    crate::floor::terminal::set_lender(crate::repl::lend);
    let terminal = std::io::stderr().is_terminal();
    if !arguments.quiet {
        progress::set_sink(bars::sink(terminal && !arguments.no_progress));
    }
    if terminal && std::io::stdin().is_terminal() {
        let asker = asker();
        set_ask(Box::new(move |question| bars::suspend(|| asker(question))));
    }
    let color = is_colored(arguments.color);
    let wanted = arguments.timings;
    if wanted.is_some() {
        timing::enable();
    }
    let code = run(arguments, &config, &given, color, &set_log, ahead);
    if let Some(format) = wanted {
        timings::show(format);
    }
    with_output(code)
}

/// Shows help, or what is wrong with the words; gives the exit code.
fn usage_shown(error: &clap::Error) -> u8 {
    if let Err(cause) = error.print()
        && !error.use_stderr()
    {
        lose(&cause);
    }
    u8::from(error.use_stderr())
}

/// The exit code of a run of which some output may be lost.
fn with_output(code: u8) -> u8 {
    match lost() {
        Some(Some(error)) => code.max(fail(error)),
        _ => code,
    }
}

fn run(
    arguments: Arguments,
    config: &Config,
    given: &ArgMatches,
    color: bool,
    set_log: &SetLog,
    ahead: Option<Ahead>,
) -> u8 {
    let settings = |args: &[String]| Settings {
        uri: arguments.connect.clone(),
        hosts: config.hosts(),
        args: args.to_vec(),
        schema_dir: arguments.schema_dir.clone(),
        print: Some(Arc::new(print)),
        recipes: run_recipe::all(&arguments.recipes),
        ..Settings::default()
    };
    let open = |script| {
        let typed = |name| given.value_source(name) == Some(ValueSource::CommandLine);
        let no_init = arguments.no_init && (typed("no_init") || !typed("init"));
        let init = arguments.init.clone().filter(|_| !no_init);
        let first = First { init, no_init, file: arguments.interactive.clone(), quiet: arguments.quiet };
        start(Surroundings { script, log: Some(set_log.clone()), color, ..Surroundings::default() }, &first)
    };
    if uses_recipes(arguments.command.as_ref())
        && let Err(error) = config.check_recipes(&arguments.recipes, given)
    {
        return fail(&error);
    }
    match (arguments.eval.as_deref(), arguments.command) {
        (Some(code), command) => {
            let args = match command {
                None => Vec::new(),
                Some(Command::Script(args)) => args,
                Some(_) => {
                    return usage("`-e` runs code and nothing else");
                }
            };
            let mut session = Session::new(&settings(&args));
            let result = session.run("<command line>", code);
            end(result, &session, color)
        }
        (None, Some(Command::Check { files })) => {
            let mut code = 0;
            for file in files {
                let mut session = Session::new(&settings(&[]));
                let result = session.check_file(&file).map(|()| Ended::Normally);
                code = code.max(end(result, &session, color));
            }
            code
        }
        (None, Some(Command::Hook { driver: Driver::Qemu, guest, operation, sub_operation, extra: _ })) => {
            let mut domain = String::new();
            if let Err(cause) = std::io::stdin().read_to_string(&mut domain) {
                return fail(&Error::io(Path::new("standard input"), "read", &cause));
            }
            api::qemu_hook(&guest, &operation, &sub_operation, &domain).map_or_else(|error| fail(&error), |()| 0)
        }
        (None, Some(Command::Completions { shell })) => {
            drop(give(&(complete::line(&shell) + "\n")));
            0
        }
        (None, Some(Command::Config { output })) => listed(config.rows(given), output.as_deref(), config),
        (None, Some(Command::Recover { forget: Some(uri), yes, .. })) => recover::forget(&uri, yes),
        (None, Some(Command::Recover { list, dry_run, yes, .. })) => recover::run(!list && !dry_run, yes),
        (None, Some(Command::RunTest(one))) => test::run_one(&settings(&[]), &one, color),
        (None, Some(Command::Test(test))) => {
            let settings = settings(&[]);
            test::run(&settings, &test, test::Looks { color, quiet: arguments.quiet || test.quiet })
        }
        (None, Some(Command::Recipes { output })) => {
            let (rows, code) = run_recipe::list(&settings(&[]), &arguments.recipes, color);
            code.max(listed(rows, output.as_deref(), config))
        }
        // The script to run first is named by the option, so all words are its arguments.
        (None, Some(Command::Script(args))) if arguments.interactive.is_some() => open(settings(&args)),
        (None, Some(Command::Script(words))) => {
            let Some((script, args)) = words.split_first() else { return usage("no script is given") };
            let looks = test::Looks { color, quiet: arguments.quiet };
            let folders = &arguments.recipes;
            if let Some(code) = run_recipe::run(&settings(&[]), folders, &words, config, looks, set_log, ahead) {
                return code;
            }
            api::load_ahead();
            let mut session = Session::new(&settings(args));
            let result = if script == "-" {
                let mut text = String::new();
                if let Err(cause) = std::io::stdin().read_to_string(&mut text) {
                    return fail(&Error::io(Path::new("standard input"), "read", &cause));
                }
                session.run("<stdin>", &text)
            } else {
                session.run_file(Path::new(script))
            };
            end(result, &session, color)
        }
        (None, None) => {
            api::load_ahead();
            open(settings(&[]))
        }
    }
}

/// Whether it looks into the folders of recipes. Settings are shown all the same, neither hooks nor what was killed waits for a
/// folder, and who starts tests has looked.
fn uses_recipes(command: Option<&Command>) -> bool {
    use Command::{Completions, Config, Hook, Recover, RunTest};
    !matches!(command, Some(Config { .. } | Completions { .. } | Hook { .. } | Recover { .. } | RunTest(_)))
}

/// Prints what the program itself lists; gives the exit code.
fn listed(rows: Value, format: Option<&str>, config: &Config) -> u8 {
    match Output::of(format.or(config.output().as_deref())) {
        Ok(output) => {
            bars::show_steps();
            run_recipe::show(rows, &output, "`-o yaml` shows all")
        }
        Err(error) => fail(&error),
    }
}

/// Whether errors are shown in colours.
fn is_colored(color: Color) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let set = |name| std::env::var(name).unwrap_or_default();
            std::io::stderr().is_terminal() && set("NO_COLOR").is_empty() && set("TERM") != "dumb"
        }
    }
}

/// Shows how a run ended; gives the exit code.
fn end(result: Result<Ended, crate::script::Failure>, session: &Session, color: bool) -> u8 {
    match result {
        Ok(Ended::Normally) => 0,
        Ok(Ended::Exit(code)) => code,
        // The run was stopped because nobody gets its output; what else there is to tell about that is told.
        Err((diagnostics, 130)) if lost().is_some() && diagnostics.iter().all(|shown| shown.lines.is_empty()) => 0,
        Err((diagnostics, code)) => {
            let texts: Vec<_> = diagnostics.iter().map(|shown| render(shown, session.sources(), color)).collect();
            bars::suspend(|| drop(write!(std::io::stderr().lock(), "{}", texts.join("\n"))));
            code
        }
    }
}

fn fail(error: &Error) -> u8 {
    tell(&hide(&format!("error: {error}")));
    for hint in &error.hints {
        tell(&hide(&format!("  = hint: {hint}")));
    }
    error.exit_code()
}

fn usage(message: &str) -> u8 {
    tell(&format!("error: {message}\n  = hint: `vmscript FILE` runs a script, `vmscript --help` tells the rest"));
    1
}

/// Prints a line of a script.
fn print(text: &str) {
    api::stop_unread(bars::suspend(|| give(&format!("{text}\n"))));
}
