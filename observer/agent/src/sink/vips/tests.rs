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
