use flow_model::flow::Outcome;
use flow_model::record::{Event, Kind};
use proptest::prelude::*;
use tokio::runtime::Builder;

use super::*;
use crate::sink::testing::{at, attempt, external, pod, reset, service};

fn tail(max_records: usize, max_bytes: usize) -> Arc<Tail> {
    let config = TailConfig { max_records, max_bytes, max_clients: 4 };
    Arc::new(Tail::new(&config, "node1".into(), TailCounters::default()))
}

fn record(second: i64) -> FlowRecord {
    attempt(second, pod("web", "front-5d-1"), service("data", "db"), Outcome::Established)
}

fn push(tail: &Tail, seconds: std::ops::Range<i64>) {
    seconds.for_each(|second| tail.push(&record(second)));
}

fn subscribe(tail: &Arc<Tail>, start: Start, follow: bool) -> Subscription {
    tail.subscribe(Filter::default(), start, follow).unwrap()
}

/// Holds what a reader got: the second of a record, or how many were lost before the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Got {
    Record(i64),
    Lost(u64),
}
use Got::{Lost, Record};

fn parse(item: &Item) -> Got {
    let line = std::str::from_utf8(&item.line).unwrap();
    assert!(line.ends_with("}\n") && line.matches('\n').count() == 1, "not one line: {line:?}");
    let record: FlowRecord = serde_json::from_str(line).unwrap();
    match record.event {
        Event::Lost(lost) => {
            assert_eq!((&*lost.stage, &*record.node), ("client", "node1"));
            Lost(lost.lost)
        }
        _ => Record((record.time - at(0)).total(jiff::Unit::Second).unwrap() as i64),
    }
}

/// Everything that is there for a reader now.
fn drain(subscription: &mut Subscription) -> Vec<Got> {
    use futures_util::FutureExt;
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut got = Vec::new();
        loop {
            // `unconstrained`: without it a budget used up would look like the end.
            let next = tokio::task::unconstrained(subscription.next());
            match next.now_or_never() {
                Some(Some(item)) => got.push(parse(&item)),
                // A yield, after a stretch in which nothing matched.
                None if subscription.behind() => {}
                _ => return got,
            }
        }
    })
}

fn records(seconds: std::ops::Range<i64>) -> Vec<Got> {
    seconds.map(Record).collect()
}

#[test]
fn a_reader_that_does_not_follow_gets_what_is_there_and_ends() {
    let tail = tail(100, usize::MAX);
    push(&tail, 0..10);
    let mut replay = subscribe(&tail, Start::Since(at(4)), false);
    push(&tail, 10..12);
    assert_eq!(drain(&mut replay), records(4..10));
    assert_eq!(drain(&mut subscribe(&tail, Start::Now, false)), []);
}

#[test]
fn since_leaves_out_earlier_records_that_come_late() {
    let tail = tail(100, usize::MAX);
    for second in [1, 5, 3, 6] {
        tail.push(&record(second));
    }
    let mut reader = subscribe(&tail, Start::Since(at(4)), true);
    assert_eq!(drain(&mut reader), [Record(5), Record(6)]);
}

#[test]
fn a_reader_that_fell_behind_is_told_how_much_it_missed() {
    let tail = tail(10, usize::MAX);
    let mut reader = subscribe(&tail, Start::Now, true);
    push(&tail, 0..3);
    assert_eq!(drain(&mut reader), records(0..3));
    push(&tail, 3..25);
    let mut expected = vec![Lost(12)];
    expected.extend(records(15..25));
    assert_eq!(drain(&mut reader), expected);
    assert_eq!(tail.counters.lost.get(), 12);
    push(&tail, 25..26);
    assert_eq!(drain(&mut reader), records(25..26));
}

#[test]
fn a_replay_that_fell_behind_ends_with_its_loss() {
    let tail = tail(10, usize::MAX);
    push(&tail, 0..5);
    let mut replay = subscribe(&tail, Start::Since(at(0)), false);
    push(&tail, 5..40);
    assert_eq!(drain(&mut replay), [Lost(5)]);
}

#[test]
fn the_ring_is_bounded_in_bytes() {
    let tail = tail(usize::MAX, 20_000);
    push(&tail, 0..1000);
    let kept = drain(&mut subscribe(&tail, Start::Since(at(0)), false));
    assert!((10..60).contains(&kept.len()), "{} records in 20 kB", kept.len());
    assert_eq!(kept.last(), Some(&Record(999)));
}

#[test]
fn a_line_larger_than_the_ring_is_still_delivered() {
    let tail = tail(10, 1);
    push(&tail, 0..2);
    assert_eq!(drain(&mut subscribe(&tail, Start::Since(at(0)), true)), records(1..2));
}

#[test]
fn clients_are_limited_and_counted() {
    let tail = tail(10, 1);
    let mut readers: Vec<_> = (0..4).map(|_| subscribe(&tail, Start::Now, true)).collect();
    let refused = tail.subscribe(Filter::default(), Start::Now, true);
    assert_eq!(refused.unwrap_err(), TooManyClients(4));
    assert_eq!(tail.counters.clients.get(), 4);
    readers.pop();
    readers.push(subscribe(&tail, Start::Now, true));
    drop(readers);
    assert_eq!(tail.counters.clients.get(), 0);
}

