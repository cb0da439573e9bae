//! What the agent can't see now, and why.

use std::collections::BTreeMap;

use flow_model::blind_spot::{BlindReason, BlindSpot};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The known blind spots.
#[derive(Debug, Default)]
pub struct Sight {
    blind: Mutex<BTreeMap<(BlindReason, String), BlindSpot>>,
    changed: Notify,
}

impl Sight {
    /// Records a blind spot. Returns the number of places with its reason.
    pub fn lose(&self, spot: BlindSpot) -> usize {
        self.change(spot.reason, |blind| {
            let key = (spot.reason, spot.place.clone());
            let is_news = blind.get(&key) != Some(&spot);
            blind.insert(key, spot);
            is_news
        })
    }

    /// Records that a place can be seen again. Returns the number of places that are left with this reason.
    pub fn regain(&self, reason: BlindReason, place: &str) -> usize {
        self.change(reason, |blind| blind.remove(&(reason, place.to_owned())).is_some())
    }

    /// Returns all of them, sorted by reason and place.
    #[must_use]
    pub fn list(&self) -> Vec<BlindSpot> {
        self.blind.lock().values().cloned().collect()
    }

    /// Waits until they change. What changed since the last call counts.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn change(
        &self,
        reason: BlindReason,
        change: impl FnOnce(&mut BTreeMap<(BlindReason, String), BlindSpot>) -> bool,
    ) -> usize {
        let mut blind = self.blind.lock();
        if change(&mut blind) {
            self.changed.notify_one();
        }
        blind.keys().filter(|(other, _)| *other == reason).count()
    }
}

#[cfg(test)]
mod tests;
