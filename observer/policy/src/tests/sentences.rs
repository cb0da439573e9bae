//! The sentences that users read: the incidents first, then each kind of near miss.

use crate::testing::Judged as _;
use flow_model::decision::Verdict;
use flow_model::policies::Action::{Accept, Deny};
use flow_model::policies::NetworkPolicy;
use flow_model::testing::{Cluster, admin, pod, policy};
use rstest::rstest;

fn why(verdict: &Verdict) -> &str {
    let nearest = [&verdict.ingress, &verdict.egress].into_iter().find_map(|one| one.nearest.as_ref());
    nearest.map_or("", |nearest| &nearest.why)
}

const NAME: &str = "kubernetes.io/metadata.name";
const APP: &str = "app.kubernetes.io/name";

/// A rename dropped a namespace from the list.
#[test]
fn renamed_namespace() {
    let rules =
        ["cnpg-system", "basketball-api", "pal-e-app", "monitoring"].map(|ns| format!("ns({NAME}={ns})"));
    let rules = rules.each_ref().map(String::as_str);
    let verdict = Cluster::new("postgres pal-e-docs pal-e-app basketball-api cnpg-system monitoring")
        .pod(pod("pal-e-docs", "pal-e-docs-6b55489545-v4jvv", &[], "10.42.0.10"))
        .pod(pod("postgres", "pal-e-postgres-1", &[], "10.42.0.12"))
        .policy(policy("postgres", "default-deny-ingress").ingress(&rules))
        .judge("pal-e-docs/pal-e-docs-6b55489545-v4jvv", "postgres/pal-e-postgres-1", "5432");
    assert_eq!(
        verdict.explanation,
        "refused by NetworkPolicy postgres/default-deny-ingress; no rule admits namespace pal-e-docs; \
         the nearest admits namespace pal-e-app"
    );
    let nearest = verdict.ingress.nearest.as_ref().unwrap();
    assert_eq!(nearest.policy, "postgres/default-deny-ingress");
    assert_eq!(nearest.rule, "postgres/default-deny-ingress#ingress[2]");
    assert_eq!(
        nearest.why,
        format!("admits namespaces with {NAME}=pal-e-app; the client's namespace is pal-e-docs")
    );
    assert_eq!(
        verdict.egress.explanation,
        "no policy selects pal-e-docs/pal-e-docs-6b55489545-v4jvv for egress"
    );
}

fn immich() -> Cluster {
    Cluster::new("immich")
        .pod(pod("immich", "immich-server-0", &[(APP, "server")], "10.42.0.20"))
        .pod(pod("immich", "valkey-0", &[(APP, "valkey")], "10.42.0.21"))
        .policy(policy("immich", "default-deny").ingress(&[]).egress(&[]))
}

/// The client's label differs from the rule's.
#[test]
fn label_mismatch_of_a_peer() {
    let rule = format!("pods({APP}=immich-server) : 6379");
    let verdict = immich()
        .policy(policy("immich", "open").egress(&[""]))
        .policy(policy("immich", "valkey").on(&format!("{APP}=valkey")).ingress(&[&rule]))
        .judge("immich/immich-server-0", "immich/valkey-0", "6379");
    assert_eq!(
        why(&verdict),
        format!("podSelector {APP}=immich-server matches no pod; the client has {APP}=server")
    );
    assert_eq!(
        verdict.explanation,
        format!(
            "refused by NetworkPolicies immich/default-deny and immich/valkey; no rule admits pods with {APP}=server; \
             the nearest admits pods with {APP}=immich-server, which no pod has"
        )
    );
}

/// The policy meant for the pod does not select it.
#[test]
fn label_mismatch_of_the_policy_itself() {
    let allow = policy("immich", "allow-valkey").on(&format!("{APP}=immich-server"));
    let verdict = immich()
        .policy(policy("immich", "open").ingress(&[""]))
        .policy(allow.egress(&[&format!("pods({APP}=valkey) : 6379")]))
        .judge("immich/immich-server-0", "immich/valkey-0", "6379");
    let nearest = verdict.egress.nearest.as_ref().unwrap();
    assert_eq!(nearest.rule, "immich/allow-valkey#egress[0]");
    assert_eq!(
        verdict.explanation,
        format!(
            "refused by NetworkPolicy immich/default-deny; default deny: no policy has an egress rule for this pod; \
             NetworkPolicy immich/allow-valkey would allow it, but its podSelector {APP}=immich-server does not select \
             the pod, which has {APP}=server"
        )
    );
}

