//! Tiered policies of `policy.networking.k8s.io`.

use flow_model::policies::{Action, Tier, TierPolicy};
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::tests::policies::broken;

const SUBJECT: &str = "subject: {namespaces: {}}";

/// A policy `default` of this kind.
fn mk(kind: &str, spec: &str) -> String {
    let version = if kind == "ClusterNetworkPolicy" { "v1alpha2" } else { "v1alpha1" };
    format!(
        "{{apiVersion: policy.networking.k8s.io/{version}, kind: {kind}, metadata: {{name: default}}, spec: {{{spec}}}}}\n"
    )
}

fn cluster(more: &str) -> String {
    mk("ClusterNetworkPolicy", &format!("tier: Admin, priority: 7, {SUBJECT}, {more}"))
}

fn admin(more: &str) -> String {
    mk("AdminNetworkPolicy", &format!("priority: 7, {SUBJECT}, {more}"))
}

fn policy(yaml: &str) -> TierPolicy {
    let inventory = inventory(yaml);
    assert_eq!(inventory.policies.tiered.len(), 1, "{yaml}");
    TierPolicy::clone(&inventory.policies.tiered[0])
}

#[test]
fn the_three_kinds() {
    let rules = "ingress: [{name: x, action: Deny, from: [{namespaces: {}}]}], egress: [{action: Pass, to: [{namespaces: {}}]}]";
    let cluster =
        policy(&mk("ClusterNetworkPolicy", &format!("tier: Baseline, priority: 1000, {SUBJECT}, {rules}")));
    assert_eq!(
        (cluster.tier, cluster.priority, cluster.egress[0].action),
        (Tier::Baseline, 1000, Action::Pass)
    );
    assert_eq!((cluster.ingress[0].name.as_deref(), cluster.ingress[0].ports.as_ref()), (Some("x"), None));
    let admin = policy(&admin("ingress: [{action: Allow, from: [{namespaces: {}}]}]"));
    assert_eq!((admin.tier, admin.priority, admin.ingress[0].action), (Tier::Admin, 7, Action::Accept));
    let pods = "subject: {pods: {namespaceSelector: {matchLabels: {a: b}}, podSelector: {}}}";
    let base = policy(&mk("BaselineAdminNetworkPolicy", pods));
    assert_eq!((base.tier, base.priority, base.ingress.len()), (Tier::Baseline, 0, 0));
    assert_eq!(
        (base.subject.namespaces.requirements.len(), base.subject.pods.unwrap().requirements.len()),
        (1, 0)
    );
}

#[rstest]
#[case("{namespaces: {matchLabels: {a: b}}}", json!({"pods": {"namespaces": {"requirements": [{"key": "a", "operator": {"in": ["b"]}}]}, "pods": null}}))]
#[case("{pods: {namespaceSelector: {}, podSelector: {}}}", json!({"pods": {"namespaces": {"requirements": []}, "pods": {"requirements": []}}}))]
#[case("{nodes: {}}", json!({"nodes": {"requirements": []}}))]
#[case("{networks: [10.0.0.9/8, 'fd00::/8']}", json!({"networks": ["10.0.0.0/8", "fd00::/8"]}))]
#[case("{domainNames: ['*.kubernetes.io']}", json!({"domains": ["*.kubernetes.io"]}))]
#[case::newer("{serviceAccounts: {}}", json!({"unreadable": "serviceAccounts"}))]
#[case::newer_beside("{namespaces: {}, zones: {}}", json!({"unreadable": "zones"}))]
#[case::dropped("{}", json!({"unreadable": "(none)"}))]
fn peers(#[case] peer: &str, #[case] expect: Value) {
    for (text, accept) in [(cluster as fn(&str) -> String, "Accept"), (admin, "Allow")] {
        let policy = policy(&text(&format!("egress: [{{action: {accept}, to: [{peer}]}}]")));
        assert_eq!(serde_json::to_value(&policy.egress[0].peers).unwrap(), json!([expect]));
    }
}

#[test]
fn sources_have_fewer_peers() {
    let policy = policy(&cluster("ingress: [{action: Deny, from: [{networks: [10.0.0.0/8]}]}]"));
    assert_eq!(serde_json::to_value(&policy.ingress[0].peers).unwrap(), json!([{"unreadable": "networks"}]));
}

