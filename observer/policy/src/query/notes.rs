//! Notes to an answer: what happens to the connection besides the policies.

use std::net::IpAddr;

use flow_identity::{Behind, Passage};
use flow_model::connection::{Party, Who};
use flow_model::decision::Decision;
use flow_model::object_ref::ObjectRef;
use ipnet::IpNet;

use crate::query::route::{End, Route};
use crate::query::side::Side;

/// At most this many notes are added to an answer: one of each kind for many backends is enough.
const MAX: usize = 12;

/// Adds a note that isn't there.
pub(super) fn add(notes: &mut Vec<String>, note: String) {
    if notes.len() < MAX && !notes.contains(&note) {
        notes.push(note);
    }
}

/// Notes under which addresses the two sides see each other.
pub(super) fn of_passages(
    notes: &mut Vec<String>,
    (src, end): (&Side<'_>, &End<'_>),
    route: &Route<'_>,
    passages: &[Passage<'_>],
) {
    let Some(first) = passages.first() else { return };
    if let (Who::Node(node), Who::Pod(_)) = (first.leaving.dst.who, src.who)
        && first.leaving.port != first.arriving.port
    {
        let ip = first.leaving.dst.ip.map_or_else(String::new, |ip| ip.to_string());
        add(
            notes,
            format!(
                "the client's packets leave for {ip}:{}, a port of node {node}: its egress rules see that address",
                first.leaving.port
            ),
        );
    }
    let seen: Vec<_> =
        passages.iter().filter(|p| p.is_masqueraded()).filter_map(|p| seen(&p.arriving.src)).collect();
    if seen.is_empty() {
        return;
    }
    let why = match route.behind() {
        Some(behind) if !behind.is_inside() => format!(
            "the connection is masqueraded on its way through Service {}",
            behind.service().object_ref()
        ),
        _ => "the client is masqueraded".to_owned(),
    };
    let why = if matches!(src.who, Who::Node(_)) {
        "pods of other nodes see a node by the address with which it sends to them".to_owned()
    } else {
        why
    };
    add(notes, format!("{why}: {} sees {} in place of {}", end.side.label, seen.join(" or "), src.label));
}

fn seen(party: &Party<'_>) -> Option<String> {
    match (party.who, party.ip) {
        (Who::Node(node), Some(ip)) => Some(format!("{ip} (node {node})")),
        (Who::Node(node), None) => Some(format!("node {node}'s own address")),
        _ => None,
    }
}

/// Notes what kube-proxy does with connections that the policies don't refuse.
pub(super) fn of_way(notes: &mut Vec<String>, sides: &[Side<'_>], route: &Route<'_>, decision: Decision) {
    if let (Some(why), true) = (&route.beyond, decision != Decision::Allow) {
        add(notes, why.clone());
    }
    let Some(behind) = route.behind() else { return };
    if decision == Decision::Deny {
        return;
    }
    let service = behind.service().object_ref();
    if behind.is_unready() {
        add(notes, format!("no backend of Service {service} is ready: kube-proxy refuses the connection"));
    }
    for side in sides {
        let client = Party { ip: side.ips.first().copied(), who: side.who };
        notes_for(notes, &behind, &service, (side, client));
    }
}

fn notes_for(
    notes: &mut Vec<String>,
    behind: &Behind<'_>,
    service: &ObjectRef,
    (side, client): (&Side<'_>, Party<'_>),
) {
    if let Some(node) = behind.local_to(client)
        && !behind.ends().any(|end| end.node == Some(node))
    {
        add(
            notes,
            format!(
                "no backend of Service {service} is on node {node}, and its traffic policy is Local: kube-proxy drops the connection"
            ),
        );
    }
    if behind.meets_source_ranges(client) {
        of_ranges(notes, behind, service, side);
    }
}

/// Notes that kube-proxy drops what comes from outside `loadBalancerSourceRanges`. It keeps a list for each address
/// family, and an empty one admits everybody.
fn of_ranges(notes: &mut Vec<String>, behind: &Behind<'_>, service: &ObjectRef, side: &Side<'_>) {
    for v4 in [true, false] {
        let of_family = |range: &&IpNet| range.addr().is_ipv4() == v4;
        let ranges: Vec<_> = behind.service().source_ranges.iter().filter(of_family).collect();
        let ips = || side.ips.iter().filter(|ip| ip.is_ipv4() == v4);
        let is_used = || ips().next().is_some() && behind.ends().any(|end| end.ip.is_ipv4() == v4);
        let admits = |ip: &IpAddr| ranges.iter().any(|range| range.contains(ip));
        if ranges.is_empty() || !is_used() || ips().any(admits) {
            continue;
        }
        let ranges: Vec<_> = ranges.into_iter().map(ToString::to_string).collect();
        add(
            notes,
            format!(
                "{} is not in loadBalancerSourceRanges of Service {service} ({}): kube-proxy drops the connection over {}",
                side.label,
                ranges.join(", "),
                if v4 { "IPv4" } else { "IPv6" }
            ),
        );
    }
}
