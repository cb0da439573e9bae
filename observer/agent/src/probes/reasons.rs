//! Drop reasons: names from BTF, and which of them mean that a packet was lost.

use std::sync::Arc;

use arcstr::{ArcStr, literal};
use observer_abi::{REASON_BITS, REASON_NONE};

use crate::probes::btf::KernelTypes;

/// Reasons that belong to ordinary TCP, to closing sockets, or to what a RST or an attempt's outcome reports already.
const ORDINARY: &[&str] = &[
    "NOT_DROPPED_YET",
    "CONSUMED",
    "NOT_SPECIFIED",
    "NO_SOCKET",
    "SOCKET_CLOSE",
    "UNIX_DISCONNECT",
    "UNIX_SKIP_OOB",
    "OTHERHOST",
    "QUEUE_PURGE",
    "SKB_GSO_SEG",
    "TCP_RESET",
    "TCP_CLOSE",
    "TCP_OLD_DATA",
    "TCP_OLD_ACK",
    "TCP_TOO_OLD_ACK",
    "TCP_OLD_SEQUENCE",
    "TCP_OFOMERGE",
    "TCP_FLAGS",
    "TCP_FASTOPEN",
    "TCP_ABORT_ON_DATA",
    "PACKET_SOCK_ERROR",
    "MAX",
];

/// Knows the names by value. Values differ between kernels, so both come from the running kernel's BTF.
#[derive(Clone, Default)]
pub(super) struct Reasons(Option<Arc<KernelTypes>>);

impl Reasons {
    pub(super) fn new(types: Arc<KernelTypes>) -> Self {
        Self(Some(types))
    }

    /// Returns the kernel's name; a number where BTF has none.
    pub(super) fn name(&self, reason: u32) -> ArcStr {
        match &self.0 {
            _ if reason == REASON_NONE => literal!("NOT_SPECIFIED"),
            Some(types) => types.drop_reason(reason).into(),
            None => arcstr::format!("{reason:#x}"),
        }
    }

    /// Returns the name of the reason in a map entry, where a reason is stored plus one and 0 stands for no drop.
    pub(super) fn recorded(&self, plus_one: u32) -> Option<ArcStr> {
        // REASON_NONE wraps to 0 and so reads as no drop: it has no name.
        plus_one.checked_sub(1).map(|reason| self.name(reason))
    }

    /// Returns the set of reasons that the kernel side reports.
    pub(super) fn interest(&self) -> [u64; REASON_BITS / 64] {
        let mut bits = [0; REASON_BITS / 64];
        for (&value, name) in self.0.iter().flat_map(|types| &types.drop_reasons) {
            let word = value as usize / 64;
            if word < bits.len() && !ORDINARY.contains(&name.as_str()) {
                bits[word] |= 1 << (value % 64);
            }
        }
        bits
    }
}

#[cfg(test)]
mod tests;
