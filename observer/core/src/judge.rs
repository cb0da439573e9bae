//! Verdicts on flows: the policies' decision on each connection that a flow may be, and the explanation.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use flow_identity::{Passage, Resolved};
use flow_model::connection::{Connection, Party, Who};
use flow_model::decision::{Decision, DirectionVerdict, REFUSED_BY, Verdict};
use flow_model::inventory::Inventory;
use flow_model::object_ref::ObjectRef;
use flow_model::policies::Direction;
use flow_model::record::FlowVerdict;
use flow_policy::agreement::why_unknown;
use flow_policy::compiled::Compiled;
use flow_policy::plain::Plain;
use lru::LruCache;

/// Most explanations kept. There is one for each two pods or addresses, port and decision, not one for each connection.
const MAX_EXPLAINED: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();
/// Most explanations made between two ticks. A scan from ever new addresses gets its decisions without explanations.
const EXPLANATIONS: u32 = 256;

/// Judges flows under the newest inventory.
pub(super) struct Judge {
    compiled: Compiled,
    plain: Plain,
    explained: LruCache<Explained, Arc<FlowVerdict>>,
    /// Explanations that may still be made before the next tick.
    explanations_left: u32,
    /// Is true when no pods and no namespaces are known, so that there is nothing to judge by.
    blind: bool,
}

/// Identifies what an explanation was made for.
#[derive(PartialEq, Eq, Hash)]
struct Explained {
    leaving: (Name, Name, u16),
    arriving: (Name, Name, u16),
    decision: Decision,
}

#[derive(PartialEq, Eq, Hash)]
enum Name {
    /// The pod's address in memory: pods change with a new snapshot only, which clears all explanations.
    Pod(usize),
    Ip(Option<IpAddr>),
}

impl Judge {
    /// Creates a judge that knows no cluster.
    pub(super) fn new() -> Self {
        let inventory = Arc::new(Inventory::default());
        Self {
            compiled: Compiled::new(Arc::clone(&inventory)),
            plain: Plain::new(inventory),
            explained: LruCache::new(MAX_EXPLAINED),
            explanations_left: EXPLANATIONS,
            blind: true,
        }
    }

    /// Judges by this snapshot from now on.
    pub(super) fn apply(&mut self, inventory: &Arc<Inventory>) {
        self.blind = inventory.pods.is_empty() && inventory.namespaces.is_empty();
        self.compiled.update(Arc::clone(inventory));
        self.plain = Plain::new(Arc::clone(inventory));
        self.explained.clear();
    }

    /// Allows new explanations.
    pub(super) fn tick(&mut self) {
        self.explanations_left = EXPLANATIONS;
    }

    /// Returns the decision alone.
    pub(super) fn decide(&self, flow: &Resolved<'_>) -> Decision {
        match self.blind {
            true => Decision::Unknown,
            false => self.compiled.agreed(&flow.possible()).unwrap_or(Decision::Unknown),
        }
    }

    /// Returns decision and explanation; `None` where no cluster is known.
    pub(super) fn verdict(&mut self, flow: &Resolved<'_>) -> Option<Arc<FlowVerdict>> {
        if self.blind {
            return None;
        }
        let possible = flow.possible();
        Some(match (self.compiled.agreed(&possible), possible.passages().next()) {
            (Some(decision), Some(first)) => self.explained(&first, decision),
            _ => unknown(why_unknown(&possible)),
        })
    }

    fn explained(&mut self, passage: &Passage<'_>, decision: Decision) -> Arc<FlowVerdict> {
        let Passage { leaving, arriving } = passage;
        let end = |connection: &Connection<'_>| (name(connection.src), name(connection.dst), connection.port);
        let key = Explained { leaving: end(leaving), arriving: end(arriving), decision };
        if let Some(explained) = self.explained.get(&key) {
            return Arc::clone(explained);
        }
        if self.explanations_left == 0 {
            return Arc::new(bare(decision));
        }
        self.explanations_left -= 1;
        let verdict = Arc::new(flow_verdict(self.plain.judge_between(leaving, arriving)));
        self.explained.put(key, Arc::clone(&verdict));
        verdict
    }
}

fn name(party: Party<'_>) -> Name {
    match party.who {
        Who::Pod(pod) => Name::Pod(std::ptr::from_ref(pod).addr()),
        Who::Node(_) | Who::External | Who::Unknown(_) => Name::Ip(party.ip),
    }
}

fn unknown(explanation: String) -> Arc<FlowVerdict> {
    Arc::new(FlowVerdict { explanation, ..bare(Decision::Unknown) })
}

fn bare(decision: Decision) -> FlowVerdict {
    let explanation = match decision {
        Decision::Allow => "allowed by the policies".to_owned(),
        Decision::Deny => format!("{REFUSED_BY}the policies"),
        Decision::Unknown => "not known".to_owned(),
    };
    FlowVerdict { decision, direction: None, policies: Vec::new(), explanation }
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

/// Returns the policies whose rules allow.
fn deciding(direction: &DirectionVerdict) -> Vec<ObjectRef> {
    let mut policies: Vec<_> = direction.rules.iter().map(|rule| rule.policy.clone()).collect();
    policies.dedup();
    policies
}
