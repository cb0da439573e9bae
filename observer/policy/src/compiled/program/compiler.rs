//! Turns written policies into compiled ones.

use std::iter;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::policies::{self, BrokenPolicy, NetworkPolicy, Peer, PortSet, Selector, Tier, TierPeer};
use ipnet::IpNet;

use crate::compiled::program::{
    AnyPeer, Broken, PodsPeer, Policy, Rule, Stage, Tables, TierPeers, TierPolicy, TierRule, Uses, Where,
};
use crate::compiled::ranges::Ranges;

/// Compiles a policy, and collects the numbers that it uses.
struct Compiler<'a> {
    tables: &'a mut Tables,
    uses: Uses,
}

impl Tables {
    /// Compiles a NetworkPolicy.
    pub(in crate::compiled) fn policy(&mut self, written: &Arc<NetworkPolicy>) -> Policy {
        let mut compiler = Compiler { tables: self, uses: Uses::default() };
        let space = compiler.space(&written.namespace);
        let selector = compiler.pods(&written.selector);
        let mut rules = |rules: &Option<Vec<policies::Rule>>| {
            rules.as_ref().map(|rules| rules.iter().map(|rule| compiler.rule(rule, space)).collect())
        };
        let rules = [rules(&written.ingress), rules(&written.egress)];
        Policy { written: Arc::clone(written), space, selector, rules, uses: compiler.uses }
    }

    /// Compiles a policy of the Admin or the Baseline tier.
    pub(in crate::compiled) fn tier_policy(&mut self, written: &Arc<policies::TierPolicy>) -> TierPolicy {
        let mut compiler = Compiler { tables: self, uses: Uses::default() };
        let subject = compiler.pods_peer(&written.subject);
        let mut rules =
            |rules: &[policies::TierRule]| rules.iter().map(|rule| compiler.tier_rule(rule)).collect();
        let rules = [rules(&written.ingress), rules(&written.egress)];
        TierPolicy { written: Arc::clone(written), subject, rules, uses: compiler.uses }
    }

    /// Compiles what is known of a policy that can't be read.
    pub(in crate::compiled) fn broken(&mut self, written: &BrokenPolicy) -> Broken {
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
            networks: networks(blocks.clone()),
            anybody: rule.peers.is_empty(),
            has_blocks: rule.peers.iter().any(|peer| matches!(peer, Peer::Block { .. })),
            pods: pods.into(),
            blocks: Ranges::new(blocks),
            names: rule.ports.iter().any(|p| matches!(p.port, PortSet::Named(_))).then(Box::default),
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

/// Lists the networks of blocks and of their exceptions, if there are several blocks and an exception.
fn networks<'a>(blocks: impl Iterator<Item = (&'a IpNet, &'a [IpNet])> + Clone) -> Box<[(IpNet, bool)]> {
    let is_mixed = blocks.clone().nth(1).is_some() && blocks.clone().any(|(_, except)| !except.is_empty());
    let with_exceptions = |(cidr, except): (&'a IpNet, &'a [IpNet])| {
        iter::once((*cidr, false)).chain(except.iter().map(|hole| (*hole, true)))
    };
    if is_mixed { blocks.flat_map(with_exceptions).collect() } else { Box::default() }
}
