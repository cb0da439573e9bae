//! `peer-matches-nothing`: a namespace that was renamed, a label that nobody has.

use std::collections::BTreeSet;

use arcstr::ArcStr;
use flow_model::policies::{NetworkPolicy, Peer, Selector};

use crate::audit::draft::{Draft, Drafts};
use crate::audit::lints::{Placed, rules};
use crate::audit::report::RuleId;
use crate::audit::selector::NAME;
use crate::audit::suggest;
use crate::audit::view::{Found, View};

const RULE: RuleId = RuleId::PeerMatchesNothing;

pub(super) fn check(view: &View<'_>, out: &mut Drafts) {
    for proposed in view.proposed() {
        let policy = &*proposed.object;
        for placed in rules(policy) {
            for (index, peer) in placed.rule.peers.iter().enumerate() {
                match view.find(policy, peer) {
                    Found::Some => {}
                    Found::CantTell(why) => out.not_run(RULE, why),
                    Found::NoNamespace => {
                        let message = no_namespace(view, policy, placed, index);
                        out.push(Draft::policy(RULE, policy, &proposed.place, message));
                    }
                    Found::OnlyHostNetwork => {
                        let message = format!(
                            "{}: it matches only pods in the network of their node (hostNetwork), which no selector matches; name the nodes' addresses by ipBlock",
                            placed.peer(index)
                        );
                        out.push(Draft::policy(RULE, policy, &proposed.place, message));
                    }
                    Found::NoPod(within) => {
                        let message = no_pod(view, placed, index, &within);
                        out.push(Draft::policy(RULE, policy, &proposed.place, message));
                    }
                }
            }
        }
    }
}

fn no_namespace(view: &View<'_>, policy: &NetworkPolicy, placed: Placed<'_>, index: usize) -> String {
    let Peer::Pods { namespaces: Some(selector), .. } = &placed.rule.peers[index] else {
        return String::new();
    };
    // A namespace that the policy names already is not a likely correction.
    let named = named(view, policy, placed);
    let others =
        view.namespace_labels().filter(|labels| !labels.get(NAME).is_some_and(|n| named.contains(n)));
    let near: Vec<_> = suggest::labels(selector, others)
        .into_iter()
        .map(|(key, value)| match key == NAME && selector.requirements.iter().any(|r| r.key == NAME) {
            true => value.to_string(),
            false => format!("{key}={value}"),
        })
        .collect();
    let question = suggest::question(&near);
    format!("{}: no namespace has {}{question}", placed.peer(index), selector)
}

/// Returns the namespaces that some peer of the same direction selects.
fn named(view: &View<'_>, policy: &NetworkPolicy, placed: Placed<'_>) -> BTreeSet<ArcStr> {
    let peers = rules(policy).filter(|r| r.direction == placed.direction).flat_map(|r| &r.rule.peers);
    let mut named = BTreeSet::new();
    for peer in peers {
        if let Peer::Pods { namespaces: Some(selector), .. } = peer {
            named.extend(view.matching(selector).iter().cloned());
        }
    }
    named
}

fn no_pod(view: &View<'_>, placed: Placed<'_>, index: usize, within: &[ArcStr]) -> String {
    let Peer::Pods { pods: Some(selector), .. } = &placed.rule.peers[index] else { return String::new() };
    let near: Vec<_> =
        near_pods(view, selector, within).into_iter().map(|(k, v)| format!("{k}={v}")).collect();
    let place = match within {
        [one] => format!("namespace {one}"),
        many => format!("the {} namespaces that match", many.len()),
    };
    let question = suggest::question(&near);
    format!("{}: no pod of {place} has {}{question}", placed.peer(index), selector)
}

fn near_pods(view: &View<'_>, selector: &Selector, within: &[ArcStr]) -> Vec<(ArcStr, ArcStr)> {
    suggest::labels(
        selector,
        view.peer_groups(within, None).map(|group| &group.pod.labels).collect::<Vec<_>>().into_iter(),
    )
}
