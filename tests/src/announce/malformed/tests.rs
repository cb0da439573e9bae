use std::collections::BTreeSet;

use super::*;

#[test]
fn each_is_another_and_none_is_good() {
    let mac = Mac([2, 0, 0, 0, 0, 9]);
    let ips: [IpAddr; 2] = ["10.0.20.200".parse().unwrap(), "fd20::c8".parse().unwrap()];
    let good = [
        frames::gratuitous_reply(Ipv4Addr::new(10, 0, 20, 200), mac),
        frames::advertisement("fd20::c8".parse().unwrap(), mac),
    ];
    let all: Vec<_> = ips.into_iter().flat_map(|ip| malformed(ip, mac)).map(|(_, frame)| frame).collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    assert!(all.iter().all(|frame| frame.len() >= 14 && !good.contains(frame)));
}
