use proptest::prelude::*;

use super::*;

const V6: [u8; 16] = [0xfd, 0, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];

fn segment(flags: u8) -> Vec<u8> {
    let mut segment = vec![0; 20];
    segment[..2].copy_from_slice(&40_000_u16.to_be_bytes());
    segment[2..4].copy_from_slice(&5432_u16.to_be_bytes());
    segment[4..8].copy_from_slice(&0xdead_beef_u32.to_be_bytes());
    segment[12] = 5 << 4;
    segment[13] = flags;
    segment
}

fn ipv4(options: usize, fragment: u16, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 20 + options];
    packet[0] = 0x40 | u8::try_from((20 + options) / 4).unwrap();
    packet[6..8].copy_from_slice(&fragment.to_be_bytes());
    packet[9] = protocol;
    packet[12..16].copy_from_slice(&[10, 42, 0, 5]);
    packet.extend(payload);
    packet
}

/// An IPv6 packet whose extension headers are given by kind and bytes.
fn ipv6(extensions: &[(u8, Vec<u8>)], payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 40];
    packet[0] = 0x60;
    packet[8..24].copy_from_slice(&V6);
    let kinds: Vec<u8> = extensions.iter().map(|(kind, _)| *kind).chain([TCP]).collect();
    packet[6] = kinds[0];
    for ((_, bytes), next) in extensions.iter().zip(&kinds[1..]) {
        packet.push(*next);
        packet.extend(&bytes[1..]);
    }
    packet.extend(payload);
    packet
}

fn expected(src: impl Into<IpAddr>) -> Option<Syn> {
    Some(Syn { src: src.into(), sport: 40_000, isn: 0xdead_beef })
}

#[test]
fn a_syn_is_found_behind_options_and_extension_headers() {
    let segment = segment(SYN);
    for options in [0, 4, 40] {
        assert_eq!(syn(&ipv4(options, 0x4000, TCP, &segment)), expected([10, 42, 0, 5]), "{options}");
    }
    let extension = |units: u8| [vec![0, units], vec![0; usize::from(units) * 8 + 6]].concat();
    let authentication = [vec![0, 4], vec![0; 22]].concat();
    for extensions in [
        vec![],
        vec![(0, extension(0))],
        vec![(0, extension(1)), (43, extension(0)), (60, extension(2))],
        vec![(FRAGMENT, vec![0, 0, 0, 1, 0, 0, 0, 9]), (AUTHENTICATION, authentication)],
    ] {
        assert_eq!(syn(&ipv6(&extensions, &segment)), expected(V6), "{extensions:?}");
    }
}

#[test]
fn other_packets_are_none() {
    // With ECN a SYN has more flags, but neither ACK nor RST.
    assert_eq!(syn(&ipv4(0, 0, TCP, &segment(0xc2))), expected([10, 42, 0, 5]));
    for flags in [0x12, 0x10, 0x04, 0x14, 0x03, 0x06] {
        assert_eq!(syn(&ipv4(0, 0, TCP, &segment(flags))), None, "{flags:#x}");
    }
    assert_eq!(syn(&ipv4(0, 0, 17, &segment(SYN))), None, "UDP");
    assert_eq!(syn(&ipv4(0, 1, TCP, &segment(SYN))), None, "a later fragment");
    assert_eq!(
        syn(&ipv6(&[(FRAGMENT, vec![0, 0, 0, 9, 0, 0, 0, 9])], &segment(SYN))),
        None,
        "a later fragment"
    );
    assert_eq!(syn(&[]), None);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(first in any::<u8>(), bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
        let packet = [vec![first], bytes].concat();
        if let Some(found) = syn(&packet) {
            prop_assert_eq!(found.src.is_ipv4(), first >> 4 == 4);
        }
    }

    #[test]
    fn a_cut_packet_is_none(len in 0_usize..34) {
        prop_assert_eq!(syn(&ipv4(0, 0, TCP, &segment(SYN))[..len]), None);
    }
}
