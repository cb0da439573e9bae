//! What people ask: may this reach that?
//!
//! Names, Services and addresses are resolved to the connections that they stand for; those are judged one by one, and
//! what they agree on is the answer. Services are judged at their backends, as connections meet policies.

mod combine;
mod error;
mod explainer;
mod names;
mod parse;
mod route;
mod service;
#[cfg(test)]
mod tests;
mod wire;

use std::fmt;
use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::decision::Verdict;
use flow_model::policies::Protocol;

pub use error::QueryError;
pub use explainer::Explainer;
pub use parse::ParseError;
pub use wire::{MAX_LINE, Reply, reply};

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub src: Target,
    pub dst: Target,
    /// As the client addresses it: before DNAT. `None` where the destination has only one.
    pub port: Option<Port>,
    /// `None`: what the destination's only port, or its port of this name, has; else TCP.
    pub protocol: Option<Protocol>,
}

/// One side of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A pod; else, as a destination, a Service; else a workload; else a Service.
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
    Ip(IpAddr),
}

/// A port, as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    Number(u16),
    /// Of a Service port, or of a container port.
    Name(ArcStr),
}

/// What the policies say to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The source, as it was found: `namespace/pod`, `node NAME`, or an address.
    pub src: ArcStr,
    /// The destination, as it was found, with the port after DNAT: `postgres/pal-e-postgres-1:5432/TCP`.
    pub dst: ArcStr,
    /// The Service on the way: `postgres/pal-e-postgres-rw:5432`.
    pub service: Option<ArcStr>,
    pub verdict: Verdict,
    /// What was taken to be meant, and what the answer leaves out.
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
