//! Where enforcers differ from the specification.

use flow_model::connection::{Connection, Party, Who};
use flow_model::decision::Ruling;
use flow_model::network::Enforcer;
use flow_model::policies::Protocol;
use flow_model::testing::{Cluster, pod, policy};
use rstest::rstest;

use super::*;
use crate::Compiled;

/// Returns what both evaluators say about ingress from an address.
fn ingress(cluster: &Cluster, from: &str, who: Who<'_>, port: u16) -> Decision {
    let server = &cluster.inventory.pods[0];
    let dst = Party { ip: server.ips.first().copied(), who: Who::Pod(server) };
    let src = Party { ip: Some(from.parse().unwrap()), who };
    let connection = Connection { src, dst, protocol: Protocol::Tcp, port };
    let Ruling { ingress, .. } = cluster.plain().rule(&connection);
    assert_eq!(Compiled::new(cluster.inventory()).rule(&connection).ingress, ingress);
    ingress
}

fn cluster(enforcer: Enforcer, rules: &[&str]) -> Cluster {
    let mut cluster = Cluster::new("gen-a: gen-c:")
        .pod(pod("gen-c", "one", &[("app", "x")], "10.42.1.9").on("n2"))
        .policy(policy("gen-c", "in").on("app=x").ingress(rules));
    cluster.inventory.enforcer = enforcer;
    cluster
}

/// As a cluster of k3s showed it: two ipBlocks of one rule except each other's clients, and both are refused at the port
/// for which no other rule is.
#[rstest]
#[case::excepted_by_the_first("10.42.1.5", 8081, Decision::Deny)]
#[case::excepted_by_the_second("10.42.2.5", 8081, Decision::Deny)]
#[case::excepted_by_none("10.42.0.5", 8081, Decision::Allow)]
#[case::another_rule("10.42.0.5", 8080, Decision::Allow)]
fn kube_router_takes_exceptions_from_all_blocks(
    #[case] from: &str,
    #[case] port: u16,
    #[case] expected: Decision,
) {
    let blocks = "10.42.0.0/16!10.42.1.0/24 10.42.0.0/16!10.42.2.0/24";
    let rules = [blocks, "ns()&pods() 10.42.0.0/24 : 8000-8080"];
    let by = |enforcer| ingress(&cluster(enforcer, &rules), from, Who::External, port);
    assert_eq!((by(Enforcer::KubeRouter), by(Enforcer::Spec)), (expected, Decision::Allow));
}

#[test]
fn the_exception_of_another_block_is_named() {
    let cluster = cluster(Enforcer::KubeRouter, &["10.42.0.0/16!10.42.1.0/24 10.42.0.0/16!10.42.2.0/24"]);
    let explanation = cluster.judge("10.42.2.5", "gen-c/one", "8081").explanation;
    assert!(
        explanation.contains("takes the exception 10.42.2.0/24 of one ipBlock from all"),
        "{explanation}"
    );
}

/// The narrowest network decides. Of one that is both admitted and excepted, kube-router keeps either.
#[rstest]
#[case::a_narrower_block("10.42.0.0/16!10.42.1.0/24 10.42.1.0/28", Decision::Allow)]
#[case::a_wider_one("10.42.0.0/16!10.42.1.0/24 10.42.0.0/23", Decision::Deny)]
#[case::the_same("10.42.0.0/16!10.42.1.0/24 10.42.1.0/24", Decision::Unknown)]
#[case::everywhere("0.0.0.0/0!10.42.1.0/24 10.0.0.0/8", Decision::Deny)]
fn the_narrowest_network_decides(#[case] rule: &str, #[case] expected: Decision) {
    let cluster = cluster(Enforcer::KubeRouter, &[rule]);
    assert_eq!(ingress(&cluster, "10.42.1.5", Who::External, 80), expected);
}

/// Who is not known may be a pod, to which Cilium applies no block unless it is told to.
#[rstest]
#[case::not_known(Who::Unknown("nothing is known"), Decision::Unknown)]
#[case::outside(Who::External, Decision::Allow)]
fn cilium_applies_blocks_to_what_is_outside(#[case] who: Who<'_>, #[case] expected: Decision) {
    let cluster = cluster(Enforcer::Cilium, &["10.0.0.0/8"]);
    assert_eq!(ingress(&cluster, "10.42.1.5", who, 80), expected);
}

/// Numbers of names are kept once, and only for the rules that read them.
#[test]
fn names_of_ports_take_room_once() {
    let memory = |pods: usize, rule: &str, egress: bool| {
        let mut cluster = cluster(Enforcer::KubeRouter, &[]);
        for n in 0..pods {
            let pod = pod("gen-c", &format!("p{n}"), &[("app", "y")], &format!("10.42.3.{n}"));
            cluster = cluster.pod(pod.port("http", "TCP", 8080));
        }
        let named = policy("gen-c", "named").on("app=y");
        let cluster = cluster.policy(if egress { named.egress(&[rule]) } else { named.ingress(&[rule]) });
        let compiled = Compiled::new(cluster.inventory());
        compiled.names_memory()
    };
    assert_eq!(memory(200, ": http", true), memory(1, ": http", true));
    assert!(memory(1, ": http", true) > memory(1, ": http", false));
}
