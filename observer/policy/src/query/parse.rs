//! Questions as people write them: `FROM TO[:PORT][/PROTO]`.

use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::policies::Protocol;

use crate::query::question::{Port, Query, Target};

/// The longest name of an object in Kubernetes.
const MAX_NAME: usize = 253;

/// Names the part of a question that can't be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("`{0}` is neither NAMESPACE/NAME nor a DNS name nor an IP address")]
    Target(String),
    #[error("`{0}`: a source has no port; policies look at the destination's only")]
    SourcePort(String),
    #[error("`{0}` is no port: neither a number from 1 to 65535 nor a port's name")]
    Port(String),
    #[error("`{0}` is none of TCP, UDP and SCTP, which are what policies know")]
    Protocol(String),
    /// A question in JSON.
    #[error("{0}")]
    Json(String),
}

impl Query {
    /// Reads the two sides: `ns/name`, a DNS name or an address each, with `:PORT` (number or name) and `/PROTO` after the
    /// second. An IPv6 address with a port stands in brackets. A URL is read by its host and its port.
    ///
    /// # Errors
    /// Fails when a part can't be understood; the error names the part.
    pub fn parse(from: &str, to: &str) -> Result<Self, ParseError> {
        let (from, _) = url::place(from);
        let (src, port) = side(from)?;
        if port.is_some() {
            return Err(ParseError::SourcePort(excerpt(from)));
        }
        if matches!(&src, Target::Host(name) if !name.contains('.')) {
            // Only the client's own namespace could complete it.
            return Err(ParseError::Target(excerpt(from)));
        }
        let (to, usual) = url::place(to);
        let (rest, protocol) = split_protocol(to)?;
        let (dst, port) = side(rest)?;
        Ok(Self { src, dst, port: port.or(usual.map(Port::Number)), protocol })
    }
}

/// Splits off the protocol: `web/x/UDP`, `db.web/UDP` and `10.0.0.1/UDP` name a protocol; `web/udp` is an object.
fn split_protocol(text: &str) -> Result<(&str, Option<Protocol>), ParseError> {
    let Some((rest, last)) = text.rsplit_once('/') else { return Ok((text, None)) };
    // No namespace has a dot or a colon.
    if rest.contains(['/', '.', ':']) {
        return Ok((rest, Some(protocol(last)?)));
    }
    Ok((text, None))
}

fn side(text: &str) -> Result<(Target, Option<Port>), ParseError> {
    let bad = || ParseError::Target(excerpt(text));
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok((Target::Ip(ip.to_canonical()), None));
    }
    if let Some((ip, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        let ip: IpAddr = ip.parse().map_err(|_| bad())?;
        let after = match rest.strip_prefix(':') {
            Some(text) => Some(port(text)?),
            None if rest.is_empty() => None,
            None => return Err(bad()),
        };
        return Ok((Target::Ip(ip.to_canonical()), after));
    }
    let (name, after) = match text.split_once(':') {
        Some((name, text)) => (name, Some(port(text)?)),
        None => (text, None),
    };
    let target = match (name.parse::<IpAddr>(), name.split_once('/')) {
        (Ok(ip), _) => Target::Ip(ip),
        (_, Some((namespace, name))) => {
            Target::Named { namespace: self::name(namespace)?, name: self::name(name)? }
        }
        (_, None) => Target::Host(host(name).map_err(|_| bad())?),
    };
    Ok((target, after))
}

/// Reads a DNS name.
pub(super) fn host(text: &str) -> Result<ArcStr, ParseError> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let fits = |label: &str| {
        let is_text = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(is_text)
    };
    // No top-level domain is a number: this is an address with a mistake.
    let is_number = name.rsplit('.').next().is_none_or(|last| last.bytes().all(|b| b.is_ascii_digit()));
    match name.len() <= MAX_NAME && !is_number && name.split('.').all(fits) {
        true => Ok(name.to_ascii_lowercase().into()),
        false => Err(ParseError::Target(excerpt(text))),
    }
}

/// Reads the name of an object, which may not exist.
pub(super) fn name(text: &str) -> Result<ArcStr, ParseError> {
    let odd = |c: char| c == '/' || c.is_whitespace() || c.is_control();
    match text.is_empty() || text.len() > MAX_NAME || text.contains(odd) {
        true => Err(ParseError::Target(excerpt(text))),
        false => Ok(text.into()),
    }
}

/// Reads a port: a number or a name.
pub(super) fn port(text: &str) -> Result<Port, ParseError> {
    let bad = || ParseError::Port(excerpt(text));
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().filter(|port| *port != 0).map(Port::Number).ok_or_else(bad);
    }
    let fits = text.len() <= 63 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if fits { Ok(Port::Name(text.into())) } else { Err(bad()) }
}

/// Reads a protocol, in any case.
pub(super) fn protocol(text: &str) -> Result<Protocol, ParseError> {
    let is = |name: &str| text.eq_ignore_ascii_case(name);
    match () {
        () if is("TCP") => Ok(Protocol::Tcp),
        () if is("UDP") => Ok(Protocol::Udp),
        () if is("SCTP") => Ok(Protocol::Sctp),
        () => Err(ParseError::Protocol(excerpt(text))),
    }
}

/// Quotes a part of a question. Errors are read on terminals, so the quote stays short and has no control characters.
pub(super) fn excerpt(text: &str) -> String {
    let clean = |c: char| if c.is_control() { '?' } else { c };
    let mut out: String = text.chars().take(80).map(clean).collect();
    if text.chars().nth(80).is_some() {
        out.push_str("..");
    }
    out
}

mod url;

#[cfg(test)]
mod tests;
