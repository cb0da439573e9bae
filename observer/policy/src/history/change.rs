//! One change.

use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::connection::{Connection, Who};
use flow_model::inventory::{Labels, Namespace, Pod};
use flow_model::policies::{NetworkPolicy, Origin, Peer, PodsPeer, Selector, TierPeer, TierPolicy};
use jiff::{SignedDuration, Timestamp};

/// What changed, and when this agent saw it.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) seen: Timestamp,
    pub(super) what: What,
}

/// A deletion and a creation no farther apart are one change.
const REPLACED: SignedDuration = SignedDuration::from_secs(10);

#[derive(Clone, Debug)]
pub(super) enum What {
    Policy(Edit<NetworkPolicy>),
    Tiered(Edit<TierPolicy>),
    /// Its labels.
    Namespace(Arc<Namespace>, Arc<Namespace>),
    /// Its labels.
    Pod(Arc<Pod>, Arc<Pod>),
}

/// Without `before` it was created, without `after` deleted.
#[derive(Clone, Debug)]
pub(super) struct Edit<T> {
    pub(super) before: Option<Arc<T>>,
    pub(super) after: Option<Arc<T>>,
}

/// What tells objects apart: kind, namespace, name.
pub(super) type Key = (&'static str, ArcStr, ArcStr);

/// What both kinds of policies have.
pub(super) trait Policy {
    fn key(&self) -> Key;
    fn origin(&self) -> &Origin;
    /// Equal but for who wrote it and when.
    fn says_the_same(&self, other: &Self) -> bool;
    /// Whether a selector in it looks at this label.
    fn asks_for(&self, label: &ArcStr) -> bool;
}

impl Policy for NetworkPolicy {
    fn key(&self) -> Key {
        ("NetworkPolicy", self.namespace.clone(), self.name.clone())
    }

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn says_the_same(&self, other: &Self) -> bool {
        (&self.selector, &self.ingress, &self.egress) == (&other.selector, &other.ingress, &other.egress)
    }

    fn asks_for(&self, label: &ArcStr) -> bool {
        let rules = self.ingress.iter().chain(&self.egress).flatten();
        asks(&self.selector, label)
            || rules.flat_map(|rule| &rule.peers).any(|peer| match peer {
                Peer::Pods { namespaces, pods } => namespaces.iter().chain(pods).any(|s| asks(s, label)),
                Peer::Block { .. } => false,
            })
    }
}

impl Policy for TierPolicy {
    fn key(&self) -> Key {
        ("", self.kind.clone(), self.name.clone())
    }

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn says_the_same(&self, other: &Self) -> bool {
        (self.tier, self.priority, &self.subject, &self.ingress, &self.egress)
            == (other.tier, other.priority, &other.subject, &other.ingress, &other.egress)
    }

    fn asks_for(&self, label: &ArcStr) -> bool {
        let pods = |peer: &PodsPeer| {
            asks(&peer.namespaces, label) || peer.pods.as_ref().is_some_and(|pods| asks(pods, label))
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

fn asks(selector: &Selector, label: &ArcStr) -> bool {
    selector.requirements.iter().any(|requirement| requirement.key == *label)
}

impl<T: Policy> Edit<T> {
    fn key(&self) -> Key {
        self.after.as_ref().or(self.before.as_ref()).map_or_else(Key::default, |policy| policy.key())
    }

    /// It says what it said before.
    pub(super) fn is_nothing(&self) -> bool {
        matches!((&self.before, &self.after), (Some(before), Some(after)) if before.says_the_same(after))
    }

    fn replaces(&mut self, earlier: &Self) -> bool {
        let replaces = self.before.is_none() && earlier.after.is_none();
        if replaces {
            self.before.clone_from(&earlier.before);
        }
        replaces
    }

    /// What it was asks for it, or what it is.
    fn asks_for(&self, label: &ArcStr) -> bool {
        self.before.iter().chain(&self.after).any(|policy| policy.asks_for(label))
    }

    fn created(&self) -> Option<Timestamp> {
        self.after.as_ref().filter(|_| self.before.is_none())?.origin().created
    }
}

impl Change {
    /// Whether it is a creation right after this deletion; then it becomes a change of what was deleted.
    pub(super) fn replaces(&mut self, earlier: &Self) -> bool {
        let at_once = self.seen.duration_since(earlier.seen) <= REPLACED;
        at_once
            && match (&mut self.what, &earlier.what) {
                (What::Policy(edit), What::Policy(earlier)) => edit.replaces(earlier),
                (What::Tiered(edit), What::Tiered(earlier)) => edit.replaces(earlier),
                _ => false,
            }
    }
}

impl What {
    pub(super) fn key(&self) -> Key {
        match self {
            Self::Policy(edit) => edit.key(),
            Self::Tiered(edit) => edit.key(),
            Self::Namespace(_, after) => ("Namespace", ArcStr::new(), after.name.clone()),
            Self::Pod(_, after) => ("Pod", after.namespace.clone(), after.name.clone()),
        }
    }

    /// Of a policy that appeared: when the API says it was created.
    pub(super) fn created(&self) -> Option<Timestamp> {
        match self {
            Self::Policy(edit) => edit.created(),
            Self::Tiered(edit) => edit.created(),
            Self::Namespace(..) | Self::Pod(..) => None,
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        match self {
            Self::Policy(edit) => edit.is_nothing(),
            Self::Tiered(edit) => edit.is_nothing(),
            Self::Namespace(..) | Self::Pod(..) => false,
        }
    }

    /// Whether it is a policy that looks, or looked, at this label.
    pub(super) fn asks_for(&self, label: &ArcStr) -> bool {
        match self {
            Self::Policy(edit) => edit.asks_for(label),
            Self::Tiered(edit) => edit.asks_for(label),
            Self::Namespace(..) | Self::Pod(..) => false,
        }
    }

    /// Whether it concerns pods of one of these namespaces.
    pub(super) fn touches(&self, namespaces: &[ArcStr]) -> bool {
        let (_, namespace, name) = self.key();
        match self {
            Self::Policy(_) | Self::Pod(..) => namespaces.contains(&namespace),
            Self::Namespace(..) => namespaces.contains(&name),
            Self::Tiered(_) => true,
        }
    }

    /// Whether it can make a difference to this connection.
    pub(super) fn concerns(&self, connection: &Connection<'_>) -> bool {
        let mut pods = [connection.src.who, connection.dst.who].into_iter().filter_map(|who| match who {
            Who::Pod(pod) => Some(pod),
            Who::Node(_) | Who::External | Who::Unknown(_) => None,
        });
        match self {
            Self::Policy(edit) => pods.any(|pod| pod.namespace == edit.key().1),
            Self::Tiered(_) => true,
            Self::Namespace(_, after) => pods.any(|pod| pod.namespace == after.name),
            Self::Pod(_, after) => pods.any(|pod| is_same(pod, after)),
        }
    }
}

/// The same pod, maybe with other labels.
pub(super) fn is_same(one: &Pod, other: &Pod) -> bool {
    (&one.uid, &one.namespace, &one.name) == (&other.uid, &other.namespace, &other.name)
}

/// Keys under which two sets of labels differ.
pub(super) fn changed_labels<'a>(
    before: &'a Labels,
    after: &'a Labels,
) -> impl Iterator<Item = &'a ArcStr> + 'a {
    let gone_or_other = before.iter().filter(|(key, value)| after.get(*key) != Some(*value));
    let new = after.keys().filter(|key| !before.contains_key(*key));
    gone_or_other.map(|(key, _)| key).chain(new)
}
