//! Blind spots come and go, each by itself.

use super::*;

#[test]
fn a_place_is_blind_until_it_is_seen_again() {
    let sight = Sight::default();
    assert_eq!(sight.set(BlindSpot::InFront, "veth1", Some("cilium".into())), 1);
    assert_eq!(sight.set(BlindSpot::InFront, "veth2", Some("calico".into())), 2);
    assert_eq!(
        sight.set(BlindSpot::InFront, "veth2", Some("cilium".into())),
        2,
        "another reason, the same place"
    );
    assert_eq!(sight.set(BlindSpot::NoUplink, "node", Some("none".into())), 1);
    assert_eq!(sight.set(BlindSpot::InFront, "veth1", None), 1);
    let left: Vec<_> = sight.list().into_iter().map(|blind| (blind.reason, blind.place, blind.why)).collect();
    let expected = [(BlindSpot::InFront, "veth2", "cilium"), (BlindSpot::NoUplink, "node", "none")];
    assert_eq!(left, expected.map(|(reason, place, why)| (reason, place.to_owned(), why.to_owned())));
    assert_eq!(sight.set(BlindSpot::NoDrops, "node", None), 0, "nothing was recorded");
}
