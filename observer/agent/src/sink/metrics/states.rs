//! How full the agent's bounded states are.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::sink::metrics::spec::{Kind, Label, Spec};

/// The states, in the order of their names.
const STATES: &[&str] = &[
    "attempts_awaiting_drop",
    "attempts_awaiting_name",
    "baseline_flows",
    "counts_queue",
    "drops_awaiting_log",
    "findings",
    "handshakes",
    "inputs_queue",
    "links_queue",
    "open_connections",
    "pairs",
    "pairs_map",
    "policy_changes",
    "tail_attempts",
];

const ENTRIES: Spec = Spec {
    name: "state_entries",
    kind: Kind::Gauge,
    help: "Entries in a bounded state of the agent",
    labels: &[&[Label::one_of("state", STATES)]],
    unit: "entries",
    changes: "as the state fills and empties; those of the engine each second. `handshakes` and `pairs_map` are kernel maps, as read \
              last; the queues hold what waits between two tasks. Tail clients, HTTP connections, pair series and Kubernetes Events \
              have families of their own.",
    bound: "one series per state",
};
const CAPACITY: Spec = Spec {
    name: "state_capacity",
    kind: Kind::Gauge,
    help: "Entries that a bounded state of the agent can have",
    labels: &[&[Label::one_of("state", STATES)]],
    unit: "entries",
    changes: "never. A state that is full forgets its oldest entries, counts in a remainder, or holds up its writer: \
              `events_lost_total` says what was lost.",
    bound: "one series per state",
};

pub(super) const FAMILIES: [Spec; 2] = [ENTRIES, CAPACITY];

/// Reads how many entries a state has; `None` once it has ended.
pub type ReadEntries = Box<dyn Fn() -> Option<usize> + Send + Sync>;

/// The states. Clones share them.
#[derive(Clone, Default)]
pub(super) struct States(Arc<Mutex<BTreeMap<&'static str, State>>>);

struct State {
    capacity: usize,
    entries: Entries,
}

enum Entries {
    Reported(usize),
    Read(ReadEntries),
}

impl States {
    /// Sets the entries of a state.
    pub(super) fn set(&self, name: &'static str, entries: usize, capacity: usize) {
        self.0.lock().insert(name, State { capacity, entries: Entries::Reported(entries) });
    }

    /// Adds a state whose entries are read at each scrape.
    pub(super) fn add(&self, name: &'static str, capacity: usize, read: ReadEntries) {
        self.0.lock().insert(name, State { capacity, entries: Entries::Read(read) });
    }

    /// Returns entries and capacity of each state.
    fn levels(&self) -> Vec<(&'static str, u64, u64)> {
        let level = |(name, state): (&&'static str, &State)| {
            let entries = match &state.entries {
                Entries::Reported(entries) => *entries,
                Entries::Read(read) => read()?,
            };
            Some((*name, entries as u64, state.capacity as u64))
        };
        self.0.lock().iter().filter_map(level).collect()
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.levels()).finish()
    }
}

impl Collector for States {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let levels = self.levels();
        let mut family = ENTRIES.encode(&mut encoder)?;
        for (name, entries, _) in &levels {
            family.encode_family(&[("state", *name)])?.encode_gauge(entries)?;
        }
        let mut family = CAPACITY.encode(&mut encoder)?;
        for (name, _, capacity) in &levels {
            family.encode_family(&[("state", *name)])?.encode_gauge(capacity)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
