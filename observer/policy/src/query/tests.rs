//! Questions about one small cluster, each about one rule.

use flow_model::decision::Decision;
use flow_model::inventory::Pod;
use flow_model::testing::clusters::{cluster, node, pod, service};
use flow_model::testing::policy;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;

mod meanings;
mod ways;

fn explainer() -> Explainer {
    let db = |name: &str, ips: &[&str]| {
        let mut pod = pod("data", name, ips).port("pg", "TCP", 5432);
        (pod.workload.kind, pod.workload.name) = ("StatefulSet".into(), "db".into());
        pod
    };
    let done = Pod { finished: true, ..pod("web", "done", &[]) };
    let host =
        Pod { host_network: true, ..pod("web", "host", &["192.168.1.1"]).on("n1").port("", "TCP", 9100) };
    let pods = [
        pod("web", "front", &["10.42.0.5", "fd42::5"]).on("n1"),
        pod("web", "dns", &["10.42.0.6"]).port("dns", "UDP", 53).port("dns-tcp", "TCP", 53),
        pod("web", "young", &[]),
        Pod { attached_ips: vec!["192.168.9.5".parse().unwrap()], ..pod("web", "multi", &["10.42.0.7"]) },
        pod("web", "batch", &["10.42.1.7"]).on("n2"),
        pod("web", "six", &["fd42::6"]),
        // Both a pod and a Service: the pod comes first.
        pod("data", "twin", &["10.42.0.20"]).port("", "TCP", 81),
        db("db-0", &["10.42.0.10", "fd42::10"]).on("n1"),
        db("db-1", &["10.42.1.10", "fd42:1::10"]).on("n2"),
        done,
        host,
    ];
    let mut shop = service("data", "shop", &["10.43.0.5"])
        .serving("http:80/TCP")
        .backed_by("db-0=10.42.0.10:5432")
        .backed_by("!db-1=10.42.1.10:5432")
        .serving("https:443/TCP");
    shop.external_ips = vec!["203.0.113.9".parse().unwrap()];
    shop.ports[0].node_port = Some(30080);
    let mut local =
        service("data", "local", &["10.43.0.6"]).serving(":90/TCP").backed_by("db-1=10.42.1.10:5432");
    (local.external_ips, local.external_local) = (vec!["203.0.113.10".parse().unwrap()], true);
    let mut edge =
        service("data", "edge", &["10.43.0.7"]).serving(":80/TCP").backed_by("db-0=10.42.0.10:6000");
    edge.external_ips = vec!["203.0.113.11".parse().unwrap()];
    let services = [
        shop,
        edge,
        local,
        service("data", "twin", &["10.43.0.2"]).serving(":82/TCP"),
        service("data", "both", &["10.43.0.3", "fd43::3"])
            .serving(":5432/TCP")
            .backed_by("db-0=10.42.0.10:5432")
            .backed_by("db-0=fd42::10:5432")
            .backed_by("db-1=10.42.1.10:5432"),
        service("data", "six", &["fd43::6"]).serving(":80/TCP").backed_by("db-0=fd42::10:5432"),
        service("data", "outside", &["10.43.0.4"]).serving(":80/TCP").backed_by("=198.51.100.7:8080"),
        service("web", "dns", &["10.43.0.10"]).serving("dns:53/UDP").backed_by("dns=10.42.0.6:53"),
    ];
    let mut nodes = [node("n1", &["192.168.1.1"]), node("n2", &["192.168.1.2"])];
    nodes[0].pod_cidrs = vec!["10.42.0.0/24".into(), "fd42::/64".into()];
    nodes[1].pod_cidrs = vec!["10.42.1.0/24".into()];
    let cluster = cluster(pods, services, nodes)
        .policy(
            policy("data", "db-0")
                .on("app=db-0")
                .ingress(&["ns(kubernetes.io/metadata.name=web) : 5432", "192.168.1.2/32 : 6000"]),
        )
        .policy(policy("web", "batch").on("app=batch").ingress(&["ns()&pods(app=db-1)"]))
        .policy(policy("data", "db-1").on("app=db-1").ingress(&["10.42.0.6/32 203.0.113.77/32 fd42::/64"]));
    Explainer::new(cluster.inventory())
}

