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
const ASK: [&str; 4] = ["tail", "findings", "vips", "explain"];

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
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::client::fleet::AgentArgs;
    use crate::commands::{Cli, Command as Sub, parse};

    fn agents(args: &[&str]) -> AgentArgs {
        let args: Vec<OsString> = args.iter().map(Into::into).collect();
        match parse(&args).unwrap().command {
            Sub::Tail(args) => args.agents,
            Sub::Findings(args) => args.agents,
            Sub::Vips(args) => args.agents,
            Sub::Explain(args) => args.agents,
            other => panic!("{other:?} asks no agent"),
        }
    }

    #[test]
    fn the_plugin_asks_all_nodes_unless_a_url_is_given() {
        for name in ["tail", "findings", "vips"] {
            assert!(!agents(&["flow-observer", name]).all_nodes);
            assert!(agents(&["flow-observer", name, "--all-nodes"]).all_nodes);
            assert!(agents(&["/usr/local/bin/kubectl-flow_observer", name]).all_nodes);
            assert!(agents(&["kubectl-flow_observer", name, "--all-nodes"]).all_nodes);
            assert!(!agents(&["kubectl-flow_observer", name, "--url", "http://n1:9477"]).all_nodes);
        }
        assert!(agents(&["kubectl-flow_observer", "explain", "a/b", "c/d"]).all_nodes);
    }

    #[test]
    fn help_shows_the_name_that_was_called() {
        let usage = |argv0: &str, sub: &str| {
            let mut command = named(Cli::command(), Some(&argv0.into()));
            command.build();
            command.find_subcommand_mut(sub).unwrap().render_usage().to_string()
        };
        assert!(usage("kubectl-flow_observer", "tail").contains("kubectl flow_observer tail"));
        assert!(usage("./flow-observer", "tail").contains("flow-observer tail"));
        assert!(!usage("./flow-observer", "tail").contains("kubectl"));
    }
}
