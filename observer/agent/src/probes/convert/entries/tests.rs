//! Entries with bytes that mean nothing.

use super::*;

fn pair_key(vantage: u8) -> PairKey {
    PairKey { src: [1; 16], dst: [2; 16], dport: 80, vantage, _pad: 0 }
}

#[test]
fn an_entry_with_an_unknown_byte_is_no_entry_of_another_meaning() {
    let clock = Clock::read();
    let conn = |vantage| ConnValue { vantage, ..ConnValue::default() };
    let key = ConnKey { src: [1; 16], isn: 1, sport: 1, _pad: [0; 2] };
    let reset = |vantage| TransitReset { vantage, by: abi::Side::Server.byte(), ..TransitReset::default() };
    for known in Vantage::ALL.iter().map(|v| v.byte()) {
        assert!(pair_delta(&pair_key(known), &Counters::default()).is_ok());
        assert!(ended(&key, &conn(known), Outcome::Unanswered, 0, clock, &Reasons::default()).is_ok());
        assert!(stranded(&reset(known), RstOrigin::default(), clock).is_ok());
    }
    for unknown in [3, 255] {
        let error = DecodeError::UnknownValue { field: "vantage", value: unknown };
        assert_eq!(pair_delta(&pair_key(unknown), &Counters::default()), Err(error));
        assert_eq!(
            ended(&key, &conn(unknown), Outcome::Unanswered, 0, clock, &Reasons::default()),
            Err(error)
        );
        assert_eq!(stranded(&reset(unknown), RstOrigin::default(), clock), Err(error));
    }
}

#[test]
fn an_attempt_without_an_answer_lasts_from_its_first_syn_on() {
    let conn = ConnValue { first_ns: 1_000, last_ns: 3_000, ..ConnValue::default() };
    let key = ConnKey { src: [1; 16], isn: 1, sport: 1, _pad: [0; 2] };
    let life = |outcome| {
        let (_, input) = ended(&key, &conn, outcome, 9_000, Clock::read(), &Reasons::default()).unwrap();
        let Input::Attempt(seen) = input else { panic!("{input:?}") };
        seen.latency_ns
    };
    assert_eq!(life(Outcome::Unanswered), 8_000);
    assert_eq!(life(Outcome::Established), 0, "the time of its answer is not known");
}

#[test]
fn a_claim_by_an_unknown_kind_of_frame_is_none() {
    let clock = Clock::read();
    let vip =
        |how| VipValue { newest: u64::from_ne_bytes([2, 0, 0, 0, 0, 1, how, 0]), ..VipValue::default() };
    assert!(newest_claim([7; 16], &vip(3), clock).is_ok());
    let error = DecodeError::UnknownValue { field: "how", value: 4 };
    assert_eq!(newest_claim([7; 16], &vip(4), clock), Err(error));
}
