//! Pods that come and go, with their objects, and a policy that changes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;
use lab::pod::Pod;

use crate::objects;
use crate::stage::{CLOSED, LANES, OPEN, Stage};

/// The first address of a pod that comes and goes; those of the load are below.
const FIRST_HOST: u8 = 40;
/// Threads that start and stop pods.
const HANDS: usize = 4;

/// The pods that exist now, the oldest first.
pub(crate) struct Churn {
    pools: Vec<VecDeque<Pod>>,
    pub(crate) replaced: u64,
    pub(crate) policy_changes: u64,
}

impl Churn {
    /// Starts the pods.
    pub(crate) fn fill(stage: &Stage, pods: usize) -> Result<Self> {
        let start = |hand: usize| -> Result<VecDeque<Pod>> {
            (hand..pods).step_by(HANDS).map(|n| start(stage, FIRST_HOST + n as u8)).collect()
        };
        let pools = in_parallel((0..HANDS).map(|hand| move || start(hand)))?;
        stage.wait_pods(2 * LANES + pods)?;
        Ok(Self { pools, replaced: 0, policy_changes: 0 })
    }

    pub(crate) fn pods(&self) -> usize {
        self.pools.iter().map(VecDeque::len).sum()
    }

    /// Replaces pods, this many a second or as many as the machine can, until `stop`. Each new one connects.
    pub(crate) fn run(&mut self, stage: &Stage, rate: u64, stop: &AtomicBool) -> Result<()> {
        let every = Duration::from_secs(HANDS as u64) / u32::try_from(rate).unwrap_or(u32::MAX);
        let hands = self.pools.iter_mut().map(|pool| move || turn(stage, pool, every, stop));
        self.replaced += in_parallel(hands)?.into_iter().sum::<u64>();
        Ok(())
    }

    /// Changes the policy each second until `stop`.
    pub(crate) fn change_policy(stage: &Stage, mut changes: u64, stop: &AtomicBool) -> Result<u64> {
        let mut due = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            stage.store.fill(&[objects::policy(changes)])?;
            changes += 1;
            due += Duration::from_secs(1);
            pause(due, stop);
        }
        Ok(changes)
    }

    /// Stops all of them.
    pub(crate) fn empty(&mut self, stage: &Stage) -> Result<()> {
        let stops = self
            .pools
            .drain(..)
            .map(|pool| move || pool.into_iter().try_for_each(|pod| stop_pod(stage, pod)));
        in_parallel(stops)?;
        stage.wait_pods(2 * LANES)
    }
}

/// Runs each on a thread of its own, and returns what they return.
fn in_parallel<T: Send, F: FnOnce() -> Result<T> + Send>(work: impl Iterator<Item = F>) -> Result<Vec<T>> {
    thread::scope(|scope| {
        let threads: Vec<_> = work.map(|work| scope.spawn(work)).collect();
        let results = threads.into_iter().map(ScopedJoinHandle::join);
        results.map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

fn turn(stage: &Stage, pool: &mut VecDeque<Pod>, every: Duration, stop: &AtomicBool) -> Result<u64> {
    let (mut due, mut replaced) = (Instant::now(), 0);
    while !stop.load(Ordering::Relaxed) {
        let Some(oldest) = pool.pop_front() else { break };
        let host = oldest.host;
        stop_pod(stage, oldest)?;
        let new = start(stage, host)?;
        let server = &stage.servers[usize::from(host) % LANES];
        new.ns.run(|| -> Result<()> {
            stage.truth.connect(server.at(OPEN))?;
            stage.truth.connect(server.at(CLOSED))?;
            Ok(())
        })?;
        pool.push_back(new);
        replaced += 1;
        due = (due + every).max(Instant::now());
        pause(due, stop);
    }
    Ok(replaced)
}

fn start(stage: &Stage, host: u8) -> Result<Pod> {
    let node = &stage.world.node;
    let pod = node.add_pod_at(host, objects::NAMESPACE, &objects::pod_name(objects::FLEETING))?;
    stage.store.fill(&[objects::pod(&node.name, &pod)])?;
    Ok(pod)
}

fn stop_pod(stage: &Stage, pod: Pod) -> Result<()> {
    stage.store.erase(&[objects::pod(&stage.world.node.name, &pod)])?;
    pod.delete();
    Ok(())
}

/// Waits until then, or until `stop`.
fn pause(until: Instant, stop: &AtomicBool) {
    while Instant::now() < until && !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(10));
    }
}
