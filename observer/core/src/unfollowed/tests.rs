use std::sync::Arc;

use flow_identity::Identity;
use flow_model::blind_spot::{BlindReason, BlindSpot};
use flow_model::testing::attempt_seen;

use super::*;

const POD: &str = "front-5d-1";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

fn inventory(node: &str, host_network: bool) -> Inventory {
    let pod = Pod {
        node: Some(node.into()),
        host_network,
        ..flow_model::testing::pod("web", POD, &[], "10.42.0.10")
    };
    Inventory { pods: vec![Arc::new(pod)], ..Inventory::default() }
}

/// A connection of the pod to an address outside, or the other way round.
fn opened(second: i64, vantage: Vantage, by_pod: bool) -> AttemptSeen {
    let (pod, outside) = ([10, 42, 0, 10].into(), [192, 0, 2, 9].into());
    let (src, dst) = if by_pod { (pod, outside) } else { (outside, pod) };
    let seen = attempt_seen(at(second), Outcome::Established);
    AttemptSeen { tuple: FlowTuple { src, dst, ..seen.tuple }, vantage, ..seen }
}

/// Returns what is told of a pod on node1, with the second.
fn told(inventory: Inventory, scene: &[AttemptSeen]) -> Vec<String> {
    let mut identity = Identity::new();
    identity.apply(Arc::new(inventory), at(-1));
    let (mut unfollowed, known) = (Unfollowed::new("node1".into()), BlindSpots::new("node1".into()));
    let sights = scene.iter().filter_map(|seen| {
        let resolved = identity.resolve(&seen.tuple, seen.time).masqueraded_as(seen.masqueraded);
        let Sight { ip, unseen } = unfollowed.attempt(seen, &resolved, &known)?;
        let sight = unseen.map_or("seen".to_owned(), |unseen| format!("hidden, {:?}", unseen.addresses));
        Some(format!("{}: {ip} {sight}", seen.time.duration_since(at(0)).as_secs()))
    });
    sights.collect()
}

fn transit() -> Vec<AttemptSeen> {
    [(0, true), (5, true), (19, false), (20, true)]
        .map(|(second, by_pod)| opened(second, Vantage::Transit, by_pod))
        .to_vec()
}

#[test]
fn a_pod_of_this_node_that_only_passes_the_uplink_is_hidden_until_it_is_seen() {
    let hidden = "20: 10.42.0.10 hidden, [10.42.0.10]";
    let mut scene = transit();
    assert_eq!(told(inventory("node1", false), &scene), [hidden]);
    scene.push(opened(30, Vantage::Transit, true));
    scene.push(AttemptSeen { outcome: Outcome::Refused, ..opened(31, Vantage::Source, true) });
    assert_eq!(told(inventory("node1", false), &scene), [hidden, "31: 10.42.0.10 seen"]);
}

#[test]
fn nothing_is_said_of_others() {
    assert_eq!(told(inventory("node2", false), &transit()), Vec::<String>::new());
    assert_eq!(told(inventory("node1", true), &transit()), Vec::<String>::new());
    assert_eq!(told(Inventory::default(), &transit()), Vec::<String>::new());
}

/// Returns what is told after connections from outside that the change makes other ones.
fn told_of_arrivals(change: impl Fn(AttemptSeen) -> AttemptSeen) -> Vec<String> {
    let scene = [0, 5, 19, 20, 40].map(|second| change(opened(second, Vantage::Transit, false)));
    told(inventory("node1", false), &scene)
}

#[test]
fn an_arrival_tells_as_much_as_a_departure() {
    assert_eq!(told_of_arrivals(|seen| seen), ["20: 10.42.0.10 hidden, [10.42.0.10]"]);
}

#[test]
fn what_may_not_have_reached_the_pod_tells_nothing() {
    let refused = |seen| AttemptSeen { outcome: Outcome::Refused, ..seen };
    assert_eq!(told_of_arrivals(refused), Vec::<String>::new());
}