#[test]
fn a_position_resumes_only_in_its_own_run() {
    let first = tail(100, usize::MAX);
    push(&first, 0..10);
    let at_4 = Position { instance: first.instance, seq: 5 };
    let at_4: Position = at_4.to_string().parse().unwrap();
    assert_eq!(drain(&mut subscribe(&first, Start::After(at_4, None), true)), records(5..10));

    let second = tail(100, usize::MAX);
    push(&second, 20..23);
    assert_eq!(drain(&mut subscribe(&second, Start::After(at_4, None), true)), records(20..23));
    let since = Some(at(22));
    assert_eq!(drain(&mut subscribe(&second, Start::After(at_4, since), true)), records(22..23));

    let beyond = Position { seq: u64::MAX, ..at_4 };
    assert_eq!(drain(&mut subscribe(&first, Start::After(beyond, None), true)), []);
    for bad in ["", "-", "x-1", "1", "1-x", "1-2-3"] {
        assert!(bad.parse::<Position>().is_err(), "{bad:?}");
    }
}

#[test]
fn an_idle_reader_s_position_passes_what_did_not_match() {
    let tail = tail(100, usize::MAX);
    let filter = Filter { namespaces: vec!["nobody".into()], ..Filter::default() };
    let mut reader = tail.subscribe(filter, Start::Now, true).unwrap();
    push(&tail, 0..7);
    assert_eq!(drain(&mut reader), []);
    assert_eq!(reader.position().seq, 7);
}

fn selected(filter: Filter) -> Vec<i64> {
    let tail = tail(100, usize::MAX);
    let (front, batch) = (pod("web", "front-5d-1"), pod("jobs", "batch-1-a"));
    tail.push(&attempt(0, front.clone(), service("data", "db"), Outcome::Established));
    tail.push(&attempt(1, batch.clone(), pod("data", "db-0"), Outcome::Rejected));
    tail.push(&attempt(2, external(), front.clone(), Outcome::Refused));
    tail.push(&reset(3, front, batch));
    let event = Event::Lost(flow_model::record::Lost { lost: 7, stage: "ring".into() });
    tail.push(&FlowRecord { time: at(4), node: "node1".into(), event });
    let mut reader = tail.subscribe(filter, Start::Since(at(0)), true).unwrap();
    let times = |item: Item| serde_json::from_slice::<FlowRecord>(&item.line).unwrap().time;
    let mut seconds = Vec::new();
    while let Some(Some(item)) = futures_util::FutureExt::now_or_never(reader.next()) {
        seconds.push((times(item) - at(0)).get_seconds());
    }
    seconds
}

#[test]
fn filters_match_either_side_and_let_losses_through() {
    let namespace = |ns: &str| Filter { namespaces: vec![ns.into()], ..Filter::default() };
    let with_pod = |name: &str| Filter { pods: vec![name.parse().unwrap()], ..Filter::default() };
    let kinds = |kinds: &[Kind]| Filter { kinds: kinds.to_vec(), ..Filter::default() };
    let outcomes = |outcomes: &[Outcome]| Filter { outcomes: outcomes.to_vec(), ..Filter::default() };

    assert_eq!(selected(Filter::default()), [0, 1, 2, 3, 4]);
    assert_eq!(selected(namespace("web")), [0, 2, 3, 4]);
    assert_eq!(selected(namespace("data")), [0, 1, 4], "a Service's namespace counts");
    assert_eq!(selected(with_pod("web/front-5d-1")), [0, 2, 3, 4]);
    assert_eq!(selected(with_pod("jobs/front-5d-1")), [4]);
    assert_eq!(selected(kinds(&[Kind::Attempt])), [0, 1, 2], "a kind is asked for by name");
    assert_eq!(selected(kinds(&[Kind::Reset, Kind::Lost])), [3, 4]);
    assert_eq!(selected(outcomes(&[Outcome::Rejected, Outcome::Refused])), [1, 2, 4]);
    let both = Filter { namespaces: vec!["jobs".into()], ..outcomes(&[Outcome::Rejected]) };
    assert_eq!(selected(both), [1, 4]);
}

proptest! {
    /// Readers that join anywhere and read whenever they like see every record from their start on exactly once, or
    /// learn exactly how many they missed.
    #[test]
    fn no_gap_and_no_duplicate(
        steps in prop::collection::vec((0_i64..30, any::<bool>()), 1..40),
        join in 0_usize..40,
        ring in 1_usize..200,
    ) {
        let tail = tail(ring, usize::MAX);
        let (mut pushed, mut reader, mut got, mut from) = (0, None, Vec::new(), 0);
        for (step, (count, read)) in steps.into_iter().enumerate() {
            if step == join {
                from = (pushed - i64::try_from(ring).unwrap()).max(0);
                reader = Some(subscribe(&tail, Start::Since(at(0)), true));
            }
            push(&tail, pushed..pushed + count);
            pushed += count;
            if let (Some(reader), true) = (&mut reader, read) {
                got.extend(drain(reader));
            }
        }
        if let Some(reader) = &mut reader {
            got.extend(drain(reader));
            let mut expected = from;
            for item in got {
                match item {
                    Lost(n) => expected += i64::try_from(n).unwrap(),
                    Record(second) => {
                        prop_assert_eq!(second, expected);
                        expected += 1;
                    }
                }
            }
            prop_assert_eq!(expected, pushed);
        }
    }
}
