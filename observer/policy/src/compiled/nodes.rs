//! Nodes by name and by address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::Node;
use flow_model::policies::Selector;

use crate::compiled::sides::{Known, Side};
use crate::compiled::truth::Truth;

#[derive(Clone, Debug, Default)]
pub(super) struct Nodes {
    by_name: HashMap<ArcStr, Arc<Node>>,
    by_ip: HashMap<IpAddr, ArcStr>,
}

impl Nodes {
    pub(super) fn new(nodes: &[Arc<Node>]) -> Self {
        let addresses =
            nodes.iter().flat_map(|node| node.ips.iter().map(|ip| (ip.to_canonical(), node.name.clone())));
        Self {
            by_name: nodes.iter().map(|node| (node.name.clone(), Arc::clone(node))).collect(),
            by_ip: addresses.collect(),
        }
    }

    /// Returns whether a selector of nodes matches this side.
    pub(super) fn matches(&self, selector: &Selector, side: &Side<'_>) -> Truth {
        let by_ip = side.ip.and_then(|ip| self.by_ip.get(&ip));
        let node = match (side.who, by_ip) {
            (Known::Pod(_), _) | (Known::External, None) => return Truth::No,
            (Known::Unknown, None) => return Truth::Maybe,
            (Known::Node(node), _) | (_, Some(node)) => node,
        };
        match self.by_name.get(node) {
            _ if selector.requirements.is_empty() => Truth::Yes,
            Some(node) => selector.matches(&node.labels).into(),
            None => Truth::Maybe,
        }
    }

    pub(super) fn memory(&self) -> usize {
        self.by_name.capacity() * (size_of::<(ArcStr, Arc<Node>)>() + 1)
            + self.by_ip.capacity() * (size_of::<(IpAddr, ArcStr)>() + 1)
    }
}
