//! Generates clusters with as many workloads, of 10 pods each, as policies, in several namespaces.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use anyhow::Result;
use flow_model::inventory::{ContainerPort, Inventory, Labels, Namespace, Node, Pod, Workload};
use flow_model::policies::{
    NetworkPolicy, Operator, Origin, Peer, PortMatch, PortSet, Protocol, Requirement, Rule, Selector,
};

pub(crate) const POLICIES: usize = 1_000;
const REPLICAS: usize = 10;
pub(crate) const PODS: usize = POLICIES * REPLICAS;
pub(crate) const PORT: u16 = 8080;
const NODES: usize = 50;
const TIERS: [&str; 3] = ["front", "back", "data"];

/// The size of one namespace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// A divisor of [`POLICIES`].
    pub(crate) namespaces: usize,
}

impl Shape {
    pub(crate) fn inventory(self) -> Result<Inventory> {
        let mut inventory = Inventory {
            pods: (0..PODS).map(|n| Arc::new(self.pod(n))).collect(),
            nodes: (0..NODES).map(|n| Arc::new(node(n))).collect(),
            namespaces: (0..self.namespaces).map(|n| Arc::new(namespace(n))).collect(),
            ..Inventory::default()
        };
        for space in 0..self.namespaces {
            inventory.policies.namespaced.extend(self.policies(space)?.into_iter().map(Arc::new));
        }
        inventory.policies.namespaced.sort_by_key(|policy| (policy.namespace.clone(), policy.name.clone()));
        Ok(inventory)
    }

    /// The number of policies of a namespace, and of its workloads.
    fn each(self) -> usize {
        POLICIES / self.namespaces
    }

    /// Returns a pod with labels of Deployments and StatefulSets: in every second workload each pod has a label of its
    /// own.
    pub(crate) fn pod(self, n: usize) -> Pod {
        let (space, workload, replica) =
            (n / REPLICAS / self.each(), n / REPLICAS % self.each(), n % REPLICAS);
        let (app, name) = (format!("app-{workload}"), format!("app-{workload}-{replica}"));
        let own = match workload % 2 {
            0 => ("pod-template-hash", format!("{:x}", space * 7919 + workload)),
            _ => ("statefulset.kubernetes.io/pod-name", name.clone()),
        };
        let labels = [
            ("app", app.clone()),
            ("app.kubernetes.io/name", app.clone()),
            ("app.kubernetes.io/instance", format!("release-{space}")),
            ("tier", TIERS[workload % 3].to_owned()),
            own,
        ];
        Pod {
            namespace: format!("ns-{space:03}").into(),
            name: name.into(),
            uid: format!("uid-{n}").into(),
            labels: labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
            node: Some(format!("node-{}", n % NODES).into()),
            ips: vec![pod_ip(n)],
            host_network: false,
            finished: false,
            deleting: false,
            start: None,
            workload: Workload { kind: "Deployment".into(), name: app.into() },
            ports: vec![ContainerPort {
                name: Some("http".into()),
                protocol: "TCP".into(),
                port: PORT,
                ..ContainerPort::default()
            }],
            ..Pod::default()
        }
    }

    /// Returns a namespace's policies: deny by default in both directions, one per workload, an egress policy for all,
    /// and two with blocks.
    fn policies(self, space: usize) -> Result<Vec<NetworkPolicy>> {
        let mut policies =
            vec![policy(space, "default-deny", Selector::default(), Some(vec![]), Some(vec![]))];
        let anywhere = vec![
            rule(vec![pods(Some(Selector::default()), None)], vec![]),
            rule(vec![block(10, 0)?], vec![]),
        ];
        policies.push(policy(space, "egress", Selector::default(), None, Some(anywhere)));
        policies.extend((0..self.each() - 4).map(|workload| admit(space, workload, 0)));
        for (name, app) in [("from-outside", "app-0"), ("from-office", "app-1")] {
            let blocks = (0..8).map(|n| block(198, n)).collect::<Result<_>>()?;
            let ingress = vec![rule(blocks, vec![port(PORT), port(8443)])];
            policies.push(policy(space, name, selector("app", &[app]), Some(ingress), None));
        }
        Ok(policies)
    }
}

fn pod_ip(n: usize) -> IpAddr {
    IpAddr::from(Ipv4Addr::from_bits(0x0a2a_0000 + n as u32))
}

fn node(n: usize) -> Node {
    let ips = vec![IpAddr::from([192, 168, 1, n as u8 + 1])];
    Node {
        name: format!("node-{n}").into(),
        labels: Labels::new(),
        ips,
        pod_cidrs: Vec::new(),
        ..Node::default()
    }
}

pub(crate) fn namespace(n: usize) -> Namespace {
    let name = format!("ns-{n:03}");
    let labels = [("kubernetes.io/metadata.name", name.clone()), ("team", format!("team-{}", n % 10))];
    Namespace {
        name: name.into(),
        labels: labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
    }
}

/// Returns a policy that admits neighbours of one tier to a workload, a few namespaces by name, and a team by label.
pub(crate) fn admit(space: usize, workload: usize, change: usize) -> NetworkPolicy {
    let names: Vec<_> =
        (0..4).map(|n| format!("ns-{:03}", (space * 31 + workload * 7 + n + change) % 100)).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let tier = TIERS[(workload + 1) % 3];
    let named = PortMatch { protocol: Protocol::Tcp, port: PortSet::Named("http".into()) };
    let ingress = vec![
        rule(vec![pods(None, Some(selector("tier", &[tier])))], vec![named]),
        rule(vec![pods(Some(selector("kubernetes.io/metadata.name", &names)), None)], vec![port(PORT)]),
        rule(
            vec![pods(
                Some(selector("team", &[&format!("team-{}", (space + workload) % 10)])),
                Some(selector("app", &[&format!("app-{workload}"), "app-9"])),
            )],
            vec![port(9090), port(PORT)],
        ),
    ];
    let app = format!("app-{workload}");
    policy(space, &format!("admit-{app}"), selector("app", &[&app]), Some(ingress), None)
}

fn policy(
    space: usize,
    name: &str,
    selector: Selector,
    ingress: Option<Vec<Rule>>,
    egress: Option<Vec<Rule>>,
) -> NetworkPolicy {
    let namespace = format!("ns-{space:03}").into();
    NetworkPolicy { namespace, name: name.into(), selector, ingress, egress, origin: Origin::default() }
}

fn rule(peers: Vec<Peer>, ports: Vec<PortMatch>) -> Rule {
    Rule { peers, ports }
}

fn pods(namespaces: Option<Selector>, pods: Option<Selector>) -> Peer {
    Peer::Pods { namespaces, pods }
}

fn block(first: u8, second: u8) -> Result<Peer> {
    let net = |third: u8, bits: u8| format!("{first}.{second}.{third}.0/{bits}");
    Ok(Peer::Block { cidr: net(0, 16).parse()?, except: vec![net(200, 24).parse()?] })
}

fn port(port: u16) -> PortMatch {
    PortMatch { protocol: Protocol::Tcp, port: PortSet::Range(port, port) }
}

fn selector(key: &str, values: &[&str]) -> Selector {
    let values = values.iter().map(|value| (*value).into()).collect();
    Selector { requirements: vec![Requirement { key: key.into(), operator: Operator::In(values) }] }
}
