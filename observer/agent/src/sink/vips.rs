//! The VIPs of `/api/v1/vips`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use flow_model::vip::{KnownVip, Vip};
use jiff::Timestamp;
use parking_lot::Mutex;

/// Holds the newest state of each VIP. The engine bounds their number.
#[derive(Debug, Default)]
pub struct VipStore {
    inner: Mutex<BTreeMap<IpAddr, Entry>>,
}

/// A VIP and the time at which the agent learnt of it.
#[derive(Debug)]
struct Entry {
    known_since: Timestamp,
    vip: Arc<KnownVip>,
}

impl VipStore {
    pub(super) fn put(&self, vip: Vip, now: Timestamp) {
        let mut all = self.inner.lock();
        let known_since = all.get(&vip.ip).map_or(now, |entry| entry.known_since);
        let not_heard_since = vip.claimant.is_none().then_some(known_since);
        let vip = Arc::new(KnownVip { vip, not_heard_since });
        all.insert(vip.vip.ip, Entry { known_since, vip });
    }

    pub(super) fn remove(&self, ip: IpAddr) {
        self.inner.lock().remove(&ip);
    }

    /// Is true while the host that holds some VIP has no name.
    #[must_use]
    pub fn has_unnamed(&self) -> bool {
        let holder =
            |entry: &Entry| entry.vip.vip.claimant.as_ref().is_some_and(|claim| claim.node.is_none());
        self.inner.lock().values().any(holder)
    }

    /// Returns all VIPs, by address.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Arc<KnownVip>> {
        self.inner.lock().values().map(|entry| Arc::clone(&entry.vip)).collect()
    }
}

#[cfg(test)]
mod tests;
