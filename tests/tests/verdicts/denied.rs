//! Refusals by policy, each with the sentence that explains it.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lab::agent::Agent;
use lab::cluster::ServiceSpec;
use lab::findings::says;
use lab::firewall::{Firewall, Refusal};
use lab::pod::Pod;
use lab::service;
use lab::traffic::burst::{self, Lane};
use lab::traffic::{Server, connect, connect_within};
use lab::world::World;
use serde_json::{Value, json};

const NAME: &str = "app.kubernetes.io/name";

/// Makes a refused connection, and returns its record.
fn refused(agent: &Agent, client: &Pod, to: SocketAddr) -> Value {
    let error = connect(&client.ns, to).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{to}");
    let ip = to.ip().to_string();
    let record = agent.wait_flow("kind=attempt", |r| r["dst"]["ip"] == ip.as_str()).unwrap();
    assert_eq!(record["outcome"], "rejected", "{record}");
    record
}

/// Checks that the record's verdict and the finding agree: denied in `direction` by `policy`, for the reason in
/// `parts`.
fn assert_denied(agent: &Agent, record: &Value, direction: &str, policy: &str, parts: &[&str]) -> Value {
    let verdict = &record["verdict"];
    assert_eq!(verdict["decision"], "deny", "{record}");
    assert_eq!(verdict["direction"], direction, "{record}");
    assert_eq!(verdict["policies"], json!([policy]), "{record}");
    assert!(says(&verdict["explanation"], parts), "{record}");
    let found = agent.wait_finding("policy_denied", "active", |_| true).unwrap();
    assert_eq!(found["policies"], json!([policy]), "{found}");
    assert!(says(&found["summary"], parts), "{found}");
    assert_eq!(agent.findings().unwrap().len(), 1, "{}", agent.shown_findings());
    found
}

/// The kubelet reports a pod's address after the pod's first connections.
#[test]
fn a_pod_that_is_known_only_after_it_was_refused() {
    let world = World::new().unwrap();
    let store = world.pod("data", "store").unwrap();
    world.cluster.namespace("web").unwrap();
    world.cluster.apply(&lab::policy::admitting("data", "lockdown", &["batch"])).unwrap();
    let agent = world.agent(&[]).unwrap();
    let front = world.node.add_pod("web", "front-6b55489545-v4jvv").unwrap();
    agent.wait_metric("interfaces_followed", &[("role", "pod")], 2.0).unwrap();
    connect(&front.ns, store.at(8080)).unwrap_err();
    world.cluster.pod(&world.node.name, &front).unwrap();
    let record = agent.wait_flow("kind=attempt", |r| r["dst"]["port"] == 8080).unwrap();
    assert_eq!(record["src"]["pod"], front.name.as_str(), "{record}");
    let parts = ["web/front can't reach data/store:8080", "no rule admits namespace web"];
    assert_denied(&agent, &record, "ingress", "data/lockdown", &parts[1..]);
    let found = agent.findings_of("policy_denied", "active").unwrap();
    assert!(says(&found[0]["summary"], &parts), "{found:?}");
}

