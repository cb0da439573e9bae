use flow_model::vip::Claim;

use super::*;
use crate::sink::testing::vip;

#[test]
fn the_newest_picture_replaces_the_last() {
    let store = VipStore::default();
    let of = |store: &VipStore| -> Vec<_> {
        store.snapshot().iter().map(|vip| (vip.ip.to_string(), vip.moves)).collect()
    };
    for (ip, moves) in [("10.0.20.201", 0), ("10.0.20.200", 1), ("10.0.20.200", 2)] {
        store.put(Vip { ip: ip.parse().unwrap(), moves, ..vip(&[]) });
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
        let (since, node) = (jiff::Timestamp::UNIX_EPOCH, node.map(Into::into));
        Some(Claim { mac, node, since, last_seen: since, received: false })
    };
    for (claimant, unnamed) in [(None, false), (held_by(None), true), (held_by(Some("node-a")), false)] {
        store.put(Vip { ip, claimant, ..vip(&[]) });
        assert_eq!(store.has_unnamed(), unnamed);
    }
}
