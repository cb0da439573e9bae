//! Ranges hold the same addresses as the blocks they were made of.

use proptest::prelude::*;

use super::*;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

#[test]
fn an_exception_holds_for_its_own_block_only() {
    let blocks = [(net("10.0.0.0/8"), vec![net("10.1.0.0/16")]), (net("10.1.2.0/24"), vec![])];
    let ranges = Ranges::new(blocks.iter().map(|(cidr, except)| (cidr, &except[..])));
    let contains = |ip: &str| ranges.contains(ip.parse().unwrap());
    assert!(contains("10.0.0.0") && contains("10.255.255.255") && contains("10.1.2.3"));
    assert!(!contains("10.1.1.255") && !contains("10.1.3.0") && !contains("11.0.0.0"));
}

#[test]
fn everything_of_one_family_is_nothing_of_the_other() {
    for (all, inside, outside) in [("0.0.0.0/0", "255.255.255.255", "::"), ("::/0", "ff::1", "10.0.0.1")] {
        let ranges = Ranges::new([(&net(all), &[][..])].into_iter());
        assert!(ranges.contains(inside.parse().unwrap()), "{all} {inside}");
        assert!(!ranges.contains(outside.parse().unwrap()), "{all} {outside}");
    }
}

fn small_net() -> impl Strategy<Value = IpNet> {
    let v4 = (0u8..4, 26u8..=32).prop_map(|(last, bits)| format!("10.0.0.{}/{bits}", last * 16));
    let v6 = (0u8..4, 122u8..=128).prop_map(|(last, bits)| format!("fd00::{:x}/{bits}", last * 16));
    prop_oneof![v4, v6].prop_map(|text| net(&text))
}

proptest! {
    #[test]
    fn the_same_as_asking_every_block(
        blocks in prop::collection::vec((small_net(), prop::collection::vec(small_net(), 0..3)), 0..5),
    ) {
        let ranges = Ranges::new(blocks.iter().map(|(cidr, except)| (cidr, &except[..])));
        for last in 0u8..=255 {
            for ip in [format!("10.0.0.{last}"), format!("fd00::{last:x}")] {
                let ip: IpAddr = ip.parse().unwrap();
                let plain = |(cidr, except): &(IpNet, Vec<IpNet>)| {
                    cidr.contains(&ip) && !except.iter().any(|net| net.contains(&ip))
                };
                prop_assert_eq!(ranges.contains(ip), blocks.iter().any(plain), "{}", ip);
            }
        }
    }
}