fn ask(from: &str, to: &str) -> Result<Answer, QueryError> {
    explainer().answer(&Query::parse(from, to).unwrap())
}

/// `allow DST via SERVICE`, or what is wrong.
fn short(answer: Result<Answer, QueryError>) -> String {
    match answer {
        Ok(Answer { dst, service, verdict, .. }) => {
            let decision = format!("{:?}", verdict.decision).to_lowercase();
            let via = service.map_or(String::new(), |service| format!(" via {service}"));
            format!("{decision} {dst}{via}")
        }
        Err(error) => error.to_string(),
    }
}

#[rstest]
#[case::pod("web/front", "data/db-0:5432", "allow data/db-0:5432/TCP")]
#[case::another_port("web/front", "data/db-0:80", "deny data/db-0:80/TCP")]
#[case::another_protocol("web/front", "data/db-0:5432/UDP", "deny data/db-0:5432/UDP")]
#[case::its_only_port("web/front", "data/db-0", "allow data/db-0:5432/TCP")]
#[case::a_port_by_name("web/front", "data/db-0:pg", "allow data/db-0:5432/TCP")]
#[case::without_addresses("web/young", "data/db-0", "allow data/db-0:5432/TCP")]
#[case::to_no_address("web/front", "web/young:80", "allow web/young:80/TCP")]
#[case::pods_go_first("web/front", "data/twin", "allow data/twin:81/TCP")]
#[case::workload("web/front", "data/db", "unknown data/db:5432/TCP (2 pods)")]
#[case::address_of_a_pod("10.42.0.5", "10.42.0.10:5432", "allow data/db-0:5432/TCP")]
#[case::v6("fd42::5", "[fd42::10]:5432", "allow data/db-0:5432/TCP")]
#[case::own_node("192.168.1.1", "data/db-0:80", "allow data/db-0:80/TCP")]
#[case::other_node("192.168.1.2", "data/db-0:80", "deny data/db-0:80/TCP")]
#[case::bridge_of_the_own_node("10.42.0.1", "data/db-0:80", "allow data/db-0:80/TCP")]
#[case::host_network("web/host", "data/db-1:80", "deny data/db-1:80/TCP")]
#[case::to_host_network("web/front", "web/host", "allow web/host:9100/TCP (in the network of node n1)")]
#[case::outside("8.8.8.8", "data/db-0:5432", "deny data/db-0:5432/TCP")]
#[case::to_outside("web/front", "8.8.8.8:53/UDP", "allow 8.8.8.8:53/UDP (outside the cluster)")]
#[case::to_outside_v6("web/front", "[2001:db8::1]:53", "allow [2001:db8::1]:53/TCP (outside the cluster)")]
#[case::to_another_network(
    "web/batch",
    "192.168.9.5:80",
    "unknown 192.168.9.5:80/TCP (pod web/multi, in another network)"
)]
#[case::strange("10.42.0.99", "data/db-0:5432", "unknown data/db-0:5432/TCP")]
#[case::strange_but_the_port_decides("10.42.0.99", "data/db-0:80", "deny data/db-0:80/TCP")]
#[case::service_is_judged_behind("web/front", "data/shop:80", "allow data/db-0:5432/TCP via data/shop:80")]
#[case::service_port_by_name("web/front", "data/shop:http", "allow data/db-0:5432/TCP via data/shop:80")]
#[case::only_those_ready("8.8.8.8", "10.43.0.5:80", "deny data/db-0:5432/TCP via data/shop:80")]
#[case::cluster_ip("web/front", "10.43.0.5:80", "allow data/db-0:5432/TCP via data/shop:80")]
#[case::external_ip("web/front", "203.0.113.9:80", "allow data/db-0:5432/TCP via data/shop:80")]
#[case::node_port_of_another_node(
    "web/front",
    "192.168.1.2:30080",
    "deny data/db-0:5432/TCP via data/shop:80"
)]
#[case::node_port_of_its_own_node(
    "web/front",
    "192.168.1.1:30080",
    "allow data/db-0:5432/TCP via data/shop:80"
)]
#[case::outside_through_any_node("203.0.113.5", "203.0.113.9:80", "deny data/db-0:5432/TCP via data/shop:80")]
#[case::outside_through_a_node(
    "203.0.113.5",
    "192.168.1.2:30080",
    "deny data/db-0:5432/TCP via data/shop:80"
)]
#[case::node_port_of_another_protocol(
    "web/front",
    "192.168.1.2:30080/UDP",
    "allow 192.168.1.2:30080/UDP (node n2)"
)]
#[case::port_of_a_node("web/front", "192.168.1.2:22", "allow 192.168.1.2:22/TCP (node n2)")]
#[case::nothing_behind("web/front", "data/shop:443", "unknown data/shop:443/TCP via data/shop:443")]
#[case::outside_behind(
    "web/front",
    "data/outside",
    "allow 198.51.100.7:8080/TCP (outside the cluster) via data/outside:80"
)]
#[case::only_port_brings_its_protocol("web/front", "10.43.0.10", "allow web/dns:53/UDP via web/dns:53")]
#[case::from_a_service("web/dns", "data/db-1:80", "allow data/db-1:80/TCP")]
#[case::finished("web/done", "data/db-0", "allow data/db-0:5432/TCP")]
#[case::to_finished("web/front", "web/done:80", "allow web/done:80/TCP")]
#[case::no_pod(
    "web/fron",
    "data/db-0",
    "pod web/fron does not exist; pods of web: batch, done, front, host, young and 3 more"
)]
#[case::no_target(
    "web/front",
    "data/dbx",
    "pod or Service data/dbx does not exist; pods of data: db-0, db-1, twin"
)]
#[case::no_namespace(
    "wbe/front",
    "data/db",
    "pod wbe/front does not exist; no namespace wbe is known; known are data, web"
)]
#[case::not_of_the_service(
    "web/front",
    "data/shop:5432",
    "Service data/shop has no port 5432/TCP; it has http 80/TCP, https 443/TCP"
)]
#[case::not_of_the_address(
    "web/front",
    "10.43.0.5:81",
    "Service data/shop has no port 81/TCP; it has http 80/TCP, https 443/TCP"
)]
#[case::which_of_the_service(
    "web/front",
    "data/shop",
    "Service data/shop has http 80/TCP, https 443/TCP; give the port that you mean"
)]
#[case::which_of_the_pod(
    "web/front",
    "web/dns",
    "pod web/dns has dns 53/UDP, dns-tcp 53/TCP; give the port that you mean"
)]
#[case::the_one_of_udp("web/front", "web/dns/UDP", "allow web/dns:53/UDP")]
#[case::no_such_name(
    "web/front",
    "data/db-0:http",
    "pod data/db-0 has no container port named http; it has pg 5432/TCP"
)]
#[case::declares_none("web/dns", "web/front", "give a port: that of web/front is not known")]
#[case::address_without("web/front", "8.8.8.8", "give a port: that of 8.8.8.8 is not known")]
#[case::names_outside("web/front", "8.8.8.8:http", "8.8.8.8 has no names for its ports; give a number")]
fn resolution(#[case] from: &str, #[case] to: &str, #[case] expected: &str) {
    assert_eq!(short(ask(from, to)), expected);
}