/// The port of the Service is in the list, that of the pod is not.
#[test]
fn missing_port() {
    let verdict = Cluster::new("homepage immich")
        .pod(pod("homepage", "homepage", &[], "10.42.0.30"))
        .pod(pod("immich", "server", &[], "10.42.0.20"))
        .policy(policy("homepage", "egress").egress(&[&format!("ns({NAME}=immich) : 80 443")]))
        .judge("homepage/homepage", "immich/server", "2283");
    assert_eq!(why(&verdict), "port 2283 is not among 80, 443");
    assert_eq!(
        verdict.explanation,
        "refused by NetworkPolicy homepage/egress; no rule allows egress to the destination on port 2283; \
         in the nearest, port 2283 is not among 80, 443"
    );
}

#[test]
fn missing_port_of_a_block() {
    let verdict = Cluster::new("homepage")
        .pod(pod("homepage", "homepage", &[], "10.42.0.30"))
        .policy(policy("homepage", "internet").egress(&["0.0.0.0/0 : 443", "192.168.0.0/16 : 8006"]))
        .judge("homepage/homepage", "10.0.1.10", "8006");
    assert_eq!(why(&verdict), "port 8006 is not among 443");
    assert_eq!(verdict.egress.nearest.as_ref().unwrap().rule, "homepage/internet#egress[0]");
}

#[test]
fn nothing_allowed() {
    let verdict = immich().judge("immich/immich-server-0", "immich/valkey-0", "6379");
    assert_eq!(
        verdict.explanation,
        "refused by NetworkPolicy immich/default-deny; default deny: no policy has an ingress rule for this pod; \
         also refused by NetworkPolicy immich/default-deny; default deny: no policy has an egress rule for this pod"
    );
    assert_eq!(verdict.ingress.nearest, None);
}

/// The API server's ClusterIP is allowed, but policies see the node behind it.
#[test]
fn api_server_behind_its_cluster_ip() {
    let verdict = Cluster::new("database")
        .node("cp1", "", "10.0.40.101")
        .pod(pod("database", "postgresql-cluster-1", &[], "10.42.0.40").on("w1"))
        .policy(policy("database", "allow-k8s-api-egress").egress(&["10.43.0.1/32 : 443"]))
        .judge("database/postgresql-cluster-1", "node:cp1", "6443");
    assert_eq!(
        verdict.explanation,
        "refused by NetworkPolicy database/allow-k8s-api-egress; no rule allows egress to 10.0.40.101; \
         the nearest allows egress to 10.43.0.1/32, and port 6443 is not among 443"
    );
    assert_eq!(
        why(&verdict),
        "allows egress to 10.43.0.1/32; the destination is 10.0.40.101; port 6443 is not among 443"
    );
}

fn shop() -> Cluster {
    let cache = pod("data", "cache", &[("app", "cache")], "10.42.2.6");
    Cluster::new("web:team=a data:team=b batch:team=c")
        .node("n1", "", "192.168.0.1")
        .pod(pod("web", "storefront", &[("app", "storefront"), ("tier", "front")], "10.42.0.5").on("n2"))
        .pod(pod("batch", "report", &[("app", "report")], "10.42.0.7").on("n2"))
        .pod(pod("web", "six", &[], "fd00::5").on("n2"))
        .pod(cache.on("n2").port("http", "TCP", 8080).port("dns", "UDP", 53))
}

fn ingress(rules: &[&str]) -> NetworkPolicy {
    policy("data", "cache-ingress").on("app=cache").ingress(rules)
}

