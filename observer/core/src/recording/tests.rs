//! Round trips, old recordings, and every kind of damage.

mod old;

use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use flow_model::flow::{Counts, FlowTuple, Outcome, Pair, Phase, RstOrigin, SentBy, Side, Vantage};
use flow_model::input::{AttemptSeen, DropDelta, DropSeen, Input, LostStage, PairDelta, ResetSeen};
use flow_model::inventory::{Inventory, Namespace};
use proptest::prelude::*;

use super::*;

type Entry = (Timestamp, Input);

fn header() -> Header {
    Header { node: "archbox".into(), started: Timestamp::UNIX_EPOCH, agent: "0.1.0".into() }
}

/// Writes `entries`, `per_member` to a member.
fn write(entries: &[Entry], per_member: usize) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &header()).unwrap();
    for chunk in entries.chunks(per_member.max(1)) {
        for (time, input) in chunk {
            writer.write(*time, input).unwrap();
        }
        writer.flush().unwrap();
    }
    writer.finish().unwrap()
}

/// Returns every readable entry, and the error that ended the reading.
fn read(bytes: &[u8]) -> (Vec<Entry>, Option<RecordingError>) {
    let reader = match Reader::open(bytes) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut entries = Vec::new();
    for item in reader {
        match item {
            Ok(entry) => entries.push(entry),
            Err(error) => return (entries, Some(error)),
        }
    }
    (entries, None)
}

fn ticks(n: i64) -> Vec<Entry> {
    (0..n)
        .map(|i| (Timestamp::from_second(i).unwrap(), Input::Lost { stage: LostStage::Ring, count: 7 }))
        .collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn the_header_is_readable_before_any_entry() {
    let bytes = write(&[], 1);
    assert_eq!(Reader::open(&bytes[..]).unwrap().header(), &header());
    assert!(matches!(read(&bytes), (entries, None) if entries.is_empty()));
}

#[test]
fn other_files_are_not_recordings() {
    for bytes in [&b""[..], b"{\"json\": true}", b"short", &gzip(b"some log"), &[0; 4096]] {
        let (_, error) = read(bytes);
        assert!(
            matches!(error, Some(RecordingError::NotARecording | RecordingError::Truncated { .. })),
            "{error:?}"
        );
    }
    assert!(matches!(read(&gzip(b"a gzipped log")).1, Some(RecordingError::NotARecording)));
    assert!(matches!(read(b"a plain text of some length\n").1, Some(RecordingError::NotARecording)));
}

#[test]
fn a_later_version_is_named_with_what_to_do() {
    let mut first = MAGIC.to_vec();
    first.extend_from_slice(&(VERSION + 1).to_le_bytes());
    first.extend_from_slice(b"whatever comes next");
    let (_, error) = read(&gzip(&first));
    assert!(
        matches!(error, Some(RecordingError::NewerVersion { found }) if found == VERSION + 1),
        "{error:?}"
    );
    assert_eq!(
        error.unwrap().to_string(),
        "the recording has format 2, and this flow-observer reads formats up to 1; replay it with the version that wrote \
         it, or a newer one"
    );
}

#[test]
fn truncation_at_every_byte_yields_whole_members() {
    let entries = ticks(12);
    let bytes = write(&entries, 3);
    let mut seen = 0;
    for cut in 0..bytes.len() {
        let (got, error) = read(&bytes[..cut]);
        assert_eq!(got, entries[..got.len()], "cut at {cut}");
        assert_eq!(got.len() % 3, 0, "cut at {cut}: part of a member was given");
        assert!(got.len() >= seen, "cut at {cut}: fewer entries than with less data");
        seen = got.len();
        match error {
            None => assert!(got.len() < entries.len()),
            Some(RecordingError::NotARecording) => assert_eq!(cut, 0),
            Some(RecordingError::Truncated { offset, entries: n }) => {
                assert_eq!((offset, n), (cut as u64, got.len() as u64));
            }
            Some(other) => panic!("cut at {cut}: {other}"),
        }
    }
    assert_eq!(seen, 9);
}

#[test]
fn damage_names_the_block_and_keeps_what_came_before() {
    let entries = ticks(9);
    let bytes = write(&entries, 3);
    let second = write(&entries[..3], 3).len();
    let mut damaged = bytes;
    damaged[second + 20] ^= 0x10;
    let (got, error) = read(&damaged);
    assert_eq!(got, entries[..3]);
    match error {
        Some(RecordingError::Corrupt { offset, entries, .. }) => {
            assert_eq!((offset, entries), (second as u64, 3));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_impossible_length_is_corrupt_and_costs_no_memory() {
    let mut bytes = write(&ticks(2), 2);
    bytes.extend(gzip(&u32::MAX.to_le_bytes()));
    let (got, error) = read(&bytes);
    assert_eq!(got.len(), 2);
    assert!(matches!(error, Some(RecordingError::Corrupt { entries: 2, .. })), "{error:?}");
}

#[test]
fn a_decompression_bomb_is_refused() {
    let mut bytes = write(&ticks(1), 1);
    bytes.extend(gzip(&vec![0; MAX_MEMBER + 10]));
    assert!(matches!(read(&bytes).1, Some(RecordingError::Corrupt { entries: 1, .. })));
}

#[test]
fn reading_ends_after_an_error() {
    let mut bytes = write(&ticks(1), 1);
    bytes.extend_from_slice(b"garbage after the last block");
    let mut reader = Reader::open(&bytes[..]).unwrap();
    assert!(reader.next().unwrap().is_ok());
    assert!(reader.next().unwrap().is_err());
    assert!(reader.next().is_none());
}

#[test]
fn members_close_by_themselves() {
    let entries = ticks(3000);
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, &header()).unwrap();
    for (time, input) in &entries {
        writer.write(*time, input).unwrap();
    }
    // A crash here: nothing was flushed by hand, and the writer is gone.
    drop(writer);
    assert_eq!(read(&out).0, entries[..2048]);
}

fn ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)]
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0_i64..4_000_000_000, 0_i32..1_000_000_000).prop_map(|(s, ns)| Timestamp::new(s, ns).unwrap())
}

