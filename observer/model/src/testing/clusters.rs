//! Services and pods with several addresses, on top of the policies' own builders.

use std::sync::Arc;

use crate::inventory::{Backend, Labels, Node, Pod, Service, ServicePort};
use crate::testing::{self, Cluster};

pub fn cluster(
    pods: impl IntoIterator<Item = Pod>,
    services: impl IntoIterator<Item = Service>,
    nodes: impl IntoIterator<Item = Node>,
) -> Cluster {
    let mut cluster = Cluster::new("web data");
    cluster.inventory.pods.extend(pods.into_iter().map(Arc::new));
    cluster.inventory.services.extend(services.into_iter().map(Arc::new));
    cluster.inventory.nodes.extend(nodes.into_iter().map(Arc::new));
    cluster
}

/// Returns a pod with the label `app` of the same value as its name.
pub fn pod(namespace: &str, name: &str, ips: &[&str]) -> Pod {
    let pod = testing::pod(namespace, name, &[("app", name)], "10.0.0.1");
    Pod { ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(), ..pod }
}

pub fn node(name: &str, ips: &[&str]) -> Node {
    let ips = ips.iter().map(|ip| ip.parse().unwrap()).collect();
    Node { name: name.into(), labels: Labels::new(), ips, pod_cidrs: Vec::new(), ..Node::default() }
}

/// Returns a Service without ports and backends.
pub fn service(namespace: &str, name: &str, ips: &[&str]) -> Service {
    Service {
        vips: Vec::new(),
        namespace: namespace.into(),
        name: name.into(),
        labels: Labels::new(),
        selector: Labels::new(),
        cluster_ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        external_ips: Vec::new(),
        ports: Vec::new(),
        external_local: false,
        backends: Vec::new(),
        ..Service::default()
    }
}

impl Service {
    /// `http:80/TCP`, or `:80/TCP` without a name.
    pub fn serving(mut self, text: &str) -> Self {
        let (name, rest) = text.split_once(':').unwrap();
        let (port, protocol) = rest.split_once('/').unwrap();
        self.ports.push(ServicePort {
            name: (!name.is_empty()).then(|| name.into()),
            protocol: protocol.into(),
            port: port.parse().unwrap(),
            node_port: None,
            target_port: None,
        });
        self
    }

    /// Behind the port added last: `db-0=10.42.0.5:5432`, `=1.2.3.4:80` without a pod; `!` before it: not ready.
    pub fn backed_by(mut self, text: &str) -> Self {
        let port = self.ports.last().unwrap();
        let (ready, text) = text.strip_prefix('!').map_or((true, text), |text| (false, text));
        let (pod, place) = text.split_once('=').unwrap();
        let (ip, number) = place.rsplit_once(':').unwrap();
        self.backends.push(Backend {
            ip: ip.parse().unwrap(),
            port: number.parse().unwrap(),
            protocol: port.protocol.clone(),
            port_name: port.name.clone(),
            ready,
            pod: (!pod.is_empty()).then(|| pod.into()),
            node: None,
        });
        self
    }
}
