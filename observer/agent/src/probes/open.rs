//! The connections that the probes saw open, for nodes where conntrack can't be read.
//!
//! Connections older than the agent are missing. One that ends without FIN or RST stays until the table needs its room.

use std::io;

use flow_model::flow::FlowTuple;
use observer_abi::{FlowKey, FlowValue};

use crate::probes::batch::Batches;
use crate::probes::convert;
use crate::probes::error::ProbeError;
use crate::probes::load::Loaded;

/// Reads the tracker's tables of open connections.
pub struct Open {
    tables: [Batches; 2],
}

impl Open {
    /// Opens the tables of a loaded object, before its maps are given to the tasks.
    ///
    /// # Errors
    /// Fails when the object has no such map.
    pub fn new(loaded: &Loaded) -> Result<Self, ProbeError> {
        let table = |name| {
            let map = loaded.ebpf.map(name).ok_or(ProbeError::NoMap(name))?;
            Batches::of(map).map_err(ProbeError::system("a table of connections"))
        };
        Ok(Self { tables: [table("OPENED")?, table("LASTING")?] })
    }

    /// Returns the connections that no side has begun to close.
    ///
    /// # Errors
    /// Fails when the kernel does not let the map be read in batches.
    pub fn read(&self) -> io::Result<Vec<FlowTuple>> {
        let mut open = Vec::new();
        for table in &self.tables {
            let entries = table.read::<FlowKey, FlowValue>()?;
            open.extend(entries.iter().filter_map(|(key, flow)| tuple(key, flow)));
        }
        Ok(open)
    }
}

/// Returns the connection of an entry. A connection has an entry for each destination it is seen with; only the one
/// that the client used stands for it.
fn tuple(key: &FlowKey, flow: &FlowValue) -> Option<FlowTuple> {
    const NOT_OPEN: u8 = FlowValue::FIN_CLIENT | FlowValue::FIN_SERVER;
    let as_addressed = (key.dst, key.dport) == (flow.dst, flow.dport);
    (as_addressed && flow.flags & NOT_OPEN == 0).then(|| FlowTuple {
        src: convert::ip(key.src),
        sport: key.sport,
        dst: convert::ip(key.dst),
        dport: key.dport,
        backend: (flow.backend_port != 0).then(|| (convert::ip(flow.backend), flow.backend_port)),
    })
}

#[cfg(test)]
mod tests;
