//! Denied connections, grouped by what a human acts on: two workloads and a port.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use arcstr::literal;
use flow_model::finding::Cause;
use flow_model::flow::{FlowTuple, Vantage};
use flow_model::object_ref::ObjectRef;
use flow_model::output::LatentCount;
use flow_model::record::Endpoint;
use jiff::Timestamp;

use crate::connections::assess::Assess;
use crate::facts::{JudgedConnection, LatentGroup};

/// The largest number of connections that are named per group.
const EXAMPLES: usize = 5;
/// The largest number of causes that are looked for in one round. The other groups get theirs in the next rounds.
const CAUSES: usize = 16;

/// Everything that the judgement depends on: all of the tuple but the client's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    src: IpAddr,
    dst: IpAddr,
    dport: u16,
    backend: Option<(IpAddr, u16)>,
}

impl Pair {
    pub(super) fn of(tuple: &FlowTuple) -> Self {
        let &FlowTuple { src, dst, dport, backend, .. } = tuple;
        Self { src, dst, dport, backend }
    }
}

/// Counts some connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    open: u64,
    older: bool,
    /// The oldest ones, in order.
    examples: Vec<(Timestamp, FlowTuple)>,
}

impl Tally {
    pub(super) fn add(&mut self, seen: Timestamp, tuple: FlowTuple, older: bool) {
        self.open += 1;
        self.older |= older;
        self.example((seen, tuple));
    }

    fn merge(&mut self, other: Self) {
        self.open += other.open;
        self.older |= other.older;
        other.examples.into_iter().for_each(|example| self.example(example));
    }

    /// Keeps the oldest examples in a total order, so that the same connections give the same examples in each round.
    fn example(&mut self, example: (Timestamp, FlowTuple)) {
        let order = |(seen, t): &(Timestamp, FlowTuple)| (*seen, t.src, t.sport, t.dst, t.dport);
        let at = self.examples.partition_point(|other| order(other) <= order(&example));
        if at < EXAMPLES {
            self.examples.truncate(EXAMPLES - 1);
            self.examples.insert(at, example);
        }
    }

    fn oldest(&self) -> Option<(Timestamp, FlowTuple)> {
        self.examples.first().copied()
    }
}

/// Namespace and name.
type Side = ObjectRef;
/// Source, destination, and the port as addressed.
type GroupKey = (Side, Side, u16);

struct Group {
    tally: Tally,
    judged: JudgedConnection,
}

/// The cause that was looked for when these policies refused.
#[derive(Debug)]
struct Explained {
    policies: Vec<ObjectRef>,
    cause: Option<Cause>,
}

/// Remembers what is known about denied connections.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// The details that were found since everything was last judged.
    details: HashMap<Pair, Option<JudgedConnection>>,
    /// The cause of a refusal stays for as long as there is a group, until other policies refuse and their cause is known.
    causes: BTreeMap<GroupKey, Explained>,
    /// A group waits for its cause.
    unexplained: bool,
    counts: BTreeMap<(GroupKey, Vantage, ObjectRef), LatentCount>,
}

impl Groups {
    /// Forgets details: everything is about to be judged again.
    pub(super) fn forget(&mut self) {
        self.details.clear();
    }

    /// Is true when another [`Groups::build`] finds more although nothing changed.
    pub(super) fn unexplained(&self) -> bool {
        self.unexplained
    }

    pub(super) fn counts(&self) -> Vec<LatentCount> {
        self.counts.values().cloned().collect()
    }

    pub(super) fn build(
        &mut self,
        denied: HashMap<Pair, Tally>,
        assess: &mut dyn Assess,
    ) -> Vec<LatentGroup> {
        self.details.retain(|pair, _| denied.contains_key(pair));
        self.counts.clear();
        let mut groups: BTreeMap<GroupKey, Group> = BTreeMap::new();
        for (pair, tally) in denied {
            let Some((_, oldest)) = tally.oldest() else { continue };
            let detail = self.details.entry(pair).or_insert_with(|| assess.detail(&oldest));
            if let Some(judged) = detail {
                count(&mut self.counts, judged, tally.open);
                gather(&mut groups, judged, tally);
            }
        }
        self.causes.retain(|key, _| groups.contains_key(key));
        self.explain(&groups, assess);
        groups.into_iter().filter_map(|(key, group)| self.finished(&key, group)).collect()
    }

    fn explain(&mut self, groups: &BTreeMap<GroupKey, Group>, assess: &mut dyn Assess) {
        let is_new = |key: &GroupKey, group: &Group| {
            self.causes.get(key).is_none_or(|known| known.policies != group.judged.verdict.policies)
        };
        let mut new = groups.iter().filter(|(key, group)| is_new(key, group)).collect::<Vec<_>>();
        self.unexplained = new.len() > CAUSES;
        new.truncate(CAUSES);
        for (key, Group { tally, judged }) in new {
            let found = tally.oldest().and_then(|(_, oldest)| assess.cause(&oldest, judged));
            let cause = found.or_else(|| self.causes.remove(key).and_then(|known| known.cause));
            self.causes.insert(key.clone(), Explained { policies: judged.verdict.policies.clone(), cause });
        }
    }

    fn finished(&self, key: &GroupKey, group: Group) -> Option<LatentGroup> {
        let Group { tally, mut judged } = group;
        let (since, oldest) = tally.oldest()?;
        judged.src.port = oldest.sport;
        Some(LatentGroup {
            src: judged.src,
            dst: judged.dst,
            vantage: judged.vantage,
            verdict: judged.verdict,
            open: tally.open,
            since,
            older: tally.older,
            cause: self.causes.get(key).and_then(|known| known.cause.clone()),
            examples: tally.examples.into_iter().map(|(_, tuple)| tuple).collect(),
        })
    }
}

/// Adds to the group of the same workloads. The pair with the oldest connection gives the example.
fn gather(groups: &mut BTreeMap<GroupKey, Group>, judged: &JudgedConnection, tally: Tally) {
    let group = groups
        .entry(key(judged))
        .or_insert_with(|| Group { tally: Tally::default(), judged: judged.clone() });
    let oldest = tally.oldest();
    group.tally.merge(tally);
    if group.tally.oldest() == oldest {
        group.judged = judged.clone();
    }
}

fn count(
    counts: &mut BTreeMap<(GroupKey, Vantage, ObjectRef), LatentCount>,
    judged: &JudgedConnection,
    open: u64,
) {
    for policy in &judged.verdict.policies {
        let series =
            counts.entry((key(judged), judged.vantage, policy.clone())).or_insert_with(|| LatentCount {
                src: judged.src.clone(),
                dst: judged.dst.clone(),
                vantage: judged.vantage,
                policy: policy.clone(),
                count: 0,
            });
        series.count += open;
    }
}

fn key(judged: &JudgedConnection) -> GroupKey {
    (side(&judged.src), side(&judged.dst), judged.dst.port)
}

/// Returns a side as metrics name it, but each node by its own name. Everything outside is one side: a thousand
/// browsers are one finding.
fn side(endpoint: &Endpoint) -> Side {
    let unowned = || endpoint.node.clone().unwrap_or(literal!("_external"));
    endpoint.owner().unwrap_or_else(|| ObjectRef::cluster_scoped(unowned()))
}
