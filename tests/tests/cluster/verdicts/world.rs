//! The pods between which connections are tried, and the canaries that show when a set of policies is enforced.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};
use lab::real::{CLIENT, Cluster, PATIENCE, peer};
use lab::wait;
use serde_json::{Value, json};

use super::{Pair, Tried};

const NAMESPACES: &str = include_str!("../manifests/world.yaml");
const CANARIES: &str = "gen-canary";
/// All namespaces of the world.
pub(crate) const ALL: [&str; 4] = ["gen-a", "gen-b", "gen-c", CANARIES];
/// The namespaces with pods. Pod `one` of each is the backend of two Services, whose load-balancer addresses these are: one
/// with traffic policy `Cluster`, and one with `Local`.
const BACKENDS: [(&str, [&str; 2]); 3] = [
    ("gen-a", ["203.0.113.1", "203.0.113.4"]),
    ("gen-b", ["203.0.113.2", "203.0.113.5"]),
    ("gen-c", ["203.0.113.3", "203.0.113.6"]),
];
/// Name and namespace of the pods, with their labels. They are spread over the nodes in turn.
const PODS: [(&str, &str, &str, &str); 6] = [
    ("gen-a", "one", "x", "front"),
    ("gen-a", "two", "y", "back"),
    ("gen-b", "one", "x", "back"),
    ("gen-b", "two", "y", "front"),
    ("gen-c", "one", "x", "front"),
    ("gen-c", "two", "y", "back"),
];
const PORTS: [u16; 2] = [8080, 8081];
/// The headless Service that leads to pod `one` of its namespace.
const HEADLESS: &str = "inner";
/// The port of pods in their node's network.
const HOST_NETWORK: u16 = 18_080;
/// The hostPort of pod `one` in the first namespace; the next ones follow.
const HOST_PORT: u16 = 18_090;

/// The kinds of connections. The first ones are from pods with an address of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// From pod to pod.
    Pods,
    /// Through a ClusterIP.
    Services,
    /// To the pod behind a headless Service, by the Service's name and by its own.
    Headless,
    /// From a pod to itself, through what leads to it.
    Itself,
    /// Through a port of the client's own node.
    OwnNode,
    /// Through a port of another node.
    OtherNode,
    /// Through a load balancer's address.
    Balancer,
    /// Through a Service with traffic policy `Local`.
    Local,
    HostPort,
    /// To a pod in its node's network.
    HostNetwork,
    FromNodes,
    FromHostNetwork,
    FromOutside,
}

/// A place from which connections are made.
#[derive(Clone, Copy, Debug)]
enum Client {
    /// A pod of [`PODS`].
    Pod(usize),
    /// The pod in the network of the node with this index.
    HostNetwork(usize),
    /// The node itself.
    Node(usize),
    /// A host of the LAN.
    Outside,
}

/// The running pods, and what else has an address.
#[derive(Debug)]
pub(crate) struct World {
    clients: Vec<Client>,
    /// In the order of [`PODS`].
    addresses: Vec<String>,
    /// In the order of [`BACKENDS`], those with traffic policy `Cluster` first.
    services: Vec<Service>,
    nodes: Vec<String>,
    /// Their addresses.
    node_addresses: Vec<String>,
    outside: String,
    canaries: Vec<String>,
}

/// A Service, whose only backend is pod `one` of its namespace.
#[derive(Debug)]
struct Service {
    namespace: &'static str,
    name: &'static str,
    cluster_ip: String,
    balancer_ip: &'static str,
    /// The same on each node.
    node_port: u64,
    is_local: bool,
    /// Index of the backend among [`PODS`].
    backend: usize,
}

