//! The nodes whose flows a baseline has. A flow between two other nodes is in none of them, so a change that breaks it would
//! look harmless.

use std::collections::BTreeSet;

use arcstr::ArcStr;
use flow_model::baseline::{Baseline, Missing};
use flow_model::inventory::Inventory;

use crate::audit::change::Unjudged;
use crate::audit::report::{MissingNode, Nodes};

const NOT_ASKED: ArcStr = arcstr::literal!("its flows are not among those given");
/// Most nodes named in one sentence.
const NAMED: usize = 5;

/// Returns the nodes whose flows the baselines have, and those of the cluster that are missing. It is `None` where no baseline
/// claims to have any node's flows.
pub(super) fn nodes(baselines: &[Baseline], inventory: &Inventory) -> Option<Nodes> {
    // A joined baseline names all its nodes, separated by commas, which no name of a node can hold.
    let named =
        baselines.iter().flat_map(|baseline| baseline.node.split(", ")).filter(|name| !name.is_empty());
    let asked: BTreeSet<ArcStr> = named.map(ArcStr::from).collect();
    if asked.is_empty() {
        return None;
    }
    let cluster: BTreeSet<_> = inventory.nodes.iter().map(|node| node.name.clone()).collect();
    let missing = cluster.difference(&asked).map(|node| {
        let reason =
            baselines.iter().flat_map(|baseline| &baseline.missing).find(|m| m.what == flows_of(node));
        let reason = reason.map_or(NOT_ASKED, |Missing { why, .. }| why.clone());
        MissingNode { node: node.clone(), reason }
    });
    Some(Nodes { missing: missing.collect(), asked: asked.into_iter().collect() })
}

/// Returns what a baseline calls the flows of a node in [`Baseline::missing`].
#[must_use]
pub fn flows_of(node: &str) -> ArcStr {
    arcstr::format!("flows of node {node}")
}

/// Describes the flows that are missing because nodes are.
pub(super) fn unjudged(nodes: &Nodes) -> Option<Unjudged> {
    if nodes.missing.is_empty() {
        return None;
    }
    let mut names: Vec<_> = nodes.missing.iter().map(|missing| missing.node.as_str()).take(NAMED).collect();
    let more = nodes.missing.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("{more} more"));
    names.extend(more.as_deref());
    let why = format!(
        "only the {} are judged; those that only {} saw are not (--all-nodes asks all agents)",
        nodes.in_words(),
        names.join(", ")
    );
    Some(Unjudged { place: None, object: arcstr::literal!("flows"), why })
}

impl Nodes {
    /// Returns how many of how many nodes gave their flows: `flows of 1 of 3 nodes`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let (asked, all) = (self.asked.len(), self.asked.len() + self.missing.len());
        format!("flows of {asked} of {all} node{}", if all == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests;
