//! The tails of all nodes as one.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::commands::reach::Fleet;
use crate::commands::reach::merge::{Merge, Source};
use crate::commands::tail::client::Target;
use crate::commands::tail::follow::Follower;
use crate::commands::tail::{Printer, TailArgs, TailError};
use crate::kube::agents::AgentPod;

/// How often nodes that came and went are looked for.
const LOOK: Duration = Duration::from_secs(5);
/// How often it is looked whether records have waited long enough.
const TICK: Duration = Duration::from_millis(50);
/// Records of one agent that wait to be merged; then it is read no further.
const HELD: usize = 4_096;
const RETRY: Duration = Duration::from_secs(2);

/// What a node's task says.
enum News {
    Record(Record),
    /// The replay is over, and the live stream open.
    Live,
    /// It can't be read for now, and why.
    Missing(String),
    /// The end of a replay that is not followed.
    End,
}

struct Record {
    line: String,
    time: Option<Timestamp>,
    _room: OwnedSemaphorePermit,
}

#[derive(Deserialize)]
struct Timed {
    time: Timestamp,
}

/// Prints the records of all agents until the replay ends (`--no-follow`) or the reader of stdout goes away.
pub(in crate::commands) async fn run<N>(
    fleet: &Fleet,
    args: &TailArgs,
    mut out: Printer<impl Write>,
    notes: N,
) -> anyhow::Result<()>
where
    N: Write + Clone + Send + Sync + 'static,
{
    let (to, mut news) = mpsc::unbounded_channel();
    let mut nodes = Nodes { args, notes, to, running: HashMap::new(), next: 0, missed: false };
    let mut merge = Merge::new(HELD);
    nodes.follow(fleet, fleet.find().await?, &mut merge, true);
    let (mut tick, mut look) = (interval(TICK), interval(LOOK));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look.reset();
    let mut told_of_api = false;
    while !(args.no_follow && nodes.running.is_empty() && merge.is_empty()) {
        tokio::select! {
            Some((source, news)) = news.recv() => nodes.take(source, news, &mut merge),
            _ = tick.tick() => {}
            _ = look.tick(), if !args.no_follow => match fleet.find().await {
                Ok(pods) => {
                    nodes.follow(fleet, pods, &mut merge, false);
                    told_of_api = false;
                }
                Err(error) if !std::mem::replace(&mut told_of_api, true) => {
                    nodes.note(&format!("nodes that join are not seen for now: {error}"));
                }
                Err(_) => {}
            },
        }
        let now = Instant::now();
        for source in merge.lagging(now) {
            nodes.lags(source);
        }
        let mut printed = false;
        while let Some(Record { line, .. }) = merge.next(now) {
            out.print(&line)?;
            printed = true;
        }
        if printed {
            out.flush()?;
        }
    }
    if nodes.missed {
        bail!("the tail is incomplete: the lines above tell which nodes are missing");
    }
    Ok(out.flush()?)
}

/// The nodes that are followed, each by a task.
struct Nodes<'a, N> {
    args: &'a TailArgs,
    notes: N,
    to: mpsc::UnboundedSender<(Source, News)>,
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
    /// Begins with pods that are new, and lets go of those that are no more.
    fn follow(&mut self, fleet: &Fleet, pods: Vec<AgentPod>, merge: &mut Merge<Record>, at_first: bool) {
        self.running.retain(|source, running| {
            let stays = pods.iter().any(|pod| pod.uid == running.pod.uid);
            if !stays {
                merge.leave(*source);
            }
            stays
        });
        for pod in pods {
            if self.running.values().any(|running| running.pod.uid == pod.uid) {
                continue;
            }
            // All that an agent has seen that came after us is news.
            let joined = pod.start.filter(|_| !at_first).map(|start| start.to_string());
            let since = self.args.since.clone().or(joined);
            let source = self.next;
            self.next += 1;
            merge.join(source, Instant::now());
            let node = Node {
                source,
                target: fleet.target(pod.clone()),
                args: TailArgs { since, ..self.args.clone() },
                to: self.to.clone(),
                notes: self.notes.clone(),
            };
            let task = tokio::spawn(node.run()).abort_handle();
            self.running.insert(source, Running { pod, task });
        }
    }

    fn take(&mut self, source: Source, news: News, merge: &mut Merge<Record>) {
        let now = Instant::now();
        match news {
            News::Record(record) => merge.put(source, record.time, record, now),
            News::Live => merge.live(source, now),
            News::Missing(why) => {
                merge.lag(source);
                if let Some(Running { pod, .. }) = self.running.get(&source) {
                    let on = if self.args.no_follow { "" } else { "; trying again" };
                    let note = format!("node {} is missing: {why}{on}", pod.node);
                    self.note(&note);
                }
                self.missed |= self.args.no_follow;
            }
            News::End => {
                merge.leave(source);
                self.running.remove(&source);
            }
        }
    }

    fn lags(&mut self, source: Source) {
        if let Some(Running { pod, .. }) = self.running.get(&source) {
            let node = pod.node.clone();
            self.note(&format!("node {node} says nothing: the others go on, and what it says may come late"));
        }
    }

    fn note(&mut self, note: &str) {
        // With stderr gone there is nobody left to tell.
        writeln!(self.notes, "flow-observer: {note}").ok();
    }
}

/// One node's tail.
struct Node<N> {
    source: Source,
    target: Target,
    args: TailArgs,
    to: mpsc::UnboundedSender<(Source, News)>,
    notes: N,
}

impl<N: Write + Clone + Send + Sync> Node<N> {
    async fn run(self) {
        let room = Arc::new(Semaphore::new(HELD));
        let mut follower = Follower::new(self.target.clone(), &self.args, self.notes.clone());
        let mut told = false;
        while let Err(error) = self.read(&mut follower, &room).await {
            if !std::mem::replace(&mut told, true) {
                self.say(News::Missing(error.to_string()));
            }
            if self.args.no_follow {
                break;
            }
            sleep(RETRY).await;
        }
        self.say(News::End);
    }

    /// The replay first, whose end is told by its own end; then, from the same place on, what happens.
    async fn read(&self, follower: &mut Follower<N>, room: &Arc<Semaphore>) -> Result<(), TailError> {
        if self.args.since.is_some() && !follower.has_replayed() {
            follower.replay();
            self.records(follower, room).await?;
        }
        if self.args.no_follow {
            return Ok(());
        }
        follower.go_on();
        follower.begin().await?;
        self.say(News::Live);
        self.records(follower, room).await
    }

    async fn records(&self, follower: &mut Follower<N>, room: &Arc<Semaphore>) -> Result<(), TailError> {
        while let Some(line) = follower.next().await? {
            let time = serde_json::from_str(&line).map(|Timed { time }| time).ok();
            follower.printed(time);
            // Closed it never is.
            let Ok(room) = Arc::clone(room).acquire_owned().await else { return Ok(()) };
            self.say(News::Record(Record { line, time, _room: room }));
        }
        Ok(())
    }

    fn say(&self, news: News) {
        // Nobody listens when the command ends.
        self.to.send((self.source, news)).ok();
    }
}

/// Standard error, for many.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::commands) struct Notes;

impl Write for Notes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
