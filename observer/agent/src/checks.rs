//! Synthetic checks: this node connects to a target, optionally exchanges a payload, holds the connection for a while and
//! closes it.
//!
//! "Acquire, work, release" patterns, such as a state lock held over one connection, fail when an idle connection breaks. A
//! check does the same and reports the step that failed. There are no checks unless the configuration defines them.

mod gate;
mod resolve;
pub mod spec;
mod steps;

#[cfg(test)]
mod tests;

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

use self::gate::Gate;
use self::spec::{CheckSpec, Target};
use self::steps::{Failure, Run};

use crate::tasks::Tasks;

/// Runs the checks until `cancel`, each in a task of its own. Results go to `to`.
///
/// Checks of Services wait for the first inventory. Sockets belong to the network namespace of the runtime's threads.
pub fn spawn(
    specs: Vec<CheckSpec>,
    inventories: &watch::Receiver<Arc<Inventory>>,
    to: &mpsc::Sender<Input>,
    tasks: &Tasks,
    cancel: &CancellationToken,
) {
    let gate = Arc::new(Gate::default());
    for spec in specs {
        let check = Check { spec, gate: Arc::clone(&gate), inventories: inventories.clone(), to: to.clone() };
        let cancel = cancel.clone();
        tasks.spawn(async move {
            // Cancelling ends every wait at once, and dropping the check closes its connection.
            tokio::select! {
                () = cancel.cancelled() => {}
                () = check.repeat() => {}
            }
        });
    }
}

/// Holds one check and what it needs to run.
struct Check {
    spec: CheckSpec,
    gate: Arc<Gate>,
    inventories: watch::Receiver<Arc<Inventory>>,
    to: mpsc::Sender<Input>,
}

impl Check {
    async fn repeat(mut self) {
        if matches!(self.spec.target, Target::Service { .. }) {
            // An error means that the source has ended, so its last inventory is the newest.
            drop(self.inventories.changed().await);
        }
        // A random delay, so that agents that start together don't check together.
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
            // The wait may have been long, and the Service may have another address by now.
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

    /// Returns the result for a target without an address; unspecified addresses in the tuple mark it.
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

/// Returns the interval, plus or minus 20 %, so that checks don't synchronise.
fn jittered(interval: Duration, random: u64) -> Duration {
    interval.mul_f64(0.8) + part(interval.mul_f64(0.4), random)
}

/// Returns a random part of `whole`.
fn part(whole: Duration, random: u64) -> Duration {
    whole.mul_f64(random as f64 / u64::MAX as f64)
}

/// Returns a random number, good enough for jitter.
fn random() -> u64 {
    fastrand::u64(..)
}
