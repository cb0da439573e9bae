//! The evaluators as the audit uses them: the quick one for every connection, the explaining one for few.

use std::sync::Arc;

use flow_identity::{Passage, Possible};
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
    /// Compiles the policies of an inventory.
    pub(super) fn new(inventory: &Arc<Inventory>) -> Self {
        Self { compiled: Compiled::new(Arc::clone(inventory)), plain: Plain::new(Arc::clone(inventory)) }
    }

    /// Decides on a flow; `None` when the connections that it may be are judged differently, or when there is none.
    pub(super) fn agreed(&self, possible: &Possible<'_>) -> Option<Decision> {
        self.compiled.agreed(possible)
    }

    /// Decides on a connection.
    pub(super) fn decide(&self, connection: &Connection<'_>) -> Decision {
        self.compiled.rule(connection).decision()
    }

    /// Explains the decision on a connection.
    pub(super) fn explain(&self, connection: &Connection<'_>) -> Verdict {
        self.plain.judge(connection)
    }

    /// Explains the decision on a connection that changes on its way.
    pub(super) fn explain_passage(&self, passage: &Passage<'_>) -> Verdict {
        self.plain.judge_between(&passage.leaving, &passage.arriving)
    }
}
