//! Claims that no announcer would make, each with its fault.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flow_model::mac::Mac;

use super::frames::{self, Advertisement, Arp, BROADCAST, link_layer_option};

const ZERO: Mac = Mac([0; 6]);
const MULTICAST: Mac = Mac([1, 0, 0x5e, 0, 0, 1]);

/// Returns frames that name `ip` and `mac`, and claim nothing.
#[must_use]
pub fn malformed(ip: IpAddr, mac: Mac) -> Vec<(&'static str, Vec<u8>)> {
    match ip {
        IpAddr::V4(ip) => arps(ip, mac),
        IpAddr::V6(ip) => advertisements(ip, mac),
    }
}

fn arps(ip: Ipv4Addr, mac: Mac) -> Vec<(&'static str, Vec<u8>)> {
    let good = frames::gratuitous_reply(ip, mac);
    let cut = |length: usize| good[..length].to_vec();
    let with = |at: usize, byte: u8| {
        let mut frame = good.clone();
        frame[at] = byte;
        frame
    };
    let by = |sender: Mac| {
        // From a host that exists, about one that can't.
        let mut frame = Arp { operation: 2, sender: (sender, ip), target: (BROADCAST, ip) }.frame(BROADCAST);
        frame[6..12].copy_from_slice(&mac.0);
        frame
    };
    let probe = Arp { operation: 1, sender: (mac, Ipv4Addr::UNSPECIFIED), target: (ZERO, ip) };
    let question = Arp { operation: 1, sender: (mac, Ipv4Addr::new(10, 0, 20, 250)), target: (ZERO, ip) };
    vec![
        ("no payload", cut(14)),
        ("cut before the operation", cut(20)),
        ("cut within the sender", cut(30)),
        ("hardware type 6", with(15, 6)),
        ("protocol type IPv6", with(16, 0x86)),
        ("hardware length 8", with(18, 8)),
        ("protocol length 16", with(19, 16)),
        ("operation 0", with(21, 0)),
        ("operation 9", with(21, 9)),
        ("sender MAC zero", by(ZERO)),
        ("sender MAC broadcast", by(BROADCAST)),
        ("sender MAC multicast", by(MULTICAST)),
        ("a probe, sender 0.0.0.0", probe.frame(BROADCAST)),
        ("a question of another host", question.frame(BROADCAST)),
    ]
}

fn advertisements(ip: Ipv6Addr, mac: Mac) -> Vec<(&'static str, Vec<u8>)> {
    let good = Advertisement::unsolicited(ip, mac);
    let with = |options: Vec<u8>| Advertisement { options, ..good.clone() }.frame();
    let whole = good.frame();
    let cut = |length: usize| whole[..length].to_vec();
    vec![
        ("cut within the IPv6 header", cut(40)),
        ("cut within the target", cut(70)),
        ("cut within the option", cut(whole.len() - 3)),
        ("option of length 0", with(vec![2, 0, 2, 0, 0, 0, 0, 9])),
        ("option past the end", with([&[2, 31], &mac.0[..]].concat())),
        ("MAC zero", with(link_layer_option(ZERO))),
        ("MAC broadcast", with(link_layer_option(BROADCAST))),
        ("MAC multicast", with(link_layer_option(MULTICAST))),
        ("hop limit 254, so from another segment", Advertisement { hop_limit: 254, ..good.clone() }.frame()),
        ("code 1", Advertisement { code: 1, ..good.clone() }.frame()),
    ]
}

#[cfg(test)]
mod tests;
