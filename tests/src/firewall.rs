//! A pod firewall in the shape of kube-router's, with the other ways a firewall can refuse.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;

use crate::cmd;
use crate::netns::Netns;
use crate::node::{Node, tool};
use crate::pod::Pod;

/// The fate of a packet that no policy admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// ICMP port unreachable: kube-router's own choice.
    PortUnreachable,
    /// ICMP host (IPv6: address) unreachable.
    HostUnreachable,
    /// ICMP administratively prohibited.
    AdminProhibited,
    /// A RST from the firewall.
    TcpReset,
    /// The packet is dropped without an answer.
    Drop,
}

impl Refusal {
    fn target(self, v4: bool) -> &'static str {
        match (self, v4) {
            (Self::PortUnreachable, true) => "REJECT --reject-with icmp-port-unreachable",
            (Self::PortUnreachable, false) => "REJECT --reject-with icmp6-port-unreachable",
            (Self::HostUnreachable, true) => "REJECT --reject-with icmp-host-unreachable",
            (Self::HostUnreachable, false) => "REJECT --reject-with icmp6-addr-unreachable",
            (Self::AdminProhibited, true) => "REJECT --reject-with icmp-admin-prohibited",
            (Self::AdminProhibited, false) => "REJECT --reject-with icmp6-adm-prohibited",
            (Self::TcpReset, _) => "REJECT --reject-with tcp-reset",
            (Self::Drop, _) => "DROP",
        }
    }
}

/// The connections of a pod that a firewall checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

impl Way {
    /// Returns iptables' options for the pod's side of a packet, and for matching the other side with a set.
    fn sides(self) -> (&'static str, &'static str) {
        match self {
            Self::In => ("-d", "src"),
            Self::Out => ("-s", "dst"),
        }
    }
}

/// The firewall in front of one pod. It admits peers of a set, at a range of ports, and refuses the rest. As with
/// kube-router, the node's own traffic to its pods never passes it, and connections stay open when their peer is
/// removed.
#[derive(Debug)]
pub struct Firewall {
    ns: Netns,
    tag: u32,
    way: Way,
}

impl Firewall {
    /// Refuses connections to `pod` at its node, except from admitted sources. At first there are none.
    ///
    /// # Errors
    /// Fails when iptables or ipset fails.
    pub fn new(node: &Node, pod: &Pod, ports: (u16, u16), refusal: Refusal) -> Result<Self> {
        Self::build(node, pod, ports, refusal, Way::In)
    }

    /// Refuses connections from `pod`, except to admitted destinations after DNAT. At first there are none.
    ///
    /// # Errors
    /// Fails when iptables or ipset fails.
    pub fn egress(node: &Node, pod: &Pod, ports: (u16, u16), refusal: Refusal) -> Result<Self> {
        Self::build(node, pod, ports, refusal, Way::Out)
    }

    fn build(node: &Node, pod: &Pod, ports: (u16, u16), refusal: Refusal, way: Way) -> Result<Self> {
        static FIREWALLS: AtomicU32 = AtomicU32::new(1);
        let firewall = Self { ns: node.ns.clone(), tag: FIREWALLS.fetch_add(1, Ordering::Relaxed), way };
        for (ip, family) in [(IpAddr::V4(pod.ip4), "inet"), (IpAddr::V6(pod.ip6), "inet6")] {
            let set = firewall.set(ip);
            firewall.ns.exec(format!("ipset create {set} hash:ip family {family}"))?;
            let rules = firewall.rules(ip, ports, refusal);
            firewall.ns.run(|| cmd::feed(format!("{}-restore -w --noflush", tool(ip)), &rules))?;
            firewall.log(ip);
        }
        Ok(firewall)
    }

    /// Admits new connections from (or to) `peer`.
    ///
    /// # Errors
    /// Fails when ipset fails.
    pub fn allow(&self, peer: IpAddr) -> Result<()> {
        self.ns.exec(format!("ipset -exist add {} {peer}", self.set(peer))).map(drop)
    }

    /// Admits the pod, on both families.
    ///
    /// # Errors
    /// Fails when ipset fails.
    pub fn allow_pod(&self, pod: &Pod) -> Result<()> {
        self.allow(pod.ip4.into())?;
        self.allow(pod.ip6.into())
    }

