//! What names stand for: Services without ClusterIPs, aliases, DNS names, workloads without pods.

use std::sync::Arc;

use flow_model::inventory::{Inventory, Pod, Workload};
use flow_model::network::LocalDns;
use flow_model::testing::clusters::{cluster, node, pod, service};
use flow_model::testing::policy;
use rstest::rstest;

use super::*;

fn world() -> Inventory {
    let db = |n: u8| {
        let ip = format!("10.42.0.1{n}");
        let mut pod = pod("data", &format!("db-{n}"), &[&ip]).on("n1").port("pg", "TCP", 5432);
        pod.labels.insert("set".into(), "db".into());
        pod
    };
    let mut headless = service("data", "db", &[])
        .serving("pg:80/TCP")
        .backed_by("db-0=10.42.0.10:5432")
        .backed_by("db-1=10.42.0.11:5432");
    headless.headless = true;
    headless.ports[0].target_port = Some("pg".into());
    let mut without_ports = service("data", "bare", &[]);
    (without_ports.headless, without_ports.selector) = (true, [("set".into(), "db".into())].into());
    let alias = |name: &str, to: &str| {
        let mut alias = service("web", name, &[]);
        alias.external_name = Some(to.into());
        alias
    };
    let mut balanced =
        service("data", "edge", &["10.43.0.9"]).serving(":443/TCP").backed_by("db-0=10.42.0.10:8443");
    balanced.external_ips = vec!["198.51.100.44".parse().unwrap()];
    balanced.source_ranges = vec!["203.0.113.0/28".parse().unwrap()];
    balanced.proxied_ips = vec!["198.51.100.80".parse().unwrap()];
    balanced.vips = vec!["198.51.100.44".parse().unwrap(), "198.51.100.80".parse().unwrap()];
    balanced.external_local = true;
    let mut dns = service("kube-system", "kube-dns", &["10.43.0.10"])
        .serving("dns:53/UDP")
        .backed_by("dns=10.42.0.53:53");
    dns.labels.insert("k8s-app".into(), "kube-dns".into());
    let services = [
        headless,
        without_ports,
        balanced,
        dns,
        service("data", "one", &["10.43.0.2"]).serving(":5432/TCP").backed_by("!db-0=10.42.0.10:5432"),
        alias("far", "db.example.org"),
        alias("near", "one.data.svc.cluster.local."),
        alias("chain", "near.web.svc.cluster.local"),
        alias("ring", "ring.web.svc.cluster.local"),
    ];
    let client = pod("web", "front", &["10.42.0.5"]).on("n1");
    let dns = pod("kube-system", "dns", &["10.42.0.53"]).on("n1");
    let mut node = node("n1", &["192.168.1.1"]);
    node.pod_cidrs = vec!["10.42.0.0/24".into()];
    let mut inventory = cluster([client, dns, db(0), db(1)], services, [node])
        .policy(policy("data", "db").on("set=db").ingress(&["ns(kubernetes.io/metadata.name=web) : 5432"]))
        .inventory;
    let job = |name: &str, kind: &str, labels: &str| Pod {
        ips: Vec::new(),
        labels: flow_model::testing::labels(labels),
        workload: Workload { kind: kind.into(), name: name.into() },
        ..pod("data", name, &[])
    };
    inventory.templates = vec![Arc::new(job("nightly", "CronJob", "set=db"))];
    inventory
}

fn answered(inventory: Inventory, from: &str, to: &str) -> String {
    match Explainer::new(Arc::new(inventory)).answer(&Query::parse(from, to).unwrap()) {
        Ok(answer) => {
            let decision = answer.verdict.decision;
            format!("{decision} {}: {}; {}", answer.dst, answer.verdict.explanation, answer.notes.join("; "))
        }
        Err(error) => error.to_string(),
    }
}

