//! What a finding is about: there is one per kind, two sides and a port.

use std::borrow::Cow;

use arcstr::{ArcStr, literal};
use flow_model::finding::FindingKind;
use flow_model::object_ref::ObjectRef;
use flow_model::record::Endpoint;

/// Tells findings apart. Ordered, so that a recording gives the same outputs at every replay.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) kind: FindingKind,
    about: About,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    Flow(Subject),
    /// What another detector named.
    Parts(Vec<ArcStr>),
}

/// Who talks to whom, on which port as the client addressed it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    src: Side,
    dst: Side,
    port: u16,
}

/// Workloads rather than pods: a restart goes on with the same finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    /// A workload, or a Service where no workload is known.
    Named(ObjectRef),
    Node(ArcStr),
    /// All of the world outside, or one scan from many addresses would fill the table.
    External,
    /// Without a cluster nobody is known to be outside.
    Address(ArcStr),
}

impl Subject {
    /// `cluster` says whether one is known, so that an address without a name is outside of it.
    pub(super) fn new(src: &Endpoint, dst: &Endpoint, cluster: bool) -> Self {
        Self { src: Side::new(src, cluster), dst: Side::new(dst, cluster), port: dst.port }
    }

    pub(super) fn of_kind(&self, kind: FindingKind) -> Key {
        Key { kind, about: About::Flow(self.clone()) }
    }

    pub(super) fn src_is_outside(&self) -> bool {
        self.src == Side::External
    }

    pub(super) fn dst_is_outside(&self) -> bool {
        self.dst == Side::External
    }
}

impl Side {
    fn new(endpoint: &Endpoint, cluster: bool) -> Self {
        match (name(endpoint), &endpoint.node) {
            (Some(name), _) => Self::Named(name),
            (None, Some(node)) => Self::Node(node.clone()),
            (None, None) if cluster => Self::External,
            (None, None) => Self::Address(arcstr::format!("{}", endpoint.ip)),
        }
    }

    fn parts(&self) -> [Cow<'_, str>; 2] {
        match self {
            Self::Named(name) => ["named".into(), name.to_string().into()],
            Self::Node(node) => ["node".into(), node.as_str().into()],
            Self::External => ["external".into(), "".into()],
            Self::Address(ip) => ["address".into(), ip.as_str().into()],
        }
    }
}

impl Key {
    pub(super) fn of_parts(kind: FindingKind, parts: impl Iterator<Item = ArcStr>) -> Self {
        Self { kind, about: About::Parts(parts.collect()) }
    }

    /// The same for the same subject on every node and after every restart.
    pub(super) fn id(&self) -> ArcStr {
        match &self.about {
            About::Flow(Subject { src, dst, port }) => {
                let port = port.to_string();
                let [src_type, src] = src.parts();
                let [dst_type, dst] = dst.parts();
                self.hash(&[&src_type, &src, &dst_type, &dst, &port])
            }
            About::Parts(parts) => self.hash(&parts.iter().map(ArcStr::as_str).collect::<Vec<_>>()),
        }
    }

    fn hash(&self, parts: &[&str]) -> ArcStr {
        let parts = std::iter::once(self.kind.as_str()).chain(parts.iter().copied());
        arcstr::format!("{:016x}", fnv1a(parts.flat_map(|part| part.bytes().chain([0]))))
    }
}

/// `namespace/name` of the owner.
pub(super) fn name(endpoint: &Endpoint) -> Option<ObjectRef> {
    endpoint.owner()
}

/// Who an endpoint is, in a sentence.
pub(super) fn who(endpoint: &Endpoint) -> ArcStr {
    match (name(endpoint), &endpoint.node) {
        (Some(name), _) => arcstr::format!("{name}"),
        (None, Some(node)) => arcstr::format!("node {node}"),
        (None, None) => arcstr::format!("{}", endpoint.ip),
    }
}

/// Who, and on which port.
pub(super) fn who_at(endpoint: &Endpoint, port: u16) -> ArcStr {
    match (name(endpoint), &endpoint.node) {
        (None, None) => arcstr::format!("{}", std::net::SocketAddr::new(endpoint.ip, port)),
        _ => arcstr::format!("{}:{port}", who(endpoint)),
    }
}

/// Whom a client addressed: with the Service, where its name says something new.
pub(super) fn whom(endpoint: &Endpoint) -> ArcStr {
    let target = who_at(endpoint, endpoint.port);
    match &endpoint.service {
        Some(service) if name(endpoint).as_ref() != Some(service) => {
            arcstr::format!("{target} (Service {service})")
        }
        _ => target,
    }
}

/// The Service addressed.
pub(super) fn service(endpoint: &Endpoint) -> ArcStr {
    endpoint.service.as_ref().map_or(literal!("the Service"), |name| arcstr::format!("Service {name}"))
}

/// Unlike std's hashers, it is specified: <http://www.isthe.com/chongo/tech/comp/fnv/>.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(fnv1a(b"".iter().copied()), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar".iter().copied()), 0x8594_4171_f739_67e8);
    }
}
