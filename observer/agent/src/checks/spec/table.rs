//! The `[[check]]` tables as they stand in the file, and the bounds of their values.

use std::fmt;
use std::time::Duration;

use arcstr::ArcStr;
use jiff::SignedDuration;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::checks::spec::CheckSpec;
use crate::duration::{self, format};

/// Length of a name, which is a label's value.
const MAX_NAME: usize = 63;
/// Bytes sent or expected.
const MAX_PAYLOAD: usize = 4 << 10;
const INTERVALS: [Duration; 2] = [Duration::from_secs(1), Duration::from_hours(24)];
const TIMEOUTS: [Duration; 2] = [Duration::from_millis(1), Duration::from_mins(1)];
const HOLDS: [Duration; 2] = [Duration::ZERO, Duration::from_mins(10)];

/// A `[[check]]` table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    name: String,
    target: String,
    #[serde(deserialize_with = "time", default = "default_hold")]
    hold: Duration,
    #[serde(default)]
    send: Option<Payload>,
    #[serde(default)]
    expect: Option<Payload>,
    #[serde(deserialize_with = "time", default = "default_interval")]
    interval: Duration,
    #[serde(deserialize_with = "time", default = "default_timeout")]
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

fn time<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(d)?;
    duration::parse(&text).map(SignedDuration::unsigned_abs).map_err(D::Error::custom)
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
    let [value, min, max] = [value, min, max].map(format);
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

/// Bytes, written as text or as an array of numbers.
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
