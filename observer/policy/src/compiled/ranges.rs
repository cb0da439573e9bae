//! Sets of addresses as sorted ranges without overlap.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use ipnet::IpNet;

/// Holds the first and the last address.
type Range = (u128, u128);

/// Holds the addresses of several ipBlocks together, each without its own exceptions.
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
