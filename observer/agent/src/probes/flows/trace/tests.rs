//! What counts as a trace of a connection.

use super::*;
use crate::netlink::conntrack::State;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A pod's connection to a Service, which the node masquerades.
fn conn() -> Conn {
    Conn {
        orig_src: ip("10.42.0.10"),
        orig_dst: ip("10.43.0.9"),
        orig_sport: 40_000,
        orig_dport: 80,
        reply_src: ip("10.42.0.12"),
        reply_dst: ip("10.42.0.1"),
        reply_sport: 8080,
        reply_dport: 50_000,
        state: State::Established,
        from_syn: true,
    }
}

#[test]
fn each_hook_s_view_is_a_trace() {
    let keys = keys(&conn());
    let (client, masqueraded) = ((ip("10.42.0.10"), 40_000), (ip("10.42.0.1"), 50_000));
    let (service, backend) = ((ip("10.43.0.9"), 80), (ip("10.42.0.12"), 8080));
    for (src, dst) in [(client, service), (client, backend), (masqueraded, backend)] {
        assert!(keys.contains(&key(src, dst)) && keys.contains(&key(dst, src)), "{src:?} {dst:?}");
    }
    assert!(!keys.contains(&key((client.0, 40_001), service)));
}

#[test]
fn an_attempt_of_either_address_of_the_client_is_a_trace() {
    let among = |ip_, port| is_among(&conn(), &Attempts::from([(bytes(ip(ip_)), port)]));
    assert!(among("10.42.0.10", 40_000) && among("10.42.0.1", 50_000));
    assert!(!among("10.42.0.10", 50_000) && !among("10.42.0.12", 8080));
}
