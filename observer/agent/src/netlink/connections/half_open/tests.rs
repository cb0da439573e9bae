//! Tests of which handshakes are half open.

use super::*;

fn conn(src: [u8; 4], dport: u16, state: State) -> Conn {
    let dst = IpAddr::from([10, 43, 0, 9]);
    Conn {
        orig_src: src.into(),
        orig_dst: dst,
        orig_sport: 40_000,
        orig_dport: dport,
        reply_src: [10, 42, 0, 12].into(),
        reply_dst: src.into(),
        reply_sport: 8_080,
        reply_dport: 40_000,
        state,
        from_syn: true,
    }
}

#[test]
fn servers_with_many_are_reported_as_they_were_addressed() {
    let mut found = HalfOpens::default();
    for n in 0..200 {
        found.see(&conn([198, 18, 0, n], 80, State::Answered));
        found.see(&conn([198, 18, 0, n], 81, State::Opening));
        found.see(&conn([198, 18, 0, n], 82, State::Established));
    }
    for n in 0..9 {
        found.see(&conn([198, 18, 0, n], 83, State::Answered));
    }
    let expected = HalfOpen {
        dst: [10, 43, 0, 9].into(),
        dport: 80,
        count: 200,
        sources: 200,
        src: [198, 18, 0, 0].into(),
    };
    assert_eq!(found.report(), [expected]);
}

#[test]
fn what_is_kept_is_bounded() {
    let mut found = HalfOpens::default();
    for port in 1..=u16::MAX {
        for _ in 0..10 {
            found.see(&conn([198, 18, 0, 1], port, State::Answered));
        }
    }
    assert_eq!(found.0.len(), MAX_SERVERS);
    assert_eq!(found.report().len(), MAX_REPORTED);
}
