//! The streams of all nodes, merged into one.

mod node;

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

use self::node::{MAX_WAITING, Node, NodeEvent, Record};
use crate::client::ask;
use crate::client::fleet::Fleet;
use crate::client::follow::Selection;
use crate::client::merge::{Merge, Source};
use crate::client::print::record_lines::RecordSink;
use crate::kube::agents::{AgentPod, Survey};

/// Time between two lists of the agents' pods.
const LIST: Duration = Duration::from_secs(5);
/// Time between two checks of which records have waited long enough.
const TICK: Duration = Duration::from_millis(50);

/// Prints the records of all agents until the replay ends, if it is not followed, or until stdout is closed.
///
/// # Errors
/// Fails when no agent is found, a node was missing during a replay, or stdout can't be written.
pub(crate) async fn run<N>(
    fleet: &Fleet,
    selection: &Selection,
    mut out: impl RecordSink,
    notes: N,
) -> anyhow::Result<()>
where
    N: Write + Clone + Send + Sync + 'static,
{
    let (to, mut events) = mpsc::unbounded_channel();
    let mut nodes = Nodes { selection, notes, to, running: HashMap::new(), next: 0, missed: false };
    let mut merge = Merge::new(MAX_WAITING);
    let Survey { pods, absent, unknown } = fleet.survey().await?;
    ask::note(&absent, &mut nodes.notes)?;
    ask::note_unknown(unknown.as_deref(), &mut nodes.notes)?;
    nodes.follow(fleet, pods, &mut merge, true);
    let (mut tick, mut list) = (interval(TICK), interval(LIST));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    list.set_missed_tick_behavior(MissedTickBehavior::Delay);
    list.reset();
    let mut list_failed = false;
    while selection.follow || !nodes.running.is_empty() || !merge.is_empty() {
        tokio::select! {
            Some((source, event)) = events.recv() => nodes.take(source, event, &mut merge),
            _ = tick.tick() => {}
            _ = list.tick(), if selection.follow => match fleet.find().await {
                Ok(pods) => {
                    nodes.follow(fleet, pods, &mut merge, false);
                    list_failed = false;
                }
                Err(error) if !std::mem::replace(&mut list_failed, true) => {
                    nodes.note(&format!("new nodes are not found for now: {error}"));
                }
                Err(_) => {}
            },
        }
        print(&mut nodes, &mut merge, &mut out)?;
    }
    if nodes.missed {
        bail!("the tail is incomplete: the lines above name the missing nodes");
    }
    Ok(out.flush()?)
}

/// Prints the records whose turn it is.
fn print<N: Write + Clone + Send + Sync + 'static>(
    nodes: &mut Nodes<'_, N>,
    merge: &mut Merge<Record>,
    out: &mut impl RecordSink,
) -> anyhow::Result<()> {
    let now = Instant::now();
    for source in merge.lagging(now) {
        nodes.note_lag(source);
    }
    let mut printed = false;
    while let Some(Record { line, .. }) = merge.next(now) {
        out.line(&line)?;
        printed = true;
    }
    if printed {
        out.flush()?;
    }
    Ok(())
}

/// Holds the nodes that are followed, each by a task.
struct Nodes<'a, N> {
    selection: &'a Selection,
    notes: N,
    to: mpsc::UnboundedSender<(Source, NodeEvent)>,
    running: HashMap<Source, Running>,
    next: Source,
    missed: bool,
}

struct Running {
    pod: AgentPod,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<N: Write + Clone + Send + Sync + 'static> Nodes<'_, N> {
    /// Starts to read new pods, and stops reading those that no longer exist.
    fn follow(&mut self, fleet: &Fleet, pods: Vec<AgentPod>, merge: &mut Merge<Record>, at_first: bool) {
        self.running.retain(|source, running| {
            let exists = pods.iter().any(|pod| pod.uid == running.pod.uid);
            if !exists {
                merge.leave(*source);
            }
            exists
        });
        for pod in pods {
            if self.running.values().all(|running| running.pod.uid != pod.uid) {
                self.start(fleet, pod, merge, at_first);
            }
        }
    }

    fn start(&mut self, fleet: &Fleet, pod: AgentPod, merge: &mut Merge<Record>, at_first: bool) {
        // An agent that started after this command is read from its start: nothing of it has been printed.
        let joined = pod.start.filter(|_| !at_first).map(|start| start.to_string());
        let since = self.selection.since.clone().or(joined);
        let source = self.next;
        self.next += 1;
        merge.join(source, Instant::now());
        let node = Node {
            source,
            target: fleet.target(pod.clone()),
            selection: Selection { since, ..self.selection.clone() },
            to: self.to.clone(),
            notes: self.notes.clone(),
        };
        let task = tokio::spawn(node.run()).abort_handle();
        self.running.insert(source, Running { pod, task });
    }

    fn take(&mut self, source: Source, event: NodeEvent, merge: &mut Merge<Record>) {
        let now = Instant::now();
        match event {
            NodeEvent::Record(record) => merge.put(source, record.time, record, now),
            NodeEvent::Live => merge.live(source, now),
            NodeEvent::Missing(why) => {
                merge.lag(source);
                if let Some(Running { pod, .. }) = self.running.get(&source) {
                    let next = if self.selection.follow { "; trying again" } else { "" };
                    let note = format!("node {} is missing: {why}{next}", pod.node);
                    self.note(&note);
                }
                self.missed |= !self.selection.follow;
            }
            NodeEvent::End => {
                merge.leave(source);
                self.running.remove(&source);
            }
        }
    }

    fn note_lag(&mut self, source: Source) {
        if let Some(Running { pod, .. }) = self.running.get(&source) {
            let node = pod.node.clone();
            self.note(&format!(
                "node {node} is silent: the others go on, and its records may be printed late"
            ));
        }
    }

    fn note(&mut self, note: &str) {
        // Nobody reads the notes when stderr is closed.
        writeln!(self.notes, "flow-observer: {note}").ok();
    }
}
