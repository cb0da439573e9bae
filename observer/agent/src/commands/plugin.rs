//! The same program as a plugin of kubectl: a link to it named `kubectl-flow_observer`.
//!
//! The plugin does not run on a node, so it asks all nodes by default; `--url` asks one agent.

use std::ffi::OsString;
use std::path::Path;

use clap::Command;
use clap::builder::ArgPredicate;

/// The name by which kubectl finds the plugin, for `kubectl flow_observer` and `kubectl flow-observer`.
const LINK: &str = "kubectl-flow_observer";
const SHOWN: &str = "kubectl flow_observer";
/// The subcommands that ask agents.
const ASK: [&str; 5] = ["tail", "findings", "vips", "explain", "doctor"];

/// Adapts the command to the name by which the program was started.
pub(super) fn named(command: Command, argv0: Option<&OsString>) -> Command {
    let name = argv0.and_then(|argv0| Path::new(argv0).file_name());
    if name.is_none_or(|name| name != LINK) {
        return command;
    }
    let command = command.name(SHOWN).bin_name(SHOWN).display_name(SHOWN);
    ASK.iter().fold(command, |command, name| command.mut_subcommand(name, for_all_nodes))
}

fn for_all_nodes(command: Command) -> Command {
    command.mut_arg("all_nodes", |arg| {
        arg.default_value("true")
            .default_value_if("url", ArgPredicate::IsPresent, "false")
            .help("Ask the agents of all nodes through the API server [default, unless --url is given]")
    })
}

#[cfg(test)]
mod tests;
