//! Checks whether isolated pods can ask DNS.

use std::collections::BTreeSet;

use arcstr::ArcStr;
use flow_model::inventory::ServicePort;
use flow_model::policies::{NetworkPolicy, Peer, Protocol, Rule};
use ipnet::IpNet;

use crate::audit::lints::blocks::Ranges;
use crate::audit::lints::egress::{Isolated, Lets, lets};
use crate::audit::report::{Level, RuleId};
use crate::audit::view::{Group, View};

const PORT: u16 = 53;
/// The namespace of DNS servers and the names of their port, used when no server is known.
const NAMESPACE: &str = "kube-system";
const NAMES: [&str; 4] = ["dns", "dns-tcp", "dns-udp", "domain"];

/// Holds the DNS servers.
pub(super) struct Dns<'s> {
    servers: Vec<Server<'s>>,
    ranges: Ranges,
}

/// A DNS server with the ports on which it listens, which policies see after DNAT.
struct Server<'s> {
    group: &'s Group,
    udp: BTreeSet<u16>,
    tcp: BTreeSet<u16>,
}

impl<'s> Dns<'s> {
    pub(super) fn new(view: &'s View<'_>) -> Self {
        let servers = view.all_groups().filter_map(|group| server(view, group));
        Self { servers: servers.collect(), ranges: Ranges::new(view.after) }
    }

    /// Describes what is missing.
    pub(super) fn problem(&self, view: &View<'_>, isolated: &Isolated<'_>) -> Option<(Level, String)> {
        let reaches =
            |protocol| isolated.rules().any(|(policy, rule)| self.admits(view, policy, rule, protocol));
        let port = self.port();
        let usual = RuleId::EgressWithoutDns.level();
        match (reaches(Protocol::Udp), reaches(Protocol::Tcp)) {
            (true, true) => None,
            (false, false) => Some((usual, format!("no rule lets UDP and TCP port {port} out to DNS"))),
            (false, true) => {
                Some((usual, format!("only TCP port {port} may go out to DNS, which asks over UDP first")))
            }
            (true, false) => Some((
                Level::Note,
                format!("only UDP port {port} may go out to DNS; answers too long for UDP come over TCP"),
            )),
        }
    }

    /// Names the port on which the servers listen: policies see the one behind the Service.
    fn port(&self) -> String {
        let ports: BTreeSet<_> =
            self.servers.iter().flat_map(|server| server.udp.union(&server.tcp)).collect();
        match ports.first() {
            Some(first) if ports.len() == 1 && **first != PORT => {
                format!("{first}, which is behind port {PORT} of the DNS Service,")
            }
            _ => PORT.to_string(),
        }
    }

    fn admits(&self, view: &View<'_>, policy: &NetworkPolicy, rule: &Rule, wanted: Protocol) -> bool {
        if self.servers.is_empty() {
            let named = |name: &ArcStr| NAMES.contains(&&**name);
            return self.lets_out(rule, wanted, PORT, &named, |peer, expressly| match peer {
                Peer::Pods { namespaces, .. } => {
                    let within = view.peer_namespaces(policy, namespaces.as_ref());
                    within.iter().any(|namespace| expressly || namespace == NAMESPACE)
                }
                Peer::Block { cidr, except } => self.is_dns_block(*cidr, except, expressly),
            });
        }
        let outside = |peer: &Peer, expressly| match peer {
            Peer::Pods { .. } => false,
            // A rule for port 53 of a network is about DNS, wherever its server is.
            Peer::Block { cidr, .. } => expressly && !self.is_useless(*cidr) && !self.ranges.has_pods(*cidr),
        };
        self.lets_out(rule, wanted, PORT, &|_| false, outside)
            || self.servers.iter().any(|server| self.admits_server(view, policy, rule, wanted, server))
    }

