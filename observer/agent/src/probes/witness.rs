//! A second witness beside the hooks: connections of this node's pods that the kernel's connection tracking holds, and that no
//! hook and no socket told of.
//!
//! It judges only what it can: connections that conntrack followed from their SYN on, that opened between two looks at its
//! table, of pods whose interface was followed long before. A flood may push entries out of the programs' tables, so that
//! nothing is claimed while many connections open.

mod in_sight;
mod judge;
mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::warn;

pub use self::in_sight::InSight;
pub use self::watch::Explained;
use self::watch::Watch;
use crate::netlink::connections::Opened;
use crate::probes::flows::Flows;
use crate::probes::hooks::Blind;

/// An interface is followed for this long before connections are expected to be seen there: the SYN comes before the
/// connection, and programs may be attached some moments late.
const SETTLE: Duration = Duration::from_secs(10);
/// The attempts since the look before the last one from which on nothing is claimed. The programs' tables forget the oldest of
/// 65,536 entries, and a connection has two.
const MANY: u64 = 8_192;

/// Looks at the connections that conntrack found open.
pub struct Witness {
    flows: Arc<Mutex<Flows>>,
    watch: Watch,
    pace: Pace,
    failed: bool,
}

impl Witness {
    /// Creates one that has seen nothing yet.
    #[must_use]
    pub fn new(flows: Arc<Mutex<Flows>>, in_sight: InSight, explained: Explained, blind: Blind) -> Self {
        let watch = Watch::new(in_sight, explained, blind);
        Self { flows, watch, pace: Pace::default(), failed: false }
    }

    /// Takes what a look at the connection table found.
    pub fn look(&mut self, opened: &Opened<'_>) {
        let (now, is_calm) = (Instant::now(), self.pace.is_calm(self.flows.lock().begun()));
        let settled = opened.since.filter(|_| is_calm).and_then(|since| since.checked_sub(SETTLE));
        let mut attempts = None;
        for conn in opened.tracked {
            let knows = || self.flows.lock().knows(conn, &mut attempts);
            if let Err(error) = self.watch.connection(conn, settled, now, knows) {
                if !std::mem::replace(&mut self.failed, true) {
                    warn!(%error, "whether the hooks see all connections can't be told; this is logged once");
                }
                break;
            }
        }
        self.watch.end();
    }
}

/// Tells how many attempts begin, by the number at the last two looks, the older first.
#[derive(Debug, Default)]
struct Pace([Option<u64>; 2]);

impl Pace {
    /// Is true where few attempts began since the look before the last one.
    fn is_calm(&mut self, begun: Option<u64>) -> bool {
        let [before, last] = self.0;
        self.0 = [last, begun];
        before.zip(last).zip(begun).is_some_and(|((before, _), begun)| begun.saturating_sub(before) < MANY)
    }
}

#[cfg(test)]
mod tests;
