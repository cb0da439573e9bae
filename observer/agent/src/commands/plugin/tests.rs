use clap::CommandFactory as _;

use super::*;
use crate::client::fleet::FleetArgs;
use crate::commands::{Cli, Command as Sub, parse};

fn agents(args: &[&str]) -> FleetArgs {
    let args: Vec<OsString> = args.iter().map(Into::into).collect();
    match parse(&args).unwrap().command {
        Sub::Tail(args) => args.agents.fleet,
        Sub::Findings(args) => args.agents.fleet,
        Sub::Vips(args) => args.agents.fleet,
        Sub::Explain(args) => args.agents.fleet,
        Sub::Doctor(args) => args.live.fleet,
        other => panic!("{other:?} asks no agent"),
    }
}

#[test]
fn the_plugin_asks_all_nodes_unless_a_url_is_given() {
    for name in ["tail", "findings", "vips", "doctor"] {
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
