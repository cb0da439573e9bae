//! Snapshots in, names out.

mod attached;
mod model;
mod party;
mod possible;
mod reuse;
mod server;

use std::net::IpAddr;
use std::sync::Arc;

use flow_model::flow::FlowTuple;
use flow_model::inventory::{Backend, ContainerPort, Inventory, Node, Pod, Service, ServicePort, Workload};
use flow_model::record::Endpoint;
use jiff::{SignedDuration, Timestamp};

use super::*;

/// Seconds on the test's clock, fractions allowed.
fn t(seconds: f64) -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap() + SignedDuration::from_secs_f64(seconds)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// `namespace/name` with these addresses; the workload is the name up to the last dash.
fn mk_pod(name: &str, ips: &[&str], start: Option<f64>) -> Pod {
    let (namespace, name) = name.split_once('/').unwrap_or(("web", name));
    let workload = name.rsplit_once('-').map_or(name, |(workload, _)| workload);
    Pod {
        namespace: namespace.into(),
        name: name.into(),
        uid: arcstr::format!("uid-{name}"),
        labels: [].into(),
        node: Some("k1".into()),
        ips: ips.iter().map(|text| ip(text)).collect(),
        host_network: false,
        finished: false,
        deleting: false,
        start: start.map(t),
        workload: Workload { kind: "Deployment".into(), name: workload.into() },
        ports: Vec::new(),
        ..Pod::default()
    }
}

fn mk_host_pod(name: &str, node_ip: &str, ports: &[u16]) -> Pod {
    let port = |port: &u16| ContainerPort {
        name: None,
        protocol: "TCP".into(),
        port: *port,
        ..ContainerPort::default()
    };
    Pod { host_network: true, ports: ports.iter().map(port).collect(), ..mk_pod(name, &[node_ip], Some(0.0)) }
}

/// A Service with one port and these backends, as `ip` or `ip=pod`.
fn mk_service(name: &str, ips: &[&str], port: u16, backends: &[&str]) -> Service {
    let (namespace, name) = name.split_once('/').unwrap();
    let backend = |text: &&str| {
        let (address, pod) = text.split_once('=').map_or((*text, None), |(ip, pod)| (ip, Some(pod)));
        let (protocol, pod) = ("TCP".into(), pod.map(Into::into));
        Backend { ip: ip(address), port: 5432, protocol, port_name: None, ready: true, pod, node: None }
    };
    Service {
        vips: Vec::new(),
        external_local: false,
        namespace: namespace.into(),
        name: name.into(),
        labels: [].into(),
        selector: [].into(),
        cluster_ips: ips.iter().map(|text| ip(text)).collect(),
        external_ips: Vec::new(),
        ports: vec![ServicePort {
            name: None,
            protocol: "TCP".into(),
            port,
            node_port: None,
            target_port: None,
        }],
        backends: backends.iter().map(backend).collect(),
        ..Service::default()
    }
}

fn mk_node(name: &str, node_ip: &str, cidr: &str) -> Node {
    Node {
        name: name.into(),
        labels: [].into(),
        ips: vec![ip(node_ip)],
        pod_cidrs: vec![cidr.into()],
        ..Node::default()
    }
}

fn mk_inventory(
    pods: impl IntoIterator<Item = Pod>,
    services: impl IntoIterator<Item = Service>,
) -> Inventory {
    Inventory {
        pods: pods.into_iter().map(Arc::new).collect(),
        services: services.into_iter().map(Arc::new).collect(),
        ..Inventory::default()
    }
}

/// An identity after these snapshots of pods, each with its time.
fn after(snapshots: impl IntoIterator<Item = (f64, Vec<Pod>)>) -> Identity {
    let mut identity = Identity::new();
    for (now, pods) in snapshots {
        identity.apply(Arc::new(mk_inventory(pods, [])), t(now));
    }
    identity
}

/// The pod that an address is named after, `-` if none.
fn who(identity: &Identity, address: &str, at: f64) -> String {
    let endpoint = client(identity, ip(address), 1, t(at));
    endpoint.pod.map_or("-".to_owned(), |pod| pod.to_string())
}

/// A flow from one address to another, with the backend where it was seen.
fn flow(src: &str, dst: IpAddr, dport: u16, backend: Option<(IpAddr, u16)>) -> FlowTuple {
    FlowTuple { src: ip(src), sport: 40_000, dst, dport, backend }
}

/// The names of the side that opened a connection.
fn client(identity: &Identity, ip: IpAddr, port: u16, at: Timestamp) -> Endpoint {
    let tuple = FlowTuple { src: ip, sport: port, dst: ip, dport: 1, backend: None };
    identity.resolve(&tuple, at).client_endpoint()
}

/// The names of the side that a connection was opened to.
fn server(
    identity: &Identity,
    dst: IpAddr,
    dport: u16,
    backend: Option<(IpAddr, u16)>,
    at: Timestamp,
) -> Endpoint {
    identity.resolve(&flow("192.0.2.200", dst, dport, backend), at).server_endpoint()
}