/// A client of a VIP comes to the pod under the node's address. The uplink sees it under its own.
#[test]
fn a_client_that_the_node_masquerades_tells_nothing() {
    let vip = [192, 0, 2, 200].into();
    let masqueraded = Some([10, 42, 0, 1].into());
    let of_vip = |seen: AttemptSeen| {
        let tuple = FlowTuple {
            dst: vip,
            dport: 80,
            backend: Some((seen.tuple.dst, seen.tuple.dport)),
            ..seen.tuple
        };
        AttemptSeen { tuple, ..seen }
    };
    assert_eq!(told_of_arrivals(of_vip), Vec::<String>::new());
    assert_eq!(told_of_arrivals(|seen| AttemptSeen { masqueraded, ..of_vip(seen) }), Vec::<String>::new());
    assert_eq!(told_of_arrivals(|seen| AttemptSeen { masqueraded, ..seen }), Vec::<String>::new());
}

#[test]
fn an_interface_that_is_followed_late_is_no_blind_spot() {
    let mut scene = transit();
    scene.insert(2, opened(10, Vantage::Source, true));
    assert_eq!(told(inventory("node1", false), &scene), Vec::<String>::new());
}

/// One network's interface is seen, the other one's is not.
#[test]
fn each_address_of_a_pod_counts_for_itself() {
    let mut inventory = inventory("node1", false);
    let mut pod = Pod::clone(&inventory.pods[0]);
    pod.attached_ips = vec![[192, 168, 1, 205].into()];
    inventory.pods = vec![Arc::new(pod)];
    let mut scene = transit();
    for FlowTuple { src, dst, .. } in scene.iter_mut().map(|seen| &mut seen.tuple) {
        for ip in [src, dst].into_iter().filter(|ip| **ip == IpAddr::from([10, 42, 0, 10])) {
            *ip = [192, 168, 1, 205].into();
        }
    }
    let hidden = "20: 192.168.1.205 hidden, [192.168.1.205]";
    for second in [10, 30] {
        scene.push(opened(second, Vantage::Source, true));
    }
    scene.sort_by_key(|seen| seen.time);
    assert_eq!(told(inventory, &scene), [hidden]);
}

/// What `bpf_redirect_peer` hands to a pod passes the uplink only, too.
#[test]
fn a_reason_that_is_known_explains_it() {
    let ip = IpAddr::from([10, 42, 0, 10]);
    let spot = |reason| BlindSpot {
        reason,
        place: "veth1".into(),
        why: String::new(),
        hides_pod: true,
        addresses: vec![ip],
    };
    let mut identity = Identity::new();
    identity.apply(Arc::new(inventory("node1", false)), at(-1));
    let mut known = BlindSpots::new("node1".into());
    let mut unfollowed = Unfollowed::new("node1".into());
    let passes = |unfollowed: &mut Unfollowed, known: &BlindSpots| -> Vec<bool> {
        let told = transit()
            .into_iter()
            .filter_map(|seen| unfollowed.attempt(&seen, &identity.resolve(&seen.tuple, seen.time), known));
        told.map(|sight| sight.unseen.is_some()).collect()
    };
    assert_eq!(passes(&mut unfollowed, &known), [true]);
    known.set(vec![spot(BlindReason::Unfollowed)], at(21));
    assert_eq!(unfollowed.explained(&known), [], "its own conclusion is no reason");
    known.set(vec![spot(BlindReason::Unfollowed), spot(BlindReason::Bypassed)], at(22));
    assert_eq!(unfollowed.explained(&known), [Sight { ip, unseen: None }]);
    assert_eq!(passes(&mut unfollowed, &known), [true; 0], "known before");
}

#[test]
fn a_pod_that_is_gone_hides_nothing() {
    let mut unfollowed = Unfollowed::new("node1".into());
    let ip = IpAddr::from([10, 42, 0, 10]);
    unfollowed.hidden.insert(ip, ObjectRef::new("web", POD));
    assert_eq!(unfollowed.inventory(&inventory("node1", false)), []);
    assert_eq!(unfollowed.inventory(&Inventory::default()), [Sight { ip, unseen: None }]);
    assert_eq!(unfollowed.inventory(&Inventory::default()), []);
}
