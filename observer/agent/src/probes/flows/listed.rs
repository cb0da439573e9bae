//! The entries that stand for an open connection.

use flow_model::flow::FlowTuple;
use observer_abi::{FlowKey, FlowValue};

use crate::probes::convert;

/// Returns the connection of an entry. A connection has an entry for each destination it is seen with; only the one
/// that the client used stands for it.
pub(super) fn tuple(key: &FlowKey, flow: &FlowValue) -> Option<FlowTuple> {
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
