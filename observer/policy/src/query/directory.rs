//! Targets of questions, looked up in one inventory.

use std::net::IpAddr;
use std::sync::Arc;

use flow_identity::Identity;
use flow_model::connection::Who;
use flow_model::inventory::{Inventory, Pod};
use jiff::Timestamp;

use crate::query::dns_name;
use crate::query::names::Names;
use crate::query::side::Side;

/// The time of all questions. An inventory has no past and no future here: whatever has an address has it now.
pub(super) const NOW: Timestamp = Timestamp::MAX;

/// Finds objects by their names and addresses.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) identity: Identity,
    pub(super) names: Names,
}

impl Directory {
    /// Indexes an inventory.
    pub(super) fn new(inventory: &Arc<Inventory>) -> Self {
        let mut identity = Identity::new();
        identity.apply(Arc::clone(inventory), NOW);
        Self { identity, names: Names::new(inventory) }
    }

    /// Describes the holder of the address.
    pub(super) fn at(&self, ip: IpAddr) -> Side<'_> {
        let holder = self.identity.holder(ip, NOW);
        let who = holder.who();
        let (label, remark, pod) = match who {
            Who::Pod(pod) => (format!("{}/{}", pod.namespace, pod.name), None, Some(pod)),
            Who::Node(node) => (ip.to_string(), Some(format!("node {node}")), None),
            Who::External => (ip.to_string(), Some("outside the cluster".to_owned()), None),
            Who::Unknown(_) => {
                let attached = |pod: &Pod| format!("pod {}/{}, in another network", pod.namespace, pod.name);
                (ip.to_string(), holder.named_pod().map(attached), None)
            }
        };
        Side { label, remark, who, pod, ips: vec![ip.to_canonical()] }
    }

    /// Returns the pod behind a Service that has this host name there: its own, or its address with dashes.
    pub(super) fn pod_behind(&self, namespace: &str, service: &str, host: &str) -> Option<&Pod> {
        let known = self.identity.service(&namespace.into(), &service.into())?;
        let address = dns_name::address(host);
        let mut pods = known.backends().filter_map(|(backend, pod)| Some((backend.ip, &**pod?)));
        pods.find(|(ip, pod)| pod.name == host || address == Some(ip.to_canonical())).map(|(_, pod)| pod)
    }
}

/// Counts pods for a sentence.
pub(super) fn pods(count: usize) -> String {
    if count == 1 { "one pod".to_owned() } else { format!("{count} pods") }
}
