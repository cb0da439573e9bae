//! Ring bytes: round trips, short, unknown and arbitrary records.

use observer_abi::{
    Announced, AnnouncementRecord, AttemptRecord, DecodeError, DropRecord, Kind, Outcome, Phase, Record,
    ResetRecord, Side, Tuple, Vantage, VipValue, is_reply, mark,
};
use proptest::prelude::*;

const TIME: u64 = 0x0102_0304_0506_0708;

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

/// The bytes the kernel writes: every field in order, native endian.
fn bytes(start: [u8; 8], rest: &[u8]) -> Vec<u8> {
    [&start[..], &TIME.to_ne_bytes(), rest].concat()
}

fn tuple_bytes() -> Vec<u8> {
    let tuple = tuple();
    let ports = [tuple.sport, tuple.dport, tuple.backend_port, 0];
    let ports = ports.iter().flat_map(|port| port.to_ne_bytes());
    [tuple.src, tuple.dst, tuple.backend].concat().into_iter().chain(ports).collect()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn samples() -> Vec<(Vec<u8>, Record)> {
    let attempt = AttemptRecord {
        kind: Kind::Attempt,
        vantage: Vantage::Destination,
        outcome: Outcome::Rejected,
        icmp_type: 3,
        icmp_code: 13,
        flags: 16,
        _pad: [0; 2],
        time_ns: TIME,
        tuple: tuple(),
        first_ns: 99,
        isn: 0xdead_beef,
        syns: 3,
        drop_reason: 13,
        _pad2: [0; 4],
        mark: mark(7, 8),
    };
    let mark_bytes = (7 << 32 | 8_u64).to_ne_bytes().to_vec();
    let attempt_rest =
        [tuple_bytes(), 99u64.to_ne_bytes().to_vec(), words(&[0xdead_beef, 3, 13, 0]), mark_bytes.clone()]
            .concat();
    let reset = ResetRecord {
        kind: Kind::Reset,
        vantage: Vantage::Transit,
        side: Side::Server,
        phase: Phase::Orphan,
        entered: 5,
        time_ns: TIME,
        tuple: tuple(),
        mark: mark(7, 8),
        flags: ResetRecord::TO_BACKEND,
    };
    let entered = 5_u32.to_ne_bytes();
    let drop = DropRecord {
        kind: Kind::Drop,
        protocol: 6,
        tcp_flags: 2,
        oriented: true,
        _pad: [0; 4],
        time_ns: TIME,
        tuple: tuple(),
        reason: 12,
        seq: 77,
    };
    let announcement = AnnouncementRecord {
        kind: Kind::Announcement,
        how: Announced::Advertisement,
        outbound: true,
        _pad: [0; 5],
        time_ns: TIME,
        ip: [3; 16],
        mac: [2, 0, 0, 0, 0, 9],
        _pad2: [0; 2],
    };
    vec![
        (bytes([1, 1, 3, 3, 13, 16, 0, 0], &attempt_rest), Record::Attempt(attempt)),
        (
            bytes(
                [2, 2, 1, 2, entered[0], entered[1], entered[2], entered[3]],
                &[tuple_bytes(), mark_bytes, 1_u64.to_ne_bytes().to_vec()].concat(),
            ),
            Record::Reset(reset),
        ),
        (bytes([3, 6, 2, 1, 0, 0, 0, 0], &[tuple_bytes(), words(&[12, 77])].concat()), Record::Drop(drop)),
        (
            bytes([4, 3, 1, 0, 0, 0, 0, 0], &[&[3; 16][..], &[2, 0, 0, 0, 0, 9, 0, 0]].concat()),
            Record::Announcement(announcement),
        ),
    ]
}

/// A record in which every byte but the kind is 1, which is a value of every enumeration.
fn ones(kind: Kind) -> Vec<u8> {
    let mut bytes = vec![1; Record::size(kind)];
    bytes[0] = kind.byte();
    bytes
}

#[test]
fn every_sample_round_trips() {
    for (bytes, record) in samples() {
        assert_eq!(Record::decode(&bytes), Ok(record));
        // The ring rounds a record's size up.
        assert_eq!(Record::decode(&[bytes, vec![0xff; 8]].concat()), Ok(record));
    }
}

#[test]
fn every_kind_decodes_with_its_time_at_byte_8() {
    for &kind in Kind::ALL {
        let mut bytes = ones(kind);
        bytes[8..16].copy_from_slice(&TIME.to_ne_bytes());
        let record = Record::decode(&bytes);
        assert_eq!(record.map(|record| record.time_ns()), Ok(TIME), "{kind:?}");
        assert_eq!(Record::decode(&[bytes, vec![0xff; 8]].concat()), record, "{kind:?}");
    }
}

#[test]
fn every_truncation_is_short() {
    for bytes in samples().into_iter().map(|(bytes, _)| bytes).chain(Kind::ALL.iter().map(|&kind| ones(kind)))
    {
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

#[test]
fn a_byte_without_a_meaning_is_named_with_its_field() {
    let cases: [(usize, usize, &str, &[u8]); 8] = [
        (0, 1, "vantage", &[3, 255]),
        // 0 stands for a pending attempt, which has no record.
        (0, 2, "outcome", &[0, 5, 255]),
        (1, 1, "vantage", &[3, 255]),
        (1, 2, "side", &[2, 255]),
        (1, 3, "phase", &[3, 255]),
        (2, 3, "oriented", &[2, 255]),
        (3, 1, "how", &[4, 255]),
        (3, 2, "outbound", &[2, 255]),
    ];
    for (sample, at, field, values) in cases {
        for &value in values {
            let mut bytes = samples().remove(sample).0;
            bytes[at] = value;
            let error = DecodeError::UnknownValue { field, value };
            assert_eq!(Record::decode(&bytes), Err(error));
            assert_eq!(error.to_string(), format!("unknown value {value} in the record's {field}"));
        }
    }
}

proptest! {
    #[test]
    fn a_claim_is_its_parts(mac: [u8; 6], how in 0u8..4, outbound: bool, other: [u8; 6]) {
        let frame = |byte: u8| Announced::from_byte(byte).unwrap();
        let claim = VipValue::claim(mac, frame(how), outbound);
        prop_assert_eq!(VipValue::parts(claim), (mac, how, outbound));
        prop_assert!(VipValue::same_host(claim, VipValue::claim(mac, frame(3 - how), !outbound)));
        prop_assert_eq!(VipValue::same_host(claim, VipValue::claim(other, frame(how), outbound)), mac == other);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = Record::decode(&bytes) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn a_reply_has_one_of_the_two_numbers_and_a_reset_of_a_connection_both() {
    let check = |seq, ack, expected| assert_eq!(is_reply(mark(seq, ack)), expected, "{seq} {ack}");
    check(7, 0, true);
    check(0, 8, true);
    check(7, 8, false);
    check(u32::MAX, u32::MAX, false);
}
