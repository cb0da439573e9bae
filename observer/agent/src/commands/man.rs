//! `flow-observer man`: the manual pages, made from the help.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Command};
use clap_mangen::Man;

use crate::client::print::unless_closed;

const AFTER: &str = "\
Examples:
  flow-observer man | man -l -
  flow-observer man /usr/local/share/man/man1";

/// Holds the options of `man`.
#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER)]
pub struct ManArgs {
    /// Write a page for each subcommand, too, into this directory, which is made; without it, print the main page
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Prints the main page of `command`, or writes all pages.
///
/// # Errors
/// Fails when stdout or the directory can't be written.
pub(super) fn run(args: &ManArgs, command: Command) -> anyhow::Result<ExitCode> {
    let result = match &args.directory {
        Some(directory) => {
            write(command, directory).with_context(|| format!("{} can't be written", directory.display()))
        }
        None => print(command, &mut io::stdout()).map_err(Into::into),
    };
    unless_closed(result).map(|()| ExitCode::SUCCESS)
}

fn print(command: Command, out: &mut impl Write) -> io::Result<()> {
    let mut page = Vec::new();
    Man::new(command.disable_help_subcommand(true)).render(&mut page)?;
    out.write_all(&page)
}

fn write(command: Command, directory: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(directory)?;
    Ok(clap_mangen::generate_to(command, directory)?)
}

#[cfg(test)]
mod tests;