/// The policy selects `immich-server`, and the pod's label is `server`.
#[test]
fn a_label_that_no_pod_has() {
    let world = World::new().unwrap();
    let client = world.pod_labelled("immich", "immich-server", &[(NAME, "server")]).unwrap();
    let valkey = world.pod_labelled("immich", "immich-valkey", &[(NAME, "valkey")]).unwrap();
    let _serving = Server::start(&valkey.ns, 6379).unwrap();
    let vip: IpAddr = "10.43.180.27".parse().unwrap();
    let spec = ServiceSpec {
        namespace: "immich",
        name: "immich-valkey",
        cluster_ips: &[vip],
        port: 6379,
        target_port: 6379,
    };
    world.service(&spec, &valkey).unwrap();
    world
        .cluster
        .apply_yaml(
            "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: immich, name: allow-valkey}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/name: valkey}}
  policyTypes: [Ingress]
  ingress:
    - from: [{podSelector: {matchLabels: {app.kubernetes.io/name: immich-server}}}]
      ports: [{protocol: TCP, port: 6379}]",
        )
        .unwrap();
    let _firewall = Firewall::new(&world.node, &valkey, (6379, 6379), Refusal::PortUnreachable).unwrap();
    let agent = world.agent(&[]).unwrap();
    let parts = [
        "NetworkPolicy immich/allow-valkey",
        "app.kubernetes.io/name=immich-server",
        "app.kubernetes.io/name=server",
    ];
    for to in [(vip, 6379).into(), valkey.at6(6379)] {
        let record = refused(&agent, &client, to);
        assert_denied(&agent, &record, "ingress", "immich/allow-valkey", &parts);
    }
    agent.wait_finding("policy_denied", "active", |f| f["count"] == 2).unwrap();
}

/// The widget connects to Immich at 2283; the policy has the usual ports.
#[test]
fn a_port_that_was_forgotten() {
    let world = World::new().unwrap();
    let homepage = world.pod("homepage", "homepage").unwrap();
    let immich = world.pod("immich", "immich-server").unwrap();
    let _serving = Server::start(&immich.ns, 2283).unwrap();
    world
        .cluster
        .apply_yaml(
            "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: homepage, name: allow-apps}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: immich}}}]
      ports: [{protocol: TCP, port: 80}, {protocol: TCP, port: 443}]",
        )
        .unwrap();
    let firewall = Firewall::egress(&world.node, &homepage, (80, 443), Refusal::PortUnreachable).unwrap();
    firewall.allow_pod(&immich).unwrap();
    let agent = world.agent(&[]).unwrap();
    let record = refused(&agent, &homepage, immich.at(2283));
    assert_denied(&agent, &record, "egress", "homepage/allow-apps", &["port 2283 is not among 80, 443"]);
}

#[test]
fn default_deny_with_nothing_allowed() {
    let world = World::new().unwrap();
    let (nightscout, ferretdb) =
        (world.pod("nightscout", "nightscout").unwrap(), world.pod("nightscout", "ferretdb").unwrap());
    let _serving = Server::start(&ferretdb.ns, 27017).unwrap();
    world
        .cluster
        .apply_yaml(
            "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: nightscout, name: default-deny}
spec: {podSelector: {}, policyTypes: [Ingress]}",
        )
        .unwrap();
    let _firewall = Firewall::new(&world.node, &ferretdb, (1, u16::MAX), Refusal::PortUnreachable).unwrap();
    let agent = world.agent(&[]).unwrap();
    let record = refused(&agent, &nightscout, ferretdb.at(27017));
    assert_denied(&agent, &record, "ingress", "nightscout/default-deny", &["default deny"]);
}

/// Policies apply after DNAT, so an egress rule for a ClusterIP never matches.
#[test]
fn the_api_server_behind_its_cluster_ip() {
    let world = World::new().unwrap();
    let operator = world.pod("database", "cnpg-operator").unwrap();
    let control = world.lan.host(&world.guard, "control", 101).unwrap();
    let _serving = Server::start(&control.ns, 6443).unwrap();
    world.cluster.apply_yaml(API_SERVER).unwrap();
    world.cluster.apply_yaml(API_EGRESS).unwrap();
    let api: SocketAddr = "10.43.0.1:443".parse().unwrap();
    service::forward(&world.node, api, (control.ip4, 6443).into()).unwrap();
    let firewall = Firewall::egress(&world.node, &operator, (6443, 6443), Refusal::PortUnreachable).unwrap();
    let agent = world.agent(&[]).unwrap();
    let record = refused(&agent, &operator, api);
    assert_eq!(record["dst"]["service"], "default/kubernetes", "{record}");
    assert_eq!(record["dst"]["backend_ip"], "10.0.20.101", "{record}");
    let parts = ["NetworkPolicy database/allow-k8s-api-egress", "10.43.0.1/32", "10.0.20.101"];
    assert_denied(&agent, &record, "egress", "database/allow-k8s-api-egress", &parts);

    world.cluster.apply_yaml(&format!("{API_EGRESS}{API_EGRESS_BACKENDS}")).unwrap();
    firewall.allow(control.ip4.into()).unwrap();
    agent.wait_finding("policy_denied", "resolved", |_| true).unwrap();
    connect(&operator.ns, api).unwrap().echo().unwrap();
    let open = agent.wait_flow("kind=attempt", |r| r["outcome"] == "established").unwrap();
    assert_eq!(open["verdict"]["decision"], "allow", "{open}");
}

