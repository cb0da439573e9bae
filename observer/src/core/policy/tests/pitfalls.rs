//! Where readers of the NetworkPolicy API go wrong.

use rstest::rstest;

use super::super::testing::{Cluster, pod, policy};
use super::check;

fn cluster() -> Cluster {
    Cluster::new("web:team=a data:team=b other:team=c")
        .pod(pod("web", "client", &[("app", "web"), ("tier", "front")], "10.42.0.5"))
        .pod(pod("web", "twin", &[("app", "twin")], "10.42.0.6"))
        .pod(pod("other", "client", &[("app", "web")], "10.42.1.5"))
        .pod(pod("data", "neighbour", &[("app", "web")], "10.42.2.5"))
        .pod(
            pod("data", "cache", &[("app", "cache")], "10.42.2.6")
                .port("redis", "TCP", 6379)
                .port("redis", "UDP", 6400),
        )
}

/// Peers, ports: one rule, all its entries, and what they admit to data/cache.
#[rstest]
#[case::pods_are_of_the_policys_own_namespace("pods(app=web)", "data/neighbour", "6379", "++")]
#[case::pods_elsewhere_are_not("pods(app=web)", "web/client", "6379", "+-")]
#[case::both_selectors_in_one_peer_must_match("ns(team=a)&pods(app=twin)", "web/client", "6379", "+-")]
#[case::both_selectors_match("ns(team=a)&pods(app=web)", "web/client", "6379", "++")]
#[case::two_peers_are_alternatives("ns(team=a) pods(app=nobody)", "web/client", "6379", "++")]
#[case::the_other_alternative("ns(team=x) pods(app=web)", "data/neighbour", "6379", "++")]
fn peers(#[case] rule: &str, #[case] src: &str, #[case] port: &str, #[case] expected: &str) {
    let cluster = cluster().policy(policy("data", "p").on("app=cache").ingress(&[rule]));
    check(&cluster, src, "data/cache", port, expected);
}
