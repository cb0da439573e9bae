//! One round: the load, then a rest in which everything is compared.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use lab::kube::ApiServer;
use lab::wait;
use serde::Serialize;

use crate::args::Args;
use crate::churn::Churn;
use crate::objects::CLIENT;
use crate::sample::Sample;
use crate::stage::{LANES, Stage};
use crate::{followers, outage, storm};

/// The server goes away in each second round.
const OUTAGES: usize = 2;

/// Connections and resets since the start, as clients or as the agent counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub(crate) established: u64,
    pub(crate) refused: u64,
    /// Attempts with any other end. There are none.
    pub(crate) other: u64,
    /// Resets that the clients of the bursts sent, as their kernels count them.
    pub(crate) resets: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Round {
    pub(crate) number: usize,
    /// Connections in this round, the time in bursts, and so the rate that the clients reached.
    pub(crate) connections: u64,
    pub(crate) rate: f64,
    /// Pods that were replaced in a second.
    pub(crate) churn: f64,
    pub(crate) policy_changes: u64,
    pub(crate) followers: u64,
    pub(crate) outage: bool,
    pub(crate) clients: Counts,
    pub(crate) agent: Counts,
    /// Records that found no room in the ring.
    pub(crate) lost: u64,
    /// What did not work in the rest.
    pub(crate) failed: Option<String>,
    pub(crate) sample: Sample,
}

impl Round {
    pub(crate) fn play(
        stage: &Stage,
        api: &mut ApiServer,
        churn: &mut Churn,
        args: &Args,
        index: usize,
        began: Instant,
    ) -> Result<Self> {
        let before = Before::of(stage, churn);
        let outage = index.is_multiple_of(OUTAGES);
        let load = Instant::now();
        let followers = load_all(stage, outage.then_some(api), churn, args)?;
        let took = load.elapsed().as_secs_f64();
        let failed = rest(stage, churn.pods());
        let after = Before::of(stage, churn);
        let made = after.in_bursts - before.in_bursts;
        Ok(Self {
            number: index + 1,
            connections: after.connections - before.connections,
            rate: made as f64 / ((after.burst_ms - before.burst_ms) as f64 / 1_000.0 / LANES as f64),
            churn: (after.replaced - before.replaced) as f64 / took,
            policy_changes: after.policy_changes - before.policy_changes,
            followers,
            outage,
            clients: truth(stage)?,
            agent: counted(stage).context("the agent's counts")?,
            lost: stage.agent.metric("events_lost_total", &[("stage", "ring")])? as u64,
            failed: failed.err().map(|error| format!("{error:#}")),
            sample: Sample::take(stage, began)?,
        })
    }
}

/// Numbers since the start.
struct Before {
    connections: u64,
    in_bursts: u64,
    burst_ms: u64,
    replaced: u64,
    policy_changes: u64,
}

impl Before {
    fn of(stage: &Stage, churn: &Churn) -> Self {
        let (truth, read) = (&stage.truth, |number: &AtomicU64| number.load(Ordering::Relaxed));
        Self {
            connections: read(&truth.established) + read(&truth.refused),
            in_bursts: read(&truth.in_bursts),
            burst_ms: read(&truth.burst_ms),
            replaced: churn.replaced,
            policy_changes: churn.policy_changes,
        }
    }
}

/// Runs everything at once for the length of a round. Returns the number of followers.
fn load_all(stage: &Stage, api: Option<&mut ApiServer>, churn: &mut Churn, args: &Args) -> Result<u64> {
    let stop = &AtomicBool::new(false);
    let changes = churn.policy_changes;
    thread::scope(|scope| {
        let storm =
            scope.spawn(move || storm::rage(&stage.clients, &stage.servers, args.rate, &stage.truth, stop));
        let policies = scope.spawn(move || Churn::change_policy(stage, changes, stop));
        let followers = scope.spawn(move || followers::come_and_go(stage, stop));
        let outage = scope.spawn(move || api.map_or(Ok(()), |api| outage::play(api, stop)));
        let pods = scope.spawn(|| churn.run(stage, args.churn, stop).map(|()| churn));
        let end = Instant::now() + args.round();
        while Instant::now() < end && !wait::interrupted() && !storm.is_finished() {
            thread::sleep(Duration::from_millis(50));
        }
        stop.store(true, Ordering::Relaxed);
        // All have ended before the first failure is returned.
        let (storm, policies, followers, outage, pods) =
            (join(storm), join(policies), join(followers), join(outage), join(pods));
        storm.context("the bursts")?;
        pods.context("the pods")?.policy_changes = policies.context("the policy")?;
        outage.context("the API server")?;
        followers.context("the followers")
    })
}

