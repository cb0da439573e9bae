//! Observed flows under proposed policies.

use super::*;

fn two() -> [Value; 2] {
    [
        pod("web", "shop", "10.42.0.5", &json!({"app": "shop"})),
        pod("db", "pg", "10.42.0.6", &json!({"app": "pg"})),
    ]
}

fn seen(flows: &[Value]) -> Baseline {
    read(&snapshot(&two(), json!([]), flows))
}

fn deny() -> String {
    policy("db", "deny", "{podSelector: {}}")
}

#[test]
fn flows_of_two_workloads_on_one_port_are_one_finding() {
    let [shop, pg] = two();
    let mut other = end(&shop);
    other["service"] = json!("x/y");
    let flows =
        [flow(&end(&shop), &end(&pg), 5432), flow(&other, &end(&pg), 5432), flow(&end(&shop), &end(&pg), 80)];
    let report = report(&deny(), &[seen(&flows)]);
    let counts: Vec<_> =
        report.findings.iter().map(|f| f.flow.as_ref().map(|flow| (flow.port, flow.count))).collect();
    assert_eq!(counts, [Some((5432, 6)), Some((80, 3))]);
}

#[test]
fn both_nodes_of_a_connection_count_it_once() {
    let [shop, pg] = two();
    let one = snapshot(&two(), json!([]), &[flow(&end(&shop), &end(&pg), 5432)]);
    let mut other = one.clone();
    other["flows"][0]["count"] = json!(5);
    let report = report(&deny(), &[read(&one), read(&other)]);
    assert_eq!(only(&report, "flow-denied").flow.as_ref().unwrap().count, 5);
}

#[test]
fn flows_that_are_refused_already_are_marked() {
    let [shop, pg] = two();
    let policies = manifests::stdin(deny().as_bytes(), None).unwrap().policies;
    let today = serde_json::to_value(&policies[0].object).unwrap();
    let seen = snapshot(&two(), json!([today]), &[flow(&end(&shop), &end(&pg), 5432)]);
    let report = report(&namespace("other"), &[read(&seen)]);
    let finding = only(&report, "flow-denied");
    assert_eq!((finding.level.as_str(), &finding.place), ("warning", &None));
    assert!(finding.message.ends_with("today's policies refuse it already"));
}

#[test]
fn pods_are_judged_by_the_labels_they_will_have() {
    let [shop, pg] = two();
    let admits = policy(
        "db",
        "p",
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: shop}}}]}]}",
    );
    let seen = seen(&[flow(&end(&shop), &end(&pg), 5432)]);
    assert_eq!(rules(&report(&admits, std::slice::from_ref(&seen))), [""; 0]);
    let renamed = deployment("web", "shop", "app: store", "");
    assert!(rules(&report(&format!("{admits}{renamed}"), &[seen])).contains(&"flow-denied"));
}

#[test]
fn a_deleted_pod_is_judged_as_its_flow_describes_it() {
    let [shop, pg] = two();
    let mut gone = end(&shop);
    (gone["pod"], gone["workload"]) = (json!("job-1"), json!("job"));
    let admits = policy(
        "db",
        "p",
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: job}}}]}]}",
    );
    let report_of = |labels: Option<Value>| {
        let mut gone = gone.clone();
        gone["labels"] = labels.unwrap_or_default();
        report(&admits, &[seen(&[flow(&gone, &end(&pg), 5432)])])
    };
    assert_eq!(report_of(Some(json!({"app": "job"}))).flows.unwrap().allowed, 1);
    assert_eq!(report_of(Some(json!({"app": "shop"}))).flows.unwrap().denied, 1);
    let unknown = report_of(None);
    assert_eq!(unknown.flows.unwrap().unknown, 1);
    assert_eq!(unknown.unknown.len(), 1);
}

#[test]
fn what_may_depend_on_a_broken_policy_is_unknown() {
    let [shop, pg] = two();
    let broken = policy("db", "bad", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: nonsense}}]}]}");
    let report = report(&broken, &[seen(&[flow(&end(&shop), &end(&pg), 5432)])]);
    assert_eq!(rules(&report), ["broken-policy"]);
    assert_eq!(report.unknown[0].src.to_string(), "web/shop");
}

#[test]
fn sides_outside_and_nodes_are_distinguished() {
    let [_, pg] = two();
    let sides = ["192.0.2.1", "10.0.40.1", "10.42.0.99"].map(|ip| flow(&json!({"ip": ip}), &end(&pg), 5432));
    let admits = policy(
        "db",
        "p",
        "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: shop}}}]}]}",
    );
    let report = report(&admits, &[seen(&sides)]);
    let judged = report.flows.unwrap();
    // The node is the pod's own; the last is in the pod network, but no pod that is known.
    assert_eq!((judged.denied, judged.allowed, judged.unknown), (1, 1, 1));
    assert_eq!(only(&report, "flow-denied").flow.as_ref().unwrap().src.to_string(), "192.0.2.1");
}

#[test]
fn an_incomplete_baseline_is_reported() {
    let mut less = snapshot(&two(), json!([]), &[]);
    less["lost"] = json!(7);
    let report = report(&deny(), &[read(&less)]);
    let [lost] = &report.unjudged[..] else { panic!("{report:#?}") };
    assert_eq!(text::unjudged(lost), "baseline of node n1: lacks 7 flows that gave way to newer ones");
}

#[test]
fn a_flow_without_a_verdict_is_not_judged() {
    let [shop, pg] = two();
    let mut seen = snapshot(&two(), json!([]), &[flow(&end(&shop), &end(&pg), 5432)]);
    seen["inventory"]["policies"]["broken"] = json!([{
        "kind": "CiliumNetworkPolicy", "namespace": "db", "name": "fence", "why": "it is a policy of Cilium",
        "ingress": true, "egress": true, "tier": "admin",
    }]);
    let report = report(&namespace("other"), &[read(&seen)]);
    assert_eq!((report.findings.len(), report.unknown.len()), (0, 1), "{report:#?}");
    assert!(!report.judged_everything());
    assert_eq!(report.unjudged[0].object, "CiliumNetworkPolicy db/fence");
    assert!(text::summary(&report).starts_with("No finding, but not everything was judged"));
}
