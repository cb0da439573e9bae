//! The evaluators as the audit uses them: the quick one for every connection, the explaining one for few.

use std::sync::Arc;

use crate::core::inventory::Inventory;
use crate::core::policy::{Connection, Decision, Plain, Verdict};

/// Judges by one inventory.
pub(super) struct Judge {
    plain: Plain,
}

impl Judge {
    pub(super) fn new(inventory: &Arc<Inventory>) -> Self {
        Self { plain: Plain::new(Arc::clone(inventory)) }
    }

    pub(super) fn decide(&self, connection: &Connection<'_>) -> Decision {
        self.plain.rule(connection).decision()
    }

    pub(super) fn explain(&self, connection: &Connection<'_>) -> Verdict {
        self.plain.judge(connection)
    }
}