fn join<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Waits until the agent has caught up, and sees whether each of its parts works.
fn rest(stage: &Stage, pods: usize) -> Result<()> {
    stage.wait_pods(2 * LANES + pods)?;
    let synced = |name: &str| wait::until(name, wait::DEADLINE, || all_synced(stage).ok()?.then_some(()));
    synced("every kind of object to be synced")?;
    stage.check_alive()?;
    let exact = || counted(stage).ok().filter(|counts| truth(stage).is_ok_and(|truth| truth == *counts));
    wait::until("the counts to be those of the clients", wait::DEADLINE, exact).with_context(|| {
        format!("attempts by workloads and end: {:?}", by_workload(stage).unwrap_or_default())
    })?;
    Ok(())
}

/// Returns the agent's counts of attempts by the workloads and the end.
fn by_workload(stage: &Stage) -> Result<BTreeMap<[String; 3], f64>> {
    let mut sums = BTreeMap::new();
    for sample in stage.agent.metrics()? {
        if sample.name == "flow_observer_connection_attempts_total" {
            let label = |name: &str| sample.labels.get(name).cloned().unwrap_or_default();
            *sums.entry(["src_workload", "dst_workload", "outcome"].map(label)).or_default() += sample.value;
        }
    }
    Ok(sums)
}

fn all_synced(stage: &Stage) -> Result<bool> {
    let metrics = stage.agent.metrics()?;
    let mut synced = metrics.iter().filter(|sample| sample.name == "flow_observer_cluster_synced").peekable();
    if synced.peek().is_none() {
        bail!("no kind of object is followed");
    }
    Ok(synced.all(|sample| sample.value == 1.0))
}

fn truth(stage: &Stage) -> Result<Counts> {
    let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
    let truth = &stage.truth;
    let resets = stage.clients.iter().map(|client| client.ns.counter("Tcp", "OutRsts")).sum::<Result<_>>()?;
    Ok(Counts { established: read(&truth.established), refused: read(&truth.refused), other: 0, resets })
}

fn counted(stage: &Stage) -> Result<Counts> {
    let metrics = stage.agent.metrics()?;
    let sum = |name: &str, labels: &[(&str, &str)]| {
        let name = format!("flow_observer_{name}");
        metrics.iter().filter(|sample| sample.matches(&name, labels)).map(|sample| sample.value).sum::<f64>()
            as u64
    };
    let ended = |outcome: &str| sum("connection_attempts_total", &[("outcome", outcome)]);
    Ok(Counts {
        established: ended("established"),
        refused: ended("refused"),
        other: ended("rejected") + ended("unanswered"),
        resets: sum("tcp_rst_total", &[("by", "client"), ("src_workload", CLIENT)]),
    })
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, connections, rate, churn, policy_changes, followers, sample, .. } = self;
        write!(
            f,
            "round {number}: {connections} connections, {rate:.0}/s in bursts; {churn:.1} pods/s replaced; {policy_changes} \
             policy changes; {followers} followers{}; RSS {:.1} MiB, {} descriptors, {} threads; counts {}",
            if self.outage { "; the API server went away" } else { "" },
            sample.rss_kib as f64 / 1024.0,
            sample.descriptors.values().sum::<usize>(),
            sample.threads,
            if self.clients == self.agent {
                "exact".to_owned()
            } else {
                format!("{:?}, not {:?}", self.agent, self.clients)
            },
        )?;
        if let Some(failed) = &self.failed {
            write!(f, "; FAILED: {failed}")?;
        }
        Ok(())
    }
}
