//! Hand-made entries and damage.

use proptest::prelude::*;

use super::*;

fn attr(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut out = u16::try_from(value.len() + 4).unwrap().to_ne_bytes().to_vec();
    out.extend(kind.to_ne_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn nested(kind: u16, values: &[Vec<u8>]) -> Vec<u8> {
    attr(kind | 0x8000, &values.concat())
}

fn tuple(kind: u16, src: &str, dst: &str, protocol: u8) -> Vec<u8> {
    let (src, dst): (SocketAddr, SocketAddr) = (src.parse().unwrap(), dst.parse().unwrap());
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let family = if src.is_ipv4() { [CTA_IP_V4_SRC, CTA_IP_V4_DST] } else { [CTA_IP_V6_SRC, CTA_IP_V6_DST] };
    nested(
        kind,
        &[
            nested(CTA_TUPLE_IP, &[attr(family[0], &octets(src.ip())), attr(family[1], &octets(dst.ip()))]),
            nested(
                CTA_TUPLE_PROTO,
                &[
                    attr(CTA_PROTO_NUM, &[protocol]),
                    attr(CTA_PROTO_SRC_PORT, &src.port().to_be_bytes()),
                    attr(CTA_PROTO_DST_PORT, &dst.port().to_be_bytes()),
                ],
            ),
        ],
    )
}

/// An entry with the flags of both directions.
fn entry_with(protocol: u8, tcp_state: u8, flags: &[[u8; 2]]) -> Vec<u8> {
    let mut tcp = vec![attr(CTA_PROTOINFO_TCP_STATE, &[tcp_state])];
    tcp.extend(CTA_PROTOINFO_TCP_FLAGS.into_iter().zip(flags).map(|(kind, flags)| attr(kind, flags)));
    [
        vec![2, 0, 0, 0],
        tuple(CTA_TUPLE_ORIG, "10.42.0.10:57150", "10.43.239.89:80", protocol),
        tuple(CTA_TUPLE_REPLY, "10.42.0.12:5432", "10.42.0.10:57150", protocol),
        nested(CTA_PROTOINFO, &[nested(CTA_PROTOINFO_TCP, &tcp)]),
    ]
    .concat()
}

fn entry(protocol: u8, tcp_state: u8) -> Vec<u8> {
    entry_with(protocol, tcp_state, &[[3, 0], [3, 0]])
}

#[test]
fn only_the_default_zone_and_both_flags_show_a_syn() {
    let from_syn = |entry: &[u8]| decode(entry).unwrap().from_syn;
    assert!(from_syn(&entry_with(IPPROTO_TCP, 3, &[[0x23, 0], [0x27, 0]])));
    for flags in [&[[0x0a, 0], [0x0a, 0]][..], &[[3, 0], [0x0b, 0]], &[[0x0b, 0], [3, 0]], &[[3, 0]], &[]] {
        assert!(!from_syn(&entry_with(IPPROTO_TCP, 3, flags)), "{flags:?}");
    }
    let zone = attr(CTA_ZONE, &7_u16.to_be_bytes());
    assert!(!from_syn(&[entry(IPPROTO_TCP, 3), zone].concat()));
}

#[test]
fn an_entry_is_read() {
    let conn = decode(&entry(IPPROTO_TCP, 3)).unwrap();
    let expected = Conn {
        orig_src: "10.42.0.10".parse().unwrap(),
        orig_dst: "10.43.239.89".parse().unwrap(),
        orig_sport: 57150,
        orig_dport: 80,
        reply_src: "10.42.0.12".parse().unwrap(),
        reply_dst: "10.42.0.10".parse().unwrap(),
        reply_sport: 5432,
        reply_dport: 57150,
        state: State::Established,
        from_syn: true,
    };
    assert_eq!(conn, expected);
    assert_eq!(conn.backend(), Some(("10.42.0.12".parse().unwrap(), 5432)));
}

#[test]
fn states_are_grouped() {
    let check =
        |raw, expected| assert_eq!(decode(&entry(IPPROTO_TCP, raw)).unwrap().state, expected, "{raw}");
    for (raw, expected) in [
        (0, State::Closed),
        (1, State::Opening),
        (2, State::Answered),
        (3, State::Established),
        (4, State::Closing),
        (6, State::Closing),
        (7, State::Closed),
        (9, State::Opening),
        (200, State::Closed),
    ] {
        check(raw, expected);
    }
}

#[test]
fn other_protocols_are_left_out() {
    assert_eq!(decode(&entry(17, 3)), None);
}

proptest! {
    #[test]
    fn any_bytes_decode_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(decode(&bytes), None);
    }

    #[test]
    fn damaged_entries_decode_or_not(at in any::<prop::sample::Index>(), value in any::<u8>(), len in 0_usize..200) {
        let mut bytes = entry(IPPROTO_TCP, 3);
        let at = at.index(bytes.len());
        bytes[at] = value;
        bytes.truncate(len);
        if let Some(conn) = decode(&bytes) {
            prop_assert_eq!(conn.orig_src.is_ipv4(), conn.reply_src.is_ipv4());
        }
    }
}
