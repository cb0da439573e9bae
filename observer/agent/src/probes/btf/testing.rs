//! Kernel types for tests.

use super::*;

/// Returns the types of a kernel that has no offset and no name.
pub(crate) fn types() -> KernelTypes {
    KernelTypes {
        sk_buff: SkBuff::default(),
        namespaces: Ok(NamespaceLayout::default()),
        kfree_skb: KfreeSkb::default(),
        drop_reasons: BTreeMap::new(),
        subsystems: BTreeMap::new(),
        resets: Err(Missing("tracepoint tcp_send_reset")),
        listeners: Err(Missing("struct sock")),
        sockets: Err(Missing("struct sock_common")),
        reset_reasons: BTreeMap::new(),
    }
}
