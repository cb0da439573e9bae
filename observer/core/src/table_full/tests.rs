//! Periods beside attempts, compared with every millisecond of both.

use flow_model::testing::attempt_seen;
use proptest::prelude::*;

use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_795_000_000_000 + ms).unwrap()
}

fn attempt(start: i64, end: i64) -> AttemptSeen {
    AttemptSeen {
        latency_ns: u64::try_from(end - start).unwrap() * 1_000_000,
        drop_reason: Some("NETFILTER_DROP".into()),
        ..attempt_seen(at(end), Outcome::Unanswered)
    }
}

#[test]
fn only_what_netfilter_dropped_without_an_answer_has_the_cause() {
    let mut full = TableFull::default();
    full.add(at(0), at(1_000));
    assert_eq!(full.cause(&attempt(500, 6_000)), Some(LossCause::ConntrackFull));
    let other =
        |reason: Option<&str>| AttemptSeen { drop_reason: reason.map(Into::into), ..attempt(500, 6_000) };
    assert_eq!(full.cause(&other(None)), None, "no drop was seen here");
    assert_eq!(full.cause(&other(Some("NO_SOCKET"))), None);
    let rejected = AttemptSeen { outcome: Outcome::Rejected, ..attempt(500, 600) };
    assert_eq!(full.cause(&rejected), None, "a rule answered it");
}

#[test]
fn periods_are_forgotten_in_time_and_bounded() {
    for now in [130_000, -130_000] {
        let mut full = TableFull::default();
        full.add(at(0), at(0));
        full.tick(at(now / 2));
        assert_eq!(full.periods.len(), 1);
        full.tick(at(now));
        assert_eq!(full.periods.len(), 0, "{now}");
    }
    let mut full = TableFull::default();
    (0..1_000).for_each(|ms| full.add(at(ms), at(ms)));
    assert_eq!(full.periods.len(), MAX);
    assert_eq!(full.cause(&attempt(999, 999)), Some(LossCause::ConntrackFull), "the newest stay");
}

proptest! {
    #[test]
    fn a_cause_is_what_was_true_during_the_attempt(
        periods in proptest::collection::vec((0_i64..200, 0_i64..20), 0..6),
        start in 0_i64..200,
        life in 0_i64..30,
    ) {
        let mut full = TableFull::default();
        periods.iter().for_each(|(since, length)| full.add(at(*since), at(since + length)));
        let is_full = |ms: i64| periods.iter().any(|(since, length)| (*since..=since + length).contains(&ms));
        let expected = (start..=start + life).any(is_full);
        prop_assert_eq!(full.cause(&attempt(start, start + life)).is_some(), expected);
    }
}
