use std::sync::Arc;

use flow_model::inventory::Node;
use jiff::Timestamp;

use super::*;
use crate::audit::{Change, audit, join};

fn baseline(node: &str, cluster: &[&str]) -> Baseline {
    let known = |name: &&str| Arc::new(Node { name: (*name).into(), ..Node::default() });
    let inventory = Inventory { nodes: cluster.iter().map(known).collect(), ..Inventory::default() };
    Baseline {
        version: flow_model::baseline::VERSION,
        node: node.into(),
        time: Timestamp::UNIX_EPOCH,
        inventory: inventory.into(),
        flows: vec![],
        lost: 0,
        missing: vec![],
    }
}

fn judged(baselines: &[Baseline]) -> (Option<Nodes>, Vec<String>) {
    let report = audit(&Change::default(), baselines);
    (report.nodes, report.unjudged.into_iter().map(|unjudged| unjudged.why).collect())
}

#[test]
fn the_flows_of_one_of_three_nodes_are_not_everything() {
    let (nodes, unjudged) = judged(&[baseline("n1", &["n1", "n2", "n3"])]);
    let missing = ["n2", "n3"].map(|node| MissingNode { node: node.into(), reason: NOT_ASKED });
    assert_eq!(nodes, Some(Nodes { asked: vec!["n1".into()], missing: missing.into() }));
    let expected = "only the flows of 1 of 3 nodes are judged; those that only n2, n3 saw are not (--all-nodes asks all agents)";
    assert_eq!(unjudged, [expected]);
}

#[test]
fn all_nodes_together_are_everything_joined_or_not() {
    let cluster = ["n1", "n2"];
    let both = cluster.map(|node| baseline(node, &cluster));
    assert_eq!(judged(&both).1, [""; 0]);
    let joined = join(&both).unwrap();
    let (nodes, unjudged) = judged(std::slice::from_ref(&joined));
    assert_eq!((nodes.unwrap().asked.len(), unjudged.len()), (2, 0));
}

#[test]
fn a_snapshot_without_flows_claims_none_and_an_agent_without_a_cluster_knows_no_other_node() {
    assert_eq!(judged(&[baseline("", &["n1"])]), (None, vec![]));
    let (nodes, unjudged) = judged(&[baseline("n1", &[])]);
    assert_eq!((nodes.unwrap().missing.len(), unjudged.len()), (0, 0));
}

#[test]
fn the_reason_of_a_missing_node_is_that_of_the_baseline() {
    let missing = vec![Missing { what: flows_of("n2"), why: "its agent could not be asked".into() }];
    let (nodes, _) = judged(&[Baseline { missing, ..baseline("n1", &["n1", "n2"]) }]);
    assert_eq!(nodes.unwrap().missing[0].reason, "its agent could not be asked");
}

#[test]
fn many_nodes_are_counted() {
    let names: Vec<_> = (0..9).map(|n| format!("n{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let (_, unjudged) = judged(&[baseline("n0", &names)]);
    assert!(unjudged[0].contains("only n1, n2, n3, n4, n5, 3 more saw"), "{unjudged:?}");
}
