//! The tables that open connections can be read from.

use std::io;

use flow_model::flow::FlowTuple;

/// Reads a table of open connections other than conntrack's. It is called on a thread that may block.
pub type Table = Box<dyn FnMut() -> io::Result<Listing> + Send>;

/// Holds the connections of such a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub open: Vec<FlowTuple>,
    /// Is true when connections older than the agent are among them.
    pub all: bool,
}

/// Selects the table that connections are read from.
pub enum Source {
    /// The kernel's connection tracking. Where it is missing, may not be read, or has tracked nothing yet, the other
    /// table.
    Conntrack {
        /// Replaces conntrack.
        otherwise: Option<Table>,
    },
    /// Only this table.
    Table(Table),
}