fn tuple() -> impl Strategy<Value = FlowTuple> {
    (ip(), any::<u16>(), ip(), any::<u16>(), proptest::option::of((ip(), any::<u16>())))
        .prop_map(|(src, sport, dst, dport, backend)| FlowTuple { src, sport, dst, dport, backend })
}

fn vantage() -> impl Strategy<Value = Vantage> {
    prop_oneof![Just(Vantage::Source), Just(Vantage::Destination), Just(Vantage::Transit)]
}

fn pair() -> impl Strategy<Value = Pair> {
    (ip(), ip(), any::<u16>(), vantage()).prop_map(|(src, dst, dport, vantage)| Pair {
        src,
        dst,
        dport,
        vantage,
    })
}

fn counts() -> impl Strategy<Value = Counts> {
    any::<(i64, i64, [[i64; 3]; 2], [i64; 4])>().prop_map(|(syn, syn_retransmits, rst, outcomes)| Counts {
        syn,
        syn_retransmits,
        rst,
        outcomes,
    })
}

fn origin(known: bool) -> RstOrigin {
    let known =
        known.then(|| RstOrigin { sent_by: Some(SentBy::KernelTcp), reason: Some("no_socket".into()) });
    known.unwrap_or_default()
}

fn input() -> impl Strategy<Value = Input> {
    let attempt = (time(), tuple(), vantage(), any::<Option<(u8, u8)>>(), any::<(u64, u32, u32)>()).prop_map(
        |(time, tuple, vantage, icmp, (latency_ns, syns, isn))| {
            let outcome = if icmp.is_some() { Outcome::Rejected } else { Outcome::Unanswered };
            let drop_reason = (isn % 2 == 0).then(|| "NETFILTER_DROP".into());
            Input::Attempt(AttemptSeen {
                count: 1,
                time,
                tuple,
                vantage,
                outcome,
                icmp,
                latency_ns,
                syns,
                isn,
                drop_reason,
                masqueraded: None,
                accept_backlog: None,
                client_uid: (isn % 5 == 0).then(|| "0b6f".into()),
                by_socket: isn % 11 == 0,
                server_uid: (isn % 7 == 0).then(|| "1c7a".into()),
                origin: origin(isn % 3 == 0),
            })
        },
    );
    let reset = (time(), tuple(), vantage(), any::<bool>()).prop_map(|(time, tuple, vantage, client)| {
        let by = if client { Side::Client } else { Side::Server };
        Input::Reset(ResetSeen {
            time,
            tuple,
            vantage,
            by,
            phase: Phase::Orphan,
            origin: origin(client),
            cause: None,
        })
    });
    let dropped = (time(), tuple(), any::<(u8, u8, u32, bool)>(), ".{0,12}").prop_map(
        |(time, tuple, (protocol, tcp_flags, seq, oriented), reason)| {
            Input::Drop(DropSeen { time, tuple, reason: reason.into(), protocol, tcp_flags, seq, oriented })
        },
    );
    let pairs = proptest::collection::vec((proptest::option::of(pair()), counts()), 0..4).prop_map(|v| {
        Input::Pairs { deltas: v.into_iter().map(|(pair, counts)| PairDelta { pair, counts }).collect() }
    });
    let drops = (ip(), ip(), any::<u16>(), any::<u64>()).prop_map(|(a, b, port, count)| {
        let reason = "NO_SOCKET".into();
        Input::Drops { deltas: vec![DropDelta { pair: Some((a, b, port)), reason, count }] }
    });
    let cluster = ".{0,9}".prop_map(|name| {
        let namespace = Arc::new(Namespace { name: name.into(), labels: [("a".into(), "b".into())].into() });
        let inventory = Inventory { namespaces: vec![namespace], ..Inventory::default() };
        Input::Cluster { inventory: Arc::new(inventory) }
    });
    prop_oneof![attempt, reset, dropped, pairs, drops, cluster, Just(Input::Tick)]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    proptest::collection::vec((time(), input()), 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(entries in entries(), per_member in 1_usize..8) {
        let (got, error) = read(&write(&entries, per_member));
        prop_assert!(error.is_none(), "{error:?}");
        prop_assert_eq!(got, entries);
    }

    #[test]
    fn damage_yields_a_prefix(
        entries in entries(),
        flips in proptest::collection::vec(any::<(proptest::sample::Index, u8)>(), 1..4),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut bytes = write(&entries, 3);
        for (at, mask) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
        }
        bytes.truncate(bytes.len() - cut.index(bytes.len() / 4 + 1));
        let (got, _) = read(&bytes);
        prop_assert!(got.len() <= entries.len());
        prop_assert_eq!(&got[..], &entries[..got.len()]);
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400), as_member in any::<bool>()) {
        let (got, _) = if as_member {
            let mut file = write(&[], 1);
            file.extend(gzip(&bytes));
            read(&file)
        } else {
            read(&bytes)
        };
        prop_assert!(got.is_empty());
    }
}