#[rstest]
#[case::labels_of_the_namespace(
    "ns(team=c)",
    "admits namespaces with team=c; the client's namespace is web, which has team=a"
)]
#[case::label_that_it_lacks(
    "ns(env=c)",
    "admits namespaces with env=c; the client's namespace is web, which has no label env; no namespace matches that selector"
)]
#[case::own_namespace("pods()", "admits pods of its own namespace data; the client's namespace is web")]
#[case::name_gone(
    "ns(kubernetes.io/metadata.name=wb)",
    "admits namespaces with kubernetes.io/metadata.name=wb; the client's namespace is web; no namespace matches that selector"
)]
#[case::labels_of_the_pod(
    "ns()&pods(app=report)",
    "admits pods with app=report; the client has app=storefront"
)]
#[case::labels_that_no_pod_has(
    "ns(team=a)&pods(app=report,tier=front)",
    "podSelector app=report,tier=front matches no pod; the client has app=storefront, tier=front"
)]
#[case::pod_label_that_it_lacks(
    "ns()&pods(role)",
    "podSelector role matches no pod; the client has no label role"
)]
#[case::namespace_and_labels(
    "ns(team=c)&pods(app=report)",
    "admits namespaces with team=c; the client's namespace is web, which has team=a; admits pods with app=report; the client has app=storefront"
)]
#[case::block("10.42.1.0/24", "admits 10.42.1.0/24; the client is 10.42.0.5")]
#[case::excepted("10.42.0.0/16!10.42.0.0/24", "10.42.0.0/16 has 10.42.0.5 excepted by 10.42.0.0/24")]
#[case::family("::/0", "::/0 is IPv6 only; the client is 10.42.0.5")]
#[case::port("ns(team=a) : 80 443-445", "port 9090 is not among 80, 443-445")]
#[case::named_port(
    "ns(team=a) : http",
    "named port http resolves to 8080 on the destination; the connection is to 9090"
)]
#[case::named_port_among_others(
    ": 80 http grpc",
    "port 9090 is not among 80, http (8080), grpc (not a port of the destination)"
)]
#[case::named_port_of_another_protocol(": dns", "named port dns is no TCP port of the destination")]
#[case::protocol(": udp/53", "its ports are for UDP; the connection is TCP")]
#[case::protocol_of_the_same_port(": udp/9090 sctp/1", "port 9090 is for UDP, SCTP; the connection is TCP")]
fn near_misses(#[case] rule: &str, #[case] expected: &str) {
    let verdict = shop().policy(ingress(&[rule])).judge("web/storefront", "data/cache", "9090");
    assert_eq!(why(&verdict), expected);
}

#[rstest]
#[case::outside("203.0.113.9", "admits pods only; the client is 203.0.113.9, outside the cluster")]
#[case::node("node:n1", "admits pods only; the client is node n1 or a pod in its network")]
fn clients_that_are_no_pods(#[case] src: &str, #[case] expected: &str) {
    let verdict = shop().policy(ingress(&["ns()"])).judge(src, "data/cache", "9090");
    assert_eq!(why(&verdict), expected);
}

/// Checks which of several rules counts as the nearest.
#[rstest]
#[case::port_before_labels(&["ns(team=a)&pods(app=x) : 9090", "ns(team=a) : 80"], 1)]
#[case::labels_before_namespace(&["ns(team=c) : 9090", "ns(team=a)&pods(app=x) : 9090"], 1)]
#[case::one_miss_before_two(&["ns(team=a)&pods(app=x) : 80", "ns(team=c) : 9090"], 1)]
#[case::namespace_before_block(&["172.16.0.0/12", "ns(team=c)"], 1)]
#[case::names_alike(&["ns(kubernetes.io/metadata.name=batch)", "ns(kubernetes.io/metadata.name=web-old)"], 1)]
#[case::labels_alike(&["ns()&pods(app=report)", "ns()&pods(app=store-front)"], 1)]
#[case::addresses_alike(&["172.16.0.0/12", "10.42.9.0/24", "10.43.0.0/16"], 1)]
#[case::first_of_equals(&["ns(team=x) : 9090", "ns(team=y) : 9090"], 0)]
fn nearest_is(#[case] rules: &[&str], #[case] expected: usize) {
    let verdict = shop().policy(ingress(rules)).judge("web/storefront", "data/cache", "9090");
    let rule = verdict.ingress.nearest.unwrap().rule;
    assert_eq!(rule.to_string(), format!("data/cache-ingress#ingress[{expected}]"));
}

/// A policy on other pods is named only when no rule is nearer.
#[test]
fn policies_on_other_pods_come_last() {
    let other = policy("data", "a-db").on("app=db").ingress(&[""]);
    let db = pod("data", "db", &[("app", "db")], "10.42.2.7");
    let cluster = shop().pod(db).policy(other);
    let near = cluster.clone().policy(ingress(&["ns(team=c)"])).judge("web/storefront", "data/cache", "9090");
    assert_eq!(near.ingress.nearest.unwrap().policy, "data/cache-ingress");
    let none = cluster.policy(ingress(&[])).judge("web/storefront", "data/cache", "9090");
    assert_eq!(
        none.ingress.nearest.unwrap().why,
        "its podSelector app=db does not select the pod, which has app=cache"
    );
}

