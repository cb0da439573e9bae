//! The sentences of `rst_burst` findings.

use std::fmt::Write as _;
use std::net::SocketAddr;

use flow_model::object_ref::{ObjectRef, joined};
use flow_model::record::Endpoint;
use jiff::{SignedDuration, Timestamp};

use crate::bursts::burst::Peak;
use crate::bursts::cause::{BEFORE, Cause, Kind};
use crate::bursts::server::{Client, Server};
use crate::bursts::watch::{Clients, Example};
use crate::bursts::window::Counts;

/// Returns "10.0.20.200 (dbaas/postgresql-lb)", "data/cache", "Service data/cache".
pub(super) fn server(server: &Server, services: &[ObjectRef]) -> String {
    match server {
        Server::Vip(ip) if services.is_empty() => ip.to_string(),
        Server::Vip(ip) => format!("{ip} ({})", joined(services)),
        Server::Workload(name) => name.to_string(),
        Server::Service(name) => format!("Service {name}"),
    }
}

/// Returns "41 resets of established connections and 3 of connections unknown to this node in 10 s from 5 clients".
pub(super) fn resets(peak: &Peak, window: i64) -> String {
    format!("{} in {window} s from {}", counted(peak.counts), from(peak.focus.as_ref(), &peak.clients))
}

fn counted(counts: Counts) -> String {
    let Counts { established, orphan } = counts;
    let of_established = match established {
        1 => "1 reset of an established connection".to_owned(),
        n => format!("{n} resets of established connections"),
    };
    match (established, orphan) {
        (_, 0) => of_established,
        (0, 1) => "1 reset of a connection unknown to this node".to_owned(),
        (0, n) => format!("{n} resets of connections unknown to this node"),
        (_, 1) => format!("{of_established} and 1 of a connection unknown to this node"),
        (_, n) => format!("{of_established} and {n} of connections unknown to this node"),
    }
}

fn from(focus: Option<&Client>, clients: &Clients) -> String {
    match (focus, clients) {
        (Some(client), _) => client.name(),
        (None, Clients::One(name)) => name.clone(),
        (None, Clients::Some(n)) => format!("{n} clients"),
        (None, Clients::Many(n)) => format!("more than {n} clients"),
    }
}

/// Returns "it moved k8s-node3 -> k8s-node4 1.2 s before".
pub(super) fn because(cause: Option<&Cause>, start: Timestamp) -> String {
    cause.map_or_else(|| "no cause is known".to_owned(), |cause| clause(cause, start))
}

/// Returns what happened when. What the resets themselves tell has no time of its own.
fn clause(cause: &Cause, start: Timestamp) -> String {
    match cause.kind {
        Kind::NotTranslated => cause.what.clone(),
        Kind::VipMove | Kind::PolicyChange | Kind::EndpointChange => {
            format!("{} {}", cause.what, when(cause.at, start))
        }
    }
}

fn when(at: Timestamp, start: Timestamp) -> String {
    let before = start.duration_since(at);
    let place = if before < SignedDuration::ZERO { "after the first" } else { "before" };
    format!("{:.1} s {place}", before.abs().as_secs_f64())
}

/// Returns the kind of the cause, and what happened when.
pub(super) fn cause(cause: Option<&Cause>, start: Timestamp) -> String {
    let kind = Kind::label(cause.map(|cause| cause.kind));
    match cause {
        None => format!(
            "{kind}: no VIP moved, and no policy or backend changed, in the {} s before",
            BEFORE.as_secs()
        ),
        Some(cause) => format!("{kind}: {}", clause(cause, start)),
    }
}

/// Returns one reset as evidence.
pub(super) fn example(example: &Example) -> String {
    let Example { src, dst, by, phase, .. } = example;
    let mut text = format!("{} -> {}", party(src, src.ip, src.port), party(dst, dst.ip, dst.port));
    if dst.backend_ip.is_some() || dst.backend_port.is_some() {
        let backend = SocketAddr::new(dst.backend_ip.unwrap_or(dst.ip), dst.backend_port.unwrap_or(dst.port));
        // Writing to a String does not fail.
        write!(text, " (backend {backend})").ok();
    }
    write!(text, ": reset by {by}, {}", phase.explained()).ok();
    text
}

fn party(endpoint: &Endpoint, ip: std::net::IpAddr, port: u16) -> String {
    let address = SocketAddr::new(ip, port);
    match (&endpoint.namespace, &endpoint.pod, &endpoint.node) {
        (Some(namespace), Some(pod), _) => format!("{address} {namespace}/{pod}"),
        (_, _, Some(node)) => format!("{address} node {node}"),
        _ => address.to_string(),
    }
}
