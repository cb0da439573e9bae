//! Blind spots come and go, each by itself.

use super::*;

fn spot(reason: BlindReason, place: &str, why: &str) -> BlindSpot {
    BlindSpot {
        reason,
        place: place.to_owned(),
        why: why.to_owned(),
        hides_pod: false,
        addresses: Vec::new(),
    }
}

#[test]
fn a_place_is_blind_until_it_is_seen_again() {
    let sight = Sight::default();
    assert_eq!(sight.lose(spot(BlindReason::InFront, "veth1", "cilium")), 1);
    assert_eq!(sight.lose(spot(BlindReason::InFront, "veth2", "calico")), 2);
    assert_eq!(
        sight.lose(spot(BlindReason::InFront, "veth2", "cilium")),
        2,
        "another reason, the same place"
    );
    assert_eq!(sight.lose(spot(BlindReason::NoUplink, "node", "none")), 1);
    assert_eq!(sight.regain(BlindReason::InFront, "veth1"), 1);
    let expected =
        [spot(BlindReason::InFront, "veth2", "cilium"), spot(BlindReason::NoUplink, "node", "none")];
    assert_eq!(sight.list(), expected);
    assert_eq!(sight.regain(BlindReason::NoDrops, "node"), 0, "nothing was recorded");
}

#[tokio::test]
async fn only_a_change_wakes() {
    let sight = Sight::default();
    let is_changed = async || tokio::time::timeout(std::time::Duration::ZERO, sight.changed()).await.is_ok();
    sight.regain(BlindReason::NoDrops, "node");
    assert!(!is_changed().await);
    sight.lose(spot(BlindReason::NoDrops, "node", "none"));
    assert!(is_changed().await);
    sight.lose(spot(BlindReason::NoDrops, "node", "none"));
    assert!(!is_changed().await, "it is the same");
    sight.regain(BlindReason::NoDrops, "node");
    assert!(is_changed().await);
}
