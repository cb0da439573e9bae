//! The same question to one agent or to all.

use std::io::Write;
use std::sync::Arc;

use anyhow::bail;
use arcstr::ArcStr;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::commands::reach::{Fleet, ReachArgs};
use crate::commands::tail::TailError;
use crate::commands::tail::client::Target;

/// Agents asked at once: each costs a connection through the API server.
const AT_ONCE: usize = 16;

/// What agents said.
#[derive(Debug)]
pub(in crate::commands) struct Answers<T> {
    /// By node; of one agent asked by its URL the node isn't known.
    pub(in crate::commands) answers: Vec<(Option<ArcStr>, T)>,
    /// Some could not be asked, and that was noted.
    pub(in crate::commands) incomplete: bool,
}

/// Gets `path` from the agent or agents.
///
/// # Errors
/// When none answers.
pub(in crate::commands) async fn get<T: DeserializeOwned + Send + 'static>(
    args: &ReachArgs,
    path: &str,
    notes: impl Write,
) -> anyhow::Result<Answers<T>> {
    if !args.all_nodes {
        let answer = ask(&args.target()?, path).await?;
        return Ok(Answers { answers: vec![(None, answer)], incomplete: false });
    }
    get_all(&args.fleet().await?, path, notes).await
}

pub(super) async fn get_all<T: DeserializeOwned + Send + 'static>(
    fleet: &Fleet,
    path: &str,
    mut notes: impl Write,
) -> anyhow::Result<Answers<T>> {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for pod in fleet.find().await? {
        let (node, target, path, room) =
            (pod.node.clone(), fleet.target(pod), path.to_owned(), Arc::clone(&room));
        tasks.spawn(async move {
            let _room = room.acquire().await;
            (node, ask::<T>(&target, &path).await)
        });
    }
    let (mut answers, mut failures) = (Vec::new(), Vec::new());
    while let Some(result) = tasks.join_next().await {
        match result? {
            (node, Ok(answer)) => answers.push((Some(node), answer)),
            (node, Err(error)) => failures.push(format!("node {node} is missing: {error:#}")),
        }
    }
    failures.sort();
    if answers.is_empty() {
        bail!("no agent could be asked:\n  {}", failures.join("\n  "));
    }
    for failure in &failures {
        writeln!(notes, "flow-observer: {failure}")?;
    }
    answers.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(Answers { answers, incomplete: !failures.is_empty() })
}

async fn ask<T: DeserializeOwned>(target: &Target, path: &str) -> anyhow::Result<T> {
    let body = target.get(path).await?;
    serde_json::from_slice(&body).map_err(|error| {
        anyhow::anyhow!("{} is not a Flow Observer agent, or of another version: {error}", target.url())
    })
}

/// An agent that answers, one that is ready if there is such.
///
/// # Errors
/// When none answers; it says what each did.
pub(in crate::commands) async fn any(fleet: &Fleet) -> anyhow::Result<Target> {
    let mut pods = fleet.find().await?;
    pods.sort_by_key(|pod| !pod.ready);
    let (mut unready, mut failures) = (None, Vec::new());
    for pod in pods {
        let target = fleet.target(pod);
        match target.get("/readyz").await {
            Ok(_) => return Ok(target),
            // It knows only part of the cluster, and says so in its answers.
            Err(TailError::Refused { status: 503, .. }) => unready = unready.or(Some(target)),
            Err(error) => failures.push(error.to_string()),
        }
    }
    match unready {
        Some(target) => Ok(target),
        None => bail!("no agent could be asked:\n  {}", failures.join("\n  ")),
    }
}
