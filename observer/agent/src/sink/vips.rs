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

    /// Returns all VIPs, by address.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Arc<Vip>> {
        self.inner.lock().values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::testing::vip;

    #[test]
    fn the_newest_picture_replaces_the_last() {
        let store = VipStore::default();
        let of = |store: &VipStore| -> Vec<_> {
            store.snapshot().iter().map(|vip| (vip.ip.to_string(), vip.moves)).collect()
        };
        for (ip, moves) in [("10.0.20.201", 0), ("10.0.20.200", 1), ("10.0.20.200", 2)] {
            store.put(Vip { ip: ip.parse().unwrap(), moves, ..vip(&[]) });
        }
        assert_eq!(of(&store), [("10.0.20.200".to_owned(), 2), ("10.0.20.201".to_owned(), 0)]);
        store.remove("10.0.20.201".parse().unwrap());
        store.remove("10.0.20.1".parse().unwrap());
        assert_eq!(of(&store), [("10.0.20.200".to_owned(), 2)]);
    }
}
