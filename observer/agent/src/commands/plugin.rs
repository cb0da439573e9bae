//! The same program as a plugin of kubectl: a link to it named `kubectl-flow_observer`.
//!
//! Who calls it so is not on a node, so there `--all-nodes` is the default, and `--url` asks one agent.

use std::ffi::OsString;
use std::path::Path;

use clap::builder::ArgPredicate;
use clap::{Command, CommandFactory, FromArgMatches};

use crate::commands::Cli;

/// kubectl finds it by this name, for `kubectl flow_observer` as for `kubectl flow-observer`.
const LINK: &str = "kubectl-flow_observer";
const SHOWN: &str = "kubectl flow_observer";
/// Subcommands that ask agents.
const ASK: [&str; 4] = ["tail", "findings", "vips", "explain"];

/// Ends the process on `--help` and on arguments that can't be understood, as clap does.
pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Cli {
    let args: Vec<_> = args.into_iter().collect();
    let command = command(args.first());
    let mut matches = command.clone().get_matches_from(args);
    Cli::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.format(&mut command.clone()).exit())
}

fn command(argv0: Option<&OsString>) -> Command {
    let name = argv0.and_then(|argv0| Path::new(argv0).file_name());
    if name.is_none_or(|name| name != LINK) {
        return Cli::command();
    }
    let command = Cli::command().name(SHOWN).bin_name(SHOWN).display_name(SHOWN);
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
mod tests {
    use super::*;
    use crate::commands::Command as Sub;
    use crate::commands::reach::ReachArgs;

    fn reach(args: &[&str]) -> ReachArgs {
        let args: Vec<OsString> = args.iter().map(Into::into).collect();
        match parse(args).command {
            Sub::Tail(args) => args.reach,
            Sub::Findings(args) => args.reach,
            Sub::Vips(args) => args.reach,
            Sub::Explain(args) => args.reach,
            other => panic!("{other:?} asks nobody"),
        }
    }

    #[test]
    fn the_plugin_asks_all_nodes_unless_told_otherwise() {
        for name in ["tail", "findings", "vips"] {
            assert!(!reach(&["flow-observer", name]).all_nodes);
            assert!(reach(&["flow-observer", name, "--all-nodes"]).all_nodes);
            assert!(reach(&["/usr/local/bin/kubectl-flow_observer", name]).all_nodes);
            assert!(reach(&["kubectl-flow_observer", name, "--all-nodes"]).all_nodes);
            assert!(!reach(&["kubectl-flow_observer", name, "--url", "http://n1:9477"]).all_nodes);
        }
        assert!(reach(&["kubectl-flow_observer", "explain", "a/b", "c/d"]).all_nodes);
    }

    #[test]
    fn help_shows_the_name_that_was_called() {
        let usage = |argv0: &str, sub: &str| {
            let mut command = command(Some(&argv0.into()));
            command.build();
            command.find_subcommand_mut(sub).unwrap().render_usage().to_string()
        };
        assert!(usage("kubectl-flow_observer", "tail").contains("kubectl flow_observer tail"));
        assert!(usage("./flow-observer", "tail").contains("flow-observer tail"));
        assert!(!usage("./flow-observer", "tail").contains("kubectl"));
    }
}
