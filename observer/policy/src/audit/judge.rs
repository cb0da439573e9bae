//! The evaluators as the audit uses them: the quick one for every connection, the explaining one for few.

use std::sync::Arc;

use flow_model::connection::Connection;
use flow_model::decision::{Decision, Verdict};
use flow_model::inventory::Inventory;

use crate::{Compiled, Plain};

/// Judges by one inventory.
pub(super) struct Judge {
    compiled: Compiled,
    plain: Plain,
}

impl Judge {
    pub(super) fn new(inventory: &Arc<Inventory>) -> Self {
        Self { compiled: Compiled::new(Arc::clone(inventory)), plain: Plain::new(Arc::clone(inventory)) }
    }

    pub(super) fn decide(&self, connection: &Connection<'_>) -> Decision {
        self.compiled.rule(connection).decision()
    }

    pub(super) fn explain(&self, connection: &Connection<'_>) -> Verdict {
        self.plain.judge(connection)
    }
}
