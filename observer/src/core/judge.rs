//! Verdicts on flows: addresses to parties, Services to backends, and the policies' word on each.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use arcstr::ArcStr;
use jiff::Timestamp;
use lru::LruCache;

use super::identity::Identity;
use super::input::FlowTuple;
use super::inventory::Inventory;
use super::policy::compiled::Compiled;
use super::policy::model::Protocol;
use super::policy::plain::Plain;
use super::policy::{Connection, Decision, Direction, DirectionVerdict, Party, Verdict, Who};
use super::record::FlowVerdict;

/// Explanations kept: workloads that talk to each other, not connections.
const TOLD: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();
/// Explanations made between two ticks; a scan from ever new addresses gets its decisions without.
const EXPLANATIONS: u32 = 256;

/// Judges flows under the newest inventory.
pub(super) struct Judge {
    compiled: Compiled,
    plain: Plain,
    told: LruCache<Told, Arc<FlowVerdict>>,
    left: u32,
    /// Without any object there is nothing to judge by.
    blind: bool,
}

/// What an explanation was made for.
#[derive(PartialEq, Eq, Hash)]
struct Told {
    src: Name,
    dst: Name,
    port: u16,
    decision: Decision,
}

#[derive(PartialEq, Eq, Hash)]
enum Name {
    /// Its address in memory: pods come with a new picture only, and then everything told is forgotten.
    Pod(usize),
    Ip(Option<IpAddr>),
}

/// What a connection is judged at: one address, or a Service's backends.
enum Target {
    One(IpAddr, u16),
    Backends { service: ArcStr, masqueraded: bool, at: Vec<(IpAddr, u16)> },
}

impl Judge {
    pub(super) fn new() -> Self {
        let inventory = Arc::new(Inventory::default());
        Self {
            compiled: Compiled::new(Arc::clone(&inventory)),
            plain: Plain::new(inventory),
            told: LruCache::new(TOLD),
            left: EXPLANATIONS,
            blind: true,
        }
    }

    /// Judges by this picture from now on.
    pub(super) fn apply(&mut self, inventory: &Arc<Inventory>) {
        self.blind = inventory.pods.is_empty() && inventory.namespaces.is_empty();
        self.compiled.update(Arc::clone(inventory));
        self.plain = Plain::new(Arc::clone(inventory));
        self.told.clear();
    }

    pub(super) fn tick(&mut self) {
        self.left = EXPLANATIONS;
    }

    /// The decision alone.
    pub(super) fn decide(&self, identity: &Identity, tuple: &FlowTuple, at: Timestamp) -> Decision {
        if self.blind {
            return Decision::Unknown;
        }
        let src = identity.party(tuple.src, at);
        match target(identity, tuple, at) {
            Target::One(ip, port) => self.rule(src, identity.party(ip, at), port),
            Target::Backends { at: backends, masqueraded, .. } => {
                let srcs = sources(identity, src, masqueraded);
                let decisions = srcs.iter().flat_map(|src| {
                    backends.iter().map(|(ip, port)| self.rule(*src, identity.party(*ip, at), *port))
                });
                agreed(decisions).unwrap_or(Decision::Unknown)
            }
        }
    }

    /// Decision and explanation; `None` where no cluster is known.
    pub(super) fn verdict(
        &mut self,
        identity: &Identity,
        tuple: &FlowTuple,
        at: Timestamp,
    ) -> Option<Arc<FlowVerdict>> {
        if self.blind {
            return None;
        }
        let src = identity.party(tuple.src, at);
        Some(match target(identity, tuple, at) {
            Target::One(ip, port) => self.explained(src, identity.party(ip, at), port),
            Target::Backends { service, masqueraded, at: backends } => {
                let srcs = sources(identity, src, masqueraded);
                let mut verdicts = Vec::new();
                for src in &srcs {
                    for (ip, port) in &backends {
                        verdicts.push(self.explained(*src, identity.party(*ip, at), *port));
                    }
                }
                together(&service, srcs.len() > 1, &verdicts)
            }
        })
    }

    fn rule(&self, src: Party<'_>, dst: Party<'_>, port: u16) -> Decision {
        self.compiled.rule(&Connection { src, dst, protocol: Protocol::Tcp, port }).decision()
    }

