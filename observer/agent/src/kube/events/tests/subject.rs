use flow_model::finding::{Finding, FindingKind};
use flow_model::record::Endpoint;
use flow_objects::kinds::Kind;
use rstest::rstest;

use crate::kube::events::subject::{Object, of};
use crate::kube::events::tests::{backend, cluster, finding};
use crate::sink::testing::{external, host, pod, service};

/// `Kind namespace/name, uid`, of the object and the related one.
fn event(finding: &Finding, node: &str) -> Option<(String, Option<String>)> {
    let subject = of(finding, &cluster(), node)?;
    let name = |object: &Object| {
        let uid = object.uid.as_deref().unwrap_or("-");
        format!("{} {}/{} {uid}", object.kind, object.namespace, object.name)
    };
    assert_eq!(subject.is_shared(), subject.regarding.kind != Kind::Pod);
    Some((name(&subject.regarding), subject.related.as_ref().map(name)))
}

const CLIENT: &str = "Pod web/front-5d-1 uid-of-front-5d-1";
const SERVER: &str = "Pod data/db-0 uid-of-db-0";
const SERVICE: &str = "Service data/db -";
const POLICY: &str = "NetworkPolicy data/deny uid-of-deny";

#[rstest]
#[case(FindingKind::PolicyDenied)]
#[case(FindingKind::ServiceRefused)]
#[case(FindingKind::Unanswered)]
#[case(FindingKind::LatentDenial)]
fn the_agent_of_its_node_writes_the_event_of_a_client_pod(#[case] kind: FindingKind) {
    let of_kind = |policies: &[&str], src: Endpoint| Finding {
        kind,
        policies: policies.iter().map(|name| (*name).into()).collect(),
        src: Some(src),
        dst: Some(backend()),
        ..finding("a", 1, 0)
    };
    let client = || pod("web", "front-5d-1");
    let here = |finding| event(&finding, "node1");
    assert_eq!(here(of_kind(&["data/deny"], client())), Some((CLIENT.into(), Some(POLICY.into()))));
    assert_eq!(here(of_kind(&[], client())), Some((CLIENT.into(), Some(SERVICE.into()))));
    // A policy of the cluster's tiers has no namespace to put an Event in.
    assert_eq!(here(of_kind(&["tier"], client())), Some((CLIENT.into(), Some(SERVICE.into()))));
    assert_eq!(event(&of_kind(&["data/deny"], client()), "node2"), None, "the agent on node1 does");
    assert_eq!(here(of_kind(&[], pod("web", "gone-5d-1"))), None, "its uid isn't known");
}

#[test]
fn the_event_of_a_client_that_is_no_pod_is_on_the_server() {
    let from =
        |src: Endpoint, dst: Endpoint| Finding { src: Some(src), dst: Some(dst), ..finding("a", 1, 0) };
    for src in [external(), host("node3")] {
        for node in ["node1", "node2"] {
            let expected = Some((SERVICE.to_owned(), Some(POLICY.to_owned())));
            assert_eq!(event(&from(src.clone(), backend()), node), expected);
        }
        let direct = from(src, pod("data", "db-0"));
        assert_eq!(event(&direct, "node2"), Some((SERVER.into(), Some(POLICY.into()))));
        assert_eq!(event(&direct, "node1"), None);
    }
    assert_eq!(event(&from(host("node1"), external()), "node1"), None, "nothing of this is in the cluster");
}

#[test]
fn the_event_of_a_mismatch_is_on_the_policy() {
    let mismatch = Finding { kind: FindingKind::EnforcementMismatch, ..finding("a", 1, 0) };
    for node in ["node1", "node2"] {
        assert_eq!(event(&mismatch, node), Some((POLICY.into(), Some(CLIENT.into()))));
    }
    let without = Finding { policies: vec!["data/deleted".into()], ..mismatch };
    assert_eq!(event(&without, "node1"), Some((CLIENT.into(), Some(SERVICE.into()))));
    assert_eq!(event(&without, "node2"), None);
}

#[test]
fn events_of_vips_and_bursts_are_on_the_service() {
    for kind in [FindingKind::VipFlap, FindingKind::VipConflict] {
        let vip =
            |vip: &str| Finding { kind, src: None, dst: None, vip: Some(vip.into()), ..finding("a", 1, 0) };
        assert_eq!(event(&vip("10.0.20.200"), "node9"), Some((SERVICE.into(), None)));
        assert_eq!(event(&vip("10.0.20.201"), "node9"), None, "only --vip names it");
    }
    let burst =
        |dst| Finding { kind: FindingKind::RstBurst, src: None, dst: Some(dst), ..finding("a", 1, 0) };
    assert_eq!(event(&burst(service("data", "db")), "node9"), Some((SERVICE.into(), None)));
    assert_eq!(event(&burst(pod("data", "db-0")), "node2"), Some((SERVER.into(), None)));
    assert_eq!(event(&burst(pod("data", "db-0")), "node9"), None);
}

#[test]
fn the_event_of_a_blind_spot_is_on_the_node() {
    let blind = Finding { kind: FindingKind::BlindSpot, src: None, dst: None, ..finding("a", 1, 0) };
    assert_eq!(event(&blind, "node1"), Some(("Node /node1 node1".into(), None)));
    assert_eq!(event(&blind, "node9"), None, "the cluster has no such node");
}
