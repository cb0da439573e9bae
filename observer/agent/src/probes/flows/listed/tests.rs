//! Entries of the flow table that stand for an open connection.

use std::net::{IpAddr, Ipv4Addr};

use super::*;

fn bytes(last: u8) -> [u8; 16] {
    Ipv4Addr::new(10, 42, 0, last).to_ipv6_mapped().octets()
}

fn key(dst: u8, dport: u16) -> FlowKey {
    FlowKey { src: bytes(1), dst: bytes(dst), sport: 40_000, dport }
}

/// Returns the value of a flow to 10.42.0.2:80, served by 10.42.0.3:8080.
fn flow(flags: u8) -> FlowValue {
    FlowValue {
        dst: bytes(2),
        backend: bytes(3),
        dport: 80,
        backend_port: 8080,
        flags,
        ..FlowValue::default()
    }
}

#[test]
fn a_connection_is_listed_once_as_the_client_addressed_it() {
    let listed = tuple(&key(2, 80), &flow(0)).unwrap();
    let ip = |last| IpAddr::from([10, 42, 0, last]);
    let expected =
        FlowTuple { src: ip(1), sport: 40_000, dst: ip(2), dport: 80, backend: Some((ip(3), 8080)) };
    assert_eq!(listed, expected);
    assert_eq!(tuple(&key(3, 8080), &flow(0)), None, "the same after DNAT");

    let direct = FlowValue { backend: [0; 16], backend_port: 0, ..flow(0) };
    assert_eq!(tuple(&key(2, 80), &direct).unwrap().backend, None);
}

#[test]
fn a_closing_connection_is_not_open() {
    for flags in [FlowValue::FIN_CLIENT, FlowValue::FIN_SERVER] {
        assert_eq!(tuple(&key(2, 80), &flow(flags)), None, "{flags}");
    }
}
