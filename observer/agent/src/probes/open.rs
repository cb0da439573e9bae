//! The connections that the probes saw open, for where conntrack can't tell them.
//!
//! Older connections are not among them, and one that ends without FIN or RST stays until the table needs its room.

use std::io;

use flow_model::flow::FlowTuple;
use observer_abi::{FlowKey, FlowValue};

use crate::probes::batch::Batches;
use crate::probes::{Loaded, ProbeError, convert};

/// The tracker's table of open connections.
pub struct Open {
    flows: Batches,
}

impl Open {
    /// Of a loaded object, before its maps are given to the tasks.
    ///
    /// # Errors
    /// When the object has no such map.
    pub fn new(loaded: &Loaded) -> Result<Self, ProbeError> {
        let map = loaded.ebpf.map("FLOWS").ok_or(ProbeError::NoMap("FLOWS"))?;
        let flows = Batches::of(map);
        let flows = flows.map_err(|source| ProbeError::System { what: "the flow table", source })?;
        Ok(Self { flows })
    }

    /// The connections that no side has begun to close.
    ///
    /// # Errors
    /// When the kernel does not let the map be read in batches.
    pub fn read(&self) -> io::Result<Vec<FlowTuple>> {
        let entries = self.flows.read::<FlowKey, FlowValue>()?;
        Ok(entries.iter().filter_map(|(key, flow)| tuple(key, flow)).collect())
    }
}

/// A connection has an entry per address it is seen under: the one that the client used stands for it.
fn tuple(key: &FlowKey, flow: &FlowValue) -> Option<FlowTuple> {
    const NOT_OPEN: u8 = FlowValue::FIN_CLIENT | FlowValue::FIN_SERVER | FlowValue::ALIAS;
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
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn bytes(last: u8) -> [u8; 16] {
        Ipv4Addr::new(10, 42, 0, last).to_ipv6_mapped().octets()
    }

    fn key(dst: u8, dport: u16) -> FlowKey {
        FlowKey { src: bytes(1), dst: bytes(dst), sport: 40_000, dport }
    }

    /// To 10.42.0.2:80, served by 10.42.0.3:8080.
    fn flow(flags: u8) -> FlowValue {
        FlowValue {
            dst: bytes(2),
            backend: bytes(3),
            isn: 0,
            dport: 80,
            backend_port: 8080,
            flags,
            vantage: 0,
            _pad: [0; 2],
        }
    }

    #[test]
    fn a_connection_is_told_once_as_the_client_addressed_it() {
        let told = tuple(&key(2, 80), &flow(FlowValue::LOCAL)).unwrap();
        let ip = |last| IpAddr::from([10, 42, 0, last]);
        let expected =
            FlowTuple { src: ip(1), sport: 40_000, dst: ip(2), dport: 80, backend: Some((ip(3), 8080)) };
        assert_eq!(told, expected);
        assert_eq!(tuple(&key(3, 8080), &flow(FlowValue::LOCAL)), None, "the same after DNAT");

        let direct = FlowValue { backend: [0; 16], backend_port: 0, ..flow(0) };
        assert_eq!(tuple(&key(2, 80), &direct).unwrap().backend, None);
    }

    #[test]
    fn what_closes_is_not_open() {
        for flags in [FlowValue::FIN_CLIENT, FlowValue::FIN_SERVER, FlowValue::ALIAS] {
            assert_eq!(tuple(&key(2, 80), &flow(flags | FlowValue::LOCAL)), None, "{flags}");
        }
    }
}