/// A policy that selects nothing, and nearly selects this pod, was meant for it. One for an app that isn't there was not.
#[rstest]
#[case("app=chache", "data/z")]
#[case("app=postgres", "data/cache-ingress")]
fn policies_on_no_pod(#[case] on: &str, #[case] expected: &str) {
    let idle = policy("data", "z").on(on).ingress(&["ns(team=a)"]);
    let cluster = shop().policy(idle).policy(ingress(&["ns(team=c)"]));
    let verdict = cluster.judge("web/storefront", "data/cache", "9090");
    assert_eq!(verdict.ingress.nearest.unwrap().policy, expected);
}

#[rstest]
#[case(1, "refused by NetworkPolicy data/p0; default")]
#[case(2, "refused by NetworkPolicies data/p0 and data/p1; default")]
#[case(3, "refused by NetworkPolicies data/p0, data/p1 and data/p2; default")]
#[case(5, "refused by NetworkPolicies data/p0, data/p1, data/p2 and 2 more; default")]
fn several_policies(#[case] count: usize, #[case] expected: &str) {
    let all = (0..count).map(|i| policy("data", &format!("p{i}")).ingress(&[]));
    let verdict = all.fold(shop(), Cluster::policy).judge("web/storefront", "data/cache", "9090");
    assert!(verdict.explanation.starts_with(expected), "{}", verdict.explanation);
    assert_eq!(verdict.ingress.policies.len(), count);
}

#[test]
fn allowed() {
    let verdict =
        shop().policy(ingress(&["ns(team=a)", "", "ns(team=c)"])).judge("web/storefront", "data/cache", "1");
    assert_eq!(verdict.ingress.rules, ["data/cache-ingress#ingress[0]", "data/cache-ingress#ingress[1]"]);
    assert_eq!(
        verdict.explanation,
        "allowed by data/cache-ingress#ingress[0] and data/cache-ingress#ingress[1]; \
         no policy selects web/storefront for egress"
    );
}

#[test]
fn allowed_on_both_sides() {
    let egress = policy("web", "out").egress(&["ns(team=b)"]);
    let cluster = shop().policy(egress).policy(ingress(&["ns(team=a)"]));
    let verdict = cluster.judge("web/storefront", "data/cache", "1");
    assert_eq!(verdict.explanation, "allowed by data/cache-ingress#ingress[0] and web/out#egress[0]");
}

#[rstest]
#[case::no_policy_selects(
    "web/storefront",
    "data/cache",
    "allowed: no policy selects data/cache for ingress; no policy selects web/storefront for egress"
)]
#[case::outside(
    "web/storefront",
    "203.0.113.9",
    "allowed: the destination is outside the cluster; no policy selects web/storefront for egress"
)]
#[case::node(
    "node:n1",
    "data/cache",
    "allowed: no policy selects data/cache for ingress; the source is a node or in its network, which no policy selects"
)]
#[case::itself("data/cache", "data/cache", "allowed: a pod can't block itself")]
fn allowed_without_any_policy(#[case] src: &str, #[case] dst: &str, #[case] expected: &str) {
    assert_eq!(shop().judge(src, dst, "1").explanation, expected);
}

#[test]
fn both_sides_refuse() {
    let cluster =
        shop().policy(policy("web", "out").egress(&["ns(team=c)"])).policy(ingress(&["ns(team=c)"]));
    assert_eq!(
        cluster.judge("web/storefront", "data/cache", "1").explanation,
        "refused by NetworkPolicy data/cache-ingress; no rule admits namespace web; the nearest admits namespaces with \
         team=c; also refused by NetworkPolicy web/out; no rule allows egress to namespace data; the nearest allows \
         egress to namespaces with team=c"
    );
}

