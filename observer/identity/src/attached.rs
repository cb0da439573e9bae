//! Addresses that pods have in other networks than the cluster's.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use flow_model::inventory::Pod;
use jiff::Timestamp;

/// Holds the pods of the newest snapshot by such addresses. Networks know nothing of each other: where two pods have the
/// same address, nobody can tell which of them is meant.
#[derive(Debug, Default)]
pub(super) struct Attached {
    by_ip: HashMap<IpAddr, Option<Arc<Pod>>>,
}

impl Attached {
    pub(super) fn new(pods: &[Arc<Pod>]) -> Self {
        let mut by_ip: HashMap<IpAddr, Option<Arc<Pod>>> = HashMap::new();
        for pod in pods.iter().filter(|pod| !pod.finished) {
            for ip in pod.attached_ips.iter().map(IpAddr::to_canonical) {
                let holder = by_ip.entry(ip).or_insert_with(|| Some(Arc::clone(pod)));
                if holder.as_ref().is_some_and(|other| !Arc::ptr_eq(other, pod)) {
                    *holder = None;
                }
            }
        }
        Self { by_ip }
    }

    /// Returns the pod that has the address, or `Some(None)` where one of several has it, or one that had not begun then.
    pub(super) fn at(&self, ip: IpAddr, at: Timestamp) -> Option<Option<&Pod>> {
        let pod = self.by_ip.get(&ip)?.as_deref();
        Some(pod.filter(|pod| pod.start.is_none_or(|start| start <= at)))
    }
}
