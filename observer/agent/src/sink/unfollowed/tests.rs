use flow_model::inventory::Pod;
use flow_model::record::Event;

use super::*;
use crate::sink::testing::{at, attempt, external, pod};

const POD: &str = "front-5d-1";

fn inventory(node: &str, host_network: bool) -> Arc<Inventory> {
    let pod = Pod {
        node: Some(node.into()),
        host_network,
        ..flow_model::testing::pod("web", POD, &[], "10.42.0.10")
    };
    Arc::new(Inventory { pods: vec![Arc::new(pod)], ..Inventory::default() })
}

fn web() -> Endpoint {
    pod("web", POD)
}

/// What a pod on node1, and the connections of a scene: second, vantage, outcome, and whether the pod opened it.
fn told(inventory: &Arc<Inventory>, scene: &[(i64, Vantage, Outcome, bool)]) -> Vec<String> {
    let mut unfollowed = Unfollowed::new("node1".into());
    let mut told = Vec::new();
    for (second, vantage, outcome, opened) in scene {
        let (src, dst) = if *opened { (web(), external()) } else { (external(), web()) };
        let record = attempt(*second, src, dst, *outcome);
        let Event::Attempt(mut attempt) = record.event else { unreachable!() };
        attempt.vantage = *vantage;
        told.extend(unfollowed.attempt(&attempt, at(*second), inventory).map(|(pod, change)| match change {
            Change::Hidden(unseen) => format!("{second}: {pod} hidden, {:?}", unseen.addresses),
            Change::Seen => format!("{second}: {pod} seen"),
        }));
    }
    told
}

const TRANSIT: [(i64, Vantage, Outcome, bool); 4] = [
    (0, Vantage::Transit, Outcome::Established, true),
    (5, Vantage::Transit, Outcome::Unanswered, true),
    (19, Vantage::Transit, Outcome::Established, false),
    (20, Vantage::Transit, Outcome::Established, true),
];

#[test]
fn a_pod_of_this_node_that_only_passes_the_uplink_is_hidden_until_it_is_seen() {
    let inventory = inventory("node1", false);
    let hidden = "20: web/front-5d-1 hidden, [10.42.0.10]";
    assert_eq!(told(&inventory, &TRANSIT), [hidden]);
    let mut scene = TRANSIT.to_vec();
    scene.push((30, Vantage::Transit, Outcome::Established, true));
    scene.push((31, Vantage::Source, Outcome::Refused, true));
    assert_eq!(told(&inventory, &scene), [hidden, "31: web/front-5d-1 seen"]);
}

#[test]
fn nothing_is_said_of_others() {
    assert_eq!(told(&inventory("node2", false), &TRANSIT), Vec::<String>::new());
    assert_eq!(told(&inventory("node1", true), &TRANSIT), Vec::<String>::new());
    assert_eq!(told(&Arc::default(), &TRANSIT), Vec::<String>::new());
}

/// What a firewall of the node refuses does not reach the pod's interface.
#[test]
fn what_may_not_have_reached_the_pod_tells_nothing() {
    let refused =
        |(second, vantage, ..): (i64, Vantage, Outcome, bool)| (second, vantage, Outcome::Refused, false);
    assert_eq!(told(&inventory("node1", false), &TRANSIT.map(refused)), Vec::<String>::new());
}

#[test]
fn an_interface_that_is_followed_late_is_no_blind_spot() {
    let mut scene = TRANSIT.to_vec();
    scene.insert(2, (10, Vantage::Source, Outcome::Established, true));
    assert_eq!(told(&inventory("node1", false), &scene), Vec::<String>::new());
}

#[test]
fn a_pod_that_is_gone_hides_nothing() {
    let before = inventory("node1", false);
    let mut unfollowed = Unfollowed::new("node1".into());
    unfollowed.hidden.insert(ObjectRef::new("web", POD));
    assert_eq!(unfollowed.inventory(&before), Vec::<ObjectRef>::new());
    assert_eq!(unfollowed.inventory(&Arc::default()), [ObjectRef::new("web", POD)]);
    assert_eq!(unfollowed.inventory(&Arc::default()), Vec::<ObjectRef>::new());
}
