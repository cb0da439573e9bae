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
        alias("short", "mysql"),
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
#[case::no_name_of_a_pod("db-0.data.pod.cluster.local:5432", "is no DNS name of the cluster")]
#[case::no_name_of_a_pod_in_short("db-0.data.pod:5432", "is no DNS name of the cluster")]
#[case::too_many_labels("a.b.c.d.data.svc.cluster.local:5432", "is no DNS name of the cluster")]
#[case::nothing_of_the_cluster("mysql.cluster.local:5432", "is no DNS name of the cluster")]
#[case::alias_for_a_short_name("web/short:5432", "`mysql` is no DNS name of the cluster")]
#[case::a_pod_outside("a.pod.example.org:443", "allow a.pod.example.org:443/TCP (outside the cluster)")]
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

#[rstest]
#[case::short_name("203.0.113.9", "db:5432", "looked up in the client's, and there is none")]
#[case::source("db-0.data.pod.cluster.local", "8.8.8.8:53", "is no DNS name of the cluster")]
#[case::source_outside("www.example.org", "8.8.8.8:53", "allow")]
fn names_without_a_namespace(#[case] from: &str, #[case] to: &str, #[case] says: &str) {
    let answer = answered(world(), from, to);
    assert!(answer.contains(says), "{answer}");
}

/// One pod stands for all, but another replica is no client that can't block itself.
#[test]
fn a_workload_without_pods_is_not_one_pod() {
    let mut world = world();
    let finished = Pod { finished: true, ..pod("data", "done-1", &[]) };
    let workload = Workload { kind: "Job".into(), name: "done".into() };
    world.pods.push(Arc::new(Pod { workload, ..finished }));
    world.policies.namespaced.push(Arc::new(policy("data", "closed").ingress(&[])));
    for name in ["data/nightly", "data/done"] {
        let answer = answered(world.clone(), name, &format!("{name}:5432"));
        assert!(answer.starts_with("deny"), "{answer}");
    }
    let answer = answered(world, "data/done-1", "data/done-1:5432");
    assert!(answer.starts_with("allow"), "{answer}");
}

/// kube-proxy keeps the ranges of each address family apart, and a connection has one.
#[rstest]
#[case::its_v4_address_is_admitted(&["203.0.113.5", "2001:db8::5"], &["203.0.113.0/28"], None)]
#[case::its_v4_address_is_not(&["203.0.113.99", "2001:db8::5"], &["203.0.113.0/28", "2001:db8::/64"], Some("IPv4"))]
#[case::no_range_of_the_family(&["203.0.113.99"], &["2001:db8::/64"], None)]
fn source_ranges_are_of_one_family(
    #[case] ips: &[&str],
    #[case] ranges: &[&str],
    #[case] family: Option<&str>,
) {
    let mut world = Inventory { policies: Default::default(), ..world() };
    world.pods.push(Arc::new(pod("web", "dual", ips)));
    for service in &mut world.services {
        Arc::make_mut(service).source_ranges = ranges.iter().map(|range| range.parse().unwrap()).collect();
    }
    let answer = answered(world, "web/dual", "198.51.100.44:443");
    assert_eq!(answer.contains("kube-proxy drops"), family.is_some(), "{answer}");
    assert!(family.is_none_or(|family| answer.contains(&format!("over {family}"))), "{answer}");
}

/// A question about a large workload and a large Service stays quick, and does not claim what was not judged.
#[test]
fn too_many_connections_are_not_all_judged() {
    let of = |n: usize, workload: &str, net: u8| {
        let ip = format!("10.{net}.{}.{}", n / 250, n % 250 + 1);
        let mut pod = pod("web", &format!("{workload}-{n}"), &[&ip]).on("n1").port("", "TCP", 80);
        pod.workload.name = workload.into();
        pod
    };
    let asked = |count: usize| {
        let mut big = service("web", "big", &["10.43.0.77"]).serving(":80/TCP");
        for n in 0..count {
            let ip = format!("10.101.{}.{}", n / 250, n % 250 + 1);
            big = big.backed_by(&format!("server-{n}={ip}:80"));
        }
        let pods = (0..count).flat_map(|n| [of(n, "client", 100), of(n, "server", 101)]);
        answered(cluster(pods, [big], [node("n1", &["192.168.1.1"])]).inventory, "web/client", "web/big:80")
    };
    assert!(asked(100).starts_with("allow"));
    let answer = asked(1_000);
    assert!(answer.starts_with("unknown") && answer.contains("these are 1000000 connections"), "{answer}");
}
