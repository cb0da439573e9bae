//! Established attempts under load: the first ones between two drains have records, and each later one counts in one record of
//! its pair.

use flow_model::flow::Outcome;
use flow_model::input::AttemptSeen;
use lab::test_bed::{Classifier, TestBed};
use observer::probes::{MAX_MERGED, MAX_SINGLES, MORE_SINGLES};

use super::{SYN, bed, ethernet, ipv4, tcp};

const ACK: u8 = 0x10;

/// The packets of a handshake with this initial sequence number and server port.
fn handshake(isn: u32, port: u16) -> [Vec<u8>; 2] {
    let mut syn = tcp(SYN);
    syn[2..4].copy_from_slice(&port.to_be_bytes());
    syn[4..8].copy_from_slice(&isn.to_be_bytes());
    let mut answer = tcp(SYN | ACK);
    answer[..2].copy_from_slice(&port.to_be_bytes());
    answer[2..4].copy_from_slice(&40_000u16.to_be_bytes());
    answer[8..12].copy_from_slice(&(isn + 1).to_be_bytes());
    let mut back = ipv4(0, 0, 6, &answer);
    back[12..20].copy_from_slice(&[10, 42, 0, 12, 10, 42, 0, 10]);
    [ethernet(&[], 0x0800, &ipv4(0, 0, 6, &syn)), ethernet(&[], 0x0800, &back)]
}

/// Has a handshake between two pods of this node.
fn shake_hands(bed: &mut TestBed, isn: u32, port: u16) {
    let [syn, answer] = handshake(isn, port);
    for (program, packet) in
        [(Classifier::PodOut, &syn), (Classifier::PodIn, &syn), (Classifier::PodIn, &answer)]
    {
        bed.run(program, packet, 1).unwrap();
    }
}

fn count(attempts: &[AttemptSeen]) -> u64 {
    assert!(attempts.iter().all(|attempt| attempt.outcome == Outcome::Established));
    attempts.iter().map(|attempt| attempt.count).sum()
}

#[test]
fn attempts_beyond_the_single_ones_are_one_record_of_their_pair() {
    let mut bed = bed();
    let singles = u32::try_from(MAX_SINGLES).unwrap();
    (0..singles + 7).for_each(|isn| shake_hands(&mut bed, isn, 5432));
    shake_hands(&mut bed, singles + 7, 80);
    let (single, mut merged) = bed.attempts().unwrap();
    assert_eq!((single.len(), count(&single)), (singles as usize, MAX_SINGLES));
    merged.sort_by_key(|attempt| attempt.count);
    let seen: Vec<_> = merged.iter().map(|a| (a.tuple.dport, a.tuple.sport, a.isn, a.count)).collect();
    assert_eq!(
        seen,
        [(80, 40_000, singles + 7, 1), (5432, 40_000, singles + 6, 7)],
        "with the newest of each"
    );
    let more = u32::try_from(MORE_SINGLES).unwrap();
    (0..more + 3).for_each(|n| shake_hands(&mut bed, singles + 8 + n, 5432));
    let (single, merged) = bed.attempts().unwrap();
    assert_eq!((count(&single), count(&merged)), (MORE_SINGLES, 3), "each drain allows some more");
    bed.attempts().unwrap();
    (0..more * 2 + 3).for_each(|n| shake_hands(&mut bed, 2 * singles + n, 5432));
    let (single, merged) = bed.attempts().unwrap();
    assert_eq!((count(&single), count(&merged)), (2 * MORE_SINGLES, 3), "and pauses add up");
}

#[test]
fn while_somebody_follows_each_attempt_has_a_record() {
    let mut bed = bed();
    let all = u32::try_from(MAX_SINGLES).unwrap() + 7;
    bed.follow(true).unwrap();
    (0..all).for_each(|isn| shake_hands(&mut bed, isn, 5432));
    let (single, merged) = bed.attempts().unwrap();
    assert_eq!((single.len(), merged.len()), (all as usize, 0));
    bed.follow(false).unwrap();
    (0..all).for_each(|isn| shake_hands(&mut bed, all + isn, 5432));
    let (single, merged) = bed.attempts().unwrap();
    assert_eq!((single.len() as u64, count(&merged)), (MAX_SINGLES, 7));
}

#[test]
fn an_attempt_whose_server_is_not_known_has_a_record() {
    let mut bed = bed();
    let all = u32::try_from(MAX_SINGLES).unwrap() + 7;
    for isn in 0..all {
        let [syn, answer] = handshake(isn, 5432);
        bed.run(Classifier::PodOut, &syn, 1).unwrap();
        bed.run(Classifier::PodIn, &answer, 1).unwrap();
    }
    let (single, merged) = bed.attempts().unwrap();
    assert_eq!((single.len(), merged.len()), (all as usize, 0), "NAT elsewhere may have chosen it");
}

#[test]
fn pairs_that_find_no_room_have_records() {
    let mut bed = bed();
    let (singles, room) = (u32::try_from(MAX_SINGLES).unwrap(), MAX_MERGED);
    let all = singles + room + 7;
    for isn in 0..all {
        shake_hands(&mut bed, isn, 1_024 + u16::try_from(isn).unwrap());
    }
    let (single, merged) = bed.attempts().unwrap();
    assert_eq!(count(&single) + count(&merged), u64::from(all), "none is missing");
    assert!(single.len() as u64 > MAX_SINGLES, "{} pairs don't fit", room + 7);
}
