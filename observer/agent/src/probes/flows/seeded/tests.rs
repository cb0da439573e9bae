//! Tuples of connections that conntrack listed.

use super::*;
use crate::netlink::conntrack::State;

fn conn(reply_dst: &str) -> Conn {
    let ip = |s: &str| s.parse::<IpAddr>().unwrap();
    Conn {
        orig_src: ip("10.42.0.10"),
        orig_dst: ip("10.43.0.9"),
        orig_sport: 40_000,
        orig_dport: 5432,
        reply_src: ip("10.42.0.12"),
        reply_dst: ip(reply_dst),
        reply_sport: 15_432,
        reply_dport: 40_000,
        state: State::Established,
        from_syn: true,
    }
}

fn pods(ip: IpAddr) -> bool {
    ip.to_string().starts_with("10.42.0.")
}

#[test]
fn a_service_connection_is_known_before_and_after_dnat() {
    let entries = entries(&conn("10.42.0.10"), pods);
    let dports: Vec<u16> = entries.iter().map(|(k, _)| k.dport).collect();
    assert_eq!(dports, [5432, 15_432]);
    for (_, flow) in entries {
        assert_eq!((flow.dport, flow.backend_port, flow.vantage), (5432, 15_432, Vantage::Source.byte()));
        assert_eq!(flow.flags, FlowValue::SEEDED);
    }
}

#[test]
fn a_masqueraded_connection_of_a_pod_is_the_pod_s() {
    let entries = entries(&conn("192.0.2.1"), pods);
    assert_eq!(entries.len(), 2);
    assert!(entries.iter().all(|(key, _)| key.src == bytes("10.42.0.10".parse().unwrap())));
    assert_eq!(entries[1].1.vantage, Vantage::Source.byte());
}

#[test]
fn one_from_outside_is_in_transit() {
    let entries = entries(&conn("192.0.2.1"), |ip| ip.to_string() == "10.42.0.12");
    assert_eq!(entries.len(), 2);
    assert_eq!((entries[0].1.vantage, entries[0].1.flags), (Vantage::Transit.byte(), FlowValue::SEEDED));
}
