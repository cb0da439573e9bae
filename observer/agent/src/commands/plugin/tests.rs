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
