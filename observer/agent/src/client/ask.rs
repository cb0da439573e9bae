//! The same request to one agent or to all.

use std::io::{self, Write};
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
use crate::kube::agents::{Absent, Survey};

/// Agents asked at the same time: each costs a connection through the API server.
pub(crate) const MAX_CONCURRENT: usize = 16;

/// Holds what agents answered.
#[derive(Debug)]
pub(crate) struct Answers<T> {
    /// The answers, sorted by node. An agent that is asked by its URL has no node here.
    pub(crate) answers: Vec<(Option<ArcStr>, T)>,
    /// The nodes of which no agent gave a whole answer, with the reason, sorted; a note names each.
    pub(crate) absent: Vec<Absent>,
    /// Is true when the nodes were listed, so that `absent` has every node without an agent.
    pub(crate) listed: bool,
    /// Is true when some agents could not be asked.
    pub(crate) incomplete: bool,
}

/// Requests `path` from the agents of `--url`, or from all.
///
/// # Errors
/// Fails when no agent answers.
pub(crate) async fn get<T: DeserializeOwned + Send + 'static>(
    args: &AgentArgs,
    path: &str,
    mut notes: impl Write,
) -> anyhow::Result<Answers<T>> {
    if args.fleet.all_nodes {
        return get_all(&args.fleet.connect().await?, path, notes).await;
    }
    let targets = args.targets()?;
    if let [target] = targets.as_slice() {
        let answer = ask(target, path).await?;
        return Ok(Answers {
            answers: vec![(None, answer)],
            absent: Vec::new(),
            listed: false,
            incomplete: false,
        });
    }
    let targets = targets.into_iter().map(|target| (target.url().into(), target));
    let Asked { answers, failures } = ask_each(targets, path).await?;
    let answers = answers.into_iter().map(|(_, answer)| (None, answer)).collect();
    note(&failures, &mut notes)?;
    Ok(Answers { answers, listed: false, incomplete: !failures.is_empty(), absent: failures })
}

/// Requests `path` from the agents of all nodes.
///
/// # Errors
/// Fails when no agent answers.
pub(crate) async fn get_all<T: DeserializeOwned + Send + 'static>(
    fleet: &Fleet,
    path: &str,
    mut notes: impl Write,
) -> anyhow::Result<Answers<T>> {
    let Survey { pods, mut absent, unknown } = fleet.survey().await?;
    let targets = pods.into_iter().map(|pod| (pod.node.clone(), fleet.target(pod)));
    let Asked { answers, failures } = ask_each(targets, path).await?;
    // What a request met is the better reason.
    absent.retain(|absent| failures.iter().all(|failure| failure.node != absent.node));
    absent.extend(failures.iter().cloned());
    absent.sort();
    note(&absent, &mut notes)?;
    note_unknown(unknown.as_deref(), &mut notes)?;
    let answers = answers.into_iter().map(|(node, answer)| (Some(node), answer)).collect();
    Ok(Answers { answers, absent, listed: unknown.is_none(), incomplete: !failures.is_empty() })
}

/// Names the nodes that are missing, one a line.
pub(crate) fn note(absent: &[Absent], notes: &mut impl Write) -> io::Result<()> {
    absent.iter().try_for_each(|Absent { node, reason }| {
        writeln!(notes, "flow-observer: node {node} is missing: {reason}")
    })
}

/// Says why it is not known whether nodes have no agent.
pub(crate) fn note_unknown(unknown: Option<&str>, notes: &mut impl Write) -> io::Result<()> {
    unknown.iter().try_for_each(|why| {
        writeln!(notes, "flow-observer: whether there are nodes without an agent is not known: {why}")
    })
}

/// Holds the answers by node, and the agents that could not be asked.
struct Asked<T> {
    answers: Vec<(ArcStr, T)>,
    failures: Vec<Absent>,
}

async fn ask_each<T: DeserializeOwned + Send + 'static>(
    targets: impl Iterator<Item = (ArcStr, Target)>,
    path: &str,
) -> anyhow::Result<Asked<T>> {
    let room = Arc::new(Semaphore::new(MAX_CONCURRENT));
    let mut tasks = JoinSet::new();
    for (node, target) in targets {
        let (path, room) = (path.to_owned(), Arc::clone(&room));
        tasks.spawn(async move {
            let _room = room.acquire().await;
            (node, ask::<T>(&target, &path).await)
        });
    }
    let (mut answers, mut failures) = (Vec::new(), Vec::new());
    while let Some(result) = tasks.join_next().await {
        match result? {
            (node, Ok(answer)) => answers.push((node, answer)),
            (node, Err(error)) => failures.push(Absent { node, reason: causes(error.as_ref()) }),
        }
    }
    failures.sort();
    if answers.is_empty() {
        let lines = failures.iter().map(|Absent { node, reason }| format!("{node}: {reason}"));
        bail!("no agent could be asked:\n  {}", lines.collect::<Vec<_>>().join("\n  "));
    }
    answers.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(Asked { answers, failures })
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
    first(pods.into_iter().map(|pod| fleet.target(pod))).await
}

/// Returns the first of these agents that is ready, or else that answers.
///
/// # Errors
/// Fails when no agent answers; the text gives the reason of each.
pub(crate) async fn first(targets: impl Iterator<Item = Target>) -> anyhow::Result<Target> {
    let (mut unready, mut failures) = (None, Vec::new());
    for target in targets {
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
