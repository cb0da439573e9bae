//! Checks whether isolated pods can ask DNS.

use arcstr::ArcStr;
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
    servers: Vec<&'s Group>,
    ranges: Ranges,
}

impl<'s> Dns<'s> {
    pub(super) fn new(view: &'s View<'_>) -> Self {
        let is_server = |group: &&Group| {
            let labelled = group.pod.labels.get("k8s-app").is_some_and(|app| app == "kube-dns");
            labelled || group.pod.ports.iter().any(|port| port.port == PORT)
        };
        Self { servers: view.all_groups().filter(is_server).collect(), ranges: Ranges::new(view.after) }
    }

    /// Describes what is missing.
    pub(super) fn problem(&self, view: &View<'_>, isolated: &Isolated<'_>) -> Option<(Level, String)> {
        let reaches =
            |protocol| isolated.rules().any(|(policy, rule)| self.admits(view, policy, rule, protocol));
        match (reaches(Protocol::Udp), reaches(Protocol::Tcp)) {
            (true, true) => None,
            (false, false) => {
                let message = "no rule lets UDP and TCP port 53 out to DNS".to_owned();
                Some((RuleId::EgressWithoutDns.level(), message))
            }
            (false, true) => {
                let message = "only TCP port 53 may go out to DNS, which asks over UDP first".to_owned();
                Some((RuleId::EgressWithoutDns.level(), message))
            }
            (true, false) => {
                let message =
                    "only UDP port 53 may go out to DNS; answers too long for UDP come over TCP".to_owned();
                Some((Level::Note, message))
            }
        }
    }

    fn admits(&self, view: &View<'_>, policy: &NetworkPolicy, rule: &Rule, wanted: Protocol) -> bool {
        let named = |name: &ArcStr| match self.servers.is_empty() {
            true => NAMES.contains(&&**name),
            false => self.servers.iter().flat_map(|server| &server.pod.ports).any(|port| {
                port.port == PORT && port.name.as_ref() == Some(name) && port.protocol == wanted.as_str()
            }),
        };
        match lets(rule, wanted, PORT, &named) {
            Lets::No => false,
            how => {
                rule.peers.is_empty()
                    || rule
                        .peers
                        .iter()
                        .any(|peer| self.is_server(view, policy, peer, how == Lets::Expressly))
            }
        }
    }

    /// Is true when the peer may match a DNS server. A rule for port 53 is about DNS, wherever its server is.
    fn is_server(&self, view: &View<'_>, policy: &NetworkPolicy, peer: &Peer, expressly: bool) -> bool {
        match peer {
            Peer::Pods { namespaces, pods } => {
                let within = view.peer_namespaces(policy, namespaces.as_ref());
                if self.servers.is_empty() {
                    return within.iter().any(|namespace| expressly || namespace == NAMESPACE);
                }
                self.servers.iter().any(|server| {
                    within.contains(&server.pod.namespace)
                        && pods.as_ref().is_none_or(|pods| pods.matches(&server.pod.labels))
                })
            }
            Peer::Block { cidr, except } => {
                let holds_server = || self.holds_server(*cidr, except);
                !self.ranges.is_service(*cidr) && (expressly || holds_server())
            }
        }
    }

    fn holds_server(&self, cidr: IpNet, except: &[IpNet]) -> bool {
        let mut ips = self.servers.iter().flat_map(|server| &server.pod.ips).peekable();
        match ips.peek() {
            None => cidr.prefix_len() == 0 || self.ranges.has_pods(cidr),
            Some(_) => ips.any(|ip| cidr.contains(ip) && !except.iter().any(|except| except.contains(ip))),
        }
    }
}
