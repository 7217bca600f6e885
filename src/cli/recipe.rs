//! Recipes as commands: `vmscript <module> <function> [ARGS] [--options]`.

use super::arguments::{Arguments, Color, Format, Level};
use super::complete::{self, named};
use super::config::Config;
use super::output::{Form, Output};
use crate::floor::{Error, Map, Value, duration, size};
use crate::script::{Field, Recipe};
use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory};
use std::path::PathBuf;
use std::time::Duration;

/// A recipe that was asked for, with what it was given.
pub(super) struct Call {
    pub(super) recipe: Recipe,
    pub(super) arguments: Vec<Value>,
    pub(super) output: Output,
    pub(super) general: General,
}

/// The options of the program that may stand behind the words of a recipe, too.
#[derive(Default)]
pub(super) struct General {
    pub(super) color: Option<Color>,
    pub(super) connect: Option<String>,
    pub(super) log_level: Option<Level>,
    pub(super) no_progress: bool,
    pub(super) quiet: bool,
    pub(super) schema_dir: Option<PathBuf>,
    pub(super) ssh_persist: Option<Duration>,
    pub(super) timings: Option<Format>,
}

/// Their names; those in front are shown in the help of each recipe.
const GENERAL: [&str; 8] =
    ["connect", "quiet", "color", "log_level", "no_progress", "schema_dir", "ssh_persist", "timings"];

/// The option of recipes that give records only where somebody asks for them, and else print something.
const RECORDS: &str = "records";

/// What of a recipe's result is printed.
const OUTPUT: [&str; 4] = ["output", "columns", "filter", "sort"];

/// Reads the words of a command, the module's name first; `standard` is how results are printed if nothing else is said.
pub(super) fn parse(module: &str, recipes: &[Recipe], words: &[String], config: &Config) -> Result<Call, clap::Error> {
    let by_label = is_by_label(module, recipes, words);
    let matches = build(module, recipes, by_label).try_get_matches_from(words)?;
    let (name, given) = matches.subcommand().expect("clap demands a subcommand");
    let recipe = recipes.iter().find(|recipe| recipe.command_name() == name).expect("clap knows the recipes");
    let mut arguments = Vec::new();
    for (index, field) in recipe.parameters.iter().enumerate() {
        arguments.push(match (index, recipe.chooses()) {
            (0, true) => chosen(field, given, by_label),
            _ => match value(field, given) {
                Value::Unit if field.default.is_some() => field.standing().unwrap_or(Value::Unit),
                Value::Unit if is_list(field) => Value::List(Vec::new()),
                value => value,
            },
        });
    }
    let output = output(recipe, given, config)?;
    if recipe.takes_options {
        let mut options = Map::new();
        for field in &recipe.options {
            let value = match value(field, given) {
                Value::Unit => {
                    config.of_recipes(&field.name).map_or_else(|| field.standing().unwrap_or(Value::Unit), Value::from)
                }
                value => value,
            };
            if !value.is_unit() {
                options.insert(field.name.clone(), value);
            }
        }
        if output.is_asked() && recipe.options.iter().any(|field| field.name == RECORDS) {
            options.insert(RECORDS.to_string(), true.into());
        }
        arguments.push(options.into());
    }
    Ok(Call { recipe: recipe.clone(), arguments, output, general: general(recipe, given) })
}

/// The machines that a recipe works on: one that may be several is a list if it is not one, or a pattern of names.
fn chosen(field: &Field, given: &ArgMatches, by_label: bool) -> Value {
    let names = || given.try_get_many::<String>(&field.name).ok().flatten();
    let mut names: Vec<Value> = match names() {
        Some(names) if !by_label => names.map(|name| name.as_str().into()).collect(),
        _ => Vec::new(),
    };
    let is_plain = |name: &Value| name.as_str().is_some_and(|name| !name.contains(['*', '?']));
    let is_one = field.kind == "domain" && names.len() == 1 && is_plain(&names[0]);
    if is_one { names.remove(0) } else { names.into() }
}

