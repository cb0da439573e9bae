//! The properties of a policy that the history needs, whichever kind the policy has.

use std::fmt::{self, Display, Formatter};

use arcstr::ArcStr;
use flow_model::object_ref::ObjectRef;
use flow_model::policies::{
    BrokenPolicy, NetworkPolicy, Origin, Peer, PodsPeer, Selector, TierKind, TierPeer, TierPolicy,
};

/// Identifies an object in the history.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Policy(ObjectRef),
    Tiered(TierKind, ArcStr),
    Namespace(ArcStr),
    Pod(ObjectRef),
}

impl Key {
    /// Returns the key of a broken policy, or `None` for one of a kind that the history doesn't follow.
    pub(super) fn of_broken(policy: &BrokenPolicy) -> Option<Self> {
        match policy.tier {
            None => Some(Self::Policy(policy.object_ref())),
            Some(_) => Some(Self::Tiered(policy.kind.parse().ok()?, policy.name.clone())),
        }
    }
}

impl Display for Key {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(name) => write!(f, "NetworkPolicy {name}"),
            Self::Tiered(kind, name) => write!(f, "{kind} {name}"),
            Self::Namespace(name) => write!(f, "namespace {name}"),
            Self::Pod(name) => write!(f, "pod {name}"),
        }
    }
}

/// Gives both kinds of policies one shape.
pub(super) trait Policy {
    fn key(&self) -> Key;

    fn origin(&self) -> &Origin;

    /// Is true if both decide alike, whatever their origin.
    fn is_equivalent(&self, other: &Self) -> bool;

    /// Is true if a selector in the policy looks at this label.
    fn uses_label(&self, label: &ArcStr) -> bool;
}

impl Policy for NetworkPolicy {
    fn key(&self) -> Key {
        Key::Policy(self.object_ref())
    }

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn is_equivalent(&self, other: &Self) -> bool {
        (&self.selector, &self.ingress, &self.egress) == (&other.selector, &other.ingress, &other.egress)
    }

    fn uses_label(&self, label: &ArcStr) -> bool {
        let rules = self.ingress.iter().chain(&self.egress).flatten();
        selects_by(&self.selector, label)
            || rules.flat_map(|rule| &rule.peers).any(|peer| match peer {
                Peer::Pods { namespaces, pods } => {
                    namespaces.iter().chain(pods).any(|selector| selects_by(selector, label))
                }
                Peer::Block { .. } => false,
            })
    }
}

impl Policy for TierPolicy {
    fn key(&self) -> Key {
        Key::Tiered(self.kind, self.name.clone())
    }

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn is_equivalent(&self, other: &Self) -> bool {
        (self.tier, self.priority, &self.subject, &self.ingress, &self.egress)
            == (other.tier, other.priority, &other.subject, &other.ingress, &other.egress)
    }

    fn uses_label(&self, label: &ArcStr) -> bool {
        let pods = |peer: &PodsPeer| {
            selects_by(&peer.namespaces, label)
                || peer.pods.as_ref().is_some_and(|pods| selects_by(pods, label))
        };
        let rules = self.ingress.iter().chain(&self.egress);
        pods(&self.subject)
            || rules.flat_map(|rule| &rule.peers).any(|peer| match peer {
                TierPeer::Pods(peer) => pods(peer),
                TierPeer::Nodes(_)
                | TierPeer::Networks(_)
                | TierPeer::Domains(_)
                | TierPeer::Unreadable(_) => false,
            })
    }
}

fn selects_by(selector: &Selector, label: &ArcStr) -> bool {
    selector.requirements.iter().any(|requirement| requirement.key == *label)
}
