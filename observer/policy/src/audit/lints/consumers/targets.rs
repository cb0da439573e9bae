//! The pods and ports that a declared use connects to.

use std::collections::BTreeSet;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Labels, Pod, Service, ServicePort};
use flow_model::policies::{Direction, PortSet, Protocol};

use crate::audit::lints::consumers::pod_of;
use crate::audit::lints::rules;
use crate::audit::selector::example;
use crate::audit::uses::Use;
use crate::audit::view::View;

/// At most this many pods and ports are tried; one that admits the consumer is enough.
const MOST: usize = 64;

/// Describes one connection that the use may make.
pub(super) struct Target {
    pub(super) pod: Arc<Pod>,
    pub(super) port: u16,
    pub(super) protocol: Protocol,
}

pub(super) fn targets(view: &View<'_>, wanted: &Use) -> Vec<Target> {
    let service = wanted.service.as_ref().and_then(|name| service(view, &wanted.namespace, name));
    let pods = pods(view, wanted, service);
    let mut targets = Vec::new();
    for pod in pods.into_iter().take(MOST) {
        for (port, protocol) in ports(view, wanted, service, &pod).into_iter().take(MOST) {
            targets.push(Target { pod: Arc::clone(&pod), port, protocol });
        }
    }
    targets
}

fn service<'s>(view: &'s View<'_>, namespace: &ArcStr, name: &ArcStr) -> Option<&'s Arc<Service>> {
    view.after.services.iter().find(|s| s.namespace == *namespace && s.name == *name)
}

/// Returns the pods that are used; where none of the namespace is known, examples that its policies select.
fn pods(view: &View<'_>, wanted: &Use, service: Option<&Arc<Service>>) -> Vec<Arc<Pod>> {
    let known = view.groups(&wanted.namespace).iter().map(|group| &group.pod);
    if let Some(service) = service {
        if service.selector.is_empty() {
            return Vec::new();
        }
        let behind = |pod: &&Arc<Pod>| service.selector.iter().all(|(k, v)| pod.labels.get(k) == Some(v));
        let behind: Vec<_> = known.clone().filter(behind).cloned().collect();
        if !behind.is_empty() {
            return behind;
        }
        return vec![Arc::new(pod_of(&wanted.namespace, service.selector.clone()))];
    }
    let known: Vec<_> = known.cloned().collect();
    if !known.is_empty() {
        return known;
    }
    let selected = view.policies(&wanted.namespace).iter().map(|policy| example(&policy.selector));
    let labels: BTreeSet<Labels> = selected.collect();
    labels.into_iter().map(|labels| Arc::new(pod_of(&wanted.namespace, labels))).collect()
}

fn ports(
    view: &View<'_>,
    wanted: &Use,
    service: Option<&Arc<Service>>,
    pod: &Pod,
) -> BTreeSet<(u16, Protocol)> {
    let of_service = service.map_or(&[][..], |service| &service.ports);
    let chosen = of_service.iter().filter(|port| wanted.port.is_none_or(|wanted| wanted == port.port));
    let mut ports: BTreeSet<_> =
        chosen.filter_map(|port| Some((resolve(port, pod)?, parse(&port.protocol)))).collect();
    match wanted.port {
        Some(_) if !ports.is_empty() => return ports,
        Some(port) if of_service.is_empty() => return [(port, Protocol::Tcp)].into(),
        _ => {}
    }
    if ports.is_empty() {
        ports.extend(pod.ports.iter().map(|port| (port.port, parse(&port.protocol))));
        ports.extend(in_rules(view, pod));
    }
    if ports.is_empty() {
        // No rule names a port, so any number does.
        ports.insert((1, Protocol::Tcp));
    }
    ports
}

fn resolve(port: &ServicePort, pod: &Pod) -> Option<u16> {
    let Some(target) = &port.target_port else { return Some(port.port) };
    let named = || pod.ports.iter().find(|p| p.name.as_ref() == Some(target)).map(|p| p.port);
    target.parse().ok().or_else(named)
}

/// Returns the ports that the policies of the pod mention.
fn in_rules(view: &View<'_>, pod: &Pod) -> BTreeSet<(u16, Protocol)> {
    let policies = view.policies(&pod.namespace).iter().filter(|p| p.selector.matches(&pod.labels));
    let ingress = policies.flat_map(|p| rules(p)).filter(|placed| placed.direction == Direction::Ingress);
    let first = ingress.flat_map(|placed| &placed.rule.ports).filter_map(|port| match &port.port {
        PortSet::Range(first, _) => Some((*first, port.protocol)),
        PortSet::All => Some((1, port.protocol)),
        PortSet::Named(name) => {
            let same = |p: &&flow_model::inventory::ContainerPort| {
                p.name.as_ref() == Some(name) && p.protocol == port.protocol.as_str()
            };
            pod.ports.iter().find(same).map(|p| (p.port, port.protocol))
        }
    });
    first.collect()
}

fn parse(protocol: &str) -> Protocol {
    match protocol {
        "UDP" => Protocol::Udp,
        "SCTP" => Protocol::Sctp,
        _ => Protocol::Tcp,
    }
}
