//! The pods between which connections are tried, and the canaries that show when a set of policies is enforced.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use lab::real::{Cluster, PATIENCE, peer};
use lab::wait;
use serde_json::{Value, json};

use super::{Pair, Tried};

const NAMESPACES: &str = include_str!("../manifests/world.yaml");
const CANARIES: &str = "gen-canary";
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

/// The running pods, in the order of [`PODS`], and what else has an address.
#[derive(Debug)]
pub(crate) struct World {
    addresses: Vec<String>,
    /// By namespace.
    services: BTreeMap<String, String>,
    /// By namespace; the same on each node.
    node_ports: BTreeMap<String, u64>,
    nodes: Vec<String>,
    canaries: Vec<String>,
}

impl World {
    pub(crate) fn start(cluster: &Cluster) -> Result<Self> {
        let nodes = cluster.nodes()?;
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
        items.extend(["gen-a", "gen-b", "gen-c"].map(service));
        cluster.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())?;
        for namespace in ["gen-a", "gen-b", "gen-c", CANARIES] {
            cluster.kubectl(&format!("-n {namespace} wait --for=condition=Ready pod --all --timeout=90s"))?;
        }
        let address = |namespace: &str, name: &str| -> Result<String> {
            let pod = cluster.get(&format!("pod -n {namespace} {name}"))?;
            pod["status"]["podIP"].as_str().map(str::to_owned).context("a pod without an address")
        };
        let (mut services, mut node_ports) = (BTreeMap::new(), BTreeMap::new());
        for namespace in ["gen-a", "gen-b", "gen-c"] {
            let spec = cluster.get(&format!("service -n {namespace} entry"))?["spec"].take();
            services.insert(namespace.to_owned(), spec["clusterIP"].as_str().unwrap_or_default().to_owned());
            node_ports
                .insert(namespace.to_owned(), spec["ports"][0]["nodePort"].as_u64().context("no node port")?);
        }
        Ok(Self {
            addresses: PODS
                .iter()
                .map(|(namespace, name, ..)| address(namespace, name))
                .collect::<Result<_>>()?,
            services,
            node_ports,
            nodes: cluster.node_addresses()?,
            canaries: nodes.iter().map(|node| address(CANARIES, node)).collect::<Result<_>>()?,
        })
    }

    pub(crate) fn stop(&self, cluster: &Cluster) -> Result<()> {
        for namespace in ["gen-a", "gen-b", "gen-c", CANARIES] {
            cluster.delete_namespace(namespace)?;
        }
        Ok(())
    }

    pub(crate) fn name(&self, index: usize) -> String {
        let (namespace, name, ..) = PODS[index];
        format!("{namespace}/{name} ({})", self.addresses[index])
    }

    /// Every pod to every other, at both ports.
    pub(crate) fn pod_pairs(&self) -> Vec<Pair> {
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

    /// Every pod to every Service.
    pub(crate) fn service_pairs(&self) -> Vec<Pair> {
        let services = |from| {
            self.services.iter().map(move |(namespace, address)| Pair {
                from,
                to: format!("{namespace}/entry:80"),
                address: format!("{address}:80"),
            })
        };
        (0..PODS.len()).flat_map(services).collect()
    }

    /// Every pod to every Service's port on every node.
    pub(crate) fn node_port_pairs(&self) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for from in 0..PODS.len() {
            for (namespace, port) in &self.node_ports {
                pairs.extend(self.nodes.iter().map(|node| Pair {
                    from,
                    to: format!("{namespace}/entry by {node}:{port}"),
                    address: format!("{node}:{port}"),
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
        let admits = round.is_multiple_of(2);
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
        let to = format!("{CANARIES}/{}:8080", cluster.nodes()?[0]);
        wait::until("the agents to know the policies", PATIENCE, || {
            let answer = cluster
                .ask(&["explain", "--all-nodes", "-o", "json", &format!("{CANARIES}/prober"), &to])
                .ok()?;
            answer.stdout.contains(&format!("\"decision\":\"{decision}\"")).then_some(())
        })
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

fn service(namespace: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": "entry"},
        "spec": {"type": "NodePort", "selector": {"app": "x"}, "ports": [{"port": 80, "targetPort": 8080}]},
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
