//! Names as clients write them.

use rstest::rstest;

use super::*;

fn shown(meaning: &Meaning) -> String {
    match meaning {
        Meaning::Service { namespace, name } => format!("{namespace}/{name}"),
        Meaning::PodBehind { namespace, service, host } => format!("{host} of {namespace}/{service}"),
        Meaning::Address(ip) => ip.to_string(),
    }
}

#[rstest]
#[case::complete("db.prod.svc.cluster.local", "prod/db")]
#[case::another_domain("db.prod.svc.k8s.example.org", "prod/db")]
#[case::without_domain("db.prod.svc", "prod/db")]
#[case::of_the_own_namespace("db", "web/db")]
#[case::of_a_namespace("db.prod", "db of web/prod, prod/db")]
#[case::pod_behind("db-0.db.prod.svc.cluster.local", "db-0 of prod/db")]
#[case::pod_behind_in_short("db-0.db.prod", "db-0 of prod/db")]
#[case::srv("_pg._tcp.db.prod.svc.cluster.local", "prod/db")]
#[case::pod_by_address("10-42-0-5.prod.pod.cluster.local", "10.42.0.5")]
#[case::pod_by_address_v6("fd42--5.prod.pod.cluster.local", "fd42::5")]
#[case::outside("www.shop.example.org", "")]
fn names(#[case] name: &str, #[case] expected: &str) {
    let all: Vec<_> = meanings(name, Some("web")).iter().map(shown).collect();
    assert_eq!(all.join(", "), expected);
}

#[test]
fn another_domain_is_noticed() {
    assert_eq!(other_domain("db.prod.svc.cluster.local"), None);
    assert_eq!(other_domain("db.prod.svc"), None);
    assert_eq!(other_domain("db.prod.svc.example.org"), Some("example.org"));
}
