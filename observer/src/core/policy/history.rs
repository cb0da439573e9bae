//! Stub.
use arcstr::ArcStr;
use jiff::Timestamp;

use super::Connection;
use crate::core::inventory::Inventory;
/// Stub.
#[derive(Default)]
pub struct History {
    last: Option<Timestamp>,
}
impl History {
    /// Stub.
    pub fn apply(&mut self, before: &Inventory, after: &Inventory, now: Timestamp) {
        if before.policies != after.policies {
            self.last = Some(now);
        }
    }
    /// Stub.
    pub fn last_relevant_change(&self) -> Option<Timestamp> {
        self.last
    }
    /// Stub.
    pub fn cause(&self, _: &Inventory, _: &Connection<'_>, _: &[ArcStr]) -> Option<String> {
        None
    }
}