    fn explained(&mut self, src: Party<'_>, dst: Party<'_>, port: u16) -> Arc<FlowVerdict> {
        let decision = self.rule(src, dst, port);
        let key = Told { src: name(src), dst: name(dst), port, decision };
        if let Some(told) = self.told.get(&key) {
            return Arc::clone(told);
        }
        if self.left == 0 {
            return Arc::new(bare(decision));
        }
        self.left -= 1;
        let verdict = self.plain.judge(&Connection { src, dst, protocol: Protocol::Tcp, port });
        let told = Arc::new(flow_verdict(verdict));
        self.told.put(key, Arc::clone(&told));
        told
    }
}

fn name(party: Party<'_>) -> Name {
    match party.who {
        Who::Pod(pod) => Name::Pod(std::ptr::from_ref(pod).addr()),
        Who::Node(_) | Who::External | Who::Unknown(_) => Name::Ip(party.ip),
    }
}

/// The backend that was seen; else the address itself, or where that is a Service, its backends.
fn target(identity: &Identity, tuple: &FlowTuple, at: Timestamp) -> Target {
    if let Some((ip, port)) = tuple.backend {
        return Target::One(ip, port);
    }
    match identity.backends(tuple.dst, tuple.dport, at) {
        // A pod's own address may be in a Service too: no DNAT then.
        Some((service, backends)) if identity.pod(tuple.dst, at).is_none() => Target::Backends {
            service: arcstr::format!("{}/{}", service.namespace, service.name),
            masqueraded: !service.external_local && !service.cluster_ips.contains(&tuple.dst),
            at: backends.iter().map(|backend| (backend.ip, backend.port)).collect(),
        },
        _ => Target::One(tuple.dst, tuple.dport),
    }
}

/// With `externalTrafficPolicy: Cluster` a client from outside may arrive under a node's address.
fn sources<'a>(identity: &'a Identity, src: Party<'a>, masqueraded: bool) -> Vec<Party<'a>> {
    let node = identity.inventory().nodes.first();
    match (src.who, node) {
        (Who::External, Some(node)) if masqueraded => {
            vec![src, Party { ip: node.ips.first().copied(), who: Who::Node(&node.name) }]
        }
        _ => vec![src],
    }
}

/// `None` if there are none or they differ.
fn agreed(mut decisions: impl Iterator<Item = Decision>) -> Option<Decision> {
    let first = decisions.next()?;
    decisions.all(|other| other == first).then_some(first)
}

fn together(service: &str, masqueraded: bool, verdicts: &[Arc<FlowVerdict>]) -> Arc<FlowVerdict> {
    match agreed(verdicts.iter().map(|v| v.decision)) {
        Some(_) => Arc::clone(&verdicts[0]),
        None if verdicts.is_empty() => unknown(format!("not known: Service {service} has no backend")),
        None if masqueraded => unknown(format!(
            "not known: behind Service {service} the client may have its own address or a node's, and the policies \
             tell them apart"
        )),
        None => unknown(format!("not known: the backends of Service {service} are judged differently")),
    }
}

fn unknown(explanation: String) -> Arc<FlowVerdict> {
    Arc::new(FlowVerdict { explanation, ..bare(Decision::Unknown) })
}

fn bare(decision: Decision) -> FlowVerdict {
    let explanation = match decision {
        Decision::Allow => "allowed by the policies",
        Decision::Deny => "refused by the policies",
        Decision::Unknown => "not known",
    };
    FlowVerdict { decision, direction: None, policies: Vec::new(), explanation: explanation.into() }
}

fn flow_verdict(verdict: Verdict) -> FlowVerdict {
    let direction = verdict.denied_in();
    let policies = match direction {
        Some(Direction::Ingress) => verdict.ingress.policies,
        Some(Direction::Egress) => verdict.egress.policies,
        None => [&verdict.egress, &verdict.ingress].into_iter().flat_map(deciding).collect(),
    };
    FlowVerdict { decision: verdict.decision, direction, policies, explanation: verdict.explanation }
}

/// The policies whose rules allow.
fn deciding(direction: &DirectionVerdict) -> Vec<ArcStr> {
    let mut policies: Vec<ArcStr> = direction
        .rules
        .iter()
        .filter_map(|rule| rule.split_once('#'))
        .map(|(policy, _)| policy.into())
        .collect();
    policies.dedup();
    policies
}
