//! Drop reasons: names from BTF, and which of them mean that a packet was lost.

use std::sync::Arc;

use arcstr::{ArcStr, literal};
use observer_abi::{REASON_BITS, REASON_NONE};

use crate::probes::btf::KernelTypes;

/// Reasons that tell of ordinary TCP life, of sockets closing, or of what a RST or an attempt's outcome already tells.
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

/// Names by value. Values shift between kernels, so both come from the running kernel's BTF.
#[derive(Clone, Default)]
pub(super) struct Reasons(Option<Arc<KernelTypes>>);

impl Reasons {
    pub(super) fn new(types: KernelTypes) -> Self {
        Self(Some(Arc::new(types)))
    }

    /// The kernel's name; a number where BTF has none.
    pub(super) fn name(&self, reason: u32) -> ArcStr {
        match &self.0 {
            _ if reason == REASON_NONE => literal!("NOT_SPECIFIED"),
            Some(types) => types.drop_reason(reason).into(),
            None => arcstr::format!("{reason:#x}"),
        }
    }

    /// From a map entry, where 0 is none and a value is stored plus one.
    pub(super) fn recorded(&self, plus_one: u32) -> Option<ArcStr> {
        // A reason of u32::MAX (none given) wraps to 0 and so reads as none: there is no name to tell.
        plus_one.checked_sub(1).map(|reason| self.name(reason))
    }

    /// The set of reasons that the kernel side reports.
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
mod tests {
    use super::*;

    fn reasons(names: &[(u32, &str)]) -> Reasons {
        Reasons::new(KernelTypes {
            drop_reasons: names.iter().map(|(v, n)| (*v, (*n).to_owned())).collect(),
            ..KernelTypes::default()
        })
    }

    #[test]
    fn interest_leaves_out_the_ordinary() {
        let r =
            reasons(&[(2, "NOT_SPECIFIED"), (3, "NO_SOCKET"), (12, "NETFILTER_DROP"), (70, "CPU_BACKLOG")]);
        assert_eq!(r.interest(), [1 << 12, 1 << 6, 0, 0]);
    }

    #[test]
    fn names_fall_back_to_numbers() {
        let r = reasons(&[(12, "NETFILTER_DROP")]);
        assert_eq!(r.name(12), "NETFILTER_DROP");
        assert_eq!(r.name(0x20001), "0x20001");
        assert_eq!(r.name(REASON_NONE), "NOT_SPECIFIED");
        assert_eq!(r.recorded(0), None);
        assert_eq!(r.recorded(13).as_deref(), Some("NETFILTER_DROP"));
    }
}
