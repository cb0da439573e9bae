//! The VIPs of `/api/v1/vips`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use flow_model::vip::Vip;
use parking_lot::Mutex;

/// Holds the newest state of each VIP. The engine bounds their number.
#[derive(Debug, Default)]
pub struct VipStore {
    inner: Mutex<BTreeMap<IpAddr, Arc<Vip>>>,
}

impl VipStore {
    pub(super) fn put(&self, vip: Vip) {
        self.inner.lock().insert(vip.ip, Arc::new(vip));
    }

    pub(super) fn remove(&self, ip: IpAddr) {
        self.inner.lock().remove(&ip);
    }

    /// Is true while the host that holds some VIP has no name.
    #[must_use]
    pub fn has_unnamed(&self) -> bool {
        let holder = |vip: &Arc<Vip>| vip.claimant.as_ref().is_some_and(|claim| claim.node.is_none());
        self.inner.lock().values().any(holder)
    }

    /// Returns all VIPs, by address.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Arc<Vip>> {
        self.inner.lock().values().cloned().collect()
    }
}

#[cfg(test)]
mod tests;
