//! Phrases in the findings about VIPs.

use std::fmt::Display;
use std::net::IpAddr;

use flow_model::object_ref::{ObjectRef, joined};
use jiff::SignedDuration;

use crate::vips::api::ApiStatement;

/// Returns `10.0.20.200 (dbaas/postgresql-lb)`.
pub(super) fn vip(ip: IpAddr, services: &[ObjectRef]) -> String {
    if services.is_empty() { ip.to_string() } else { format!("{ip} ({})", joined(services)) }
}

/// Returns between which hosts the address moves: `a <-> b`, `a -> b`, or `between a, b and c`. `back` is true where it
/// moved back to the first.
pub(super) fn between<T: Display>(hosts: &[T], back: bool) -> String {
    match hosts {
        [from, to] if back => format!("{from} <-> {to}"),
        [from, to] => format!("{from} -> {to}"),
        _ => format!("between {}", list(hosts)),
    }
}

/// Returns `a, b and c`.
pub(super) fn list<T: Display>(names: &[T]) -> String {
    match names {
        [] => String::new(),
        [only] => only.to_string(),
        [start @ .., last] => {
            let start: Vec<String> = start.iter().map(T::to_string).collect();
            format!("{} and {last}", start.join(", "))
        }
    }
}

/// Returns `5 min`, `90 s`.
pub(super) fn span(time: SignedDuration) -> String {
    let seconds = time.as_secs();
    if seconds != 0 && seconds % 60 == 0 { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}

/// Returns `ServiceL2Status metallb-system/l2-rgt9d`.
pub(super) fn object(statement: &ApiStatement) -> String {
    format!("{} {}", statement.announcer.kind, statement.object())
}

/// Returns the command after which the announcer writes a correct object, for sources where there is one.
pub(super) fn remedy(statement: &ApiStatement) -> Option<String> {
    let resource = statement.announcer.source.traits().mended_by_deleting?;
    let (name, namespace) = (&statement.announcer.name, &statement.announcer.namespace);
    Some(format!("kubectl delete {resource} {name} -n {namespace}"))
}