impl World {
    pub(crate) fn start(cluster: &Cluster) -> Result<Self> {
        let nodes = cluster.nodes()?;
        cluster.label_agents()?;
        cluster.apply(NAMESPACES)?;
        cluster.apply(&json!({"apiVersion": "v1", "kind": "List", "items": objects(&nodes)}).to_string())?;
        for namespace in ALL {
            cluster.kubectl(&format!("-n {namespace} wait --for=condition=Ready pod --all --timeout=90s"))?;
        }
        let address = |namespace: &str, name: &str| -> Result<String> {
            let pod = cluster.get(&format!("pod -n {namespace} {name}"))?;
            pod["status"]["podIP"].as_str().map(str::to_owned).context("a pod without an address")
        };
        let addresses: Result<_> =
            PODS.iter().map(|(namespace, name, ..)| address(namespace, name)).collect();
        let services: Result<_> = balanced().map(|row| Service::balanced(cluster, row)).collect();
        let canaries: Result<_> = nodes.iter().map(|node| address(CANARIES, node)).collect();
        let pods = (0..PODS.len()).map(Client::Pod);
        let in_nodes = (0..nodes.len()).flat_map(|node| [Client::HostNetwork(node), Client::Node(node)]);
        Ok(Self {
            clients: pods.chain(in_nodes).chain([Client::Outside]).collect(),
            addresses: addresses?,
            services: services?,
            node_addresses: cluster.node_addresses()?,
            outside: outside(cluster)?,
            canaries: canaries?,
            nodes,
        })
    }

    pub(crate) fn name(&self, client: usize) -> String {
        match self.clients[client] {
            Client::Pod(pod) => format!("{}/{} ({})", PODS[pod].0, PODS[pod].1, self.addresses[pod]),
            Client::HostNetwork(node) => format!("the pod in the network of {}", self.nodes[node]),
            Client::Node(node) => self.nodes[node].clone(),
            Client::Outside => format!("outside ({})", self.outside),
        }
    }

    /// All connections that can be made.
    pub(crate) fn pairs(&self) -> Vec<Pair> {
        let clients = self.clients.iter().copied().enumerate();
        clients
            .flat_map(|(from, client)| {
                let named = self.names(client).into_iter();
                let named = named.map(|(kind, host, address)| (kind, host.clone(), Some(host), address));
                let targets = self.targets(client).into_iter();
                let targets = targets.map(|(kind, to, address)| (kind, to, None, address));
                targets.chain(named).map(move |(kind, to, host, address)| {
                    let kind = client.kind(kind);
                    Pair { kind, from, to, host, address }
                })
            })
            .collect()
    }

    /// The names in DNS that a client can connect to: the kind of connection, the name, and the address. They lead to a
    /// pod's own ports, also to those that the headless Service doesn't have.
    fn names(&self, client: Client) -> Vec<(Kind, String, String)> {
        if matches!(client, Client::Outside) {
            return Vec::new();
        }
        let of = |namespace: &str| {
            let backend = backend(namespace);
            let kind = if client.is_pod(backend) { Kind::Itself } else { Kind::Headless };
            let service = format!("{HEADLESS}.{namespace}.svc.cluster.local");
            let names = [service.clone(), format!("one.{service}")];
            let address = &self.addresses[backend];
            let names = names.into_iter().zip(PORTS);
            names.map(|(name, port)| (kind, name, format!("{address}:{port}"))).collect::<Vec<_>>()
        };
        BACKENDS.iter().flat_map(|(namespace, _)| of(namespace)).collect()
    }

    /// What a client connects to: the kind of connection, a name, and the address.
    fn targets(&self, client: Client) -> Vec<(Kind, String, String)> {
        let mut targets = Vec::new();
        // The pods' network and Services' addresses are not known to the LAN.
        let is_outside = matches!(client, Client::Outside);
        let pods = (0..PODS.len()).filter(|to| !is_outside && !client.is_pod(*to));
        for to in pods {
            let named = |port: u16| {
                let name = format!("{}/{}:{port}", PODS[to].0, PODS[to].1);
                (Kind::Pods, name, format!("{}:{port}", self.addresses[to]))
            };
            targets.extend(PORTS.map(named));
        }
        for service in &self.services {
            let ways = service.ways(client, &self.node_addresses);
            targets.extend(ways.into_iter().map(|(kind, address)| {
                let kind = if client.is_pod(service.backend) { Kind::Itself } else { kind };
                (kind, format!("{}/{}", service.namespace, service.name), address)
            }));
        }
        for (number, (namespace, _)) in (0..).zip(BACKENDS) {
            let backend = backend(namespace);
            let kind = if client.is_pod(backend) { Kind::Itself } else { Kind::HostPort };
            let address = &self.node_addresses[backend % self.nodes.len()];
            let address = format!("{address}:{}", HOST_PORT + number);
            targets.push((kind, format!("the hostPort of {namespace}/one"), address));
        }
        for (node, address) in self.nodes.iter().zip(&self.node_addresses) {
            let name = format!("the pod in the network of {node}");
            targets.push((Kind::HostNetwork, name, format!("{address}:{HOST_NETWORK}")));
        }
        targets
    }

