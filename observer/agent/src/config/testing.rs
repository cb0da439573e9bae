//! Settings for tests.

use clap::builder::Resettable;
use clap::{Args as _, Command, FromArgMatches as _};

use crate::config::Options;

/// Returns the settings that these flags give, independent of the environment.
pub(crate) fn options(flags: &[&str]) -> Options {
    let command = Options::augment_args(Command::new("run").no_binary_name(true));
    let command = command.mut_args(|arg| arg.env(Resettable::Reset));
    Options::from_arg_matches(&command.get_matches_from(flags)).unwrap()
}
