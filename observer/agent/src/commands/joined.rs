//! The commands that ask every agent once and print the joined answer: `findings` and `vips`.

use std::io::Write;
use std::process::ExitCode;

use arcstr::ArcStr;
use flow_model::agent_info::AgentInfo;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::client::ask::{self, Answers};
use crate::client::coverage::Coverage;
use crate::client::fleet::{AgentArgs, Fleet};
use crate::commands::exit::EXIT_USAGE;

/// An answer, and the agent that gave it.
#[derive(Deserialize)]
struct FromAgent<T> {
    #[serde(flatten)]
    answer: T,
    /// `None` for an agent of an earlier release.
    agent: Option<AgentInfo>,
}

/// Holds the answers and the nodes that they come from.
pub(super) struct Asked<T> {
    /// Each with its node; without one where a single agent was asked by its URL.
    pub(super) answers: Vec<(Option<ArcStr>, T)>,
    pub(super) coverage: Coverage,
    incomplete: bool,
}

/// Asks the agents for `path`, and says which nodes are missing.
///
/// # Errors
/// Fails when no agent can be asked.
pub(super) async fn ask<T: DeserializeOwned + Send + 'static>(
    agents: &AgentArgs,
    path: &str,
    notes: &mut impl Write,
) -> anyhow::Result<Asked<T>> {
    let answers = ask::get::<FromAgent<T>>(agents, path, &mut *notes).await?;
    whole(answers, agents.fleet.all_nodes, notes)
}

/// Asks the agents of all nodes for `path`, and says which nodes are missing.
///
/// # Errors
/// Fails when no agent can be asked.
pub(super) async fn ask_fleet<T: DeserializeOwned + Send + 'static>(
    fleet: &Fleet,
    path: &str,
    notes: &mut impl Write,
) -> anyhow::Result<Asked<T>> {
    let answers = ask::get_all::<FromAgent<T>>(fleet, path, &mut *notes).await?;
    whole(answers, true, notes)
}

/// Says which nodes are missing, and names the node of each answer.
fn whole<T>(
    answers: Answers<FromAgent<T>>,
    all_nodes: bool,
    notes: &mut impl Write,
) -> anyhow::Result<Asked<T>> {
    let Answers { answers, absent, listed, incomplete } = answers;
    let otherwise = if all_nodes { "no agent was found there" } else { "it was not asked" };
    let otherwise = Some(otherwise).filter(|_| !listed);
    let infos = answers.iter().map(|(node, from)| (node.clone(), from.agent.as_ref()));
    let coverage = Coverage::new(infos, absent, otherwise);
    coverage.note(notes)?;
    let several = answers.len() > 1;
    let named = |(node, FromAgent { answer, agent }): (Option<ArcStr>, FromAgent<T>)| {
        let known = agent.filter(|_| several).map(|agent| agent.node);
        (node.or(known), answer)
    };
    Ok(Asked { answers: answers.into_iter().map(named).collect(), coverage, incomplete })
}

impl<T> Asked<T> {
    /// Returns 2 where an agent could not be asked.
    pub(super) fn exit_code(&self) -> ExitCode {
        if self.incomplete { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS }
    }
}
