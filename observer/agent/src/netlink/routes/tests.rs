//! Damaged routes, and the real kernel.

use proptest::prelude::*;

use super::*;
use crate::netlink::testing::Namespace;

#[test]
fn next_hops_stop_at_the_damage() {
    let hop = |len: u16, ifindex: u32| {
        let mut out = len.to_ne_bytes().to_vec();
        out.extend([0, 0]);
        out.extend(ifindex.to_ne_bytes());
        out
    };
    assert_eq!(next_hops(&[hop(8, 3), hop(8, 4)].concat()), [3, 4]);
    assert_eq!(next_hops(&[hop(8, 3), hop(0, 4)].concat()), [3]);
    assert_eq!(next_hops(&[hop(8, 3), vec![8, 0]].concat()), [3]);
}

#[test]
fn prefixes_behind_pods_are_read_from_the_kernel() {
    let ns = Namespace::new();
    let found = ns.block_on(async {
        ns.ip("link add cni0 type bridge");
        ns.ip("link add other type bridge");
        ns.ip("link set cni0 up");
        ns.ip("link set other up");
        ns.ip("addr add 10.42.0.1/24 dev cni0");
        ns.ip("-6 addr add fd00:42::1/64 dev cni0 nodad");
        ns.ip("addr add 192.168.7.1/24 dev other");
        ns.ip("route add 10.99.0.0/16 dev cni0 table 7");
        ns.ip("route add default dev cni0");
        let cni0 = nix::net::if_::if_nametoindex("cni0").unwrap();
        pod_facing_prefixes(&[cni0].into()).await.unwrap()
    });
    let expected = ["10.42.0.0/24", "fd00:42::/64"].map(|prefix| prefix.parse().unwrap());
    assert_eq!(found, expected.into());
}

proptest! {
    #[test]
    fn any_bytes_decode_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Some(route) = Route::decode(&bytes) {
            prop_assert!(route.ifindexes.len() <= bytes.len());
            prop_assert!(!route.prefix.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)) || route.prefix.addr().is_ipv4());
        }
    }
}
