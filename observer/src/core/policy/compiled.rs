//! Stub.
use std::sync::Arc;

use super::plain::Plain;
use super::{Connection, Ruling};
use crate::core::inventory::Inventory;

/// Stub.
pub struct Compiled(Plain);

impl Compiled {
    /// Stub.
    pub fn new(inventory: Arc<Inventory>) -> Self {
        Self(Plain::new(inventory))
    }
    /// Stub.
    pub fn update(&mut self, inventory: Arc<Inventory>) {
        self.0 = Plain::new(inventory);
    }
    /// Stub.
    pub fn rule(&self, connection: &Connection<'_>) -> Ruling {
        self.0.rule(connection)
    }
}