/// Hand-made slices lead to pods of any namespace.
#[test]
fn backends_of_equal_names_are_judged_each() {
    let pods = [
        pod("web", "front", &["10.42.0.5"]),
        pod("a", "db-0", &["10.42.0.10"]),
        pod("b", "db-0", &["10.42.0.11"]),
    ];
    let both = service("web", "both", &["10.43.0.3"])
        .serving(":80/TCP")
        .backed_by("=10.42.0.10:5432")
        .backed_by("=10.42.0.11:5432");
    let cluster = cluster(pods, [both], []).policy(policy("b", "closed").ingress(&[]));
    let answer = Explainer::new(cluster.inventory()).answer(&Query::parse("web/front", "web/both").unwrap());
    let Answer { verdict, .. } = answer.unwrap();
    assert_eq!(verdict.decision, Decision::Unknown);
    let expected = "1 of 2 backends refuses it (b/db-0: refused by NetworkPolicy b/closed";
    assert!(verdict.explanation.contains(expected), "{}", verdict.explanation);
}

#[rstest]
#[case::families(
    "web/front",
    "data/db-1:80",
    "it depends on the address family: IPv4: refused by NetworkPolicy data/db-1"
)]
#[case::backends(
    "web/front",
    "data/both",
    "1 of 2 backends refuses it (data/db-1: refused by NetworkPolicy data/db-1"
)]
#[case::common(
    "web/six",
    "data/twin",
    "no address family is common to both: web/six has only IPv6 and data/twin:81/TCP only IPv4"
)]
#[case::common_service("web/dns", "10.43.0.5:443", "data/shop:443/TCP has no backends")]
#[case::only_six("web/dns", "data/six", "no address family is common to both")]
#[case::masquerade(
    "203.0.113.5",
    "data/edge:80",
    "a node may put its own address in place of the client's (externalTrafficPolicy of Service data/edge is Cluster): from the client's own address: refused"
)]
#[case::masquerade_at("203.0.113.5", "203.0.113.11:80", "from node n2: allowed by data/db-0#ingress[1]")]
#[case::workload_as_a_client(
    "data/db",
    "web/batch:80",
    "1 of 2 pods is refused (data/db-0: refused by NetworkPolicy web/batch"
)]
fn unknown_says_why(#[case] from: &str, #[case] to: &str, #[case] says: &str) {
    let verdict = ask(from, to).unwrap().verdict;
    assert_eq!(verdict.decision, Decision::Unknown, "{verdict:?}");
    assert!(verdict.explanation.contains(says), "{}", verdict.explanation);
}

