//! Peers of tiered policies.

use arcstr::ArcStr;
use flow_model::policies::{PodsPeer, TierPeer};

use crate::policy::dialect::Dialect;
use crate::policy::field::{Field, Result};
use crate::policy::{names, namespaced, selector};
use crate::text::shown;

/// One peer has at most this many networks or domain names.
const MAX_NAMES: usize = 25;

/// The direction that a rule is written for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Ingress,
    Egress,
}

impl Side {
    /// Returns the field of `spec` with the rules.
    pub(super) fn section(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    /// Returns the field of a rule with the peers.
    pub(super) fn peers(self) -> &'static str {
        match self {
            Self::Ingress => "from",
            Self::Egress => "to",
        }
    }
}

/// Stands for the field of a peer that has none: the API server dropped a field that it doesn't know.
const NO_FIELD: ArcStr = arcstr::literal!("(none)");

/// Reads one peer. The API asks readers to continue at a peer that they don't know, and to fail closed.
pub(super) fn read(dialect: &Dialect, field: &Field<'_>, side: Side) -> Result<TierPeer> {
    let peer = field.any_record()?;
    if let Some(unknown) = peer.unknown(known(dialect, side)) {
        return Ok(TierPeer::Unreadable(unknown.into()));
    }
    let mut set = peer.entries();
    let Some((name, value)) = set.next() else { return Ok(TierPeer::Unreadable(NO_FIELD)) };
    if let Some((other, _)) = set.next() {
        return Err(field.wrong(format_args!("has both {name} and {other}; one peer has one field")));
    }
    Ok(match name {
        "namespaces" => TierPeer::Pods(PodsPeer { namespaces: selector::read(&value)?, pods: None }),
        "pods" => TierPeer::Pods(selector::namespaced_pod(&value)?),
        "nodes" => TierPeer::Nodes(selector::read(&value)?),
        "networks" => TierPeer::Networks(several(&value, namespaced::cidr)?),
        _ => TierPeer::Domains(several(&value, domain)?),
    })
}

fn known(dialect: &Dialect, side: Side) -> &'static [&'static str] {
    match (side, dialect.domains) {
        (Side::Ingress, _) => &["namespaces", "pods"],
        (Side::Egress, true) => &["namespaces", "pods", "nodes", "networks", "domainNames"],
        (Side::Egress, false) => &["namespaces", "pods", "nodes", "networks"],
    }
}

fn several<T>(field: &Field<'_>, read: impl Fn(&Field<'_>) -> Result<T>) -> Result<Vec<T>> {
    let items = field.bounded(MAX_NAMES)?;
    match items.is_empty() {
        true => Err(field.wrong("needs at least one item")),
        false => items.iter().map(read).collect(),
    }
}

fn domain(field: &Field<'_>) -> Result<ArcStr> {
    let text = field.text()?;
    match names::is_domain(text) {
        true => Ok(text.into()),
        false => Err(field.wrong(format_args!("{} is not a domain name", shown(text)))),
    }
}
