//! IDs of the subjects of findings.

use std::borrow::Cow;

use arcstr::ArcStr;

use crate::subject::{FindingKey, Subject};

impl FindingKey {
    /// Returns the ID of the kind and its subject: the same on every node, in every episode and after every restart.
    #[must_use]
    pub fn id(&self) -> ArcStr {
        let named = |kind: &'static str, name: String| vec![Cow::from(kind), Cow::from(name)];
        let parts = match &self.subject {
            Subject::Flow(flow) => flow.parts().to_vec(),
            Subject::Vip(ip) => named("vip", ip.to_string()),
            Subject::Workload(name) => named("workload", name.to_string()),
            Subject::Service(name) => named("service", name.to_string()),
            Subject::Server(ip, port) => named("server", std::net::SocketAddr::new(*ip, *port).to_string()),
            Subject::Sight(node, reason) => named("sight", format!("{node}/{reason}")),
            Subject::Client(ip) => named("client", ip.to_string()),
        };
        id_of(std::iter::once(self.kind.as_str()).chain(parts.iter().map(AsRef::as_ref)))
    }
}

/// Hashes parts of which each is followed by a zero byte, so that `vip1` + `0.0.0.1` differs from `vip` + `10.0.0.1`.
pub(crate) fn id_of<'a>(parts: impl Iterator<Item = &'a str>) -> ArcStr {
    arcstr::format!("{:016x}", fnv1a(parts.flat_map(|part| part.bytes().chain([0]))))
}

/// Hashes by FNV-1a. Unlike std's hashers it is specified: <http://www.isthe.com/chongo/tech/comp/fnv/>.
pub(super) fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
