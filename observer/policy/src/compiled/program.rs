//! Policies with numbers for their selectors.

use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::policies::{
    self, Action, BrokenPolicy, NetworkPolicy, Peer, PortMatch, Selector, Tier, TierPeer, TierPort,
};

use crate::compiled::labels::LabelSets;
use crate::compiled::ranges::Ranges;
use crate::compiled::spaces::Spaces;
use crate::compiled::truth::Truth;

/// What selectors hold for.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    pub(super) spaces: Spaces,
    pub(super) labels: LabelSets,
}

/// A NetworkPolicy.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) written: Arc<NetworkPolicy>,
    pub(super) space: u32,
    pub(super) selector: Option<u32>,
    /// By direction; `None` where it doesn't isolate.
    pub(super) rules: [Option<Box<[Rule]>>; 2],
    pub(super) uses: Uses,
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// It has no peers, so it admits whoever it is.
    pub(super) anybody: bool,
    pub(super) pods: Box<[PodsPeer]>,
    /// It has blocks as peers.
    pub(super) has_blocks: bool,
    /// All of them together.
    pub(super) blocks: Ranges,
    pub(super) ports: Box<[PortMatch]>,
}

/// Pods by namespace and by label.
#[derive(Clone, Copy, Debug)]
pub(super) struct PodsPeer {
    pub(super) namespaces: Where,
    /// `None`: whatever their labels are.
    pub(super) pods: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Where {
    Everywhere,
    In(u32),
    Selected(u32),
}

/// A policy of the Admin or the Baseline tier.
#[derive(Clone, Debug)]
pub(super) struct TierPolicy {
    pub(super) written: Arc<policies::TierPolicy>,
    pub(super) subject: PodsPeer,
    /// By direction.
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
    /// One of them can't be read.
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

/// A policy that can't be read.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    pub(super) stage: Stage,
    /// By direction.
    pub(super) acts: [bool; 2],
    pub(super) subject: PodsPeer,
    pub(super) uses: Uses,
}

/// In the order that they decide in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Admin,
    Namespaced,
    Baseline,
}

impl Stage {
    pub(super) const ALL: [Self; 3] = [Self::Admin, Self::Namespaced, Self::Baseline];
}

/// Numbers to give back.
#[derive(Clone, Debug, Default)]
pub(super) struct Uses {
    spaces: Vec<u32>,
    space_selectors: Vec<u32>,
    pod_selectors: Vec<u32>,
}

/// Translates, and notes what it uses.
struct Compiler<'a> {
    tables: &'a mut Tables,
    uses: Uses,
}

impl Tables {
    pub(super) fn policy(&mut self, written: &Arc<NetworkPolicy>) -> Policy {
        let mut compiler = Compiler { tables: self, uses: Uses::default() };
        let space = compiler.space(&written.namespace);
        let selector = compiler.pods(&written.selector);
        let mut rules = |rules: &Option<Vec<policies::Rule>>| {
            rules.as_ref().map(|rules| rules.iter().map(|rule| compiler.rule(rule, space)).collect())
        };
        let rules = [rules(&written.ingress), rules(&written.egress)];
        Policy { written: Arc::clone(written), space, selector, rules, uses: compiler.uses }
    }

    pub(super) fn tier_policy(&mut self, written: &Arc<policies::TierPolicy>) -> TierPolicy {
        let mut compiler = Compiler { tables: self, uses: Uses::default() };
        let subject = compiler.pods_peer(&written.subject);
        let mut rules =
            |rules: &[policies::TierRule]| rules.iter().map(|rule| compiler.tier_rule(rule)).collect();
        let rules = [rules(&written.ingress), rules(&written.egress)];
        TierPolicy { written: Arc::clone(written), subject, rules, uses: compiler.uses }
    }

