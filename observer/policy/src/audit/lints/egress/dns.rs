//! Checks whether isolated pods can ask DNS.

use std::collections::BTreeSet;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Pod, Service};
use flow_model::policies::{NetworkPolicy, Peer, Protocol, Rule};
use ipnet::IpNet;

use crate::audit::lints::blocks::Ranges;
use crate::audit::lints::egress::{Isolated, Lets, lets};
use crate::audit::report::{Level, RuleId};
use crate::audit::view::{Group, View};

/// The port that clients ask. Policies see the port behind the Service, which may be another.
const PORT: u16 = 53;
/// The namespace of DNS servers and the names of their port, used when no server is known.
const NAMESPACE: &str = "kube-system";
const NAMES: [&str; 4] = ["dns", "dns-tcp", "dns-udp", "domain"];

/// Holds the DNS servers.
pub(super) struct Dns<'s> {
    servers: Vec<Server<'s>>,
    ranges: Ranges,
}

/// A port of a protocol.
#[derive(Clone, Copy)]
struct At {
    protocol: Protocol,
    number: u16,
}

/// Holds a DNS server, and the ports on which it listens.
struct Server<'s> {
    pod: &'s Pod,
    udp: u16,
    tcp: u16,
}

impl<'s> Server<'s> {
    /// Returns the server that a group of pods is; `None` for all other pods.
    fn of(group: &'s Group, services: &[Arc<Service>]) -> Option<Self> {
        let pod = &*group.pod;
        let front = services.iter().find(|service| {
            let selects = service.selector.iter().all(|(key, value)| pod.labels.get(key) == Some(value));
            service.namespace == pod.namespace
                && !service.selector.is_empty()
                && selects
                && serves_dns(service)
        });
        let labelled = pod.labels.get("k8s-app").is_some_and(|app| app == "kube-dns");
        let is_server = labelled || front.is_some() || pod.ports.iter().any(|port| port.port == PORT);
        let port = |protocol| front.map_or(PORT, |service| behind(service, protocol, pod));
        is_server.then(|| Self { pod, udp: port(Protocol::Udp), tcp: port(Protocol::Tcp) })
    }

    fn port(&self, protocol: Protocol) -> u16 {
        if protocol == Protocol::Tcp { self.tcp } else { self.udp }
    }
}

fn serves_dns(service: &Service) -> bool {
    service.ports.iter().any(|port| port.port == PORT && port.protocol == Protocol::Udp.as_str())
}

/// Returns the pod's port behind port 53 of a Service.
fn behind(service: &Service, protocol: Protocol, pod: &Pod) -> u16 {
    let front = service.ports.iter().find(|port| port.port == PORT && port.protocol == protocol.as_str());
    let Some(target) = front.and_then(|port| port.target_port.as_ref()) else { return PORT };
    let named =
        || pod.ports.iter().find(|p| p.name.as_ref() == Some(target) && p.protocol == protocol.as_str());
    target.parse().ok().or_else(|| named().map(|port| port.port)).unwrap_or(PORT)
}

impl<'s> Dns<'s> {
    pub(super) fn new(view: &'s View<'_>) -> Self {
        let servers = view.all_groups().filter_map(|group| Server::of(group, &view.after.services));
        Self { servers: servers.collect(), ranges: Ranges::new(view.after) }
    }

    /// Describes what is missing.
    pub(super) fn problem(&self, view: &View<'_>, isolated: &Isolated<'_>) -> Option<(Level, String)> {
        let reaches =
            |protocol| isolated.rules().any(|(policy, rule)| self.admits(view, policy, rule, protocol));
        let (udp, tcp) = (self.shown(Protocol::Udp), self.shown(Protocol::Tcp));
        match (reaches(Protocol::Udp), reaches(Protocol::Tcp)) {
            (true, true) => None,
            (false, false) => {
                let message = match udp == tcp {
                    true => format!("no rule lets UDP and TCP port {udp} out to DNS"),
                    false => format!("no rule lets UDP port {udp} and TCP port {tcp} out to DNS"),
                };
                Some((RuleId::EgressWithoutDns.level(), message))
            }
            (false, true) => {
                let message = format!("only TCP port {tcp} may go out to DNS, which asks over UDP first");
                Some((RuleId::EgressWithoutDns.level(), message))
            }
            (true, false) => {
                let message =
                    format!("only UDP port {udp} may go out to DNS; answers too long for UDP come over TCP");
                Some((Level::Note, message))
            }
        }
    }

    /// Returns the ports on which servers listen.
    fn ports(&self, protocol: Protocol) -> BTreeSet<u16> {
        match self.servers.is_empty() {
            true => BTreeSet::from([PORT]),
            false => self.servers.iter().map(|server| server.port(protocol)).collect(),
        }
    }

    /// Names the ports, and the one that clients ask where it is another.
    fn shown(&self, protocol: Protocol) -> String {
        let ports = self.ports(protocol);
        let names = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(" or ");
        if ports.contains(&PORT) { names } else { format!("{names} (behind port {PORT} of the Service)") }
    }

    fn admits(&self, view: &View<'_>, policy: &NetworkPolicy, rule: &Rule, wanted: Protocol) -> bool {
        self.ports(wanted).into_iter().any(|number| {
            let at = At { protocol: wanted, number };
            match lets(rule, wanted, number, &|name| self.is_name(name, at)) {
                Lets::No => false,
                how => {
                    let is_server = |peer| self.is_server(view, policy, peer, at, how == Lets::Expressly);
                    rule.peers.is_empty() || rule.peers.iter().any(is_server)
                }
            }
        })
    }

    fn servers_at(&self, at: At) -> impl Iterator<Item = &Pod> {
        self.servers
            .iter()
            .filter(move |server| server.port(at.protocol) == at.number)
            .map(|server| server.pod)
    }

    /// Is true for a name that servers give their port.
    fn is_name(&self, name: &ArcStr, at: At) -> bool {
        match self.servers.is_empty() {
            true => NAMES.contains(&&**name),
            false => self.servers_at(at).flat_map(|pod| &pod.ports).any(|port| {
                port.port == at.number
                    && port.name.as_ref() == Some(name)
                    && port.protocol == at.protocol.as_str()
            }),
        }
    }

    /// Is true when the peer may match a DNS server. A rule for port 53 is about DNS, wherever its server is.
    fn is_server(
        &self,
        view: &View<'_>,
        policy: &NetworkPolicy,
        peer: &Peer,
        at: At,
        expressly: bool,
    ) -> bool {
        match peer {
            Peer::Pods { namespaces, pods } => {
                let within = view.peer_namespaces(policy, namespaces.as_ref());
                if self.servers.is_empty() {
                    return within.iter().any(|namespace| expressly || namespace == NAMESPACE);
                }
                self.servers_at(at).any(|pod| {
                    within.contains(&pod.namespace)
                        && pods.as_ref().is_none_or(|pods| pods.matches(&pod.labels))
                })
            }
            Peer::Block { cidr, except } => {
                let holds_server = || self.holds_server(*cidr, except, at);
                !self.ranges.is_service(*cidr) && (expressly || holds_server())
            }
        }
    }

    fn holds_server(&self, cidr: IpNet, except: &[IpNet], at: At) -> bool {
        let mut ips = self.servers_at(at).flat_map(|pod| &pod.ips).peekable();
        match ips.peek() {
            None => cidr.prefix_len() == 0 || self.ranges.has_pods(cidr),
            Some(_) => ips.any(|ip| cidr.contains(ip) && !except.iter().any(|except| except.contains(ip))),
        }
    }
}
