//! Questions and their answers.

use std::fmt;
use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::decision::Verdict;
use flow_model::policies::Protocol;

/// Asks whether one side may reach the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub src: Target,
    pub dst: Target,
    /// The port that the client addresses, before DNAT. `None` where the destination has only one.
    pub port: Option<Port>,
    /// `None` stands for the protocol of the destination's only port, or of its port of this name; else for TCP.
    pub protocol: Option<Protocol>,
}

/// Names one side of a question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// As a source a pod, else a workload, else a Service. As a destination everything of this name.
    Named {
        namespace: ArcStr,
        name: ArcStr,
    },
    Pod {
        namespace: ArcStr,
        name: ArcStr,
    },
    Service {
        namespace: ArcStr,
        name: ArcStr,
    },
    /// A DNS name, without the dot at its end.
    Host(ArcStr),
    Ip(IpAddr),
}

/// Names a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    Number(u16),
    /// The name of a Service port or of a container port.
    Name(ArcStr),
}

/// Holds the answer of the policies to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The source, as it was found: `namespace/pod`, `node NAME`, or an address.
    pub src: ArcStr,
    /// The destination, as it was found, with the port after DNAT: `postgres/pal-e-postgres-1:5432/TCP`.
    pub dst: ArcStr,
    /// The Service on the way: `postgres/pal-e-postgres-rw:5432`.
    pub service: Option<ArcStr>,
    pub verdict: Verdict,
    /// The assumptions that were made, and what the answer leaves out.
    pub notes: Vec<String>,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}