fn output(recipe: &Recipe, given: &ArgMatches, config: &Config) -> Result<Output, clap::Error> {
    let words = |name: &str| {
        let words = if is_taken(recipe, name) { None } else { given.get_many::<String>(name) };
        words.into_iter().flatten().cloned().collect::<Vec<_>>()
    };
    let wrong = |text: String| clap::Error::raw(ErrorKind::InvalidValue, text);
    let pair = |text: String| match text.split_once('=') {
        Some((name, value)) => Ok((name.to_string(), value.to_string())),
        None => Err(wrong(format!("a filter is COLUMN=VALUE, not `{text}`\n"))),
    };
    let sort = words("sort").pop().map(|name| match name.strip_prefix('-') {
        Some(name) => (name.to_string(), true),
        None => (name, false),
    });
    let asked = words("output").pop();
    let texts_stay = asked.is_none();
    let format = asked.or_else(|| config.output());
    let standard = Output::of(format.as_deref()).map_err(|error| {
        wrong(error.hints.iter().fold(format!("{error}\n"), |text, hint| format!("{text}  = hint: {hint}\n")))
    })?;
    let filter = words("filter").into_iter().map(pair).collect::<Result<_, _>>()?;
    let is_wide = |field: &Field| field.name == "wide" && !matches!(value(field, given), Value::Bool(true));
    let is_narrow = recipe.options.iter().any(is_wide);
    Ok(Output {
        columns: words("columns"),
        filter,
        sort,
        order: recipe.columns.clone(),
        is_narrow,
        wide: if is_narrow { recipe.wide.clone() } else { Vec::new() },
        texts_stay,
        ..standard
    })
}

fn general(recipe: &Recipe, given: &ArgMatches) -> General {
    let said = |name: &str| {
        !is_taken(recipe, name) && given.value_source(name) == Some(clap::parser::ValueSource::CommandLine)
    };
    let mut general = General { quiet: said("quiet"), no_progress: said("no_progress"), ..General::default() };
    if said("color") {
        general.color = given.get_one("color").copied();
    }
    if said("connect") {
        general.connect = given.get_one("connect").cloned();
    }
    if said("log_level") {
        general.log_level = given.get_one("log_level").copied();
    }
    if said("schema_dir") {
        general.schema_dir = given.get_one("schema_dir").cloned();
    }
    if said("ssh_persist") {
        general.ssh_persist = given.get_one("ssh_persist").copied();
    }
    if said("timings") {
        general.timings = given.get_one("timings").copied();
    }
    general
}

/// Whether a recipe uses a name for something of its own.
fn is_taken(recipe: &Recipe, name: &str) -> bool {
    recipe.parameters.iter().chain(&recipe.options).any(|field| field.name == name)
}

/// Whether machines are chosen by label, so that no word names one.
fn is_by_label(module: &str, recipes: &[Recipe], words: &[String]) -> bool {
    if !words.iter().any(|word| word.starts_with("-l") || word.starts_with("--label")) {
        return false;
    }
    let matches = build(module, recipes, true).ignore_errors(true).try_get_matches_from(words);
    let Ok(matches) = matches else { return false };
    matches.subcommand().is_some_and(|(name, given)| {
        let recipe = recipes.iter().find(|recipe| recipe.command_name() == name);
        recipe.is_some_and(Recipe::chooses) && given.value_source("label").is_some()
    })
}

/// The command of a module, with a subcommand for each recipe.
pub(super) fn command(module: &str, recipes: &[Recipe]) -> Command {
    build(module, recipes, false)
}