#[test]
fn clients_keep_their_address_where_the_policy_is_local() {
    let answer = ask("203.0.113.77", "203.0.113.10:90").unwrap();
    assert_eq!(short(Ok(answer)), "allow data/db-1:5432/TCP via data/local:90");
    assert_eq!(short(ask("203.0.113.5", "data/local")), "deny data/db-1:5432/TCP via data/local:90");
}

#[test]
fn what_was_assumed_is_said() {
    let notes = |from: &str, to: &str| ask(from, to).unwrap().notes.join("; ");
    assert_eq!(notes("web/front", "data/db-0"), "");
    assert_eq!(
        notes("web/front", "data/db"),
        "data/db is a StatefulSet with 2 pods; 2 pods were judged; where they agree, the explanation is that of data/db-0"
    );
    assert_eq!(
        notes("data/local", "data/twin"),
        "data/local is a Service with one pod behind it; data/twin is a pod; there is also a Service data/twin, but it has no backends"
    );
    assert!(notes("web/done", "data/db-0").starts_with("pod web/done has finished: it owns no address"));
    assert!(notes("web/front", "data/both").starts_with("2 backends were judged"));
}

#[test]
fn directions_that_differ_are_unknown_by_themselves() {
    let verdict = ask("web/front", "data/both").unwrap().verdict;
    assert_eq!((verdict.ingress.decision, verdict.egress.decision), (Decision::Unknown, Decision::Allow));
    assert_eq!(verdict.ingress.policies, ["data/db-0", "data/db-1"]);
}

fn replied(line: &str) -> Value {
    serde_json::to_value(reply(&explainer(), line.as_bytes())).unwrap()
}

#[test]
fn a_reply_has_the_contract_s_fields() {
    let line = r#"{"id":7,"src":{"ns":"web","pod":"front"},"dst":{"ns":"data","pod":"db-0"},"port":5432,"protocol":"TCP","x":1}"#;
    let answer = replied(line);
    assert_eq!((&answer["id"], &answer["decision"]), (&json!(7), &json!("allow")));
    assert_eq!(answer["ingress"]["policies"], json!(["data/db-0"]));
    assert_eq!(answer["ingress"]["rules"], json!(["data/db-0#ingress[0]"]));
    assert_eq!(answer["egress"]["decision"], "allow");
    assert!(answer["explanation"].as_str().is_some_and(|text| !text.is_empty()));
    assert_eq!(answer.get("error"), None);
}

