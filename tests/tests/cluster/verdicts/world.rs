//! The pods between which connections are tried, and the canaries that show when a set of policies is enforced.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use lab::real::{Cluster, PATIENCE, peer};
use lab::wait;
use serde_json::{Value, json};

use super::{Pair, Tried};

const NAMESPACES: &str = include_str!("../manifests/world.yaml");
const CANARIES: &str = "gen-canary";
/// All namespaces of the world.
pub(crate) const ALL: [&str; 4] = ["gen-a", "gen-b", "gen-c", CANARIES];
/// The namespaces with pods, a Service in each, and its load-balancer address.
const SERVICES: [(&str, &str); 3] =
    [("gen-a", "203.0.113.1"), ("gen-b", "203.0.113.2"), ("gen-c", "203.0.113.3")];
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
/// The number of kinds of connections.
pub(crate) const KINDS: usize = 6;

/// The running pods, in the order of [`PODS`], and what else has an address.
#[derive(Debug)]
pub(crate) struct World {
    addresses: Vec<String>,
    /// In the order of [`SERVICES`].
    services: Vec<Service>,
    nodes: Vec<String>,
    canaries: Vec<String>,
}

/// The Service of a namespace, whose only backend is pod `one`.
#[derive(Debug)]
struct Service {
    namespace: &'static str,
    cluster_ip: String,
    balancer_ip: &'static str,
    /// The same on each node.
    node_port: u64,
}

impl World {
    pub(crate) fn start(cluster: &Cluster) -> Result<Self> {
        let nodes = cluster.nodes()?;
        cluster.label_agents()?;
        cluster.apply(NAMESPACES)?;
        let mut items: Vec<Value> = PODS
            .iter()
            .zip(nodes.iter().cycle())
            .map(|((namespace, name, app, tier), node)| {
                peer(namespace, name, &json!({"app": app, "tier": tier}), node)
            })
            .collect();
        items.extend(nodes.iter().map(|node| peer(CANARIES, node, &json!({"app": "canary"}), node)));
        items.push(peer(CANARIES, "prober", &json!({"app": "prober"}), &nodes[0]));
        items.extend(SERVICES.map(|(namespace, _)| service(namespace)));
        cluster.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())?;
        for namespace in ALL {
            cluster.kubectl(&format!("-n {namespace} wait --for=condition=Ready pod --all --timeout=90s"))?;
        }
        let address = |namespace: &str, name: &str| -> Result<String> {
            let pod = cluster.get(&format!("pod -n {namespace} {name}"))?;
            pod["status"]["podIP"].as_str().map(str::to_owned).context("a pod without an address")
        };
        let addresses: Result<_> =
            PODS.iter().map(|(namespace, name, ..)| address(namespace, name)).collect();
        let services: Result<_> = SERVICES.into_iter().map(|row| Service::balanced(cluster, row)).collect();
        let canaries: Result<_> = nodes.iter().map(|node| address(CANARIES, node)).collect();
        Ok(Self {
            addresses: addresses?,
            services: services?,
            nodes: cluster.node_addresses()?,
            canaries: canaries?,
        })
    }

    pub(crate) fn name(&self, index: usize) -> String {
        let (namespace, name, ..) = PODS[index];
        format!("{namespace}/{name} ({})", self.addresses[index])
    }

    /// The connections by kind: from pod to pod; through Services; from a pod to itself through its Service; through a
    /// port of the client's own node; through a port of another node; through a load balancer's address.
    pub(crate) fn kinds(&self) -> [Vec<Pair>; KINDS] {
        let mut kinds = <[Vec<Pair>; KINDS]>::default();
        kinds[0] = self.pod_pairs();
        for (from, (namespace, name, ..)) in PODS.iter().enumerate() {
            let own = from % self.nodes.len();
            for service in &self.services {
                let itself = *namespace == service.namespace && *name == "one";
                let pair =
                    |address: String| Pair { from, to: format!("{}/entry", service.namespace), address };
                kinds[if itself { 2 } else { 1 }].push(pair(format!("{}:80", service.cluster_ip)));
                kinds[if itself { 2 } else { 5 }].push(pair(format!("{}:80", service.balancer_ip)));
                for (node, address) in self.nodes.iter().enumerate() {
                    let by_node = pair(format!("{address}:{}", service.node_port));
                    kinds[if node != own {
                        4
                    } else if itself {
                        2
                    } else {
                        3
                    }]
                    .push(by_node);
                }
            }
        }
        kinds
    }

    /// Every pod to every other, at both ports.
    fn pod_pairs(&self) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for from in 0..PODS.len() {
            for to in (0..PODS.len()).filter(|to| *to != from) {
                let (namespace, name, ..) = PODS[to];
                pairs.extend(PORTS.map(|port| Pair {
                    from,
                    to: format!("{namespace}/{name}:{port}"),
                    address: format!("{}:{port}", self.addresses[to]),
                }));
            }
        }
        pairs
    }

    /// The question for `explain --queries`.
    pub(crate) fn question(&self, pair: &Pair) -> Value {
        let (namespace, name, ..) = PODS[pair.from];
        let (address, port) = pair.address.rsplit_once(':').unwrap_or_default();
        json!({
            "id": pair.to, "src": {"ns": namespace, "pod": name}, "dst": {"ip": address},
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
        let mut all = Tried::new();
        for (from, (namespace, name, ..)) in PODS.iter().enumerate() {
            let addresses: Vec<String> =
                pairs.iter().filter(|pair| pair.from == from).map(|pair| pair.address.clone()).collect();
            if addresses.is_empty() {
                continue;
            }
            let results = tried(cluster, namespace, name, &addresses)?;
            all.extend(results.into_iter().map(|(address, connected)| ((from, address), connected)));
        }
        Ok(all)
    }
}

impl Service {
    /// Gives the Service of a namespace its load-balancer address, as its controller would, and returns it.
    fn balanced(cluster: &Cluster, (namespace, balancer_ip): (&'static str, &'static str)) -> Result<Self> {
        let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": balancer_ip}]}}});
        cluster.kubectl(&format!(
            "-n {namespace} patch service entry --subresource=status --type=merge -p={status}"
        ))?;
        let spec = cluster.get(&format!("service -n {namespace} entry"))?["spec"].take();
        let cluster_ip = spec["clusterIP"].as_str().context("no address")?.to_owned();
        let node_port = spec["ports"][0]["nodePort"].as_u64().context("no node port")?;
        Ok(Self { namespace, cluster_ip, balancer_ip, node_port })
    }
}

/// Its class keeps MetalLB away from it.
fn service(namespace: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": "entry"},
        "spec": {
            "type": "LoadBalancer", "loadBalancerClass": "scenarios/nobody", "selector": {"app": "x"},
            "ports": [{"port": 80, "targetPort": 8080}],
        },
    })
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
    let results: BTreeMap<String, bool> = printed
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(address, result)| (address.to_owned(), result == "connected"))
        .collect();
    ensure!(
        results.len() == addresses.len(),
        "{namespace}/{name} tried {} of {}",
        results.len(),
        addresses.len()
    );
    Ok(results)
}
