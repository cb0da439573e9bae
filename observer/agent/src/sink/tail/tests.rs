mod merged;

use std::net::IpAddr;

use flow_model::flow::Outcome;
use flow_model::input::Announced;
use flow_model::mac::Mac;
use flow_model::record::{Announcement, ChangeVerb, Event, Kind, PolicyChange};
use proptest::prelude::*;
use tokio::runtime::Builder;

use super::*;
use crate::filter::Subject;
use crate::sink::testing::{at, attempt, external, pod, reset, service};

fn tail(max_records: usize, max_bytes: usize) -> Arc<Tail> {
    let config = TailConfig { max_records, max_bytes, max_clients: 4 };
    Arc::new(Tail::new(&config, "node1".into(), STARTED, TailCounters::default()))
}

/// A tail whose rooms hold this many records each.
fn tail_of(rooms: impl Fn(Kind) -> usize) -> Arc<Tail> {
    let tail = Tail::new(&TailConfig::default(), "node1".into(), STARTED, TailCounters::default());
    let ring = Ring::new(|kind| Size { records: rooms(kind), bytes: usize::MAX });
    Arc::new(Tail { ring: Mutex::new(ring), ..tail })
}

/// The agent's start, before every record.
const STARTED: Timestamp = Timestamp::constant(1_700_000_000, 0);

fn record(second: i64) -> FlowRecord {
    attempt(second, pod("web", "front-5d-1"), service("data", "db"), Outcome::Established)
}

fn push(tail: &Tail, seconds: std::ops::Range<i64>) {
    seconds.for_each(|second| tail.push(&record(second)));
}

fn subscribe(tail: &Arc<Tail>, start: Start, follow: bool) -> Subscription {
    tail.subscribe(Filter::default(), start, follow).unwrap()
}

/// Holds what a reader got: the second of a record, or how many were lost before the next, or that memory does not reach
/// back to what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Got {
    Record(i64),
    Lost(u64),
    Begin,
}
use Got::{Begin, Lost, Record};

fn parse(item: &Item) -> Got {
    let line = std::str::from_utf8(&item.line).unwrap();
    assert!(line.ends_with("}\n") && line.matches('\n').count() == 1, "not one line: {line:?}");
    let record: FlowRecord = serde_json::from_str(line).unwrap();
    match record.event {
        Event::Lost(lost) => {
            assert_eq!((&*lost.stage, &*record.node), ("client", "node1"));
            Lost(lost.lost)
        }
        Event::Memory(_) => Begin,
        _ => Record((record.time - at(0)).total(jiff::Unit::Second).unwrap() as i64),
    }
}

fn drain(subscription: &mut Subscription) -> Vec<Got> {
    items(subscription).iter().map(parse).collect()
}

