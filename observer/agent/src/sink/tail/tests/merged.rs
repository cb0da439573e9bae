//! Records that stand for several attempts.

use super::*;

fn several(second: i64) -> FlowRecord {
    let mut record = record(second);
    if let Event::Attempt(attempt) = &mut record.event {
        attempt.count = 400;
    }
    record
}

#[test]
fn a_replay_says_from_when_on_each_attempt_has_a_record() {
    let tail = tail(100, usize::MAX);
    push(&tail, 0..2);
    tail.push(&several(2));
    push(&tail, 3..5);
    let got = items(&mut subscribe(&tail, Start::Since(at(1)), false));
    assert_eq!(
        got.iter().map(parse).collect::<Vec<_>>(),
        [Begin, Record(1), Record(2), Record(3), Record(4)]
    );
    let Event::Memory(memory) = decode(&got[0]).event else { panic!("{got:?}") };
    assert_eq!(memory.begins, [(Kind::Attempt, at(2))].into());
    assert_eq!(drain(&mut subscribe(&tail, Start::Since(at(3)), false)), records(3..5));
}

#[test]
fn who_follows_established_attempts_is_counted() {
    let tail = tail(100, usize::MAX);
    let readers = tail.readers();
    let follow = |filter, follow| tail.subscribe(filter, Start::Now, follow).unwrap();
    let refused = Filter { outcomes: vec![Outcome::Refused], ..Filter::default() };
    let resets = Filter { kinds: vec![Kind::Reset], ..Filter::default() };
    let others = [follow(refused, true), follow(resets, true), follow(Filter::default(), false)];
    assert_eq!(*readers.borrow(), 0);
    drop(others);
    let established = Filter { outcomes: vec![Outcome::Established], ..Filter::default() };
    let both = [follow(established, true), follow(Filter::default(), true)];
    assert_eq!(*readers.borrow(), 2);
    drop(both);
    assert_eq!(*readers.borrow(), 0);
}
