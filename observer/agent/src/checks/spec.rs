//! The definition of a check, read from a `[[check]]` table of the configuration file.

mod table;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use arcstr::ArcStr;
use flow_model::object_ref::ObjectRef;
use serde::Deserialize;

use self::table::Table;

/// Most checks of one agent.
pub const MAX_CHECKS: usize = 64;

/// Defines one check.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Table")]
pub struct CheckSpec {
    /// The unique name, which is a label in metrics.
    pub name: ArcStr,
    /// The target to connect to.
    pub target: Target,
    /// The time for which the connection stays open.
    pub hold: Duration,
    /// Bytes sent after connecting.
    pub send: Option<Vec<u8>>,
    /// Bytes with which the answer must begin.
    pub expect: Option<Vec<u8>>,
    /// Time from the end of one run to the start of the next, plus or minus 20 %.
    pub interval: Duration,
    /// Time limit of each step except the hold.
    pub timeout: Duration,
}

/// Names what a check connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A Service's ClusterIP, or its load balancer's address where it has no ClusterIP. Changes are followed.
    Service {
        /// The Service's namespace.
        namespace: ArcStr,
        /// The Service's name.
        name: ArcStr,
        /// A TCP port of the Service.
        port: u16,
    },
    /// A fixed address: of a VIP, a pod, or anything else.
    Address(SocketAddr),
}

impl Target {
    /// Returns the port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Service { port, .. } => *port,
            Self::Address(address) => address.port(),
        }
    }

    /// Returns the Service, if the target is one.
    #[must_use]
    pub fn service(&self) -> Option<ObjectRef> {
        match self {
            Self::Service { namespace, name, .. } => Some(ObjectRef::new(namespace.clone(), name.clone())),
            Self::Address(_) => None,
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let target = s.parse().map_or_else(|_| service(s), |address| Some(Self::Address(address)));
        match target {
            Some(Self::Address(a)) if a.ip().is_unspecified() || a.ip().is_multicast() => {
                Err(format!("target: `{s}` is no host's address; nothing can connect to it"))
            }
            Some(target) if target.port() != 0 => Ok(target),
            _ => Err(format!("target: `{s}` is not `namespace/service:port`, `ip:port` or `[ipv6]:port`")),
        }
    }
}

fn service(s: &str) -> Option<Target> {
    let (service, port) = s.rsplit_once(':')?;
    let (namespace, name) = service.split_once('/')?;
    let label = |part: &str| {
        (1..=63).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    (label(namespace) && label(name)).then_some(())?;
    Some(Target::Service { namespace: namespace.into(), name: name.into(), port: port.parse().ok()? })
}

/// Checks what no table shows by itself: the number of tables, and that names differ.
///
/// # Errors
/// Fails when there are too many, or two have the same name: one sentence with the remedy.
pub fn validate(checks: &[CheckSpec]) -> Result<(), String> {
    if checks.len() > MAX_CHECKS {
        return Err(format!("check: {} tables; an agent runs at most {MAX_CHECKS}", checks.len()));
    }
    let mut names = HashSet::new();
    match checks.iter().find(|check| !names.insert(&check.name)) {
        Some(twice) => Err(format!("check `{}`: another one has this name; give each its own", twice.name)),
        None => Ok(()),
    }
}
