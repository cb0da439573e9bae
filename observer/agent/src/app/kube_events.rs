//! Reports findings as Kubernetes Events: connects the sink's feed with `kube::events`.

use std::sync::Arc;

use flow_model::input::LostStage;
use flow_model::inventory::Inventory;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::app::api::Api;
use crate::config::{ClusterSource, Options};
use crate::kube::events;
use crate::sink::{Shared, Sinks};
use crate::tasks::Tasks;

/// Reports that wait for the task. It takes them at once, however slow the API server is.
const QUEUE: usize = 1_024;

/// Starts to report findings as Events, if the cluster comes from an API server and the option allows it.
pub(super) async fn start(
    options: &Options,
    api: &Api,
    sinks: &mut Sinks,
    shared: &Arc<Shared>,
    inventories: watch::Receiver<Arc<Inventory>>,
    tasks: &Tasks,
    cancel: &CancellationToken,
) -> anyhow::Result<()> {
    if options.no_kube_events || options.cluster != ClusterSource::Kube {
        return Ok(());
    }
    let (shared, gauge) = (Arc::clone(shared), Arc::clone(shared));
    let reporting = events::Reporting {
        access: api.access(options).await?,
        node: shared.node().clone(),
        limits: events::Limits::default(),
        findings: sinks.feed_findings(QUEUE),
        inventories,
        lost: Box::new(move |count| shared.metrics.add_lost(LostStage::KubeEvents, count)),
        pending: Box::new(move |count| gauge.metrics.set_events_pending(count)),
    };
    tasks.spawn(events::run(reporting, cancel.clone()));
    Ok(())
}