#[test]
fn tiers() {
    let deny = admin("lockdown", 5).ingress(Accept, "ns(team=c)").ingress(Deny, "ns()");
    let verdict = shop().tier(deny.clone()).judge("web/storefront", "data/cache", "1");
    assert_eq!(verdict.explanation, "refused by AdminNetworkPolicy lockdown#ingress[1]");
    assert_eq!(verdict.ingress.policies, ["lockdown"]);
    assert_eq!(verdict.ingress.rules, ["AdminNetworkPolicy lockdown#ingress[1]"]);
    let verdict = shop().tier(deny).judge("batch/report", "data/cache", "1");
    assert_eq!(
        verdict.explanation,
        "allowed by AdminNetworkPolicy lockdown#ingress[0]; no policy selects batch/report for egress"
    );
    let newer = admin("newer", 5).ingress(Deny, "?spec.ingress[0].from[0].moons");
    let verdict = shop().tier(newer).judge("web/storefront", "data/cache", "1");
    assert_eq!(
        verdict.explanation,
        "refused by AdminNetworkPolicy newer#ingress[0]; it denies everything, as its peer \
         spec.ingress[0].from[0].moons can't be read"
    );
}

#[test]
fn not_known() {
    let cluster =
        shop().tier(admin("a", 5).ingress(Accept, "ns()")).tier(admin("b", 5).ingress(Deny, "ns()"));
    let verdict = cluster.judge("web/storefront", "data/cache", "1");
    assert_eq!(
        verdict.explanation,
        "not known: AdminNetworkPolicies a and b have the same priority 5 and disagree"
    );
    let lost = shop().pod(pod("lost", "client", &[], "10.42.0.9")).policy(ingress(&["ns(team=a)"]));
    let verdict = lost.judge("lost/client", "data/cache", "1");
    assert_eq!(verdict.explanation, "not known: namespace lost is not known");
}

/// A rule for DNS is never meant for another port, whatever its peers are.
#[rstest]
#[case::without_peers("", &["udp/53 53"])]
#[case::for_all_pods("ns()", &["udp/53", "53"])]
#[case::by_name("", &["dns"])]
fn rules_for_dns_are_far_from_other_ports(#[case] peers: &str, #[case] ports: &[&str]) {
    let dns = format!("{peers} : {}", ports.join(" "));
    let rules = [&*dns, "ns(team=x)&pods(app=y) : 9090"];
    let verdict = shop().policy(ingress(&rules)).judge("web/storefront", "data/cache", "9090");
    assert_eq!(verdict.ingress.nearest.unwrap().rule, "data/cache-ingress#ingress[1]");
}

/// Hints on what people often get wrong.
#[rstest]
#[case::label_of_the_namespace(
    "ns(name=web)",
    "namespace web has no label name=web, but kubernetes.io/metadata.name=web, as every namespace has"
)]
#[case::zero_network("0.0.0.0/24", "no host has an address in 0.0.0.0/24; 0.0.0.0/0 is every address")]
#[case::selector_of_another_namespace(
    "pods(app=storefront)",
    "a podSelector without a namespaceSelector means pods of the policy's own namespace"
)]
fn hints(#[case] rule: &str, #[case] expected: &str) {
    let verdict = shop().policy(ingress(&[rule])).judge("web/storefront", "data/cache", "9090");
    assert!(verdict.explanation.ends_with(expected), "{}", verdict.explanation);
}

#[test]
fn networks_that_hosts_are_in_get_no_hint() {
    for net in ["0.0.0.0/0", "0.0.0.0/1", "10.0.0.0/24", "::/0"] {
        assert_eq!(crate::readings::zero_network(&net.parse().unwrap()), None, "{net}");
    }
    assert!(crate::readings::zero_network(&"::/64".parse().unwrap()).is_some());
}

#[test]
fn an_allowed_connection_may_surprise() {
    let surprises = |rules: &[&str]| {
        let cluster = shop().policy(ingress(rules));
        let connection = cluster.connection("web/storefront", "data/cache", "9090");
        cluster.plain().surprises(&connection, &connection).join("; ")
    };
    let split = surprises(&["ns(team=a) pods(app=prometheus)"]);
    assert!(split.contains("podSelector app=prometheus are two entries, of which either admits"), "{split}");
    let hole = surprises(&["10.42.0.0/16!10.42.0.0/24", "ns(team=a)"]);
    assert!(hole.contains("takes 10.42.0") && hole.contains("only from its own ipBlock"), "{hole}");
    assert_eq!(surprises(&["ns(team=a)&pods(app=storefront)"]), "");
}