    /// The question for `explain --queries`.
    pub(crate) fn question(&self, pair: &Pair) -> Value {
        let src = match self.clients[pair.from] {
            Client::Pod(pod) => json!({"ns": PODS[pod].0, "pod": PODS[pod].1}),
            Client::HostNetwork(node) => {
                json!({"ns": BACKENDS[node % BACKENDS.len()].0, "pod": host_pod(node)})
            }
            Client::Node(node) => json!({"ip": self.node_addresses[node]}),
            Client::Outside => json!({"ip": self.outside}),
        };
        let (address, port) = pair.address.rsplit_once(':').unwrap_or_default();
        let dst = pair.host.as_ref().map_or_else(|| json!({"ip": address}), |host| json!({"host": host}));
        json!({
            "id": pair.to, "src": src, "dst": dst,
            "port": port.parse::<u16>().unwrap_or_default(), "protocol": "TCP",
        })
    }

    /// Replaces all policies of the world, and waits until every node enforces them and the agents know them. The
    /// canaries' own policy comes last, and admits in every second round: a node that acts on it has the others too.
    pub(crate) fn enforce(&self, cluster: &Cluster, policies: &[Value], round: u64) -> Result<()> {
        // Without any policy everybody is admitted: the first round must show that the policies are in force.
        let admits = !round.is_multiple_of(2);
        let list = |items: &[Value]| json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
        cluster.kubectl("delete networkpolicy -A -l of=gen --ignore-not-found")?;
        cluster.apply(&list(policies))?;
        cluster.apply(&canary_policy(admits).to_string())?;
        let addresses: Vec<String> = self.canaries.iter().map(|address| format!("{address}:8080")).collect();
        wait::until("every node to enforce the policies", PATIENCE, || {
            let results = tried(cluster, CANARIES, "prober", &addresses).ok()?;
            results.values().all(|connected| *connected == admits).then_some(())
        })?;
        let decision = if admits { "allow" } else { "deny" };
        let nodes = cluster.nodes()?;
        let to = format!("{CANARIES}/{}:8080", nodes[0]);
        for node in &nodes {
            wait::until(&format!("the agent on {node} to know the policies"), PATIENCE, || {
                let question = ["explain", "-o", "json", &format!("{CANARIES}/prober"), &to];
                let answer = cluster.ask_on(node, &question).ok()?;
                answer.stdout.contains(&format!("\"decision\":\"{decision}\"")).then_some(())
            })?;
        }
        Ok(())
    }

    /// Tries all pairs; each client tries its own at once.
    pub(crate) fn try_all(&self, cluster: &Cluster, pairs: &[Pair]) -> Result<Tried> {
        let tried = |from: usize| -> Result<Vec<((usize, String), bool)>> {
            // A name and an address may be the same to the client.
            let addresses: BTreeSet<String> =
                pairs.iter().filter(|pair| pair.from == from).map(|pair| pair.address.clone()).collect();
            let addresses: Vec<String> = addresses.into_iter().collect();
            if addresses.is_empty() {
                return Ok(Vec::new());
            }
            let results = match self.clients[from] {
                Client::Pod(pod) => tried(cluster, PODS[pod].0, PODS[pod].1, &addresses),
                Client::HostNetwork(node) => {
                    tried(cluster, BACKENDS[node % BACKENDS.len()].0, &host_pod(node), &addresses)
                }
                Client::Node(node) => tried_on(cluster, &self.nodes[node], &addresses),
                Client::Outside => tried_on(cluster, CLIENT, &addresses),
            }?;
            Ok(results.into_iter().map(|(address, connected)| ((from, address), connected)).collect())
        };
        thread::scope(|scope| {
            let clients: Vec<_> =
                (0..self.clients.len()).map(|from| scope.spawn(move || tried(from))).collect();
            let mut all = Tried::new();
            for client in clients {
                all.extend(client.join().map_err(|_| anyhow!("a client panicked"))??);
            }
            Ok(all)
        })
    }
}