    /// Refuses new connections from (or to) `peer`; open ones continue.
    ///
    /// # Errors
    /// Fails when ipset fails.
    pub fn deny(&self, peer: IpAddr) -> Result<()> {
        self.ns.exec(format!("ipset -exist del {} {peer}", self.set(peer))).map(drop)
    }

    /// Refuses the pod, on both families.
    ///
    /// # Errors
    /// Fails when ipset fails.
    pub fn deny_pod(&self, pod: &Pod) -> Result<()> {
        self.deny(pod.ip4.into())?;
        self.deny(pod.ip6.into())
    }

    /// Logs what the policy does not admit as k3s does: with the policy's name, before the other policies decide.
    ///
    /// # Errors
    /// Fails when iptables fails.
    pub fn log_as(&self, policy: &str) -> Result<()> {
        let chain = format!("KUBE-NWPLCY-{:08X}", self.tag);
        let rule = format!(
            "*filter\n-A {chain} -m mark ! --mark 0x10000/0x10000 -m limit --limit 10/minute --limit-burst 10 \
             -j NFLOG --nflog-group 100 --nflog-prefix \"DROP by policy {policy}\"\nCOMMIT\n"
        );
        for tool in ["iptables-restore", "ip6tables-restore"] {
            self.ns.run(|| cmd::feed(format!("{tool} -w --noflush"), &rule))?;
        }
        Ok(())
    }

    fn set(&self, family: IpAddr) -> String {
        let way = if self.way == Way::In { "SRC" } else { "DST" };
        format!("KUBE-{way}{}-{:08X}", if family.is_ipv4() { 4 } else { 6 }, self.tag)
    }

    /// Installs the rules in kube-router's order: invalid, established, policies that mark, refusal of unmarked
    /// packets.
    fn rules(&self, ip: IpAddr, (low, high): (u16, u16), refusal: Refusal) -> String {
        let (tag, set) = (self.tag, self.set(ip));
        let (pod, policy) = (format!("KUBE-POD-FW-{tag:08X}"), format!("KUBE-NWPLCY-{tag:08X}"));
        let (own, other) = self.way.sides();
        let mut rules = String::from("*filter\n");
        let mut add = |rule: String| writeln!(rules, "{rule}").unwrap_or_default();
        add(format!(":{pod} - [0:0]"));
        add(format!(":{policy} - [0:0]"));
        add(format!("-A FORWARD {own} {ip} -j {pod}"));
        if self.way == Way::Out {
            // Packets from a pod to its own node are checked as well.
            add(format!("-A INPUT {own} {ip} -j {pod}"));
        }
        add(format!("-A {pod} -m conntrack --ctstate INVALID -j DROP"));
        add(format!("-A {pod} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"));
        if !ip.is_ipv4() {
            // Neighbour discovery crosses the bridge's FORWARD too.
            add(format!("-A {pod} -p ipv6-icmp -j ACCEPT"));
        }
        // The firewall of the other pod may have set its mark.
        add(format!("-A {pod} -j MARK --set-xmark 0x0/0x10000"));
        add(format!("-A {pod} -j {policy}"));
        add(format!(
            "-A {policy} -m set --match-set {set} {other} -p tcp --dport {low}:{high} -j MARK --set-xmark 0x10000/0x10000"
        ));
        add(format!(
            "-A {pod} -m mark ! --mark 0x10000/0x10000 {}-j {}",
            tcp_only(refusal),
            refusal.target(ip.is_ipv4())
        ));
        add(format!("-A {pod} -j MARK --set-xmark 0x20000/0x20000"));
        add("COMMIT".to_owned());
        rules
    }

    /// Adds kube-router's logging before a refusal. It changes no packet, so it is left out on a kernel without NFLOG.
    fn log(&self, ip: IpAddr) {
        let pod = format!("KUBE-POD-FW-{:08X}", self.tag);
        let at = if ip.is_ipv4() { 5 } else { 6 };
        drop(self.ns.exec(format!(
            "{} -w -I {pod} {at} -m mark ! --mark 0x10000/0x10000 -m limit --limit 10/minute --limit-burst 10 -j NFLOG --nflog-group 100",
            tool(ip)
        )));
    }
}

/// Returns a match for TCP where the refusal is a RST: iptables accepts that only for TCP.
fn tcp_only(refusal: Refusal) -> &'static str {
    if refusal == Refusal::TcpReset { "-p tcp " } else { "" }
}
