//! Series on the HTTP server itself.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::sink::metrics::{Label, label};

/// Why a client was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// All connections are taken.
    Connections,
    /// This client has its share of connections.
    ClientConnections,
    /// No TLS connection came about.
    Handshake,
    /// All streams are taken, or this client's share of them.
    Streams,
    /// Asked for by a name that may be a stranger's.
    Host,
    /// No credentials, or none that count.
    Unauthenticated,
    /// Known, but not permitted.
    Forbidden,
    /// Too many unknown tokens from one client.
    Attempts,
    /// Nobody could be asked about the credentials.
    Unreviewed,
}

impl Refused {
    const ALL: [Self; 9] = [
        Self::Connections,
        Self::ClientConnections,
        Self::Handshake,
        Self::Streams,
        Self::Host,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::Attempts,
        Self::Unreviewed,
    ];

    /// The label's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ClientConnections => "client_connections",
            Self::Handshake => "tls_handshake",
            Self::Streams => "streams",
            Self::Host => "host",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Attempts => "attempts",
            Self::Unreviewed => "unreviewed",
        }
    }
}

/// Counters that the HTTP server keeps up to date.
#[derive(Clone, Debug)]
pub struct HttpCounters {
    /// Connections open.
    pub connections: Gauge,
    refused: Family<Label, Counter>,
}

impl Default for HttpCounters {
    fn default() -> Self {
        let refused = Family::default();
        for reason in Refused::ALL {
            drop(refused.get_or_create(&label("reason", reason.as_str())));
        }
        Self { connections: Gauge::default(), refused }
    }
}

impl HttpCounters {
    /// Counts a client that was turned away.
    pub fn refuse(&self, reason: Refused) {
        self.refused.get_or_create(&label("reason", reason.as_str())).inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_connections",
            "Connections open to the agent's HTTP server",
            self.connections.clone(),
        );
        registry.register(
            "http_refused",
            "Connections and requests that the agent's HTTP server turned away, by reason",
            self.refused.clone(),
        );
    }
}
