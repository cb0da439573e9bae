//! Synthetic checks: this node connects to a target, exchanges a payload or nothing, holds the connection for a while and
//! closes it.
//!
//! "Acquire, work, release" patterns, such as a state lock held over one connection, break when a connection breaks that
//! nobody writes to. A check does the same and tells at which step it broke. Off unless configured.

mod gate;
mod resolve;
pub mod spec;
mod steps;

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arcstr::ArcStr;
use flow_model::flow::FlowTuple;
use flow_model::input::{CheckResult, CheckStep, Input};
use flow_model::inventory::Inventory;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::gate::Gate;
use self::spec::{CheckSpec, Target};
use self::steps::{Failure, Run};

/// Runs the checks until `cancel`, one task each; results go to `to`.
///
/// Checks of Services wait for the first inventory. Sockets belong to the network namespace of the runtime's threads.
pub fn spawn(
    specs: Vec<CheckSpec>,
    inventories: &watch::Receiver<Arc<Inventory>>,
    to: &mpsc::Sender<Input>,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) {
    let gate = Arc::new(Gate::default());
    for spec in specs {
        let check = Check { spec, gate: Arc::clone(&gate), inventories: inventories.clone(), to: to.clone() };
        let cancel = cancel.clone();
        tasks.spawn(async move {
            // Whatever it waits for, it ends at once: dropping the task closes its connection.
            tokio::select! {
                () = cancel.cancelled() => {}
                () = check.repeat() => {}
            }
        });
    }
}

/// One check and what it needs.
struct Check {
    spec: CheckSpec,
    gate: Arc<Gate>,
    inventories: watch::Receiver<Arc<Inventory>>,
    to: mpsc::Sender<Input>,
}

impl Check {
    async fn repeat(mut self) {
        if matches!(self.spec.target, Target::Service { .. }) {
            // An error means that the source has ended: what it said last is the newest there is.
            drop(self.inventories.changed().await);
        }
        // Agents that start together don't check together.
        tokio::time::sleep(part(self.spec.interval, random())).await;
        loop {
            let result = self.once().await;
            if self.to.send(Input::Check(result)).await.is_err() {
                return;
            }
            tokio::time::sleep(jittered(self.spec.interval, random())).await;
        }
    }

    async fn once(&self) -> CheckResult {
        loop {
            let to = match self.address() {
                Ok(to) => to,
                Err(why) => return self.unresolved(why),
            };
            let _turn = self.gate.turn(to).await;
            // The turn may have been long in coming, and the Service may have another address by now.
            if self.address() == Ok(to) {
                let started = Instant::now();
                let run = steps::run(&self.spec, to).await;
                return self.result(to, run, started.elapsed());
            }
        }
    }

    fn address(&self) -> Result<SocketAddr, ArcStr> {
        resolve::address(&self.spec.target, &self.inventories.borrow())
    }

    /// A target without an address: the tuple says so with unspecified ones.
    fn unresolved(&self, why: ArcStr) -> CheckResult {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let failed = Some(Failure { step: CheckStep::Connect, why });
        let run = Run { local: (nowhere, 0).into(), failed };
        self.result((nowhere, self.spec.target.port()).into(), run, Duration::ZERO)
    }

    fn result(&self, to: SocketAddr, run: Run, took: Duration) -> CheckResult {
        CheckResult {
            time: Timestamp::now(),
            name: self.spec.name.clone(),
            service: self.spec.target.service(),
            tuple: FlowTuple {
                src: run.local.ip(),
                sport: run.local.port(),
                dst: to.ip(),
                dport: to.port(),
                backend: None,
            },
            failed: run.failed.map(|Failure { step, why }| (step, why)),
            duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// The interval, 20 % more or less, so that checks don't fall into step.
fn jittered(interval: Duration, random: u64) -> Duration {
    interval.mul_f64(0.8) + part(interval.mul_f64(0.4), random)
}

/// A random part of it.
fn part(whole: Duration, random: u64) -> Duration {
    whole.mul_f64(random as f64 / u64::MAX as f64)
}

/// Good enough for jitter: each `RandomState` has other keys.
fn random() -> u64 {
    RandomState::new().hash_one(())
}
