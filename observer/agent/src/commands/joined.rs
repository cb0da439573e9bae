//! The commands that ask every agent once and print the joined answer: `findings` and `vips`.

use std::io::Write;
use std::process::ExitCode;

use arcstr::ArcStr;
use flow_model::agent_info::AgentInfo;
use serde::de::DeserializeOwned;

use crate::client::ask::{self, Answers};
use crate::client::coverage::Coverage;
use crate::client::fleet::AgentArgs;
use crate::commands::exit::EXIT_USAGE;

/// An answer that says which agent gave it.
pub(super) trait FromAgent: DeserializeOwned + Send + 'static {
    /// Returns the agent; `None` for one of an earlier release.
    fn agent(&self) -> Option<&AgentInfo>;
}

/// Holds the answers and the nodes that they come from.
pub(super) struct Asked<R> {
    /// Each with its node; without one where a single agent was asked by its URL.
    pub(super) answers: Vec<(Option<ArcStr>, R)>,
    pub(super) coverage: Coverage,
    incomplete: bool,
}

/// Asks the agents for `path`, and says which nodes are missing.
///
/// # Errors
/// Fails when no agent can be asked.
pub(super) async fn ask<R: FromAgent>(
    agents: &AgentArgs,
    path: &str,
    notes: &mut impl Write,
) -> anyhow::Result<Asked<R>> {
    let Answers { mut answers, absent, listed, incomplete } =
        ask::get::<R>(agents, path, &mut *notes).await?;
    let otherwise = if agents.fleet.all_nodes { "no agent was found there" } else { "it was not asked" };
    let otherwise = Some(otherwise).filter(|_| !listed);
    let infos = answers.iter().map(|(node, answer)| (node.clone(), answer.agent()));
    let coverage = Coverage::new(infos, absent, otherwise);
    coverage.note(notes)?;
    if answers.len() > 1 {
        for (node, answer) in &mut answers {
            let known = answer.agent().map(|agent| agent.node.clone());
            *node = node.take().or(known);
        }
    }
    Ok(Asked { answers, coverage, incomplete })
}

impl<R> Asked<R> {
    /// Returns 2 where an agent could not be asked.
    pub(super) fn exit_code(&self) -> ExitCode {
        if self.incomplete { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS }
    }
}