fn build(module: &str, recipes: &[Recipe], by_label: bool) -> Command {
    let recipes = recipes.iter().filter(|recipe| recipe.is_command());
    Command::new(module.to_string())
        .bin_name(format!("vmscript {module}"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommands(recipes.map(|recipe| subcommand(recipe, by_label)))
}

fn subcommand(recipe: &Recipe, by_label: bool) -> Command {
    let chooses = recipe.chooses();
    // Where more words follow, a label takes the place of the names.
    let skipped = usize::from(chooses && by_label && recipe.parameters.len() > 1);
    let parameters = recipe.parameters.iter().enumerate().skip(skipped).map(|(index, field)| {
        let arg = typed(field).value_name(field.name.to_uppercase()).required(field.default.is_none());
        if index == 0 && chooses {
            return names(arg, recipe, field);
        }
        // Many words, if it is the list that the recipe works on.
        let arg = if is_list(field) { arg.num_args(1..).action(ArgAction::Append) } else { arg };
        // What begins with `-` behind the first word of a command belongs to it.
        if field.kind == "list" { arg.trailing_var_arg(true) } else { arg }
    });
    let mut command = Command::new(recipe.command_name())
        .about(first_sentence(&recipe.summary).to_string())
        .long_about(format!("{}\n\n{}", recipe.summary, recipe.details).trim().to_string())
        .args(parameters)
        .args(recipe.options.iter().map(option));
    if !recipe.columns.is_empty() {
        command = command.after_long_help(format!("Columns: {}", recipe.columns.join(", ")));
    }
    if chooses && recipe.parameters.len() > 1 {
        command = command.override_usage(both_usages(recipe));
    }
    let own = OUTPUT.iter().filter(|name| !is_taken(recipe, name)).map(|name| printing(name, &recipe.columns));
    let general = GENERAL.iter().filter(|name| !is_taken(recipe, name)).copied();
    command.args(own).args(general_args(general))
}

/// The machines that a recipe works on.
fn names(arg: Arg, recipe: &Recipe, field: &Field) -> Arg {
    let arg = arg.help(format!("{}; in quotes, `*` stands for any text: 'web*'", field.text));
    let followed = recipe.parameters.get(1);
    let arg = if followed.is_none() { arg.required(false).conflicts_with("label") } else { arg };
    let arg = if followed.is_none() && field.default.is_none() { arg.required_unless_present("label") } else { arg };
    // The shell cannot know which of many words is the last one, that names something of those before.
    let last = followed.filter(|field| field.kind == "snapshot");
    let arg = if last.is_some() { arg.add(complete::names_and_snapshots()) } else { arg };
    // Behind a single name comes what is run there; before the last word there may be many.
    if followed.is_some_and(is_list) { arg } else { arg.num_args(1..).action(ArgAction::Append) }
}

/// How a recipe is called by names and by label.
fn both_usages(recipe: &Recipe) -> String {
    let word = |field: &Field| {
        let name = field.name.to_uppercase();
        if is_list(field) { format!("[--] <{name}>...") } else { format!("<{name}>") }
    };
    let rest: Vec<String> = recipe.parameters[1..].iter().map(word).collect();
    let (rest, name) = (rest.join(" "), recipe.parameters[0].name.to_uppercase());
    let many = if recipe.parameters.get(1).is_some_and(is_list) { "" } else { "..." };
    let command = format!("vmscript {} {} [OPTIONS]", recipe.module, recipe.command_name());
    format!("{command} <{name}>{many} {rest}\n       {command} --label <LABEL> {rest}")
}

fn option(field: &Field) -> Arg {
    let kind = if field.words().is_some() { "WORD".to_string() } else { field.kind.to_uppercase() };
    let how = match field.kind.as_str() {
        "list" => "; may be given several times",
        "names" => "; several with commas between",
        _ => "",
    };
    let field = &Field { text: format!("{}{how}", field.text), ..field.clone() };
    let arg = typed(field).long(field.name.replace('_', "-")).value_name(kind);
    let arg = match field.name.as_str() {
        "label" => arg.short('l').add(complete::labels()).long_help(format!(
            "{}.\n\nSelections are `role=web`, `role!=web`, `role` (has the label), `!role`, `role in (web,db)` and `role notin (web)`, several with commas between; `*` stands for any text.",
            field.text
        )),
        "yes" => arg.short('y'),
        // As `ssh` has them.
        "identity" => arg.short('i'),
        "jump" => arg.short('J'),
        _ => arg,
    };
    match field.kind.as_str() {
        "flag" => arg
            .num_args(0..=1)
            .default_missing_value("true")
            .require_equals(true)
            .value_name("BOOL")
            .hide_possible_values(true),
        "list" | "names" => arg.action(ArgAction::Append),
        _ => arg,
    }
}

/// An option that says how a result is printed.
fn printing(name: &'static str, columns: &[String]) -> Arg {
    let columns = |shape: fn(&str) -> Vec<String>| complete::among(columns.iter().flat_map(|name| shape(name)));
    let arg = |value, help| Arg::new(name).long(name).value_name(value).help(help).help_heading("Output");
    match name {
        "output" => arg("FORMAT", "How to print the result [default: table]")
            .short('o')
            .value_parser(PossibleValuesParser::new(Form::WORDS)),
        "columns" => arg("NAME,...", "Which columns, in this order")
            .action(ArgAction::Append)
            .value_delimiter(',')
            .add(columns(|name| vec![name.to_string()])),
        "filter" => arg("COLUMN=VALUE", "Only the records with this value; `*` stands for any text, `?` for a letter")
            .action(ArgAction::Append)
            .add(columns(|name| vec![format!("{name}=")])),
        _ => arg("COLUMN", "Sort by this column; `-COLUMN` backwards")
            .allow_hyphen_values(true)
            .add(columns(|name| vec![name.to_string(), format!("-{name}")])),
    }
}

/// Options of the program, as they are in front of a recipe's words. Only the first are shown in a recipe's help.
fn general_args(names: impl Iterator<Item = &'static str>) -> Vec<Arg> {
    let program = Arguments::command();
    let known =
        |name| program.get_arguments().find(|arg| arg.get_id() == name).expect("it is an option of the program");
    let one = |name| {
        let arg = known(name).clone().help_heading("General options").hide(!GENERAL[..2].contains(&name));
        // What stands for them when they are left out is known already.
        arg.env(None::<&str>).default_value(None::<&str>)
    };
    names.map(one).collect()
}

/// What a list of recipes says about one.
pub(super) fn first_sentence(summary: &str) -> &str {
    summary.split_once(". ").map_or(summary, |(first, _)| first).trim_end_matches('.')
}

/// Whether it takes many words: `domains` is a list of names.
pub(super) fn is_list(field: &Field) -> bool {
    matches!(field.kind.as_str(), "list" | "names" | "domains")
}

/// How an option is written.
pub(super) fn flag(field: &Field) -> String {
    format!("--{}", field.name.replace('_', "-"))
}

fn typed(field: &Field) -> Arg {
    let help = match &field.default {
        Some(default) => format!("{} [default: {}]", field.text, default.trim_matches('"')),
        None => field.text.clone(),
    };
    let arg = named(Arg::new(field.name.clone()).help(help), field);
    match field.kind.as_str() {
        "int" => arg.value_parser(clap::value_parser!(i64)).allow_negative_numbers(true),
        "count" => arg.value_parser(count).allow_negative_numbers(true),
        "float" => arg.value_parser(clap::value_parser!(f64)).allow_negative_numbers(true),
        "flag" => arg.value_parser(clap::value_parser!(bool)),
        "size" => arg.value_parser(|text: &str| checked(text, |value| size(value).map(drop))),
        "duration" => arg.value_parser(|text: &str| checked(text, |value| duration(value).map(drop))),
        "names" => arg.value_delimiter(','),
        _ => match field.words() {
            Some(words) => arg.value_parser(PossibleValuesParser::new(words)),
            None => arg,
        },
    }
}

/// The text, if it says what it should.
fn checked(text: &str, check: impl Fn(&Value) -> Result<(), Error>) -> Result<String, String> {
    match check(&text.into()) {
        Ok(()) => Ok(text.to_string()),
        Err(error) => Err(error.message.clone()),
    }
}

fn count(text: &str) -> Result<i64, String> {
    match text.parse() {
        Ok(number @ 1..) => Ok(number),
        Ok(_) => Err("it must be at least 1".to_string()),
        Err(_) => Err("it must be a whole number, at least 1".to_string()),
    }
}

/// What was given for a field, or `()`.
fn value(field: &Field, given: &ArgMatches) -> Value {
    let name = field.name.as_str();
    match field.kind.as_str() {
        "int" | "count" => given.get_one::<i64>(name).copied().into(),
        "float" => given.get_one::<f64>(name).map_or(Value::Unit, |number| Value::Float(*number)),
        "flag" => given.get_one::<bool>(name).copied().into(),
        "list" | "names" | "domains" => match given.get_many::<String>(name) {
            Some(words) => words.map(|word| word.as_str().into()).collect::<Vec<Value>>().into(),
            None => Value::Unit,
        },
        _ => given.get_one::<String>(name).cloned().into(),
    }
}
