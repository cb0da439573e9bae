//! Starts the synthetic checks, if the configuration defines any.

use std::sync::Arc;

use flow_model::input::Input;
use flow_model::inventory::Inventory;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::checks::spec::{CheckSpec, Target};
use crate::config::{ClusterSource, Options};
use crate::sink::state::Shared;
use crate::tasks::Tasks;

/// Rejects checks that can never find their target: that is an error of the configuration, not of the network.
pub(super) fn validate(options: &Options) -> anyhow::Result<()> {
    if options.cluster == ClusterSource::None {
        let of_service = |check: &&CheckSpec| matches!(check.target, Target::Service { .. });
        if let Some(check) = options.check.iter().find(of_service) {
            anyhow::bail!(
                "check `{}` is for a Service, but no cluster is followed; give --cluster, or an address as target",
                check.name
            );
        }
    }
    Ok(())
}

/// Starts the checks, each with a series from the start.
pub(super) fn start(
    checks: Vec<CheckSpec>,
    inventories: &watch::Receiver<Arc<Inventory>>,
    shared: &Shared,
    to: &mpsc::Sender<Input>,
    tasks: &Tasks,
    cancel: &CancellationToken,
) {
    if checks.is_empty() {
        return;
    }
    info!(checks = checks.len(), "synthetic checks run");
    checks.iter().for_each(|check| shared.metrics.declare_check(&check.name));
    crate::checks::spawn(checks, inventories, to, tasks, cancel);
}

#[cfg(test)]
mod tests;
