//! Series on the HTTP server itself.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use strum::{IntoStaticStr, VariantArray, VariantNames};

use crate::sink::metrics::single_label::{LabelSet, label};
use crate::sink::metrics::spec::{Kind, Label, Spec};

/// The reason for which a client was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum Refused {
    /// The agent has as many connections as it accepts.
    Connections,
    /// This client has as many connections as one client may have.
    ClientConnections,
    /// The TLS handshake failed or took too long.
    #[strum(serialize = "tls_handshake")]
    Handshake,
    /// The agent, or this client, has as many streams as it may have.
    Streams,
    /// This client asked for `/api` too often.
    Requests,
    /// The `Host` header has a name that a foreign site may control.
    Host,
    /// The request has no valid credentials.
    Unauthenticated,
    /// The user is known, but not permitted.
    Forbidden,
    /// A client sent too many unknown tokens.
    Attempts,
    /// The API server could not be asked about the credentials.
    Unreviewed,
}

impl Refused {
    /// Returns the label's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

const CONNECTIONS: Spec = Spec {
    name: "http_connections",
    kind: Kind::Gauge,
    help: "Connections open to the agent's HTTP server",
    labels: &[],
    unit: "connections",
    changes: "when a connection opens or closes; at most 256",
    bound: "one series",
};
const REFUSED: Spec = Spec {
    name: "http_refused",
    kind: Kind::Counter,
    help: "Connections and requests that the agent's HTTP server refused, by reason",
    labels: &[&[Label::one_of("reason", <Refused as VariantNames>::VARIANTS)]],
    unit: "connections and requests",
    changes: "when a client is refused; [ACCESS.md](ACCESS.md) has the limits. Starts at 0.",
    bound: "one series per reason",
};

pub(super) const FAMILIES: [Spec; 2] = [CONNECTIONS, REFUSED];

/// Counters that the HTTP server keeps up to date.
#[derive(Clone, Debug)]
pub struct HttpCounters {
    /// Connections open.
    pub connections: Gauge,
    refused: Family<LabelSet, Counter>,
}

impl Default for HttpCounters {
    fn default() -> Self {
        let refused = Family::default();
        for reason in <Refused as VariantArray>::VARIANTS {
            drop(refused.get_or_create(&label("reason", reason.as_str())));
        }
        Self { connections: Gauge::default(), refused }
    }
}

impl HttpCounters {
    /// Counts a client that was refused.
    pub fn refuse(&self, reason: Refused) {
        self.refused.get_or_create(&label("reason", reason.as_str())).inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        CONNECTIONS.register(registry, self.connections.clone());
        REFUSED.register(registry, self.refused.clone());
    }
}
