//! What the configuration says of checks: the `[[check]]` tables, within their bounds.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use arcstr::ArcStr;
use flow_model::object_ref::ObjectRef;
use humantime::format_duration;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Checks of one agent.
pub const MAX_CHECKS: usize = 64;
/// Of a name, which is a label's value.
const MAX_NAME: usize = 63;
/// Bytes sent or expected.
const MAX_PAYLOAD: usize = 4 << 10;
const INTERVALS: [Duration; 2] = [Duration::from_secs(1), Duration::from_hours(24)];
const TIMEOUTS: [Duration; 2] = [Duration::from_millis(1), Duration::from_mins(1)];
const HOLDS: [Duration; 2] = [Duration::ZERO, Duration::from_mins(10)];

/// One `[[check]]` table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Table")]
pub struct CheckSpec {
    /// Unique; the label in metrics.
    pub name: ArcStr,
    pub target: Target,
    /// How long the connection stays open.
    pub hold: Duration,
    /// Sent after connecting.
    pub send: Option<Vec<u8>>,
    /// What the answer must begin with.
    pub expect: Option<Vec<u8>>,
    /// From the end of one run to the start of the next, give or take 20 %.
    pub interval: Duration,
    /// Of each step but the hold.
    pub timeout: Duration,
}

/// Where a check connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A Service's ClusterIP, or its load balancer's address where it has none; changes are followed.
    Service {
        /// Its namespace.
        namespace: ArcStr,
        /// Its name.
        name: ArcStr,
        /// One of its TCP ports.
        port: u16,
    },
    /// This address: of a VIP, a pod, or anything else.
    Address(SocketAddr),
}

impl Target {
    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Service { port, .. } => *port,
            Self::Address(address) => address.port(),
        }
    }

    /// The Service, where it is one.
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
            _ => {
                Err(format!("target: `{s}` is none of `namespace/service:port`, `ip:port` and `[ipv6]:port`"))
            }
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

/// A table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: String,
    target: String,
    #[serde(deserialize_with = "duration", default = "default_hold")]
    hold: Duration,
    #[serde(default)]
    send: Option<Payload>,
    #[serde(default)]
    expect: Option<Payload>,
    #[serde(deserialize_with = "duration", default = "default_interval")]
    interval: Duration,
    #[serde(deserialize_with = "duration", default = "default_timeout")]
    timeout: Duration,
}

fn default_hold() -> Duration {
    Duration::from_secs(5)
}

fn default_interval() -> Duration {
    Duration::from_secs(30)
}

fn default_timeout() -> Duration {
    Duration::from_secs(5)
}

fn duration<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(d)?;
    humantime::parse_duration(&text).map_err(|e| D::Error::custom(format!("`{text}`: {e}")))
}

impl TryFrom<Table> for CheckSpec {
    type Error = String;

    fn try_from(table: Table) -> Result<Self, String> {
        let name = name(table.name)?;
        let of_check = |problem| format!("check `{name}`: {problem}");
        Ok(Self {
            target: table.target.parse().map_err(of_check)?,
            hold: between("hold", table.hold, HOLDS).map_err(of_check)?,
            send: payload("send", table.send).map_err(of_check)?,
            expect: payload("expect", table.expect).map_err(of_check)?,
            interval: between("interval", table.interval, INTERVALS).map_err(of_check)?,
            timeout: between("timeout", table.timeout, TIMEOUTS).map_err(of_check)?,
            name,
        })
    }
}

fn name(name: String) -> Result<ArcStr, String> {
    let fits = (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if fits {
        return Ok(name.into());
    }
    Err(format!("check name `{name}`: takes 1 to {MAX_NAME} letters, digits, `-`, `_` and `.`"))
}

fn between(key: &str, value: Duration, [min, max]: [Duration; 2]) -> Result<Duration, String> {
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    let [value, min, max] = [value, min, max].map(format_duration);
    Err(format!("{key}: `{value}` is not between {min} and {max}"))
}

fn payload(key: &str, payload: Option<Payload>) -> Result<Option<Vec<u8>>, String> {
    match payload {
        Some(Payload(bytes)) if bytes.is_empty() => Err(format!("{key}: is empty; leave it out")),
        Some(Payload(bytes)) if bytes.len() > MAX_PAYLOAD => {
            Err(format!("{key}: {} bytes; at most {MAX_PAYLOAD} fit", bytes.len()))
        }
        payload => Ok(payload.map(|Payload(bytes)| bytes)),
    }
}

/// Text, or an array of bytes where it is none.
struct Payload(Vec<u8>);

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Bytes).map(Self)
    }
}

struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or an array of bytes")
    }

    fn visit_str<E>(self, text: &str) -> Result<Vec<u8>, E> {
        Ok(text.as_bytes().to_vec())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = items.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes)
    }
}

/// What no table can tell by itself: their number, and that names differ.
///
/// # Errors
/// One sentence with the remedy.
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
