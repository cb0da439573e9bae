//! Attempts whose SYN met a full accept queue.

use flow_model::finding::FindingKind;
use flow_model::record::{Attempt, LossCause};
use rstest::rstest;

use super::verdicts::{admitting, findings, guarded, outputs};
use super::*;

/// An attempt whose SYN met a full queue, and got no answer.
fn unaccepted(ms: i64) -> AttemptSeen {
    let Input::Attempt(seen) = rejected(ms) else { unreachable!() };
    let backend = Some(("10.42.0.12".parse().unwrap(), 5432));
    AttemptSeen {
        tuple: FlowTuple { backend, ..seen.tuple },
        vantage: Vantage::Destination,
        outcome: Outcome::Unanswered,
        icmp: None,
        accept_backlog: Some(128),
        ..seen
    }
}

/// Returns the record of an attempt, and the kinds of the findings.
fn reported(admitted: &str, seen: AttemptSeen) -> (Attempt, Vec<FindingKind>) {
    let mut engine = Engine::new("n1");
    engine.handle(guarded(admitting(&[admitted])), at(0));
    engine.handle(Input::Attempt(seen), at(60_000));
    engine.handle(Input::Tick, at(60_200));
    let out = outputs(&mut engine);
    let attempt = out.iter().find_map(|output| match output {
        Output::Record(FlowRecord { event: Event::Attempt(attempt), .. }) => Some(attempt.clone()),
        _ => None,
    });
    (attempt.unwrap(), findings(&out).iter().map(|finding| finding.kind).collect())
}

#[rstest]
#[case::allowed("docs")]
#[case::refused("app")]
fn it_is_unanswered_whatever_the_policies_say(#[case] admitted: &str) {
    let (attempt, kinds) = reported(admitted, unaccepted(60_000));
    assert_eq!((attempt.cause, attempt.accept_backlog), (Some(LossCause::AcceptQueueFull), Some(128)));
    assert_eq!(attempt.enforcement_lag, None);
    assert_eq!(kinds, [FindingKind::Unanswered]);
}

#[rstest]
#[case::dropped_before(AttemptSeen { drop_reason: Some("NETFILTER_DROP".into()), ..unaccepted(60_000) })]
#[case::answered(AttemptSeen { outcome: Outcome::Established, ..unaccepted(60_000) })]
fn the_queue_is_no_cause_of_what_ended_otherwise(#[case] seen: AttemptSeen) {
    let (attempt, _) = reported("docs", seen);
    assert_eq!((attempt.cause, attempt.accept_backlog), (None, None));
}
