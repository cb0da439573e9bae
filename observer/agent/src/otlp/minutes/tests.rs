use flow_model::flow::Outcome;
use flow_model::record::Event;

use super::*;
use crate::sink::testing::{at, attempt, pod, service};

fn established(second: i64, count: u64, port: u16) -> (Attempt, Timestamp) {
    let dst = Endpoint { port, ..service("data", "db") };
    let record = attempt(second, pod("web", "front-5d-1"), dst, Outcome::Established);
    let Event::Attempt(attempt) = record.event else { panic!("no attempt") };
    (Attempt { count, ..attempt }, record.time)
}

fn minutes() -> Minutes {
    Minutes::new(Duration::from_secs(60))
}

#[test]
fn connections_of_a_pair_become_one_record_a_minute() {
    let mut minutes = minutes();
    // A minute begins at 20.
    for (second, count) in [(19, 1), (20, 1), (50, 40), (79, 2)] {
        let (attempt, time) = established(second, count, 5432);
        minutes.add(&attempt, time);
    }
    let counts = |all: Vec<Connections>| all.into_iter().map(|c| (c.begin, c.count)).collect::<Vec<_>>();
    assert_eq!(counts(minutes.over(at(79))), [(at(-40), 1)]);
    assert_eq!(counts(minutes.over(at(80 + LATE - 1))), [], "late records may come");
    assert_eq!(counts(minutes.over(at(80 + LATE))), [(at(20), 43)]);
    assert_eq!(counts(minutes.take()), []);
}

#[test]
fn pairs_beyond_the_bound_are_counted_together() {
    let mut minutes = Minutes { max: 2, ..minutes() };
    for port in [1, 2, 3, 4, 1] {
        let (attempt, time) = established(20, 10, port);
        minutes.add(&attempt, time);
    }
    let mut all = minutes.take();
    all.sort_by_key(|c| (c.sides.is_none(), c.count));
    let counts: Vec<_> = all.iter().map(|c| (c.sides.is_some(), c.count)).collect();
    assert_eq!(counts, [(true, 10), (true, 20), (false, 20)]);
}

#[test]
fn a_changed_verdict_is_another_record() {
    let mut minutes = minutes();
    let (attempt, time) = established(20, 1, 5432);
    let verdict = FlowVerdict {
        decision: Decision::Deny,
        direction: None,
        policies: vec![],
        explanation: String::new(),
    };
    minutes.add(&attempt, time);
    minutes.add(&Attempt { verdict: Some(Arc::new(verdict)), ..attempt }, time);
    assert_eq!(minutes.take().len(), 2);
}
