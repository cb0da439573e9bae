//! `flow-observer completions`: what a shell needs to complete this program's commands and options.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::client::print::unless_closed;

const AFTER: &str = "\
Examples:
  flow-observer completions bash > /etc/bash_completion.d/flow-observer
  flow-observer completions zsh > \"${fpath[1]}/_flow-observer\"
  flow-observer completions fish > ~/.config/fish/completions/flow-observer.fish";

/// Holds the options of `completions`.
#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER)]
pub struct CompletionsArgs {
    /// The shell that reads them
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completions of `command`.
///
/// # Errors
/// Fails when stdout can't be written.
pub(super) fn run(args: &CompletionsArgs, command: Command) -> anyhow::Result<ExitCode> {
    let script = script(args.shell, command);
    unless_closed(io::stdout().write_all(&script).map_err(Into::into)).map(|()| ExitCode::SUCCESS)
}

fn script(shell: Shell, mut command: Command) -> Vec<u8> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    script
}

#[cfg(test)]
mod tests;