impl Client {
    /// Only pods with an address of their own have several kinds of connections.
    fn kind(self, kind: Kind) -> Kind {
        match self {
            Self::Pod(_) => kind,
            Self::HostNetwork(_) => Kind::FromHostNetwork,
            Self::Node(_) => Kind::FromNodes,
            Self::Outside => Kind::FromOutside,
        }
    }

    fn is_pod(self, index: usize) -> bool {
        matches!(self, Self::Pod(pod) if pod == index)
    }

    /// The index of the node that it is on.
    fn node(self, nodes: usize) -> Option<usize> {
        match self {
            Self::Pod(pod) => Some(pod % nodes),
            Self::HostNetwork(node) | Self::Node(node) => Some(node),
            Self::Outside => None,
        }
    }
}

impl Service {
    /// Gives a Service its load-balancer address, as its controller would, and returns it.
    fn balanced(
        cluster: &Cluster,
        (namespace, balancer_ip, is_local): (&'static str, &'static str, bool),
    ) -> Result<Self> {
        let name = service_name(is_local);
        let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": balancer_ip}]}}});
        cluster.kubectl(&format!(
            "-n {namespace} patch service {name} --subresource=status --type=merge -p={status}"
        ))?;
        let spec = cluster.get(&format!("service -n {namespace} {name}"))?["spec"].take();
        let cluster_ip = spec["clusterIP"].as_str().context("no address")?.to_owned();
        let node_port = spec["ports"][0]["nodePort"].as_u64().context("no node port")?;
        let backend = backend(namespace);
        Ok(Self { namespace, name, cluster_ip, balancer_ip, node_port, is_local, backend })
    }

    /// The addresses by which a client can reach it. With traffic policy `Local`, kube-proxy drops what arrives at a node
    /// without a backend, which says nothing about policies.
    fn ways(&self, client: Client, nodes: &[String]) -> Vec<(Kind, String)> {
        let local = |kind| if self.is_local { Kind::Local } else { kind };
        let own = client.node(nodes.len());
        let mut ways = Vec::new();
        if own.is_some() {
            ways.push((local(Kind::Services), format!("{}:80", self.cluster_ip)));
            ways.push((local(Kind::Balancer), format!("{}:80", self.balancer_ip)));
        }
        let reachable = nodes.iter().enumerate();
        let reachable = reachable.filter(|(node, _)| !self.is_local || *node == self.backend % nodes.len());
        ways.extend(reachable.map(|(node, address)| {
            let kind = if own == Some(node) { Kind::OwnNode } else { Kind::OtherNode };
            (local(kind), format!("{address}:{}", self.node_port))
        }));
        ways
    }
}

/// The index of pod `one` of a namespace.
fn backend(namespace: &str) -> usize {
    PODS.iter().position(|(of, name, ..)| *of == namespace && *name == "one").unwrap_or_default()
}

fn balanced() -> impl Iterator<Item = (&'static str, &'static str, bool)> {
    let of = |is_local: bool| {
        move |(namespace, ips): (_, [_; 2])| (namespace, ips[usize::from(is_local)], is_local)
    };
    BACKENDS.into_iter().map(of(false)).chain(BACKENDS.into_iter().map(of(true)))
}

fn service_name(is_local: bool) -> &'static str {
    if is_local { "local" } else { "entry" }
}

fn host_pod(node: usize) -> String {
    format!("host-{node}")
}

