//! Sentences about why no port of a rule matches.

use flow_model::connection::Who;
use flow_model::policies::{Direction, NetworkPolicy, PortMatch, PortSet, Protocol, Rule};

use crate::plain::View;
use crate::readings::is_protocol;

/// Describes why no port matches. It names entries of the connection's protocol only, if there are any.
pub(super) fn why(rule: &Rule, view: &View<'_>) -> String {
    let same: Vec<_> = rule.ports.iter().filter(|entry| entry.protocol == view.protocol).collect();
    match same.as_slice() {
        [] => other_protocols(rule, view),
        [PortMatch { port: PortSet::Named(name), .. }] => named(name, view),
        several => {
            let ports: Vec<_> = several.iter().map(|entry| text(&entry.port, view)).collect();
            format!("port {} is not among {}", view.port, ports.join(", "))
        }
    }
}

/// Describes why kube-router does not match a rule that matches by the specification.
pub(super) fn by_kube_router(rule: &Rule, view: &View<'_>, policy: &NetworkPolicy) -> String {
    match view.direction {
        Direction::Egress if rule.peers.is_empty() => format!(
            "kube-router takes named ports for the numbers that pods of namespace {} give them",
            policy.namespace
        ),
        Direction::Egress => "kube-router matches no named port together with an ipBlock".to_owned(),
        Direction::Ingress => "kube-router does not know the names of these ports".to_owned(),
    }
}

fn other_protocols(rule: &Rule, view: &View<'_>) -> String {
    let mut protocols: Vec<_> = rule.ports.iter().map(|entry| entry.protocol).collect();
    protocols.sort_unstable();
    protocols.dedup();
    let protocols: Vec<_> = protocols.into_iter().map(Protocol::as_str).collect();
    let same = rule.ports.iter().any(
        |entry| matches!(entry.port, PortSet::Range(first, last) if (first..=last).contains(&view.port)),
    );
    let port = if same {
        format!("port {} is for {}", view.port, protocols.join(", "))
    } else {
        format!("its ports are for {}", protocols.join(", "))
    };
    format!("{port}; the connection is {}", view.protocol.as_str())
}

fn named(name: &str, view: &View<'_>) -> String {
    let numbers = resolved(name, view);
    match view.destination() {
        Who::Pod(_) if numbers.is_empty() && is_sidecar(name, view) => {
            format!("named port {name} is that of a sidecar, which kube-router does not know")
        }
        Who::Pod(_) if numbers.is_empty() => {
            format!("named port {name} is no {} port of the destination", view.protocol.as_str())
        }
        Who::Pod(_) => format!(
            "named port {name} resolves to {} on the destination; the connection is to {}",
            numbers.join(", "),
            view.port
        ),
        _ => format!("named port {name} resolves on pods only; the destination is none"),
    }
}

fn text(port: &PortSet, view: &View<'_>) -> String {
    match port {
        PortSet::All => "all".to_owned(),
        PortSet::Range(first, last) if first == last => first.to_string(),
        PortSet::Range(first, last) => format!("{first}-{last}"),
        PortSet::Named(name) => match resolved(name, view).as_slice() {
            [] if is_sidecar(name, view) => format!("{name} (a sidecar's, which kube-router does not know)"),
            [] => format!("{name} (not a port of the destination)"),
            numbers => format!("{name} ({})", numbers.join(", ")),
        },
    }
}

/// Returns the port numbers that a name stands for on the destination.
fn resolved(name: &str, view: &View<'_>) -> Vec<String> {
    let Who::Pod(pod) = view.destination() else { return Vec::new() };
    let ports = pod.ports.iter().filter(|port| port.name.as_deref() == Some(name));
    let known = ports.filter(|port| !(port.sidecar && view.by_kube_router()));
    known.filter(|port| is_protocol(port, view.protocol)).map(|port| port.port.to_string()).collect()
}

/// Is true for a name that only kube-router does not know.
fn is_sidecar(name: &str, view: &View<'_>) -> bool {
    let Who::Pod(pod) = view.destination() else { return false };
    view.by_kube_router() && pod.ports.iter().any(|port| port.sidecar && port.name.as_deref() == Some(name))
}
