//! Tests of which entries are open connections.

use super::*;

fn conn(src: &str, dst: &str, backend: &str, state: State) -> Conn {
    let ip = |s: &str| s.parse().unwrap();
    Conn {
        orig_src: ip(src),
        orig_dst: ip(dst),
        orig_sport: 40_000,
        orig_dport: 80,
        reply_src: ip(backend),
        // Masqueraded: the client is still the one that opened it.
        reply_dst: ip("192.0.2.1"),
        reply_sport: 8080,
        reply_dport: 50_000,
        state,
        from_syn: true,
    }
}

#[test]
fn the_client_and_what_it_addressed_with_the_backend() {
    let tuple = open(&conn("10.42.0.10", "10.43.0.9", "10.42.0.12", State::Established)).unwrap();
    let expected = FlowTuple {
        src: "10.42.0.10".parse().unwrap(),
        sport: 40_000,
        dst: "10.43.0.9".parse().unwrap(),
        dport: 80,
        backend: Some(("10.42.0.12".parse().unwrap(), 8080)),
    };
    assert_eq!(tuple, expected);
}

#[test]
fn only_what_is_open_and_leaves_loopback() {
    for state in [State::Opening, State::Answered, State::Closing, State::Closed] {
        assert_eq!(open(&conn("10.42.0.10", "10.43.0.9", "10.42.0.12", state)), None);
    }
    for (src, dst, backend) in [
        ("127.0.0.1", "10.43.0.9", "10.42.0.12"),
        ("10.42.0.10", "127.0.0.53", "10.42.0.12"),
        ("10.42.0.10", "10.43.0.9", "127.0.0.1"),
        ("::1", "::1", "::1"),
    ] {
        assert_eq!(open(&conn(src, dst, backend, State::Established)), None, "{src} {dst} {backend}");
    }
}