    fn admits_server(
        &self,
        view: &View<'_>,
        policy: &NetworkPolicy,
        rule: &Rule,
        wanted: Protocol,
        server: &Server<'_>,
    ) -> bool {
        let pod = &server.group.pod;
        server.ports(wanted).any(|number| {
            let named = |name: &ArcStr| {
                pod.ports.iter().any(|port| {
                    port.port == number
                        && port.name.as_ref() == Some(name)
                        && port.protocol == wanted.as_str()
                })
            };
            self.lets_out(rule, wanted, number, &named, |peer, expressly| match peer {
                Peer::Pods { namespaces, pods } => {
                    let within = view.peer_namespaces(policy, namespaces.as_ref());
                    within.contains(&pod.namespace)
                        && pods.as_ref().is_none_or(|pods| pods.matches(&pod.labels))
                }
                Peer::Block { cidr, except } => self.is_dns_block(*cidr, except, expressly),
            })
        })
    }

    /// Is true when the rule lets the port out to a peer that fits, or to everybody.
    fn lets_out(
        &self,
        rule: &Rule,
        wanted: Protocol,
        port: u16,
        named: &dyn Fn(&ArcStr) -> bool,
        fits: impl Fn(&Peer, bool) -> bool,
    ) -> bool {
        match lets(rule, wanted, port, named) {
            Lets::No => false,
            how => rule.peers.is_empty() || rule.peers.iter().any(|peer| fits(peer, how == Lets::Expressly)),
        }
    }

    /// Is true for the addresses of Services, which policies don't see, unless a cache on the node answers there.
    fn is_useless(&self, cidr: IpNet) -> bool {
        self.ranges.is_service(cidr) && !self.ranges.has_cache(cidr)
    }

    fn is_dns_block(&self, cidr: IpNet, except: &[IpNet], expressly: bool) -> bool {
        !self.is_useless(cidr) && (expressly || self.holds_server(cidr, except))
    }

    fn holds_server(&self, cidr: IpNet, except: &[IpNet]) -> bool {
        let mut ips = self.servers.iter().flat_map(|server| &server.group.pod.ips).peekable();
        match ips.peek() {
            None => cidr.prefix_len() == 0 || self.ranges.has_pods(cidr),
            Some(_) => ips.any(|ip| cidr.contains(ip) && !except.iter().any(|except| except.contains(ip))),
        }
    }
}

impl Server<'_> {
    fn ports(&self, protocol: Protocol) -> impl Iterator<Item = u16> {
        let ports = if protocol == Protocol::Udp { &self.udp } else { &self.tcp };
        ports.iter().copied()
    }
}

/// Returns the group as a DNS server: one behind port 53 of a Service, else one that is labelled so or listens on 53.
fn server<'s>(view: &'s View<'_>, group: &'s Group) -> Option<Server<'s>> {
    let behind = |protocol: &str| -> BTreeSet<u16> {
        let services = view.after.services.iter().filter(|service| service.selects(&group.pod));
        let ports = services.flat_map(|service| &service.ports);
        ports.filter(|p| p.port == PORT && p.protocol == protocol).filter_map(|p| target(p, group)).collect()
    };
    let (udp, tcp) = (behind("UDP"), behind("TCP"));
    if !udp.is_empty() || !tcp.is_empty() {
        return Some(Server { group, udp, tcp });
    }
    let labelled = group.pod.labels.get("k8s-app").is_some_and(|app| app == "kube-dns");
    let listens = group.pod.ports.iter().any(|port| port.port == PORT);
    let usual = || BTreeSet::from([PORT]);
    (labelled || listens).then(|| Server { group, udp: usual(), tcp: usual() })
}

/// Returns the port of the pod behind a Service's port.
fn target(port: &ServicePort, group: &Group) -> Option<u16> {
    let Some(target) = &port.target_port else { return Some(port.port) };
    let named = |target: &ArcStr| {
        let fits = |p: &&flow_model::inventory::ContainerPort| {
            p.name.as_ref() == Some(target) && p.protocol == port.protocol
        };
        group.pod.ports.iter().find(fits).map(|p| p.port)
    };
    target.parse().ok().or_else(|| named(target))
}
