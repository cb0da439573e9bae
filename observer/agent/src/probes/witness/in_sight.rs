//! The addresses of this node's pods whose interfaces are followed, with nothing known to hide what passes there.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

/// Shares the addresses between who follows the interfaces and who looks for connections.
#[derive(Clone, Debug, Default)]
pub struct InSight(Arc<Mutex<HashMap<IpAddr, Followed>>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Followed {
    ifindex: u32,
    interface: String,
    since: Instant,
}

impl InSight {
    /// Takes all addresses that are in sight now, each with the interface that leads to it.
    pub(in crate::probes) fn set(
        &self,
        now_in_sight: impl IntoIterator<Item = (IpAddr, u32, String)>,
        now: Instant,
    ) {
        let mut known = self.0.lock();
        let mut before = std::mem::take(&mut *known);
        known.extend(now_in_sight.into_iter().map(|(ip, ifindex, interface)| {
            let same = before.remove(&ip).filter(|followed| followed.ifindex == ifindex);
            let since = same.map_or(now, |followed| followed.since);
            (ip, Followed { ifindex, interface, since })
        }));
    }

    /// Forgets what is behind an interface: it has gone, or its programs were not there for a while.
    pub(in crate::probes) fn lose(&self, ifindex: u32) {
        self.0.lock().retain(|_, followed| followed.ifindex != ifindex);
    }

    /// Is true for an address that has been in sight since that time or longer.
    pub(super) fn is_since(&self, ip: IpAddr, at: Instant) -> bool {
        self.0.lock().get(&ip).is_some_and(|followed| followed.since <= at)
    }

    /// Returns the name of the interface that leads to an address; `None` for one that is not in sight.
    pub(super) fn interface(&self, ip: IpAddr) -> Option<String> {
        self.0.lock().get(&ip).map(|followed| followed.interface.clone())
    }
}

#[cfg(test)]
mod tests;
