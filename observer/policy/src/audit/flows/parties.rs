//! Observed flows to connections: who is behind each side in a given picture of the cluster.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::baseline::{BaselineEnd, BaselineFlow};
use flow_model::connection::{Connection, Party, Who};
use flow_model::inventory::{Inventory, Pod};
use ipnet::IpNet;

/// Pods and nodes of one inventory, and pods that only flows tell of.
pub(super) struct Parties {
    pods: HashMap<(ArcStr, ArcStr), Arc<Pod>>,
    workloads: HashMap<(ArcStr, ArcStr, ArcStr), Arc<Pod>>,
    gone: HashMap<(ArcStr, ArcStr), Arc<Pod>>,
    nodes: HashMap<IpAddr, ArcStr>,
    services: HashSet<IpAddr>,
    pod_cidrs: Vec<IpNet>,
}

impl Parties {
    pub(super) fn new(inventory: &Inventory, flows: &[BaselineFlow]) -> Self {
        let alive = inventory.pods.iter().filter(|pod| !pod.finished);
        let by_name = alive.clone().map(|pod| ((pod.namespace.clone(), pod.name.clone()), Arc::clone(pod)));
        let by_workload = alive.map(|pod| (of_workload(pod), Arc::clone(pod)));
        let nodes = inventory.nodes.iter();
        let mut parties = Self {
            pods: by_name.collect(),
            workloads: by_workload.collect(),
            gone: HashMap::new(),
            nodes: nodes
                .clone()
                .flat_map(|n| n.ips.iter().map(|ip| (ip.to_canonical(), n.name.clone())))
                .collect(),
            services: inventory
                .services
                .iter()
                .flat_map(|s| &s.cluster_ips)
                .map(IpAddr::to_canonical)
                .collect(),
            pod_cidrs: nodes.flat_map(|node| &node.pod_cidrs).filter_map(|cidr| cidr.parse().ok()).collect(),
        };
        for end in flows.iter().flat_map(|flow| [&flow.src, &flow.dst]) {
            parties.remember(end);
        }
        parties
    }

    pub(super) fn connection<'a>(&'a self, flow: &'a BaselineFlow) -> Connection<'a> {
        let party = |end: &'a BaselineEnd| Party { ip: Some(end.ip.to_canonical()), who: self.who(end) };
        Connection { src: party(&flow.src), dst: party(&flow.dst), protocol: flow.protocol, port: flow.port }
    }

    /// A pod that is gone lives on in its workload's other pods, else as the flow describes it.
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

    fn who<'a>(&'a self, end: &'a BaselineEnd) -> Who<'a> {
        let ip = end.ip.to_canonical();
        match (&end.namespace, &end.pod) {
            (Some(namespace), Some(pod)) => {
                let key = (namespace.clone(), pod.clone());
                match self.pods.get(&key).or_else(|| self.gone.get(&key)) {
                    Some(pod) => Who::Pod(pod),
                    None => Who::Unknown("its pod is gone, and with it its labels"),
                }
            }
            (Some(_), None) => Who::Unknown("which pod it was is not known"),
            (None, _) => match end.node.as_ref().or_else(|| self.nodes.get(&ip)) {
                Some(node) => Who::Node(node),
                None => self.outside(ip),
            },
        }
    }

    fn outside(&self, ip: IpAddr) -> Who<'_> {
        if self.services.contains(&ip) {
            return Who::Unknown("which pod the Service chose is not known");
        }
        match self.pod_cidrs.iter().any(|cidr| cidr.contains(&ip)) {
            true => Who::Unknown("no pod is known to have this address"),
            false => Who::External,
        }
    }
}

fn of_workload(pod: &Pod) -> (ArcStr, ArcStr, ArcStr) {
    (pod.namespace.clone(), pod.workload.kind.clone(), pod.workload.name.clone())
}
