use clap::{CommandFactory, ValueEnum};

use super::*;
use crate::commands::Cli;

#[test]
fn every_shell_completes_every_subcommand_and_option() {
    for shell in Shell::value_variants() {
        let script = String::from_utf8(script(*shell, Cli::command())).unwrap();
        for subcommand in Cli::command().get_subcommands() {
            assert!(script.contains(subcommand.get_name()), "{shell}: {}", subcommand.get_name());
            for option in subcommand.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(script.contains(option), "{shell}: {} --{option}", subcommand.get_name());
            }
        }
    }
}
