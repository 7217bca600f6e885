//! Recipes as commands: `vmscript <module> <function> [ARGS] [--options]`.

use super::complete::named;
use super::output::{Form, Output};
use crate::floor::{Map, Value};
use crate::script::{Field, Recipe};
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

/// A recipe that was asked for, with what it was given.
pub(super) struct Call {
    pub(super) recipe: Recipe,
    pub(super) arguments: Vec<Value>,
    pub(super) output: Output,
    pub(super) connect: Option<String>,
    pub(super) quiet: bool,
}

/// Reads the words of a command, the module's name first; `standard` is how results are printed if nothing else is said.
pub(super) fn parse(
    module: &str,
    recipes: &[Recipe],
    words: &[String],
    standard: Option<&str>,
) -> Result<Call, clap::Error> {
    let matches = command(module, recipes).try_get_matches_from(words)?;
    let (name, given) = matches.subcommand().expect("clap demands a subcommand");
    let recipe = recipes.iter().find(|recipe| recipe.command_name() == name).expect("clap knows the recipes");
    let mut arguments = Vec::new();
    for field in &recipe.parameters {
        arguments.push(match value(field, given) {
            Value::Unit if is_list(field) => Value::List(Vec::new()),
            value => value,
        });
    }
    if recipe.takes_options {
        let mut options = Map::new();
        for field in &recipe.options {
            let value = value(field, given);
            if !value.is_unit() {
                options.insert(field.name.clone(), value);
            }
        }
        arguments.push(options.into());
    }
    let words = |name| given.get_many::<String>(name).into_iter().flatten().cloned().collect::<Vec<_>>();
    let pair = |text: String| {
        text.split_once('=').map(|(name, value)| (name.to_string(), value.to_string())).ok_or_else(|| {
            clap::Error::raw(clap::error::ErrorKind::InvalidValue, format!("a filter is COLUMN=VALUE, not `{text}`\n"))
        })
    };
    let sort = given.get_one::<String>("sort").map(|name| match name.strip_prefix('-') {
        Some(name) => (name.to_string(), true),
        None => (name.clone(), false),
    });
    let output = Output {
        format: given
            .get_one::<String>("output")
            .map(String::as_str)
            .or(standard)
            .and_then(Form::from_word)
            .unwrap_or_default(),
        columns: words("columns"),
        filter: words("filter").into_iter().map(pair).collect::<Result<_, _>>()?,
        sort,
        width: None,
    };
    let connect = given.get_one::<String>("connect").cloned();
    Ok(Call { recipe: recipe.clone(), arguments, output, connect, quiet: given.get_flag("quiet") })
}

/// The command of a module, with a subcommand for each recipe.
pub(super) fn command(module: &str, recipes: &[Recipe]) -> Command {
    let recipes = recipes.iter().filter(|recipe| recipe.is_command());
    Command::new(module.to_string())
        .bin_name(format!("vmscript {module}"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommands(recipes.map(subcommand))
}

fn subcommand(recipe: &Recipe) -> Command {
    let parameters = recipe.parameters.iter().map(|field| {
        let arg = typed(field).value_name(field.name.to_uppercase()).required(field.default.is_none());
        // Many words, if it is the list that the recipe works on.
        let arg = if is_list(field) { arg.num_args(1..).action(ArgAction::Append) } else { arg };
        // What begins with `-` behind the first word of a command belongs to it.
        if field.kind == "list" { arg.trailing_var_arg(true) } else { arg }
    });
    let options = recipe.options.iter().map(|field| {
        let arg = typed(field).long(field.name.replace('_', "-")).value_name(field.kind.to_uppercase());
        let arg = match field.name.as_str() {
            "label" => arg.short('l'),
            "yes" => arg.short('y'),
            _ => arg,
        };
        match field.kind.as_str() {
            "flag" => arg
                .num_args(0..=1)
                .default_missing_value("true")
                .require_equals(true)
                .value_name("BOOL")
                .hide_possible_values(true),
            "list" => arg.action(ArgAction::Append),
            _ => arg,
        }
    });
    Command::new(recipe.command_name())
        .about(first_sentence(&recipe.summary).to_string())
        .long_about(format!("{}\n\n{}", recipe.summary, recipe.details).trim().to_string())
        .args(parameters)
        .args(options)
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_name("FORMAT")
                .value_parser(PossibleValuesParser::new(Form::WORDS))
                .help("How to print the result [default: table]"),
        )
        .arg(output_list("columns", "NAME,...", "Which columns, in this order").value_delimiter(','))
        .arg(output_list("filter", "COLUMN=VALUE", "Only the records with this value; `*` stands for any text"))
        .arg(
            output_list("sort", "COLUMN", "Sort by this column; `-COLUMN` backwards")
                .allow_hyphen_values(true)
                .action(ArgAction::Set),
        )
        .arg(Arg::new("quiet").short('q').long("quiet").action(ArgAction::SetTrue).help("Do not tell each step"))
        .arg(Arg::new("connect").short('c').long("connect").value_name("URI").help("The host to work on"))
}

/// What a list of recipes says about one.
pub(super) fn first_sentence(summary: &str) -> &str {
    summary.split_once(". ").map_or(summary, |(first, _)| first).trim_end_matches('.')
}

fn output_list(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help).action(ArgAction::Append).help_heading("Output")
}

/// Whether it takes many words: `domains` is a list of names.
fn is_list(field: &Field) -> bool {
    matches!(field.kind.as_str(), "list" | "domains")
}

fn typed(field: &Field) -> Arg {
    let help = match &field.default {
        Some(default) => format!("{} [default: {}]", field.text, default.trim_matches('"')),
        None => field.text.clone(),
    };
    let arg = named(Arg::new(field.name.clone()).help(help), field);
    match field.kind.as_str() {
        "int" => arg.value_parser(clap::value_parser!(i64)).allow_negative_numbers(true),
        "float" => arg.value_parser(clap::value_parser!(f64)).allow_negative_numbers(true),
        "flag" => arg.value_parser(clap::value_parser!(bool)),
        _ => arg,
    }
}

/// What was given for a field, or `()`.
fn value(field: &Field, given: &ArgMatches) -> Value {
    let name = field.name.as_str();
    match field.kind.as_str() {
        "int" => given.get_one::<i64>(name).copied().into(),
        "float" => given.get_one::<f64>(name).map_or(Value::Unit, |number| Value::Float(*number)),
        "flag" => given.get_one::<bool>(name).copied().into(),
        "list" | "domains" => match given.get_many::<String>(name) {
            Some(words) => words.map(|word| word.as_str().into()).collect::<Vec<Value>>().into(),
            None => Value::Unit,
        },
        _ => given.get_one::<String>(name).cloned().into(),
    }
}
