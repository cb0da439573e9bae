//! Synthetic checks, where there are any.

use std::sync::Arc;

use flow_model::input::Input;
use flow_model::inventory::Inventory;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

use crate::checks::spec::{CheckSpec, Target};
use crate::commands::config::{ClusterSource, Options};
use crate::sink::state::Shared;

/// A check that can never find its target is an error of the configuration, not of the network.
pub(super) fn validate(options: &Options) -> anyhow::Result<()> {
    if matches!(options.cluster, None | Some(ClusterSource::None)) {
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

/// Starts the checks.
pub(super) fn start(
    checks: Vec<CheckSpec>,
    inventories: &watch::Receiver<Arc<Inventory>>,
    shared: &Shared,
    to: &mpsc::Sender<Input>,
    tasks: &TaskTracker,
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
mod tests {
    use super::*;

    fn options(cluster: Option<&str>, target: &str) -> Options {
        let check = format!("name = \"lock\"\ntarget = \"{target}\"");
        let cluster = cluster.map(|source| source.parse().unwrap());
        Options { cluster, check: vec![toml::from_str(&check).unwrap()], ..Options::default() }
    }

    #[test]
    fn a_service_needs_a_cluster() {
        for (cluster, target, fits) in [
            (None, "data/cache:80", false),
            (Some("none"), "data/cache:80", false),
            (Some("dir:/x"), "data/cache:80", true),
            (Some("kube"), "data/cache:80", true),
            (None, "10.0.0.1:80", true),
        ] {
            let valid = validate(&options(cluster, target));
            assert_eq!(valid.is_ok(), fits, "{cluster:?} {target}: {valid:?}");
        }
    }
}