#[rstest]
#[case(r#"{"src":{"ip":"10.42.0.5"},"dst":{"ns":"data","service":"shop"},"port":"http"}"#, "allow", "")]
#[case(
    r#"{"src":{"namespace":"web","name":"front"},"dst":{"ip":"10.42.0.10"},"port":"5432","protocol":"tcp"}"#,
    "allow",
    ""
)]
#[case(
    r#"{"src":{"ns":"web","pod":"gone"},"dst":{"ip":"10.42.0.10"},"port":1}"#,
    "unknown",
    "pod web/gone does not exist"
)]
#[case(
    r#"{"src":{"ns":"web","pod":"dns"},"dst":{"ns":"data","pod":"shop"},"port":1}"#,
    "unknown",
    "pod data/shop does not exist"
)]
#[case("{", "unknown", "not JSON")]
#[case("[1]", "unknown", "a JSON object")]
#[case("{}", "unknown", "`src` must be")]
#[case(r#"{"src":"web/a"}"#, "unknown", "`src` must be")]
#[case(r#"{"src":{"pod":"a"}}"#, "unknown", "`src` has no `ns`")]
#[case(r#"{"src":{"ns":1,"pod":"a"}}"#, "unknown", "`src.ns` must be a string")]
#[case(r#"{"src":{"ip":"a"}}"#, "unknown", "`a` is no IP address")]
#[case(r#"{"src":{"ip":"10.0.0.1","pod":"a"}}"#, "unknown", "exactly one")]
#[case(r#"{"src":{"ip":"10.0.0.1"},"dst":{"ip":"10.0.0.1"},"port":70000}"#, "unknown", "`70000` is no port")]
#[case(r#"{"src":{"ip":"10.0.0.1"},"dst":{"ip":"10.0.0.1"},"port":5.5}"#, "unknown", "`5.5` is no port")]
#[case(r#"{"src":{"ip":"10.0.0.1"},"dst":{"ip":"10.0.0.1"},"protocol":6}"#, "unknown", "`6` is none of TCP")]
fn replies(#[case] line: &str, #[case] decision: &str, #[case] error: &str) {
    let answer = replied(line);
    assert_eq!(answer["decision"], decision, "{answer}");
    assert_eq!(answer.get("error").is_some(), !error.is_empty(), "{answer}");
    assert!(answer["error"].as_str().unwrap_or_default().contains(error), "{answer}");
    if !error.is_empty() {
        assert_eq!(answer["explanation"], answer["error"]);
        assert_eq!(answer["ingress"]["decision"], "unknown");
    }
}

#[test]
fn ids_of_any_kind_come_back() {
    for id in [json!("a"), json!(null), json!([1, {"b": 2}]), json!(1.5)] {
        assert_eq!(replied(&json!({"id": id, "src": 1}).to_string())["id"], id);
    }
    assert_eq!(replied("{}")["id"], Value::Null);
}

#[test]
fn long_lines_are_not_read() {
    let long = format!("{{\"id\":1,\"x\":\"{}\"}}", "x".repeat(MAX_LINE));
    let answer = replied(&long);
    assert_eq!((&answer["id"], &answer["decision"]), (&Value::Null, &json!("unknown")));
    assert!(answer["error"].as_str().unwrap().contains("longer than 64 KiB"));
}

/// Pieces of questions, so that many get past the parser.
fn side() -> impl Strategy<Value = String> {
    let known = "(web|data|x)/(front|db-0|db|shop|both|done|host|six)(:(80|5432|pg|0|http)?)?(/(TCP|udp|x))?";
    let addresses = "\\[?(10\\.42\\.[01]\\.(5|10|99)|10\\.43\\.0\\.[1-9]|fd42::5|8\\.8\\.8\\.8|192\\.168\\.1\\.[12])\\]?(:(80|30080))?(/UDP)?";
    prop_oneof![known, addresses, ".*"]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(web|data|front|db-0|shop|TCP|10\\.42\\.0\\.5|80|.*)".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 32, 6, |inner| {
        let key = "(id|src|dst|ns|pod|service|ip|port|protocol|.*)";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_answered(from in side(), to in side()) {
        if let Ok(query) = Query::parse(&from, &to)
            && let Err(error) = explainer().answer(&query)
        {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn any_json_is_answered(value in any_json(), bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let explainer = explainer();
        let answer = reply(&explainer, value.to_string().as_bytes());
        prop_assert_eq!(answer.error.is_some(), answer.src.is_none());
        prop_assert!(reply(&explainer, &bytes).error.is_some());
    }
}
