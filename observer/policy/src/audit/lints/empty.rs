//! `rule-empty`: peers that can never match.

use flow_model::policies::{Peer, Selector};
use ipnet::IpNet;

use crate::audit::draft::{Draft, Drafts};
use crate::audit::lints::rules;
use crate::audit::report::RuleId;
use crate::audit::selector::contradiction;
use crate::audit::view::View;
use crate::readings::zero_network;

pub(super) fn check(view: &View<'_>, out: &mut Drafts) {
    for proposed in view.proposed() {
        for placed in rules(&proposed.object) {
            for (index, peer) in placed.rule.peers.iter().enumerate() {
                if let Some(why) = never(peer) {
                    let message = format!("{} can never match: {why}", placed.peer(index));
                    out.push(Draft::policy(RuleId::RuleEmpty, &proposed.object, &proposed.place, message));
                }
            }
        }
    }
}

fn never(peer: &Peer) -> Option<String> {
    match peer {
        Peer::Pods { namespaces, pods } => {
            let selectors: [Option<&Selector>; 2] = [namespaces.as_ref(), pods.as_ref()];
            let (a, b) = selectors.into_iter().flatten().find_map(contradiction)?;
            Some(format!("nothing has both {a} and {b}"))
        }
        Peer::Block { cidr, except } => {
            let covered =
                || covered(*cidr, except).then(|| format!("except takes away all of {}", cidr.trunc()));
            zero_network(cidr).or_else(covered)
        }
    }
}

/// Is true when the blocks together contain every address.
pub(super) fn covered(cidr: IpNet, blocks: &[IpNet]) -> bool {
    IpNet::aggregate(&blocks.to_vec()).iter().any(|block| block.contains(&cidr.trunc()))
}
