//! Observed flows to connections: who is behind each side in a given snapshot of the cluster.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_identity::{Identity, Possible, Way};
use flow_model::baseline::{BaselineEnd, BaselineFlow};
use flow_model::connection::{Connection, Party, Who};
use flow_model::flow::FlowTuple;
use flow_model::inventory::{ContainerPort, Inventory, Pod};
use flow_model::object_ref::ObjectRef;
use flow_model::policies::Protocol;
use jiff::Timestamp;

/// Knows the pods and addresses of one inventory, and the pods that only flows describe.
pub(super) struct Parties {
    pods: HashMap<(ArcStr, ArcStr), Arc<Pod>>,
    workloads: HashMap<(ArcStr, ArcStr, ArcStr), Arc<Pod>>,
    gone: HashMap<(ArcStr, ArcStr), Arc<Pod>>,
    identity: Identity,
}

impl Parties {
    /// Indexes an inventory, and the pods of flows that it lacks.
    pub(super) fn new(inventory: &Arc<Inventory>, flows: &[BaselineFlow]) -> Self {
        let alive = inventory.pods.iter().filter(|pod| !pod.finished);
        let by_name = alive.clone().map(|pod| ((pod.namespace.clone(), pod.name.clone()), Arc::clone(pod)));
        let by_workload = alive.map(|pod| (of_workload(pod), Arc::clone(pod)));
        let mut identity = Identity::new();
        identity.apply(Arc::clone(inventory), Timestamp::MAX);
        let mut parties = Self {
            pods: by_name.collect(),
            workloads: by_workload.collect(),
            gone: HashMap::new(),
            identity,
        };
        for end in flows.iter().flat_map(|flow| [&flow.src, &flow.dst]) {
            parties.remember(end);
        }
        parties
    }

    /// Returns the connections that a flow may be: the one that was seen, as its backend's node sees the client, or, where
    /// the backend of a Service was not seen, those to its backends.
    pub(super) fn possible<'a>(&'a self, flow: &'a BaselineFlow) -> Possible<'a> {
        let connection = Connection {
            src: self.party(&flow.src, flow.last_seen),
            dst: self.party(&flow.dst, flow.last_seen),
            protocol: flow.protocol,
            port: flow.port,
        };
        let way = match flow.dst.used {
            _ if flow.protocol != Protocol::Tcp => Way::Straight,
            Some(used) => self.way_through(used, connection.dst, flow),
            None if flow.dst.pod.is_none() => self.way_to(flow.dst.ip, flow),
            None => Way::Straight,
        };
        Possible::along(connection, way)
    }

    /// Returns the way to a backend that was seen.
    fn way_through<'a>(&'a self, used: IpAddr, backend: Party<'a>, flow: &'a BaselineFlow) -> Way<'a> {
        let is_behind = |port: &&ContainerPort| port.port == flow.port && port.host.is_some();
        let host_port = || flow.dst.ports.iter().find(is_behind)?.host;
        let Some(dport) = flow.service_port.or_else(|| host_port().map(|host| host.port)) else {
            return Way::Straight;
        };
        let backend_at = Some((flow.dst.ip, flow.port));
        let tuple = FlowTuple { src: flow.src.ip, sport: 0, dst: used, dport, backend: backend_at };
        match self.identity.resolve(&tuple, flow.last_seen).possible().way() {
            Way::Behind(behind) => Way::Behind(behind.seen_at(Some((backend, flow.port)))),
            way => way,
        }
    }

    /// Returns the way to an address behind which nothing was seen.
    fn way_to<'a>(&'a self, ip: IpAddr, flow: &'a BaselineFlow) -> Way<'a> {
        let tuple = FlowTuple { src: flow.src.ip, sport: 0, dst: ip, dport: flow.port, backend: None };
        match self.identity.resolve(&tuple, flow.last_seen).possible().way() {
            Way::Behind(behind) if flow.dst.service.is_some() => Way::Behind(behind),
            Way::Beyond(why) => Way::Beyond(why),
            Way::Straight | Way::Behind(_) | Way::HostPort(_) => Way::Straight,
        }
    }

    fn party<'a>(&'a self, end: &'a BaselineEnd, at: Timestamp) -> Party<'a> {
        Party { ip: Some(end.ip.to_canonical()), who: self.who(end, at) }
    }

    /// Remembers a pod that is gone: by another pod of its workload, else as the flow describes it.
    fn remember(&mut self, end: &BaselineEnd) {
        let Some(key) = end.namespace.clone().zip(end.pod.clone()) else { return };
        if self.pods.contains_key(&key) || self.gone.contains_key(&key) {
            return;
        }
        let sibling = || {
            let workload = (key.0.clone(), end.kind.clone()?, end.workload.clone()?);
            self.workloads.get(&workload).cloned()
        };
        if let Some(pod) = sibling().or_else(|| end.to_pod().map(Arc::new)) {
            self.gone.insert(key, pod);
        }
    }

    /// Returns who is behind a side. The names in the flow go first. An address without one gets its holder in this
    /// snapshot, unless that is a pod that started after the flow was last seen.
    fn who<'a>(&'a self, end: &'a BaselineEnd, at: Timestamp) -> Who<'a> {
        match (&end.namespace, &end.pod, &end.node) {
            (Some(namespace), Some(pod), _) => {
                let key = (namespace.clone(), pod.clone());
                match self.pods.get(&key).or_else(|| self.gone.get(&key)) {
                    Some(pod) => Who::Pod(pod),
                    None => Who::Unknown("its pod is gone, and with it its labels"),
                }
            }
            (_, _, Some(node)) => Who::Node(node),
            (namespace, _, None) => match self.identity.holder(end.ip, at).who() {
                // Outside may be a backend of a Service that exists. Otherwise the names no longer belong to the address.
                Who::External if namespace.is_some() && !self.has_service(end) => {
                    Who::Unknown("which pod it was is not known")
                }
                who => who,
            },
        }
    }

    fn has_service(&self, end: &BaselineEnd) -> bool {
        let named = |service: &ObjectRef| self.identity.service(&service.namespace, &service.name);
        end.service.as_ref().and_then(named).is_some()
    }
}

fn of_workload(pod: &Pod) -> (ArcStr, ArcStr, ArcStr) {
    (pod.namespace.clone(), pod.workload.kind.clone(), pod.workload.name.clone())
}