/// Everything that is there for a reader now.
fn items(subscription: &mut Subscription) -> Vec<Item> {
    use futures_util::FutureExt;
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut got = Vec::new();
        loop {
            // `unconstrained`: without it a budget used up would look like the end.
            let next = tokio::task::unconstrained(subscription.next());
            match next.now_or_never() {
                Some(Some(item)) => got.push(item),
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
    assert_eq!(kept.first(), Some(&Begin));
    assert!((10..60).contains(&kept.len()), "{} records in 20 kB", kept.len());
    assert_eq!(kept.last(), Some(&Record(999)));
}

#[test]
fn a_line_larger_than_the_ring_is_still_delivered() {
    let tail = tail(10, 1);
    push(&tail, 0..2);
    assert_eq!(drain(&mut subscribe(&tail, Start::Since(at(0)), true)), [Begin, Record(1)]);
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
    let read = items(&mut subscribe(&first, Start::Since(at(0)), false));
    let at_4: Position = read[4].position.to_string().parse().unwrap();
    assert_eq!(drain(&mut subscribe(&first, Start::After(at_4, None), true)), records(5..10));

    let second = tail(100, usize::MAX);
    push(&second, 20..23);
    assert_eq!(drain(&mut subscribe(&second, Start::After(at_4, None), true)), records(20..23));
    let since = Some(at(22));
    assert_eq!(drain(&mut subscribe(&second, Start::After(at_4, since), true)), records(22..23));

    let beyond: Position = format!("{:x}-{}", at_4.instance, u64::MAX).parse().unwrap();
    assert_eq!(drain(&mut subscribe(&first, Start::After(beyond, None), true)), []);
    for bad in ["", "-", "x-1", "1", "1-x", "1-2-3", "1-2.", "1-2.x"] {
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
    let next = Start::After(reader.position(), None);
    assert_eq!(drain(&mut subscribe(&tail, next, true)), []);
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

/// Returns a filter of those that read the line.
fn flow(name: &str, value: &str) -> Filter {
    let mut filter = Filter::default();
    filter.flow.add(Subject::Record, name, value).unwrap();
    filter
}

#[test]
fn filters_that_read_the_line_add_to_the_others() {
    assert_eq!(selected(flow("from", "web")), [0, 3, 4]);
    assert_eq!(selected(flow("not_from", "web")), [1, 2, 4]);
    assert_eq!(selected(flow("filter", "outcome == 'refused'")), [2, 4]);
    assert_eq!(selected(Filter { kinds: vec![Kind::Attempt], ..flow("from", "web") }), [0]);
}

#[test]
fn a_position_passes_the_lines_that_were_read_and_did_not_match() {
    let tail = tail(1_000, usize::MAX);
    let mut reader = tail.subscribe(flow("to", "nowhere"), Start::Now, true).unwrap();
    push(&tail, 0..700);
    assert_eq!(drain(&mut reader), []);
    let next = Start::After(reader.position(), None);
    assert_eq!(drain(&mut subscribe(&tail, next, true)), []);
}

#[test]
fn changes_of_policies_belong_to_the_namespace_that_they_are_about() {
    let change = |second, object: &str, namespace: Option<&str>, name: &str| {
        let change = PolicyChange {
            object: object.into(),
            namespace: namespace.map(Into::into),
            name: name.into(),
            change: ChangeVerb::Changed,
            manager: None,
            summary: String::new(),
        };
        FlowRecord { time: at(second), node: "node1".into(), event: Event::PolicyChange(change) }
    };
    let tail = tail(100, usize::MAX);
    tail.push(&change(0, "NetworkPolicy", Some("data"), "guard"));
    tail.push(&change(1, "Namespace", None, "data"));
    tail.push(&change(2, "AdminNetworkPolicy", None, "guard"));
    tail.push(&change(3, "Pod", Some("data"), "db-0"));
    let selected = |filter: Filter| drain(&mut tail.subscribe(filter, Start::Since(at(0)), false).unwrap());
    let namespace = |name: &str| selected(Filter { namespaces: vec![name.into()], ..Filter::default() });
    assert_eq!(namespace("data"), records(0..4));
    assert_eq!(namespace("web"), [Record(2)], "a policy of the whole cluster concerns every namespace");
    let pods = vec!["data/db-0".parse().unwrap()];
    assert_eq!(selected(Filter { pods, ..Filter::default() }), [Record(3)]);
    let outcomes = vec![Outcome::Refused];
    assert_eq!(selected(Filter { outcomes, ..Filter::default() }), []);
}

const KINDS: [Kind; 3] = [Kind::Attempt, Kind::Reset, Kind::Announcement];

/// A record of any of [`KINDS`].
fn of_kind(kind: Kind, second: i64) -> FlowRecord {
    let (front, batch) = (pod("web", "front-5d-1"), pod("jobs", "batch-1-a"));
    match kind {
        Kind::Reset => reset(second, front, batch),
        Kind::Announcement => {
            let event = Event::Announcement(Announcement {
                ip: IpAddr::from([10, 0, 20, 200]),
                mac: Mac([2, 0, 0, 0, 0, 1]),
                claimant: None,
                previous: None,
                r#move: true,
                how: Announced::GratuitousReply,
                services: vec![],
            });
            FlowRecord { time: at(second), node: "node1".into(), event }
        }
        _ => record(second),
    }
}

fn decode(item: &Item) -> FlowRecord {
    serde_json::from_slice(&item.line).unwrap()
}

#[test]
fn a_flood_of_attempts_and_a_storm_of_resets_leave_the_moves_of_an_hour_ago() {
    let tail = Arc::new(Tail::new(&TailConfig::default(), "node1".into(), STARTED, TailCounters::default()));
    for second in 0..7 {
        tail.push(&of_kind(Kind::Announcement, second));
    }
    for second in 7..20_000 {
        tail.push(&of_kind(Kind::Attempt, second));
        tail.push(&of_kind(Kind::Reset, second));
    }
    let got = items(&mut subscribe(&tail, Start::Since(at(0)), false));
    let got: Vec<_> = got.iter().map(decode).collect();
    let moves = got.iter().filter(|record| record.event.kind() == Kind::Announcement).count();
    assert_eq!(moves, 7);
    let Event::Memory(memory) = &got[0].event else { panic!("{:?}", got[0]) };
    assert_eq!((got[0].time, memory.started), (at(0), STARTED));
    assert_eq!(memory.begins.keys().copied().collect::<Vec<_>>(), [Kind::Attempt, Kind::Reset]);
}

#[test]
fn a_replay_from_before_the_agent_s_start_says_when_it_started() {
    let tail = tail(100, usize::MAX);
    push(&tail, 0..2);
    let before = STARTED - jiff::SignedDuration::from_secs(5);
    let filter = Filter { kinds: vec![Kind::Reset], ..Filter::default() };
    let got = items(&mut tail.subscribe(filter, Start::Since(before), false).unwrap());
    let [only] = &got[..] else { panic!("{got:?}") };
    let event = Event::Memory(Memory { started: STARTED, begins: [(Kind::Reset, STARTED)].into() });
    assert_eq!(decode(only), FlowRecord { time: before, node: "node1".into(), event });
    assert_eq!(
        drain(&mut subscribe(&tail, Start::Since(STARTED + jiff::SignedDuration::from_secs(1)), false)),
        records(0..2)
    );
}

#[test]
fn kinds_that_a_filter_leaves_out_are_not_counted_as_lost() {
    let tail = tail_of(|_| 4);
    let filter = Filter { kinds: vec![Kind::Reset], ..Filter::default() };
    let mut reader = tail.subscribe(filter, Start::Now, true).unwrap();
    tail.push(&of_kind(Kind::Reset, 0));
    push(&tail, 1..50);
    assert_eq!(drain(&mut reader), [Record(0)]);
    (50..60).for_each(|second| tail.push(&of_kind(Kind::Reset, second)));
    assert_eq!(drain(&mut reader), [Lost(6), Record(56), Record(57), Record(58), Record(59)]);
}

proptest! {
    /// Whatever is pushed, and whatever gives way: a replay has the newest records of each kind in the order of arrival, and
    /// what it says of its beginning is true.
    #[test]
    fn a_replay_has_a_suffix_of_each_kind_and_states_its_beginning(
        pushed in prop::collection::vec((0..KINDS.len(), -2_i64..=2), 0..120),
        sizes in prop::array::uniform3(1_usize..30),
        asked in -5_i64..130,
    ) {
        let tail = tail_of(|kind| KINDS.iter().position(|k| *k == kind).map_or(1, |n| sizes[n]));
        let times: Vec<_> = (0_i64..).zip(pushed).map(|(n, (kind, late))| (KINDS[kind], n + late)).collect();
        times.iter().for_each(|(kind, second)| tail.push(&of_kind(*kind, *second)));
        let got = items(&mut subscribe(&tail, Start::Since(at(asked)), false));
        let mut got: Vec<_> = got.iter().map(decode).collect();
        let mut begins = BTreeMap::new();
        if let Some(FlowRecord { event: Event::Memory(memory), .. }) = got.first() {
            begins = memory.begins.clone();
            got.remove(0);
        }
        for kind in KINDS {
            let of = |record: &&FlowRecord| record.event.kind() == kind;
            let got: Vec<_> = got.iter().filter(of).map(|record| record.time).collect();
            let all: Vec<_> = times.iter().filter(|(k, _)| *k == kind).map(|(_, t)| at(*t)).collect();
            let size = sizes[KINDS.iter().position(|k| *k == kind).unwrap()];
            let kept = all[all.len().saturating_sub(size)..].iter().copied().filter(|t| *t >= at(asked));
            prop_assert_eq!(&got, &kept.collect::<Vec<_>>(), "the newest of {}", kind);
            let from = begins.get(&kind).map_or(at(asked - 1), |begin| *begin);
            prop_assert!(from >= at(asked - 1), "it says only what concerns this replay");
            let complete = |times: &[Timestamp]| times.iter().filter(|t| **t > from).count();
            prop_assert_eq!(complete(&got), complete(&all), "{} after {}", kind, from);
        }
        let order: Vec<_> = got.iter().map(|record| (record.event.kind(), record.time)).collect();
        let mut rest = times.iter().map(|(kind, t)| (*kind, at(*t)));
        prop_assert!(order.iter().all(|one| rest.any(|other| other == *one)), "in the order of arrival");
    }

    /// A follower that breaks off and resumes anywhere gets every record once, or learns exactly how many it missed.
    #[test]
    fn who_resumes_gets_neither_gaps_nor_duplicates(
        steps in prop::collection::vec((prop::collection::vec(0..KINDS.len(), 0..25), any::<bool>(), 0_usize..40), 1..30),
        sizes in prop::array::uniform3(1_usize..30),
        only in prop::option::of(0..KINDS.len()),
    ) {
        let tail = tail_of(|kind| KINDS.iter().position(|k| *k == kind).map_or(1, |n| sizes[n]));
        let kinds: Vec<_> = only.map(|n| KINDS[n]).into_iter().collect();
        let filter = Filter { kinds, ..Filter::default() };
        let mut reader = tail.subscribe(filter.clone(), Start::Now, true).unwrap();
        let (mut pushed, mut got) = (Vec::new(), Vec::new());
        for (kinds, read, resume_after) in steps {
            for kind in kinds {
                let second = i64::try_from(pushed.len()).unwrap();
                tail.push(&of_kind(KINDS[kind], second));
                pushed.push(KINDS[kind]);
            }
            if read {
                let mut some = items(&mut reader);
                some.truncate(resume_after);
                // The place of the last line that arrived, as a client sends it.
                let place = some.last().map(|item| item.position.to_string());
                got.extend(some);
                let place = place.unwrap_or_else(|| last(&got, &tail));
                let start = Start::After(place.parse().unwrap(), None);
                reader = tail.subscribe(filter.clone(), start, true).unwrap();
            }
        }
        got.extend(items(&mut reader));
        let (mut seen, mut lost) = (Vec::new(), 0);
        for item in &got {
            match parse(item) {
                Record(second) => seen.push(second),
                Lost(n) => lost += n,
                Begin => prop_assert!(false, "nothing was asked for from before"),
            }
        }
        prop_assert!(seen.is_sorted_by(|a, b| a < b), "in order, and each once: {seen:?}");
        let wanted = pushed.iter().filter(|kind| filter.selects(**kind)).count();
        prop_assert_eq!(seen.len() as u64 + lost, wanted as u64);
    }

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
                    Begin => prop_assert!(expected > 0),
                }
            }
            prop_assert_eq!(expected, pushed);
        }
    }
}

/// Returns the place of the last line, or that of the start.
fn last(got: &[Item], tail: &Tail) -> String {
    got.last().map_or_else(|| format!("{:x}-0", tail.instance), |item| item.position.to_string())
}
