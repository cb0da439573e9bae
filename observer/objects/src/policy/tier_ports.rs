//! Ports of tiered policies: `protocols` of v1alpha2, `ports` of v1alpha1.

use flow_model::policies::{Protocol, TierPort};

use crate::policy::field::{Field, Record, Result};
use crate::policy::ports;

/// Reads the ports of a rule. `None` stands for all ports; only v1alpha1 writes that as an empty list.
pub(super) fn read(kind: &str, list: &Field<'_>, items: &[Field<'_>]) -> Result<Option<Vec<TierPort>>> {
    match (items.is_empty(), kind) {
        (false, "protocols") => items.iter().map(protocol).collect::<Result<_>>().map(Some),
        (false, _) => items.iter().map(port).collect::<Result<_>>().map(Some),
        (true, "protocols") => Err(list.wrong("needs at least one item")),
        (true, _) => Ok(None),
    }
}

/// Reads `{tcp: {destinationPort: {number: 80}}}` and similar entries.
fn protocol(field: &Field<'_>) -> Result<TierPort> {
    let known = ["tcp", "udp", "sctp", "destinationNamedPort"];
    let (name, value) = only(field, &known)?;
    let protocol = match name {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => return ports::name(&value).map(TierPort::Named),
    };
    let Some(port) = value.record(&["destinationPort"])?.get("destinationPort") else {
        return Ok(TierPort::Range { protocol, first: 0, last: u16::MAX });
    };
    let (name, value) = only(&port, &["number", "range"])?;
    match name {
        "number" => single(protocol, &value),
        _ => range(protocol, &value, &value.record(&["start", "end"])?),
    }
}

/// Reads `{portNumber: {protocol: TCP, port: 80}}` and similar entries.
fn port(field: &Field<'_>) -> Result<TierPort> {
    let (name, value) = only(field, &["portNumber", "portRange", "namedPort"])?;
    match name {
        "portNumber" => {
            let number = value.record(&["protocol", "port"])?;
            single(ports::protocol(number.get("protocol"))?, &number.need("port")?)
        }
        "portRange" => {
            let record = value.record(&["protocol", "start", "end"])?;
            range(ports::protocol(record.get("protocol"))?, &value, &record)
        }
        _ => ports::name(&value).map(TierPort::Named),
    }
}

fn single(protocol: Protocol, field: &Field<'_>) -> Result<TierPort> {
    let port = ports::number(field)?;
    Ok(TierPort::Range { protocol, first: port, last: port })
}

fn range(protocol: Protocol, field: &Field<'_>, record: &Record<'_>) -> Result<TierPort> {
    let (first, last) = (ports::number(&record.need("start")?)?, ports::number(&record.need("end")?)?);
    match first < last {
        true => Ok(TierPort::Range { protocol, first, last }),
        false => Err(field.wrong(format_args!("start {first} is not below end {last}"))),
    }
}

/// Returns the one field that is set.
fn only<'a>(field: &Field<'a>, known: &[&str]) -> Result<(&'a str, Field<'a>)> {
    let record = field.record(known)?;
    let mut set = record.entries();
    match (set.next(), set.next()) {
        (Some(entry), None) => Ok(entry),
        _ => Err(field.wrong(format_args!("needs exactly one of {}", known.join(", ")))),
    }
}