    pub(super) fn broken(&mut self, written: &BrokenPolicy) -> Broken {
        let mut compiler = Compiler { tables: self, uses: Uses::default() };
        let stage = match written.tier {
            None => Stage::Namespaced,
            Some(Tier::Admin) => Stage::Admin,
            Some(Tier::Baseline) => Stage::Baseline,
        };
        let mut subject = PodsPeer { namespaces: Where::Everywhere, pods: None };
        if let Some(selector) = &written.selector {
            subject = compiler.pods_peer(selector);
        }
        if stage == Stage::Namespaced && !written.namespace.is_empty() {
            subject.namespaces = Where::In(compiler.space(&written.namespace));
        }
        Broken { stage, acts: [written.ingress, written.egress], subject, uses: compiler.uses }
    }

    /// Whether pods of a namespace with these labels are meant.
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

impl Compiler<'_> {
    fn rule(&mut self, rule: &policies::Rule, own: u32) -> Rule {
        let mut pods = Vec::new();
        for peer in &rule.peers {
            if let Peer::Pods { namespaces, pods: selector } = peer {
                let namespaces =
                    namespaces.as_ref().map_or(Where::In(own), |selector| self.namespaces(selector));
                pods.push(PodsPeer {
                    namespaces,
                    pods: selector.as_ref().and_then(|selector| self.pods(selector)),
                });
            }
        }
        let blocks = rule.peers.iter().filter_map(|peer| match peer {
            Peer::Block { cidr, except } => Some((cidr, &except[..])),
            Peer::Pods { .. } => None,
        });
        Rule {
            anybody: rule.peers.is_empty(),
            has_blocks: rule.peers.iter().any(|peer| matches!(peer, Peer::Block { .. })),
            pods: pods.into(),
            blocks: Ranges::new(blocks),
            ports: rule.ports.clone().into(),
        }
    }

    fn tier_rule(&mut self, rule: &policies::TierRule) -> TierRule {
        let ports = rule.ports.clone().map(Into::into);
        let peers: Option<_> = rule.peers.iter().map(|peer| self.any_peer(peer)).collect();
        TierRule { action: rule.action, peers: peers.map_or(TierPeers::Unreadable, TierPeers::Any), ports }
    }

    fn any_peer(&mut self, peer: &TierPeer) -> Option<AnyPeer> {
        match peer {
            TierPeer::Pods(peer) => Some(AnyPeer::Pods(self.pods_peer(peer))),
            TierPeer::Nodes(selector) => Some(AnyPeer::Nodes(selector.clone())),
            TierPeer::Networks(nets) => {
                Some(AnyPeer::Networks(Ranges::new(nets.iter().map(|net| (net, &[][..])))))
            }
            TierPeer::Domains(_) => Some(AnyPeer::Domains),
            TierPeer::Unreadable(_) => None,
        }
    }

    fn pods_peer(&mut self, peer: &policies::PodsPeer) -> PodsPeer {
        let namespaces = self.namespaces(&peer.namespaces);
        PodsPeer { namespaces, pods: peer.pods.as_ref().and_then(|selector| self.pods(selector)) }
    }

    fn namespaces(&mut self, selector: &Selector) -> Where {
        if selector.requirements.is_empty() {
            return Where::Everywhere;
        }
        let id = self.tables.spaces.acquire_selector(selector);
        self.uses.space_selectors.push(id);
        Where::Selected(id)
    }

    fn pods(&mut self, selector: &Selector) -> Option<u32> {
        if selector.requirements.is_empty() {
            return None;
        }
        let id = self.tables.labels.acquire_selector(selector);
        self.uses.pod_selectors.push(id);
        Some(id)
    }

    fn space(&mut self, name: &ArcStr) -> u32 {
        let id = self.tables.spaces.acquire(name);
        self.uses.spaces.push(id);
        id
    }
}

impl Policy {
    /// Bytes it points to, without what was written.
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
        size_of_val(&*self.pods) + self.blocks.memory() + size_of_val(&*self.ports)
    }
}

impl Uses {
    fn memory(&self) -> usize {
        let lists = [&self.spaces, &self.space_selectors, &self.pod_selectors];
        lists.map(|list| list.capacity() * size_of::<u32>()).iter().sum()
    }
}
