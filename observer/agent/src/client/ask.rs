//! The same request to one agent or to all.

use std::io::Write;
use std::sync::Arc;

use anyhow::bail;
use arcstr::ArcStr;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::causes::causes;
use crate::client::error::ClientError;
use crate::client::fleet::{AgentArgs, Fleet};
use crate::client::target::Target;

/// Agents asked at the same time: each costs a connection through the API server.
const MAX_CONCURRENT: usize = 16;

/// Holds what agents answered.
#[derive(Debug)]
pub(crate) struct Answers<T> {
    /// The answers, sorted by node. An agent that is asked by its URL has no node here.
    pub(crate) answers: Vec<(Option<ArcStr>, T)>,
    /// Is true when some agents could not be asked; a note names each.
    pub(crate) incomplete: bool,
}

/// Requests `path` from the one agent, or from all.
///
/// # Errors
/// Fails when no agent answers.
pub(crate) async fn get<T: DeserializeOwned + Send + 'static>(
    args: &AgentArgs,
    path: &str,
    notes: impl Write,
) -> anyhow::Result<Answers<T>> {
    if !args.all_nodes {
        let answer = ask(&args.target()?, path).await?;
        return Ok(Answers { answers: vec![(None, answer)], incomplete: false });
    }
    get_all(&args.fleet().await?, path, notes).await
}

async fn get_all<T: DeserializeOwned + Send + 'static>(
    fleet: &Fleet,
    path: &str,
    mut notes: impl Write,
) -> anyhow::Result<Answers<T>> {
    let room = Arc::new(Semaphore::new(MAX_CONCURRENT));
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
            (node, Err(error)) => {
                failures.push(format!("node {node} is missing: {}", causes(error.as_ref())));
            }
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

/// Returns an agent that answers, preferably one that is ready.
///
/// # Errors
/// Fails when no agent answers; the text gives the reason of each.
pub(crate) async fn any(fleet: &Fleet) -> anyhow::Result<Target> {
    let mut pods = fleet.find().await?;
    pods.sort_by_key(|pod| !pod.ready);
    let (mut unready, mut failures) = (None, Vec::new());
    for pod in pods {
        let target = fleet.target(pod);
        match target.get("/readyz").await {
            Ok(_) => return Ok(target),
            // An agent that is not ready knows only part of the cluster; its answers show that.
            Err(ClientError::Refused { status: 503, .. }) => unready = unready.or(Some(target)),
            Err(error) => failures.push(error.to_string()),
        }
    }
    match unready {
        Some(target) => Ok(target),
        None => bail!("no agent could be asked:\n  {}", failures.join("\n  ")),
    }
}
