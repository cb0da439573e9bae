//! Finds whether an entry of `ports` matches.

use flow_model::connection::Who;
use flow_model::inventory::ContainerPort;
use flow_model::policies::{PortMatch, PortSet, Protocol, TierPort};

use crate::plain::{Match, View};
use crate::readings::is_protocol;

/// Matches an entry of a NetworkPolicy. A name stands for the container ports of its protocol.
pub(super) fn port(entry: &PortMatch, view: &View<'_>) -> Match {
    if entry.protocol != view.protocol {
        return Match::No;
    }
    match &entry.port {
        PortSet::All => Match::Yes,
        PortSet::Range(first, last) => (*first..=*last).contains(&view.port).into(),
        PortSet::Named(name) => named(name, view),
    }
}

/// Matches an entry of a tiered policy.
pub(super) fn tier_port(entry: &TierPort, view: &View<'_>) -> Match {
    match entry {
        TierPort::Range { protocol, first, last } => {
            (*protocol == view.protocol && (*first..=*last).contains(&view.port)).into()
        }
        TierPort::Named(name) => named(name, view),
    }
}

/// Matches a name that stands for ports of one protocol.
pub(super) fn named_of_protocol(name: &str, protocol: Protocol, view: &View<'_>) -> Match {
    if protocol == view.protocol { named(name, view) } else { Match::No }
}

/// Matches if the destination pod has a container port of this name at the connection's port and protocol. Several
/// container ports may share a name, and only pods have names for ports. kube-router doesn't know those of sidecars.
fn named(name: &str, view: &View<'_>) -> Match {
    let at = |port: &ContainerPort| {
        port.name.as_deref() == Some(name)
            && port.port == view.port
            && is_protocol(port, view.protocol)
            && !(port.sidecar && view.by_kube_router())
    };
    match view.destination() {
        Who::Pod(pod) => pod.ports.iter().any(at).into(),
        Who::Node(_) | Who::External => Match::No,
        Who::Unknown(why) => Match::Maybe(why.into()),
    }
}