const API_SERVER: &str = "\
apiVersion: v1
kind: Node
metadata: {name: control1}
status: {addresses: [{type: InternalIP, address: 10.0.20.101}]}
---
apiVersion: v1
kind: Service
metadata: {namespace: default, name: kubernetes}
spec: {clusterIP: 10.43.0.1, clusterIPs: [10.43.0.1], ports: [{name: https, protocol: TCP, port: 443, targetPort: 6443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: default, name: kubernetes, labels: {kubernetes.io/service-name: kubernetes}}
addressType: IPv4
endpoints: [{addresses: [10.0.20.101], conditions: {ready: true}}]
ports: [{name: https, protocol: TCP, port: 6443}]";

const API_EGRESS: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: database, name: allow-k8s-api-egress}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to: [{ipBlock: {cidr: 10.43.0.1/32}}]
      ports: [{protocol: TCP, port: 443}]
";

const API_EGRESS_BACKENDS: &str = "
    - to: [{ipBlock: {cidr: 10.0.20.101/32}}]
      ports: [{protocol: TCP, port: 6443}]
";

/// A client, and a server whose policy refuses it.
fn denied_pair(world: &World, refusal: Refusal) -> (Pod, Pod, Firewall) {
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    world.cluster.apply(&lab::policy::admitting("data", "lockdown", &["batch"])).unwrap();
    let firewall = Firewall::new(&world.node, &server, (1, u16::MAX), refusal).unwrap();
    (client, server, firewall)
}

#[test]
fn a_firewall_that_drops_in_silence() {
    let world = World::new().unwrap();
    let (client, server, _firewall) = denied_pair(&world, Refusal::Drop);
    let agent = world.agent(&[]).unwrap();
    connect_within(&client.ns, server.at(8080), Duration::from_millis(500)).unwrap_err();
    let record = agent.wait_flow("kind=attempt", |_| true).unwrap();
    assert_eq!(record["outcome"], "unanswered", "{record}");
    assert_denied(&agent, &record, "ingress", "data/lockdown", &["no rule admits namespace web", "batch"]);
}

#[test]
fn a_storm_is_one_finding() {
    const ATTEMPTS: u32 = 2_000;
    let world = World::new().unwrap();
    let (client, server, _firewall) = denied_pair(&world, Refusal::PortUnreachable);
    let agent = world.agent(&[]).unwrap();
    let lane = Lane { client: client.ns.clone(), to: server.at(8080), count: ATTEMPTS };
    assert_eq!(burst::run(&[lane]).unwrap()[0].refused, ATTEMPTS);
    let found = agent.wait_finding("policy_denied", "active", |f| f["count"] == ATTEMPTS).unwrap();
    assert_eq!(agent.findings().unwrap().len(), 1, "{}", agent.shown_findings());
    let evidence = found["evidence"].as_array().unwrap().len();
    assert!((1..=50).contains(&evidence), "a few examples, not {evidence}");
    let labels = [("outcome", "rejected"), ("verdict", "deny")];
    agent.wait_metric("connection_attempts_total", &labels, f64::from(ATTEMPTS)).unwrap();
}
