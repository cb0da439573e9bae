use flow_model::vip::Claim;

use super::*;
use crate::sink::testing::{at, vip};

#[test]
fn the_newest_picture_replaces_the_last() {
    let store = VipStore::default();
    let of = |store: &VipStore| -> Vec<_> {
        store.snapshot().iter().map(|known| (known.vip.ip.to_string(), known.vip.moves)).collect()
    };
    for (ip, moves) in [("10.0.20.201", 0), ("10.0.20.200", 1), ("10.0.20.200", 2)] {
        store.put(Vip { ip: ip.parse().unwrap(), moves, ..vip(&[]) }, at(0));
    }
    assert_eq!(of(&store), [("10.0.20.200".to_owned(), 2), ("10.0.20.201".to_owned(), 0)]);
    store.remove("10.0.20.201".parse().unwrap());
    store.remove("10.0.20.1".parse().unwrap());
    assert_eq!(of(&store), [("10.0.20.200".to_owned(), 2)]);
}

#[test]
fn a_holder_without_a_name_is_noticed() {
    let store = VipStore::default();
    let ip: IpAddr = "10.0.20.200".parse().unwrap();
    let held_by = |node: Option<&str>| {
        let mac = "02:00:00:00:00:01".parse().unwrap();
        let (since, node) = (Timestamp::UNIX_EPOCH, node.map(Into::into));
        Some(Claim { mac, node, since, last_seen: since, received: false })
    };
    for (claimant, unnamed) in [(None, false), (held_by(None), true), (held_by(Some("node-a")), false)] {
        store.put(Vip { ip, claimant, ..vip(&[]) }, at(0));
        assert_eq!(store.has_unnamed(), unnamed);
    }
}

#[test]
fn without_a_claimant_it_is_known_since_when_none_was_heard() {
    let store = VipStore::default();
    let not_heard = |store: &VipStore| store.snapshot()[0].not_heard_since;
    store.put(vip(&[]), at(1));
    store.put(Vip { moves: 1, ..vip(&[]) }, at(5));
    assert_eq!(not_heard(&store), Some(at(1)));
    let mac = "02:00:00:00:00:01".parse().unwrap();
    let claim = Claim { mac, node: None, since: at(6), last_seen: at(6), received: false };
    store.put(Vip { claimant: Some(claim), ..vip(&[]) }, at(6));
    assert_eq!(not_heard(&store), None);
}