#[rstest]
#[case::headless_keeps_the_port("data/db:80", "deny data/db:80/TCP (2 backends)")]
#[case::headless_says_so("data/db:80", "nobody replaces port 80 by targetPort pg")]
#[case::headless_at_any_port("data/db:5432", "allow data/db:5432/TCP (2 backends)")]
#[case::headless_by_the_name_of_the_port("data/db:pg", "allow data/db:80/TCP (2 backends)")]
#[case::headless_without_ports("data/bare:5432", "allow data/bare:5432/TCP (2 backends)")]
#[case::dns_name("one.data.svc.cluster.local:5432", "allow data/db-0:5432/TCP")]
#[case::dns_name_with_a_dot("one.data.svc.cluster.local.:5432", "allow data/db-0:5432/TCP")]
#[case::other_domain("one.data.svc.k8s.test:5432", "k8s.test is taken for the cluster's domain")]
#[case::short("one.data:5432", "allow data/db-0:5432/TCP")]
#[case::own_namespace("near:5432", "allow data/db-0:5432/TCP")]
#[case::pod_behind("db-1.db.data.svc.cluster.local:5432", "allow data/db-1:5432/TCP")]
#[case::pod_by_address("10-42-0-11.db.data.svc:5432", "allow data/db-1:5432/TCP")]
#[case::no_such_service(
    "two.data.svc.cluster.local:5432",
    "there is no Service data/two; write NAMESPACE/NAME"
)]
#[case::kind("svc/near:5432", "allow data/db-0:5432/TCP")]
#[case::url("postgres://user:secret@one.data:5432/app?sslmode=off", "allow data/db-0:5432/TCP")]
#[case::url_without_port("postgres://one.data/app", "allow data/db-0:5432/TCP")]
#[case::outside("api.example.org:443", "allow api.example.org:443/TCP (outside the cluster)")]
#[case::alias("web/near:5432", "Service web/near is an alias (ExternalName) for one.data.svc.cluster.local")]
#[case::alias_is_followed("web/near:5432", "allow data/db-0:5432/TCP")]
#[case::chain_of_aliases("web/chain:5432", "allow data/db-0:5432/TCP")]
#[case::ring_of_aliases("web/ring:5432", "is an alias that leads back to itself")]
#[case::alias_for_outside("web/far:5432", "allow db.example.org:5432/TCP (outside the cluster)")]
#[case::nobody_ready("data/one:5432", "no backend of Service data/one is ready")]
#[case::proxy_mode(
    "198.51.100.80:443",
    "unknown 198.51.100.80:443/TCP (outside the cluster): not known: 198.51.100.80 is a load balancer's address of Service data/edge with ipMode Proxy"
)]
#[case::workload_without_pods("data/nightly:5432", "it is judged by the labels of its pod template")]
#[case::workload_without_pods_is_judged("data/nightly:5433", "deny data/nightly:5433/TCP")]
fn from_a_pod(#[case] to: &str, #[case] says: &str) {
    let answer = answered(world(), "web/front", to);
    assert!(answer.contains(says), "{answer}");
}

#[test]
fn source_ranges_are_told_to_those_outside() {
    let open = || Inventory { policies: Default::default(), ..world() };
    let says = "is not in loadBalancerSourceRanges of Service data/edge (203.0.113.0/28)";
    assert!(answered(open(), "203.0.113.99", "198.51.100.44:443").contains(says));
    assert!(answered(open(), "web/front", "198.51.100.44:443").contains(says));
    assert!(!answered(open(), "203.0.113.5", "198.51.100.44:443").contains(says));
    assert!(!answered(open(), "web/front", "data/edge:443").contains(says));
}

#[rstest]
#[case::at_its_address(&["10.43.0.10"], "10.43.0.10/32", "allow")]
#[case::only_the_pods(&["10.43.0.10"], "ns()", "unknown")]
#[case::elsewhere(&["169.254.20.10"], "ns()", "allow")]
#[case::elsewhere_by_address(&["169.254.20.10"], "10.43.0.10/32", "deny")]
#[case::mode_not_known(&[], "10.43.0.10/32", "unknown")]
#[case::mode_does_not_matter(&[], "10.43.0.10/32 ns()", "allow")]
fn a_dns_cache_on_the_node_may_answer(#[case] listens: &[&str], #[case] rule: &str, #[case] decision: &str) {
    let mut world = world();
    world.local_dns = Some(LocalDns { ips: listens.iter().map(|ip| ip.parse().unwrap()).collect() });
    world.policies.namespaced.push(Arc::new(policy("web", "out").egress(&[&format!("{rule} : udp/53")])));
    let answer = answered(world, "web/front", "10.43.0.10:53/UDP");
    assert!(answer.starts_with(decision), "{answer}");
}
