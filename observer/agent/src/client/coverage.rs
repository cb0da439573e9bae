//! The part of the nodes from which an answer comes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use arcstr::ArcStr;
use flow_model::agent_info::AgentInfo;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::client::print::{Look, plural, printable};
use crate::kube::agents::Absent;

/// The time for which agents remember what has ended.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);
/// Most nodes named in one note.
const NAMED: usize = 10;

/// Holds the nodes that answered, and the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Coverage {
    /// The nodes whose agents answered.
    pub(crate) asked: Vec<AskedNode>,
    /// The other nodes of the cluster as far as they are known, and those whose agents may know only a part.
    pub(crate) missing: Vec<Absent>,
}

/// Holds a node whose agent answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct AskedNode {
    pub(crate) node: ArcStr,
    /// The agent's start, from before which it remembers nothing; absent for an agent of an earlier release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started: Option<Timestamp>,
}

impl Coverage {
    /// Takes the agents that answered, each with its node where the command knows it, and the nodes that are missing. With
    /// `otherwise`, the other nodes that the agents know are missing for this reason; without, `absent` has them all.
    pub(crate) fn new<'a>(
        agents: impl IntoIterator<Item = (Option<ArcStr>, Option<&'a AgentInfo>)>,
        absent: Vec<Absent>,
        otherwise: Option<&str>,
    ) -> Self {
        let (mut asked, mut known) = (BTreeMap::new(), BTreeSet::new());
        for (node, info) in agents {
            known.extend(
                info.filter(|_| otherwise.is_some()).into_iter().flat_map(|info| info.nodes.iter().cloned()),
            );
            if let Some(node) = info.map(|info| info.node.clone()).or(node) {
                asked.insert(node, info.map(|info| info.started));
            }
        }
        let mut missing: BTreeMap<ArcStr, String> = known
            .into_iter()
            .filter(|node| !asked.contains_key(node))
            .map(|n| (n, otherwise.unwrap_or_default().to_owned()))
            .collect();
        missing.extend(absent.into_iter().map(|Absent { node, reason }| (node, reason)));
        Self {
            asked: asked.into_iter().map(|(node, started)| AskedNode { node, started }).collect(),
            missing: missing.into_iter().map(|(node, reason)| Absent { node, reason }).collect(),
        }
    }

    /// Says from which part of the nodes the answer is, if it is not from all that are known.
    pub(crate) fn note(&self, notes: &mut impl Write) -> io::Result<()> {
        let asked: BTreeSet<_> = self.asked.iter().map(|asked| &asked.node).collect();
        let others: BTreeSet<_> = self.missing.iter().map(|missing| &missing.node).collect();
        let others: BTreeSet<_> = others.difference(&asked).copied().collect();
        if others.is_empty() || asked.is_empty() {
            return Ok(());
        }
        let (part, all) = (asked.len(), plural(asked.len() + others.len(), "node"));
        let (asked, others) = (listed(&asked), listed(&others));
        writeln!(
            notes,
            "flow-observer: this is what the agents of {part} of {all} know: {asked}; not {others}"
        )
    }

    /// Names the agents that started so lately that they don't remember the whole last hour.
    pub(crate) fn note_memory(&self, look: &Look, now: Timestamp, notes: &mut impl Write) -> io::Result<()> {
        let young: Vec<_> = self
            .asked
            .iter()
            .filter_map(|asked| Some((&asked.node, asked.started?)))
            .filter(|(_, started)| now.duration_since(*started) < REMEMBERED)
            .map(|(node, started)| {
                format!("node {} remembers since {}, its agent's start", printable(node), look.time(started))
            })
            .collect();
        if young.is_empty() {
            return Ok(());
        }
        writeln!(notes, "flow-observer: what ended before is forgotten: {}", listed(&young))
    }

    /// Returns the earliest start of the agents that answered.
    pub(crate) fn first_start(&self) -> Option<Timestamp> {
        self.asked.iter().filter_map(|asked| asked.started).min()
    }
}

/// Lists a bounded number.
fn listed<T: AsRef<str>>(all: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>) -> String {
    let all = all.into_iter();
    let more = all.len().saturating_sub(NAMED);
    let mut named: Vec<_> = all.take(NAMED).map(|one| printable(one.as_ref())).collect();
    named.extend((more > 0).then(|| format!("{more} more")));
    named.join(", ")
}

#[cfg(test)]
mod tests;
