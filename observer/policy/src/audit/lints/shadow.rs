//! `rule-shadowed`: rules that a broader one of the same policy makes superfluous.

use arcstr::ArcStr;
use flow_model::inventory::Labels;
use flow_model::policies::{NetworkPolicy, Peer, PortMatch, PortSet, Rule, Selector};

use crate::audit::draft::{Draft, Drafts};
use crate::audit::lints::empty::covered;
use crate::audit::lints::{Placed, rules};
use crate::audit::report::RuleId;
use crate::audit::selector::{NAME, covers};
use crate::audit::view::View;

/// The most rules of one policy that are compared pairwise.
const MOST: usize = 500;

pub(super) fn check(view: &View<'_>, out: &mut Drafts) {
    for proposed in view.proposed() {
        let policy = &*proposed.object;
        let all: Vec<_> = rules(policy).take(MOST).collect();
        for narrow in &all {
            if let Some(broad) = all.iter().find(|broad| shadows(policy, broad, narrow)) {
                let message = match narrow.rule == broad.rule {
                    true => format!("{} repeats {}", narrow.path(), broad.path()),
                    false => format!("{} adds nothing: {} admits all of it", narrow.path(), broad.path()),
                };
                out.push(Draft::policy(RuleId::RuleShadowed, policy, &proposed.place, message));
            }
        }
    }
}

/// Is true when `broad` makes `narrow` superfluous. Of two that admit the same, the later one is.
fn shadows(policy: &NetworkPolicy, broad: &Placed<'_>, narrow: &Placed<'_>) -> bool {
    broad.direction == narrow.direction
        && broad.index != narrow.index
        && rule_covers(policy, broad.rule, narrow.rule)
        && (broad.index < narrow.index || !rule_covers(policy, narrow.rule, broad.rule))
}

fn rule_covers(policy: &NetworkPolicy, broad: &Rule, narrow: &Rule) -> bool {
    let ports = broad.ports.is_empty()
        || (!narrow.ports.is_empty()
            && narrow.ports.iter().all(|n| broad.ports.iter().any(|b| port_covers(b, n))));
    let peers = || {
        broad.peers.is_empty()
            || (!narrow.peers.is_empty()
                && narrow.peers.iter().all(|n| broad.peers.iter().any(|b| peer_covers(policy, b, n))))
    };
    ports && peers()
}

fn port_covers(broad: &PortMatch, narrow: &PortMatch) -> bool {
    broad.protocol == narrow.protocol
        && match (&broad.port, &narrow.port) {
            (PortSet::All, _) => true,
            (PortSet::Range(b0, b1), PortSet::Range(n0, n1)) => b0 <= n0 && n1 <= b1,
            (a, b) => a == b,
        }
}

fn peer_covers(policy: &NetworkPolicy, broad: &Peer, narrow: &Peer) -> bool {
    match (broad, narrow) {
        (Peer::Pods { namespaces: bn, pods: bp }, Peer::Pods { namespaces: nn, pods: np }) => {
            namespaces_cover(&policy.namespace, bn.as_ref(), nn.as_ref())
                && pods_cover(bp.as_ref(), np.as_ref())
        }
        (Peer::Block { cidr: b, except }, Peer::Block { cidr: n, except: less }) => {
            // The exceptions of the broad block must lie outside the narrow one, or be its exceptions too.
            let left_out =
                |e: &ipnet::IpNet| !(e.contains(&n.trunc()) || n.contains(&e.trunc())) || covered(*e, less);
            b.contains(&n.trunc()) && except.iter().all(left_out)
        }
        _ => false,
    }
}

fn namespaces_cover(own: &ArcStr, broad: Option<&Selector>, narrow: Option<&Selector>) -> bool {
    match (broad, narrow) {
        (None, None) => true,
        (Some(broad), Some(narrow)) => covers(broad, narrow),
        (Some(broad), None) => {
            let labels = Labels::from([(NAME.into(), own.clone())]);
            broad.requirements.iter().all(|r| r.key == NAME && r.admits(labels.get(&r.key)))
        }
        (None, Some(_)) => false,
    }
}

fn pods_cover(broad: Option<&Selector>, narrow: Option<&Selector>) -> bool {
    let all = Selector::default();
    covers(broad.unwrap_or(&all), narrow.unwrap_or(&all))
}
