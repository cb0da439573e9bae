//! Where connections enter kube-proxy.

use arcstr::ArcStr;
use flow_model::connection::Who;

/// The place where kube-proxy replaces the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// On the client's own node.
    Own,
    /// On this node.
    At(&'a ArcStr),
    /// On a node that is not known.
    Anywhere,
}

/// Returns the node that a party is on.
pub(super) fn node_of(who: Who<'_>) -> Option<&ArcStr> {
    match who {
        Who::Pod(pod) => pod.node.as_ref(),
        Who::Node(node) => Some(node).filter(|node| !node.is_empty()),
        Who::External | Who::Unknown(_) => None,
    }
}
