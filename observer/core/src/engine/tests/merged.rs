//! Established attempts that come as one input.

use super::*;

fn established(count: u64) -> Input {
    let tuple = tuple("10.42.0.12");
    Input::Attempt(AttemptSeen {
        tuple,
        icmp: None,
        latency_ns: 310_000,
        count,
        ..attempt_seen(at(60_000), Outcome::Established)
    })
}

#[test]
fn their_record_has_their_number_and_no_latency() {
    let mut engine = Engine::new("n1");
    engine.handle(cluster(), at(0));
    for (count, latency) in [(1, Some(310)), (400, None)] {
        engine.handle(established(count), at(60_000));
        let [Event::Attempt(attempt)] = &records(&mut engine)[..] else { panic!("one record") };
        assert_eq!((attempt.count, attempt.latency_us), (count, latency));
        let named = serde_json::to_value(attempt).unwrap();
        assert_eq!(named.get("count").and_then(serde_json::Value::as_u64), (count > 1).then_some(count));
    }
}
