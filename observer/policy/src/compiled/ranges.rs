//! Sets of addresses as sorted ranges without overlap.

use std::net::IpAddr;

use ipnet::IpNet;

/// First and last address.
type Range = (u128, u128);

/// What several ipBlocks hold together, each without its own exceptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ranges {
    v4: Vec<Range>,
    v6: Vec<Range>,
}

impl Ranges {
    pub(super) fn new<'a>(blocks: impl Iterator<Item = (&'a IpNet, &'a [IpNet])>) -> Self {
        let mut ranges = Self::default();
        for (cidr, except) in blocks {
            let same = except.iter().filter(|net| is_v4(net) == is_v4(cidr));
            let kept = same.fold(vec![bounds(cidr)], |kept, net| subtract(&kept, bounds(net)));
            if is_v4(cidr) { ranges.v4.extend(kept) } else { ranges.v6.extend(kept) }
        }
        Self { v4: join(ranges.v4), v6: join(ranges.v6) }
    }

    pub(super) fn contains(&self, ip: IpAddr) -> bool {
        let family = if ip.is_ipv4() { &self.v4 } else { &self.v6 };
        let ip = bits(ip);
        let after = family.partition_point(|(first, _)| *first <= ip);
        after.checked_sub(1).and_then(|at| family.get(at)).is_some_and(|(_, last)| ip <= *last)
    }

    pub(super) fn memory(&self) -> usize {
        (self.v4.capacity() + self.v6.capacity()) * size_of::<Range>()
    }
}

fn is_v4(net: &IpNet) -> bool {
    matches!(net, IpNet::V4(_))
}

fn bounds(net: &IpNet) -> Range {
    (bits(net.network()), bits(net.broadcast()))
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

fn subtract(ranges: &[Range], (from, to): Range) -> Vec<Range> {
    let mut kept = Vec::with_capacity(ranges.len() + 1);
    for &(first, last) in ranges {
        if to < first || last < from {
            kept.push((first, last));
            continue;
        }
        if first < from {
            kept.push((first, from - 1));
        }
        if to < last {
            kept.push((to + 1, last));
        }
    }
    kept
}

fn join(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    ranges.dedup_by(|next, kept| {
        let touch = next.0 <= kept.1.saturating_add(1);
        if touch {
            kept.1 = kept.1.max(next.1);
        }
        touch
    });
    ranges.shrink_to_fit();
    ranges
}

#[cfg(test)]
mod tests {
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
        for (all, inside, outside) in [("0.0.0.0/0", "255.255.255.255", "::"), ("::/0", "ff::1", "10.0.0.1")]
        {
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
}
