//! Policies as the evaluator uses them, with numbers for their selectors.

mod compiler;

use std::sync::Arc;

use flow_model::policies::{self, Action, NetworkPolicy, PortMatch, Protocol, Selector, TierPort};
use ipnet::IpNet;

use crate::compiled::labels::LabelSets;
use crate::compiled::ranges::Ranges;
use crate::compiled::spaces::Spaces;
use crate::compiled::truth::Truth;

/// Holds the tables of what selectors match.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    pub(super) spaces: Spaces,
    pub(super) labels: LabelSets,
}

/// Holds a compiled NetworkPolicy.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) written: Arc<NetworkPolicy>,
    pub(super) space: u32,
    pub(super) selector: Option<u32>,
    /// Rules by direction; `None` where the policy doesn't isolate.
    pub(super) rules: [Option<Box<[Rule]>>; 2],
    pub(super) uses: Uses,
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// The rule has no peers, so it admits every party.
    pub(super) anybody: bool,
    pub(super) pods: Box<[PodsPeer]>,
    /// The rule has blocks as peers.
    pub(super) has_blocks: bool,
    /// The addresses of all blocks together.
    pub(super) blocks: Ranges,
    /// The networks of the blocks, and with `true` their exceptions: only where one block may have the exception of
    /// another.
    pub(super) networks: Box<[(IpNet, bool)]>,
    pub(super) ports: Box<[PortMatch]>,
    /// What kube-router makes of the names among the ports; `None` where there is none.
    pub(super) names: Option<Box<Names>>,
}

/// Holds what names of ports stand for by the pods that there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// All ports are names, and no pod has one of them.
    pub(super) open: bool,
    /// The numbers that the namespace's pods give to the names, in order. Only a rule of egress without peers has them.
    pub(super) numbers: Box<[(Protocol, u16)]>,
}

/// Selects pods by namespace and by label.
#[derive(Clone, Copy, Debug)]
pub(super) struct PodsPeer {
    pub(super) namespaces: Where,
    /// `None`: pods with any labels.
    pub(super) pods: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Where {
    Everywhere,
    In(u32),
    Selected(u32),
}

/// Holds a compiled policy of the Admin or the Baseline tier.
#[derive(Clone, Debug)]
pub(super) struct TierPolicy {
    pub(super) written: Arc<policies::TierPolicy>,
    pub(super) subject: PodsPeer,
    /// Rules by direction.
    pub(super) rules: [Box<[TierRule]>; 2],
    pub(super) uses: Uses,
}

#[derive(Clone, Debug)]
pub(super) struct TierRule {
    pub(super) action: Action,
    pub(super) peers: TierPeers,
    pub(super) ports: Option<Box<[TierPort]>>,
}

#[derive(Clone, Debug)]
pub(super) enum TierPeers {
    /// At least one peer can't be read.
    Unreadable,
    Any(Box<[AnyPeer]>),
}

#[derive(Clone, Debug)]
pub(super) enum AnyPeer {
    Pods(PodsPeer),
    Nodes(Selector),
    Networks(Ranges),
    Domains,
}

/// Holds a policy that can't be read.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    pub(super) stage: Stage,
    /// Holds, by direction, whether the policy may act.
    pub(super) acts: [bool; 2],
    pub(super) subject: PodsPeer,
    pub(super) uses: Uses,
}

/// Names the stages in the order in which they decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Admin,
    Namespaced,
    Baseline,
}

impl Stage {
    pub(super) const ALL: [Self; 3] = [Self::Admin, Self::Namespaced, Self::Baseline];
}

/// Holds the numbers that a policy uses, to give them back.
#[derive(Clone, Debug, Default)]
pub(super) struct Uses {
    spaces: Vec<u32>,
    space_selectors: Vec<u32>,
    pod_selectors: Vec<u32>,
}

impl Tables {
    /// Returns whether a peer matches pods of a namespace with these labels.
    pub(super) fn holds(&self, peer: PodsPeer, space: u32, labels: u32) -> Truth {
        let pods = peer.pods.is_none_or(|selector| self.labels.holds(selector, labels));
        if !pods {
            return Truth::No;
        }
        match peer.namespaces {
            Where::Everywhere => Truth::Yes,
            Where::In(own) => (own == space).into(),
            Where::Selected(selector) => self.spaces.holds(selector, space),
        }
    }

    /// Gives back the numbers that a policy used.
    pub(super) fn release(&mut self, uses: &Uses) {
        uses.spaces.iter().for_each(|id| self.spaces.release(*id));
        uses.space_selectors.iter().for_each(|id| self.spaces.release_selector(*id));
        uses.pod_selectors.iter().for_each(|id| self.labels.release_selector(*id));
    }
}

impl Policy {
    /// Estimates the bytes that the policy points to, without the written policy.
    pub(super) fn memory(&self) -> usize {
        let rules = self.rules.iter().flatten();
        let each = |rules: &[Rule]| size_of_val(rules) + rules.iter().map(Rule::memory).sum::<usize>();
        rules.map(|rules| each(rules)).sum::<usize>() + self.uses.memory()
    }
}

impl TierPolicy {
    pub(super) fn memory(&self) -> usize {
        let rules: usize = self.rules.iter().map(|rules| size_of_val(&**rules)).sum();
        size_of::<Self>() + rules + self.uses.memory()
    }
}

impl Rule {
    fn memory(&self) -> usize {
        let names = self.names.as_ref().map_or(0, |names| size_of::<Names>() + size_of_val(&*names.numbers));
        let blocks = self.blocks.memory() + size_of_val(&*self.networks);
        size_of_val(&*self.pods) + blocks + size_of_val(&*self.ports) + names
    }
}

impl Uses {
    fn memory(&self) -> usize {
        let lists = [&self.spaces, &self.space_selectors, &self.pod_selectors];
        lists.map(|list| list.capacity() * size_of::<u32>()).iter().sum()
    }
}
