//! Verdicts on flows: addresses to parties, Services to backends, and the policies' word on each.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use flow_identity::{Identity, masquerades};
use flow_model::connection::{Connection, Party, Who};
use flow_model::decision::{Decision, Direction, DirectionVerdict, Verdict};
use flow_model::flow::FlowTuple;
use flow_model::inventory::{Inventory, Service};
use flow_model::object_ref::ObjectRef;
use flow_model::policies::Protocol;
use flow_model::record::FlowVerdict;
use flow_policy::compiled::Compiled;
use flow_policy::plain::Plain;
use jiff::Timestamp;
use lru::LruCache;

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

/// The connections that a flow may be, after DNAT.
enum Cases<'a> {
    One(Party<'a>, Party<'a>, u16),
    /// A Service whose backend was not seen: from any of these to any of those.
    Several {
        service: &'a Service,
        srcs: Vec<Party<'a>>,
        ends: Vec<(Party<'a>, u16)>,
    },
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
        match cases(identity, tuple, at) {
            Cases::One(src, dst, port) => self.rule(src, dst, port),
            Cases::Several { srcs, ends, .. } => self.agreed(&srcs, &ends).unwrap_or(Decision::Unknown),
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
        Some(match cases(identity, tuple, at) {
            Cases::One(src, dst, port) => self.explained(src, dst, port),
            Cases::Several { service, srcs, ends } => match (self.agreed(&srcs, &ends), &*srcs, &*ends) {
                (Some(_), [src, ..], [(dst, port), ..]) => self.explained(*src, *dst, *port),
                _ => unknown(differ(service, srcs.len() > 1, ends.is_empty())),
            },
        })
    }

    /// What all cases have in common; `None` if there is none, or they differ.
    fn agreed(&self, srcs: &[Party<'_>], ends: &[(Party<'_>, u16)]) -> Option<Decision> {
        let mut all = srcs.iter().flat_map(|src| ends.iter().map(|(dst, port)| self.rule(*src, *dst, *port)));
        let first = all.next()?;
        all.all(|other| other == first).then_some(first)
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
fn cases<'a>(identity: &'a Identity, tuple: &FlowTuple, at: Timestamp) -> Cases<'a> {
    let src = identity.party(tuple.src, at);
    let (dst, dport) = tuple.backend.unwrap_or((tuple.dst, tuple.dport));
    // A pod's own address may be in a Service too: no DNAT then.
    let is_pod = || identity.pod(dst, at).is_some();
    match identity.service_port(dst, dport, at) {
        Some((service, port)) if tuple.backend.is_none() && !is_pod() => {
            let family = |ip: IpAddr| ip.to_canonical().is_ipv4() == dst.to_canonical().is_ipv4();
            let backends = service.backends_of(port, family).into_iter();
            let ends = backends.map(|backend| (identity.party(backend.ip, at), backend.port)).collect();
            let masqueraded = !service.external_local && !service.cluster_ips.contains(&dst);
            Cases::Several { service, srcs: sources(identity, src, masqueraded), ends }
        }
        _ => Cases::One(src, identity.party(dst, at), dport),
    }
}

/// With `externalTrafficPolicy: Cluster` a client from outside may arrive under a node's address.
fn sources<'a>(identity: &'a Identity, src: Party<'a>, masqueraded: bool) -> Vec<Party<'a>> {
    let family = |ip: &IpAddr| src.ip.is_none_or(|src| src.is_ipv4() == ip.is_ipv4());
    let nodes = masquerades(identity.inventory()).filter(|(_, ip)| family(ip));
    let nodes = nodes.map(|(node, ip)| Party { ip: Some(ip), who: Who::Node(node) });
    let may = masqueraded && matches!(src.who, Who::External);
    [src].into_iter().chain(nodes.filter(|_| may)).collect()
}

fn differ(service: &Service, masqueraded: bool, no_backend: bool) -> String {
    let service = service.object_ref();
    match (no_backend, masqueraded) {
        (true, _) => format!("not known: Service {service} has no backend"),
        (false, true) => format!(
            "not known: behind Service {service} the client may have its own address or a node's, and the policies \
             tell them apart"
        ),
        (false, false) => format!("not known: the backends of Service {service} are judged differently"),
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
fn deciding(direction: &DirectionVerdict) -> Vec<ObjectRef> {
    let mut policies: Vec<_> = direction.rules.iter().map(|rule| rule.policy.clone()).collect();
    policies.dedup();
    policies
}