/// All pods and Services.
fn objects(nodes: &[String]) -> Vec<Value> {
    let mut items: Vec<Value> = PODS
        .iter()
        .zip(nodes.iter().cycle())
        .map(|((namespace, name, app, tier), node)| {
            peer(namespace, name, &json!({"app": app, "tier": tier}), node)
        })
        .collect();
    for (port, (namespace, _)) in (HOST_PORT..).zip(BACKENDS) {
        items[backend(namespace)]["spec"]["containers"][0]["ports"][0]["hostPort"] = json!(port);
    }
    for (namespace, _) in BACKENDS {
        let spec = &mut items[backend(namespace)]["spec"];
        spec["hostname"] = json!("one");
        spec["subdomain"] = json!(HEADLESS);
    }
    for (number, node) in nodes.iter().enumerate() {
        let namespace = BACKENDS[number % BACKENDS.len()].0;
        let mut pod = peer(namespace, &host_pod(number), &json!({"app": "y", "tier": "front"}), node);
        pod["spec"]["hostNetwork"] = json!(true);
        pod["spec"]["containers"][0]["ports"] = json!([]);
        pod["spec"]["containers"][0]["args"] = json!(["serve", format!(":{HOST_NETWORK}")]);
        items.push(pod);
    }
    items.extend(nodes.iter().map(|node| peer(CANARIES, node, &json!({"app": "canary"}), node)));
    items.push(peer(CANARIES, "prober", &json!({"app": "prober"}), &nodes[0]));
    items.extend(balanced().map(|(namespace, _, is_local)| service(namespace, is_local)));
    items.extend(BACKENDS.map(|(namespace, _)| headless(namespace)));
    items
}

/// Its class keeps MetalLB away from it.
fn service(namespace: &str, is_local: bool) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"namespace": namespace, "name": service_name(is_local)},
        "spec": {
            "type": "LoadBalancer", "loadBalancerClass": "scenarios/nobody", "selector": {"app": "x"},
            "externalTrafficPolicy": if is_local { "Local" } else { "Cluster" },
            "ports": [{"port": 80, "targetPort": 8080}],
        },
    })
}

fn headless(namespace: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": HEADLESS},
        "spec": {"clusterIP": "None", "selector": {"app": "x"}, "ports": [{"port": 80, "targetPort": 8080}]},
    })
}

/// The address of the host on the LAN.
fn outside(cluster: &Cluster) -> Result<String> {
    let printed = cluster.on(CLIENT, "ip -json -4 addr show dev eth0")?;
    let links: Value = serde_json::from_str(&printed)?;
    links[0]["addr_info"][0]["local"].as_str().map(str::to_owned).context("a client without an address")
}

fn canary_policy(admits: bool) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"namespace": CANARIES, "name": "canary"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "canary"}}, "policyTypes": ["Ingress"],
            "ingress": if admits { json!([{}]) } else { json!([]) },
        },
    })
}

/// Lets a pod connect to addresses.
fn tried(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    addresses: &[String],
) -> Result<BTreeMap<String, bool>> {
    let printed =
        cluster.kubectl(&format!("-n {namespace} exec {name} -- /peer try {}", addresses.join(" ")))?;
    results(&printed, addresses).with_context(|| format!("{namespace}/{name}"))
}

/// Lets a node, or a host of the LAN, connect to addresses.
fn tried_on(cluster: &Cluster, place: &str, addresses: &[String]) -> Result<BTreeMap<String, bool>> {
    let peer = cluster.dir().join("bin/peer");
    let printed = cluster.on(place, &format!("{} try {}", peer.display(), addresses.join(" ")))?;
    results(&printed, addresses).with_context(|| place.to_owned())
}

fn results(printed: &str, addresses: &[String]) -> Result<BTreeMap<String, bool>> {
    let results: BTreeMap<String, bool> = printed
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(address, result)| (address.to_owned(), result == "connected"))
        .collect();
    ensure!(results.len() == addresses.len(), "tried {} of {}", results.len(), addresses.len());
    Ok(results)
}
