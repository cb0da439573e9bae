//! Ports and protocols.

use arcstr::ArcStr;
use flow_model::policies::{PortMatch, PortSet, Protocol};

use crate::policy::field::{Field, Result};
use crate::policy::names;
use crate::text::shown;

/// Reads one entry of `ports` in a rule of a NetworkPolicy.
pub(super) fn entry(field: &Field<'_>) -> Result<PortMatch> {
    let entry = field.record(&["protocol", "port", "endPort"])?;
    let protocol = protocol(entry.get("protocol"))?;
    let port = match (entry.get("port"), entry.get("endPort")) {
        (None, None) => PortSet::All,
        (None, Some(end)) => return Err(end.wrong("needs a `port`")),
        (Some(port), None) if port.is_text() => PortSet::Named(name(&port)?),
        (Some(port), Some(end)) if port.is_text() => {
            let why = format_args!("needs a numeric `port`, not {}", shown(port.text()?));
            return Err(end.wrong(why));
        }
        (Some(port), None) => number(&port).map(|port| PortSet::Range(port, port))?,
        (Some(port), Some(end)) => range(&port, &end)?,
    };
    Ok(PortMatch { protocol, port })
}

/// Reads a protocol; TCP where none is named.
pub(super) fn protocol(field: Option<Field<'_>>) -> Result<Protocol> {
    let Some(field) = field else { return Ok(Protocol::Tcp) };
    match field.text()? {
        "TCP" => Ok(Protocol::Tcp),
        "UDP" => Ok(Protocol::Udp),
        "SCTP" => Ok(Protocol::Sctp),
        other => Err(field.wrong(format_args!("{} is not one of TCP, UDP, SCTP", shown(other)))),
    }
}

/// Reads the number of a port.
pub(super) fn number(field: &Field<'_>) -> Result<u16> {
    let number = field.integer()?;
    let port = u16::try_from(number).ok().filter(|port| *port != 0);
    port.ok_or_else(|| field.wrong(format_args!("{number} is not a port: 1 to 65535")))
}

/// Reads the name of a port.
pub(super) fn name(field: &Field<'_>) -> Result<ArcStr> {
    let text = field.text()?;
    if names::is_port_name(text) {
        return Ok(text.into());
    }
    Err(match text.parse::<u16>() {
        Ok(_) => field.wrong(format_args!(
            "{} in quotes is a port's name, and a name needs a letter; for the number, leave the quotes out",
            shown(text)
        )),
        Err(_) => field.wrong(format_args!(
            "{} is not a port name: up to 15 of a-z, 0-9 and single hyphens, with a letter",
            shown(text)
        )),
    })
}

fn range(first: &Field<'_>, last: &Field<'_>) -> Result<PortSet> {
    let (start, end) = (number(first)?, number(last)?);
    match start <= end {
        true => Ok(PortSet::Range(start, end)),
        false => Err(last.wrong(format_args!("{end} is below `port` {start}"))),
    }
}