#[rstest]
#[case("{tcp: {destinationPort: {number: 80}}}", json!({"range": {"protocol": "TCP", "first": 80, "last": 80}}))]
#[case("{udp: {destinationPort: {range: {start: 80, end: 90}}}}", json!({"range": {"protocol": "UDP", "first": 80, "last": 90}}))]
#[case("{sctp: {}}", json!({"range": {"protocol": "SCTP", "first": 0, "last": 65535}}))]
#[case("{destinationNamedPort: http}", json!({"named": "http"}))]
fn protocols(#[case] protocol: &str, #[case] expect: Value) {
    let policy = policy(&cluster(&format!(
        "ingress: [{{action: Deny, from: [{{namespaces: {{}}}}], protocols: [{protocol}]}}]"
    )));
    assert_eq!(serde_json::to_value(&policy.ingress[0].ports).unwrap(), json!([expect]));
}

#[rstest]
#[case("[{portNumber: {port: 80}}]", json!([{"range": {"protocol": "TCP", "first": 80, "last": 80}}]))]
#[case("[{portRange: {protocol: UDP, start: 80, end: 90}}]", json!([{"range": {"protocol": "UDP", "first": 80, "last": 90}}]))]
#[case("[{namedPort: http}]", json!([{"named": "http"}]))]
#[case("[]", json!(null))]
#[case("null", json!(null))]
fn ports_of_v1alpha1(#[case] ports: &str, #[case] expect: Value) {
    let policy =
        policy(&admin(&format!("ingress: [{{action: Deny, from: [{{namespaces: {{}}}}], ports: {ports}}}]")));
    assert_eq!(serde_json::to_value(&policy.ingress[0].ports).unwrap(), expect);
}

