//! Ring bytes: round trips, short, unknown and arbitrary records.

use observer_abi::{
    AnnouncementRecord, AttemptRecord, DecodeError, DropRecord, Header, Record, ResetRecord, Tuple, VipValue,
    announced, kind, outcome, phase, side, vantage,
};
use proptest::prelude::*;

fn header(kind: u8, a: u8, b: u8, c: u8) -> Header {
    Header { kind, vantage: vantage::DESTINATION, a, b, c, _pad: [0; 3], time_ns: 0x0102_0304_0506_0708 }
}

fn tuple() -> Tuple {
    let mut src = [0; 16];
    src[15] = 7;
    Tuple {
        src,
        dst: [1; 16],
        backend: [2; 16],
        sport: 40_000,
        dport: 5432,
        backend_port: 15_432,
        _pad: [0; 2],
    }
}

fn head(header: &Header) -> Vec<u8> {
    let mut out = vec![header.kind, header.vantage, header.a, header.b, header.c, 0, 0, 0];
    out.extend(header.time_ns.to_ne_bytes());
    out
}

/// The bytes the kernel writes: every field in order, native endian.
fn bytes(header: &Header, tuple: &Tuple, rest: &[u8]) -> Vec<u8> {
    let mut out = head(header);
    out.extend(tuple.src);
    out.extend(tuple.dst);
    out.extend(tuple.backend);
    for port in [tuple.sport, tuple.dport, tuple.backend_port, 0] {
        out.extend(port.to_ne_bytes());
    }
    out.extend(rest);
    out
}

fn samples() -> Vec<(Vec<u8>, Record)> {
    let attempt = AttemptRecord {
        header: header(kind::ATTEMPT, outcome::REJECTED, 3, 13),
        tuple: tuple(),
        first_ns: 99,
        isn: 0xdead_beef,
        syns: 3,
        drop_reason: 13,
        _pad: 0,
    };
    let mut rest = 99u64.to_ne_bytes().to_vec();
    for word in [0xdead_beef_u32, 3, 13, 0] {
        rest.extend(word.to_ne_bytes());
    }
    let reset = ResetRecord { header: header(kind::RESET, side::SERVER, phase::ORPHAN, 0), tuple: tuple() };
    let announcement = AnnouncementRecord {
        header: header(kind::ANNOUNCEMENT, announced::ADVERTISEMENT, 1, 0),
        ip: [3; 16],
        mac: [2, 0, 0, 0, 0, 9],
        _pad: [0; 2],
        ifindex: 0x0a0b_0c0d,
        _pad2: 0,
    };
    let claim = [&[3; 16][..], &[2, 0, 0, 0, 0, 9, 0, 0], &0x0a0b_0c0d_u32.to_ne_bytes(), &[0; 4]].concat();
    let drop = DropRecord { header: header(kind::DROP, 6, 2, 1), tuple: tuple(), reason: 12, seq: 77 };
    vec![
        (bytes(&attempt.header, &attempt.tuple, &rest), Record::Attempt(attempt)),
        (bytes(&reset.header, &reset.tuple, &[]), Record::Reset(reset)),
        (
            bytes(&drop.header, &drop.tuple, &[12u32.to_ne_bytes(), 77u32.to_ne_bytes()].concat()),
            Record::Drop(drop),
        ),
        ([head(&announcement.header), claim].concat(), Record::Announcement(announcement)),
    ]
}

#[test]
fn every_kind_round_trips() {
    for (bytes, record) in samples() {
        assert_eq!(Record::decode(&bytes), Ok(record));
        // The ring rounds a record's size up.
        assert_eq!(Record::decode(&[bytes, vec![0xff; 8]].concat()), Ok(record));
    }
}

#[test]
fn every_truncation_is_short() {
    for (bytes, _) in samples() {
        for len in 0..bytes.len() {
            let need = if len == 0 { 1 } else { bytes.len() };
            assert_eq!(Record::decode(&bytes[..len]), Err(DecodeError::Short { need, got: len }));
        }
    }
}

#[test]
fn an_unknown_kind_is_named() {
    assert_eq!(Record::decode(&[0; 96]), Err(DecodeError::UnknownKind(0)));
    assert_eq!(Record::decode(&[9; 96]), Err(DecodeError::UnknownKind(9)));
}

proptest! {
    #[test]
    fn a_claim_is_its_parts(mac: [u8; 6], how: u8, outbound: bool, other: [u8; 6]) {
        let claim = VipValue::claim(mac, how, outbound);
        prop_assert_eq!(VipValue::parts(claim), (mac, how, outbound));
        prop_assert!(VipValue::same_host(claim, VipValue::claim(mac, !how, !outbound)));
        prop_assert_eq!(VipValue::same_host(claim, VipValue::claim(other, how, outbound)), mac == other);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = Record::decode(&bytes) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
