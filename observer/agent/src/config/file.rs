//! The configuration file. Its values become the defaults of the flags, so both go through the same parsers and bounds.

use std::any::TypeId;
use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Args as _, Command};
use serde::Deserialize;
use toml::{Table, Value};

use crate::checks::spec::{self, CheckSpec};
use crate::config::{EnforcerLogChoice, Options};

/// The key of the checks' tables, which have no flag.
const CHECK: &str = "check";
/// A key this similar to an unknown one is suggested. Swapped and missing letters are above it.
const SIMILAR: f64 = 0.8;

/// The reason why a configuration file can't be used. Each text names the file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file can't be read.
    #[error("the config file {} can't be read: {error}", path.display())]
    Read {
        /// The path as given.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The file is not TOML, or a check is wrong.
    #[error("{}: {}", path.display(), error.to_string().trim_end())]
    Toml {
        /// The path as given.
        path: PathBuf,
        /// The error with its line and column.
        error: toml::de::Error,
    },
    /// A key is unknown or has a wrong value.
    #[error("{}: `{key}`: {reason}", path.display())]
    Key {
        /// The path as given.
        path: PathBuf,
        /// The key at the top level of the file.
        key: String,
        /// A description of what is wrong with it.
        reason: String,
    },
}

/// Holds the settings of a configuration file. All values have been parsed once, so that errors name the file.
#[derive(Debug)]
pub struct File {
    settings: Vec<(String, Vec<String>)>,
    /// The `[[check]]` tables.
    pub checks: Vec<CheckSpec>,
}

/// The part of the file that is not a flag.
#[derive(Deserialize)]
struct Checks {
    #[serde(default)]
    check: Vec<CheckSpec>,
}

impl File {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// Fails when it can't be read, or a key or value in it is not valid.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| FileError::Read { path: path.to_owned(), error })?;
        Self::parse(path, &text)
    }

    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, FileError> {
        let toml = |error| FileError::Toml { path: path.to_owned(), error };
        let key = |key: &str, reason| FileError::Key { path: path.to_owned(), key: key.to_owned(), reason };
        let table: Table = toml::from_str(text).map_err(toml)?;
        let command = Options::augment_args(Command::new(""));
        let mut settings = Vec::new();
        for (name, value) in table.into_iter().filter(|(name, _)| name != CHECK) {
            let values = setting(&command, &name, value).map_err(|reason| key(&name, reason))?;
            settings.push((name, values));
        }
        // From the text, so that errors have a line and a column.
        let Checks { check } = toml::from_str(text).map_err(toml)?;
        spec::validate(&check).map_err(|reason| key(CHECK, reason))?;
        Ok(Self { settings, checks: check })
    }

    /// Makes the file's values the defaults of the command's flags.
    #[must_use]
    pub fn apply(&self, command: Command) -> Command {
        self.settings.iter().fold(command, |command, (name, values)| {
            command.mut_arg(name, |arg| arg.default_values(values.clone()))
        })
    }
}

/// Returns the texts of a setting after parsing them as the flag does.
fn setting(command: &Command, name: &str, value: Value) -> Result<Vec<String>, String> {
    let Some(arg) = command.get_arguments().find(|arg| arg.get_id() == name) else {
        return Err(unknown(command, name));
    };
    let values = match (arg.get_action(), value) {
        (ArgAction::Append, Value::Array(items)) => {
            items.into_iter().map(|item| text(arg, item)).collect::<Result<_, _>>()?
        }
        (ArgAction::Append, other) => return Err(wrong_type(&other, "array")),
        (_, value) => vec![text(arg, value)?],
    };
    check(arg.get_value_parser(), arg.get_value_delimiter(), &values)?;
    Ok(values)
}

/// Returns a value as one would write it after the flag.
fn text(arg: &Arg, value: Value) -> Result<String, String> {
    let expected = toml_type(arg);
    match value {
        // Its flag takes a number or a word.
        Value::Integer(group) if is_of::<EnforcerLogChoice>(arg) => Ok(group.to_string()),
        value if value.type_str() != expected => Err(wrong_type(&value, expected)),
        Value::String(text) => Ok(text),
        value => Ok(value.to_string()),
    }
}

/// Returns the type that a single value has in the file, as TOML calls it. It follows from what the flag's parser returns.
fn toml_type(arg: &Arg) -> &'static str {
    if is_of::<bool>(arg) {
        "boolean"
    } else if is_of::<u32>(arg) || is_of::<usize>(arg) {
        "integer"
    } else {
        "string"
    }
}

fn is_of<T: 'static>(arg: &Arg) -> bool {
    arg.get_value_parser().type_id() == TypeId::of::<T>()
}

fn wrong_type(value: &Value, expected: &str) -> String {
    format!("has the type {} instead of {expected}", value.type_str())
}

fn unknown(command: &Command, name: &str) -> String {
    let keys = command.get_arguments().map(|arg| arg.get_id().as_str()).chain([CHECK]);
    let rated = keys.map(|key| (strsim::jaro_winkler(name, key), key));
    match rated.filter(|(rate, _)| *rate > SIMILAR).max_by(|(a, _), (b, _)| a.total_cmp(b)) {
        Some((_, key)) => format!("unknown key; did you mean `{key}`?"),
        None => "unknown key; `flow-observer run --help` lists the settings".to_owned(),
    }
}

/// Parses the values with the flag's own parser. Also flags that only switch something on have one, for the environment.
fn check(parser: &ValueParser, delimiter: Option<char>, values: &[String]) -> Result<(), String> {
    let arg = Arg::new("value").long("value").action(ArgAction::Append).value_parser(parser.clone());
    let arg = delimiter.into_iter().fold(arg, Arg::value_delimiter);
    let command = Command::new("").no_binary_name(true).arg(arg);
    let given = values.iter().map(|value| format!("--value={value}"));
    command.try_get_matches_from(given).map(drop).map_err(|error| reason(&error))
}

/// Returns the parser's reason, without the flag's name.
fn reason(error: &clap::Error) -> String {
    let valid = error.get(ContextKind::ValidValue);
    let value = error.get(ContextKind::InvalidValue);
    match (error.source(), value, valid) {
        (Some(reason), _, _) => reason.to_string(),
        (None, Some(value), Some(ContextValue::Strings(valid))) if !valid.is_empty() => {
            format!("`{value}` is not one of {}", valid.join(", "))
        }
        _ => "a value is missing".to_owned(),
    }
}