#[rstest]
#[case::priority(&mk("ClusterNetworkPolicy", "tier: Admin, priority: 1001, subject: {namespaces: {}}"), "spec.priority: 1001 is not within 0 to 1000")]
#[case::priority(&mk("AdminNetworkPolicy", "priority: -1, subject: {namespaces: {}}"), "spec.priority: -1 is not within 0 to 1000")]
#[case::no_priority(&mk("AdminNetworkPolicy", SUBJECT), "spec.priority: is missing")]
#[case::no_subject(&mk("AdminNetworkPolicy", "priority: 1"), "spec.subject: is missing")]
#[case::two_subjects(
    &mk("AdminNetworkPolicy", "priority: 1, subject: {namespaces: {}, pods: {podSelector: {}}}"),
    "spec.subject: needs exactly one of namespaces, pods"
)]
#[case::baseline_priority(
    &mk("BaselineAdminNetworkPolicy", "priority: 1, subject: {namespaces: {}}"), "spec.priority: is not a known field"
)]
#[case::baseline_pass(
    &mk("BaselineAdminNetworkPolicy", "subject: {namespaces: {}}, ingress: [{action: Pass, from: [{namespaces: {}}]}]"),
    "spec.ingress[0].action: `Pass` is not one of Allow, Deny"
)]
#[case::baseline_name(
    &mk("BaselineAdminNetworkPolicy", SUBJECT).replace("name: default", "name: other"), "metadata.name: must be `default`, not `other`"
)]
#[case::allow_is_old(&cluster("ingress: [{action: Allow, from: [{namespaces: {}}]}]"), "spec.ingress[0].action: `Allow` is not one of Accept, Deny, Pass")]
#[case::accept_is_new(&admin("ingress: [{action: Accept, from: [{namespaces: {}}]}]"), "spec.ingress[0].action: `Accept` is not one of Allow, Deny, Pass")]
#[case::no_action(&admin("ingress: [{from: [{namespaces: {}}]}]"), "spec.ingress[0].action: is missing")]
#[case::no_peer(&cluster("ingress: [{action: Deny, from: []}]"), "spec.ingress[0].from: needs at least one peer")]
#[case::no_from(&cluster("ingress: [{action: Deny}]"), "spec.ingress[0].from: is missing")]
#[case::two_peers(
    &cluster("egress: [{action: Deny, to: [{namespaces: {}, nodes: {}}]}]"), "spec.egress[0].to[0]: has both namespaces and nodes; one peer has one field"
)]
#[case::domains_deny(
    &cluster("egress: [{action: Deny, to: [{domainNames: [a.io]}]}]"), "spec.egress[0].to[0]: domainNames go with Accept only"
)]
#[case::domain(&cluster("egress: [{action: Accept, to: [{domainNames: [io]}]}]"), "spec.egress[0].to[0].domainNames[0]: `io` is not a domain name")]
#[case::network(&cluster("egress: [{action: Deny, to: [{networks: [10.0.0.0/99]}]}]"), "spec.egress[0].to[0].networks[0]: `10.0.0.0/99` is not a CIDR")]
#[case::no_network(&cluster("egress: [{action: Deny, to: [{networks: []}]}]"), "spec.egress[0].to[0].networks: needs at least one item")]
#[case::inside_a_peer(&cluster("ingress: [{action: Deny, from: [{pods: {podSelectors: {}}}]}]"), "spec.ingress[0].from[0].pods.podSelectors: is not a known field; did you mean `podSelector`?")]
#[case::rule(&cluster("ingress: [{action: Deny, from: [{namespaces: {}}], ports: []}]"), "spec.ingress[0].ports: is not a known field")]
#[case::protocols_empty(&cluster("ingress: [{action: Deny, from: [{namespaces: {}}], protocols: []}]"), "spec.ingress[0].protocols: needs at least one item")]
#[case::range(
    &cluster("ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {range: {start: 8, end: 8}}}}]}]"),
    "spec.ingress[0].protocols[0].tcp.destinationPort.range: start 8 is not below end 8"
)]
#[case::two_protocols(
    &cluster("ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{tcp: {}, udp: {}}]}]"),
    "spec.ingress[0].protocols[0]: needs exactly one of tcp, udp, sctp, destinationNamedPort"
)]
#[case::port(&admin("ingress: [{action: Deny, from: [{namespaces: {}}], ports: [{portNumber: {port: 0}}]}]"), "spec.ingress[0].ports[0].portNumber.port: 0 is not a port: 1 to 65535")]
#[case::version(
    &cluster("ingress: []").replace("v1alpha2", "v1beta1"),
    "apiVersion: version `policy.networking.k8s.io/v1beta1` is not known; policy.networking.k8s.io/v1alpha2 is"
)]
fn invalid(#[case] yaml: &str, #[case] why: &str) {
    assert_eq!(broken(yaml).why, why);
}

#[rstest]
#[case::tier_unknown(&mk("ClusterNetworkPolicy", "tier: Platform, priority: 1, subject: {namespaces: {}}"), Tier::Admin, (false, false), true)]
#[case::baseline(&mk("ClusterNetworkPolicy", "tier: Baseline, priority: x, subject: {namespaces: {}}, ingress: [5]"), Tier::Baseline, (true, false), true)]
#[case::section(&admin("egress: {}"), Tier::Admin, (false, true), true)]
#[case::field(&admin("other: {}"), Tier::Admin, (true, true), true)]
#[case::subject(&mk("BaselineAdminNetworkPolicy", "subject: {zones: {}}"), Tier::Baseline, (false, false), false)]
#[case::version(&cluster("ingress: []").replace("v1alpha2", "v9"), Tier::Admin, (true, true), false)]
fn what_a_broken_one_may_touch(
    #[case] yaml: &str,
    #[case] tier: Tier,
    #[case] directions: (bool, bool),
    #[case] subject: bool,
) {
    let broken = broken(yaml);
    assert_eq!((broken.tier, (broken.ingress, broken.egress)), (Some(tier), directions));
    assert_eq!((&*broken.namespace, broken.selector.is_some()), ("", subject));
}

#[test]
fn sections_are_bounded() {
    let rules = ["{action: Deny, from: [{namespaces: {}}]}"; 26].join(", ");
    assert_eq!(
        broken(&cluster(&format!("ingress: [{rules}]"))).why,
        "spec.ingress: has 26 items; 25 are allowed"
    );
    assert_eq!(policy(&admin(&format!("ingress: [{rules}]"))).ingress.len(), 26);
}
