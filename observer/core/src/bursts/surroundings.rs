//! The causes as the engine knows them.

use std::fmt;
use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::inventory::Inventory;
use flow_model::object_ref::ObjectRef;
use flow_policy::history::History;
use jiff::Timestamp;

use crate::bursts::cause::{Causes, Change, VipMove};
use crate::bursts::endpoints::Endpoints;
use crate::bursts::server::Server;

/// Bundles everything that remembers what happened on this node and in its cluster.
pub struct Surroundings<'a> {
    pub inventory: &'a Inventory,
    pub history: &'a History,
    pub endpoints: &'a Endpoints,
    /// Returns the moves of a VIP, or of all VIPs, since then.
    pub moves: &'a dyn Fn(Option<IpAddr>, Timestamp) -> Vec<VipMove>,
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}

impl Causes for Surroundings<'_> {
    fn vip_moves(&self, vip: Option<IpAddr>, since: Timestamp) -> Vec<VipMove> {
        (self.moves)(vip, since)
    }

    fn policy_changes(&self, namespaces: &[ArcStr], since: Timestamp) -> Vec<Change> {
        let changes = self.history.changes_in(namespaces, since);
        changes.into_iter().map(|(at, what)| Change { at, what }).collect()
    }

    fn endpoint_changes(&self, server: &Server, services: &[ObjectRef], since: Timestamp) -> Vec<Change> {
        self.endpoints.changes(server, services, since)
    }

    fn has_backend(&self, service: &ObjectRef, workload: &ObjectRef) -> bool {
        let mut services = self.inventory.services.iter();
        let Some(found) = services.find(|s| service.is(&s.namespace, &s.name)) else { return false };
        let serves = |pod: &str, ip: &IpAddr| {
            found.backends.iter().any(|backend| match &backend.pod {
                Some(name) => service.namespace == workload.namespace && name == pod,
                None => backend.ip == *ip,
            })
        };
        let mut pods = self.inventory.pods.iter();
        pods.any(|pod| {
            workload.is(&pod.namespace, &pod.workload.name) && pod.ips.iter().any(|ip| serves(&pod.name, ip))
        })
    }
}
