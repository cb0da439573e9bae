//! The words of what is found of VIPs.

use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::object_ref::{ObjectRef, joined};
use flow_model::vip::ClaimSource;
use jiff::SignedDuration;

use crate::vips::api::Word;

/// `10.0.20.200 (dbaas/postgresql-lb)`.
pub(super) fn vip(ip: IpAddr, services: &[ObjectRef]) -> String {
    if services.is_empty() { ip.to_string() } else { format!("{ip} ({})", joined(services)) }
}

/// Who passes it to whom: `a <-> b`, `a -> b`, or `between a, b and c`.
pub(super) fn between(parties: &[&ArcStr], back: bool) -> String {
    match parties {
        [from, to] if back => format!("{from} <-> {to}"),
        [from, to] => format!("{from} -> {to}"),
        _ => format!("between {}", list(parties)),
    }
}

/// `a, b and c`.
pub(super) fn list<T: AsRef<str>>(names: &[T]) -> String {
    match names {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [start @ .., last] => {
            let start: Vec<&str> = start.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", start.join(", "), last.as_ref())
        }
    }
}

/// `5 min`, `90 s`.
pub(super) fn span(time: SignedDuration) -> String {
    let seconds = time.as_secs();
    if seconds != 0 && seconds % 60 == 0 { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}

/// Where a move is told, unless it was seen itself.
pub(super) fn according_to(source: ClaimSource) -> &'static str {
    match source {
        ClaimSource::Wire => "",
        ClaimSource::L2Status => " according to its ServiceL2Status",
        ClaimSource::Lease => " according to its Lease",
        ClaimSource::Event => " according to its events",
        ClaimSource::Ingress => " according to its Service's status",
    }
}

/// `ServiceL2Status metallb-system/l2-rgt9d`.
pub(super) fn object(word: &Word) -> String {
    format!("{} {}", word.announcer.kind, word.object())
}

/// What mends a status that is wrong: its speaker writes a new one.
pub(super) fn remedy(word: &Word) -> Option<String> {
    let (name, namespace) = (&word.announcer.name, &word.announcer.namespace);
    let command = || format!("kubectl delete servicel2status.metallb.io {name} -n {namespace}");
    (word.announcer.source == ClaimSource::L2Status).then(command)
}
