use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::client::merge::{Merge, PATIENCE, SLACK, Source, WINDOW};
use crate::sink::testing::at;

/// Milliseconds after some fixed time.
fn time(ms: i64) -> Timestamp {
    at(0) + SignedDuration::from_millis(ms)
}

fn drain(merge: &mut Merge<(i64, u32)>, now: Instant) -> Vec<(i64, u32)> {
    std::iter::from_fn(|| merge.next(now)).collect()
}

/// Returns what each of some agents replays: out of order by less than the slack.
fn replays() -> impl Strategy<Value = Vec<Vec<i64>>> {
    let disorder = 0..SLACK.as_millis() as i64;
    let record = (0..20_000_i64, disorder);
    let replay = prop::collection::vec(record, 0..60).prop_map(|mut records| {
        // They were written in the order of these, and happened a little before.
        records.sort_by_key(|(written, _)| *written);
        records.iter().map(|(written, late)| written - late).collect()
    });
    prop::collection::vec(replay, 1..5)
}

fn numbered(replays: &[Vec<i64>]) -> Vec<Vec<(i64, u32)>> {
    let mut number = 0..;
    let number = |times: &Vec<i64>| times.iter().zip(&mut number).map(|(time, n)| (*time, n)).collect();
    replays.iter().map(number).collect()
}

fn sorted(replays: &[Vec<(i64, u32)>]) -> Vec<(i64, u32)> {
    let mut all: Vec<_> = replays.iter().flatten().copied().collect();
    all.sort_unstable();
    all
}

proptest! {
    /// The merge is sorted and complete, and has nothing twice, however unevenly replays arrive, and however small the
    /// queues are.
    #[test]
    fn replays_merge_exactly(replays in replays(), turns in prop::collection::vec(0..5_usize, 1..50)) {
        let replays = numbered(&replays);
        let now = Instant::now();
        let mut merge = Merge::new(1_000);
        for source in 0..replays.len() {
            merge.join(source as Source, now);
        }
        let mut rest: Vec<_> = replays.iter().map(|replay| replay.iter()).collect();
        let (mut out, mut open) = (Vec::new(), rest.len());
        for turn in turns.iter().cycle() {
            let source = turn % rest.len();
            match rest[source].next() {
                Some((ms, n)) => merge.put(source as Source, Some(time(*ms)), (*ms, *n), now),
                None if merge.sources.contains_key(&(source as Source)) => {
                    merge.leave(source as Source);
                    open -= 1;
                }
                None => {}
            }
            out.extend(drain(&mut merge, now));
            if open == 0 {
                break;
            }
            // Turns that leave one out would never end.
            if let Some(first) = rest.iter().position(|rest| rest.len() == 0)
                && merge.sources.contains_key(&(first as Source))
            {
                merge.leave(first as Source);
                open -= 1;
            }
            if turns.iter().all(|turn| rest[turn % rest.len()].len() == 0) {
                for (source, rest) in rest.iter_mut().enumerate() {
                    rest.for_each(|(ms, n)| merge.put(source as Source, Some(time(*ms)), (*ms, *n), now));
                    merge.leave(source as Source);
                }
                out.extend(drain(&mut merge, now));
                break;
            }
        }
        out.extend(drain(&mut merge, now));
        let mut by_time = out.clone();
        by_time.sort_by_key(|(ms, _)| *ms);
        prop_assert_eq!(&out, &by_time, "sorted");
        out.sort_unstable();
        prop_assert_eq!(out, sorted(&replays), "complete, nothing twice");
        prop_assert!(merge.is_empty() && merge.due.is_empty());
    }

    /// Records that arrive within the window are sorted, whatever the sources; none waits longer than that.
    #[test]
    fn live_records_wait_for_a_second(
        records in prop::collection::vec((0..30_000_i64, 0..999_u64, 0..4_u64), 1..200),
    ) {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut merge = Merge::new(1_000);
        for source in 0..4 {
            merge.join(source, start);
            merge.live(source, start);
        }
        let mut arrivals: BTreeMap<(u64, u32), (i64, u64)> = BTreeMap::new();
        for (n, (happened, delay, source)) in records.iter().enumerate() {
            arrivals.insert((2_000 + *happened as u64 + delay, n as u32), (*happened, *source));
        }
        let mut out = Vec::new();
        for ((arrived, n), (happened, source)) in &arrivals {
            out.extend(drain(&mut merge, at(*arrived)));
            merge.put(*source, Some(time(*happened)), (*happened, *n), at(*arrived));
        }
        let last = arrivals.keys().next_back().unwrap().0;
        out.extend(drain(&mut merge, at(last) + WINDOW));
        prop_assert_eq!(out.len(), records.len());
        let times: Vec<_> = out.iter().map(|(ms, _)| *ms).collect();
        prop_assert!(times.is_sorted(), "{:?}", times);
    }

    /// Whatever happens, in whatever order, nothing is lost or doubled.
    #[test]
    fn nothing_is_left_out(steps in prop::collection::vec((0..8_u8, 0..3_u64, 0..5_000_i64, 0..2_000_u64), 0..200)) {
        let mut now = Instant::now();
        let mut merge = Merge::new(4);
        let (mut put, mut out) = (Vec::new(), Vec::new());
        for (n, (step, source, ms, wait)) in steps.iter().enumerate() {
            now += Duration::from_millis(*wait);
            match step {
                0 => merge.join(*source, now),
                1 => merge.live(*source, now),
                2 => merge.leave(*source),
                3 => merge.lag(*source),
                4 => drop(merge.lagging(now)),
                5 => out.extend(drain(&mut merge, now)),
                _ => {
                    let record = (*ms, n as u32);
                    put.push(record);
                    merge.put(*source, (ms % 7 != 0).then(|| time(*ms)), record, now);
                }
            }
        }
        for source in 0..3 {
            merge.leave(source);
        }
        out.extend(drain(&mut merge, now + WINDOW));
        out.sort_unstable();
        put.sort_unstable();
        prop_assert_eq!(out, put);
    }
}

#[test]
fn a_silent_agent_is_waited_for_only_so_long() {
    let start = Instant::now();
    let mut merge = Merge::new(100);
    merge.join(1, start);
    merge.join(2, start);
    merge.put(1, Some(time(0)), (0, 0), start);
    merge.put(1, Some(time(5_000)), (5_000, 1), start);
    assert_eq!(drain(&mut merge, start), []);
    assert!(merge.lagging(start + PATIENCE / 2).is_empty());
    merge.put(1, Some(time(6_500)), (6_500, 2), start + PATIENCE / 2);
    assert_eq!(merge.lagging(start + PATIENCE), [2], "reported once");
    assert!(merge.lagging(start + PATIENCE).is_empty());
    assert_eq!(drain(&mut merge, start + PATIENCE), [(0, 0), (5_000, 1)]);
    // It comes back: late is better than never, and from now on it is waited for.
    merge.put(2, Some(time(3_000)), (3_000, 3), start + PATIENCE);
    assert_eq!(drain(&mut merge, start + PATIENCE), []);
    merge.put(2, Some(time(9_000)), (9_000, 4), start + PATIENCE);
    assert_eq!(drain(&mut merge, start + PATIENCE), [(3_000, 3)]);
}

#[test]
fn a_full_queue_is_no_deadlock() {
    let now = Instant::now();
    let mut merge = Merge::new(3);
    merge.join(1, now);
    for n in 0..3 {
        merge.put(1, Some(time(n)), (n, 0), now);
    }
    assert_eq!(drain(&mut merge, now), [(0, 0)], "then there is room, and the next may be older");
    merge.put(1, Some(time(1)), (1, 1), now);
    assert_eq!(drain(&mut merge, now), [(1, 0)]);
}

#[test]
fn what_happens_while_an_agent_connects_is_waited_for() {
    let start = Instant::now();
    let mut merge = Merge::new(100);
    merge.join(1, start);
    merge.join(2, start);
    merge.live(1, start);
    merge.put(1, Some(time(500)), (500, 0), start);
    assert_eq!(drain(&mut merge, start + WINDOW), [], "2 still replays");
    merge.live(2, start + WINDOW);
    merge.put(2, Some(time(400)), (400, 1), start + WINDOW);
    assert_eq!(drain(&mut merge, start + WINDOW * 2), [(400, 1), (500, 0)]);
}

#[test]
fn clocks_that_differ_starve_nobody() {
    let start = Instant::now();
    let mut merge = Merge::new(100);
    for source in [1, 2] {
        merge.join(source, start);
        merge.live(source, start);
    }
    let later = start + WINDOW;
    merge.put(1, Some(time(60_000)), (60_000, 0), later);
    // The other's clock is a minute behind, and it sends records all the time.
    for n in 0..10 {
        merge.put(2, Some(time(n)), (n, 1), later + WINDOW / 10 * n as u32);
    }
    let out = drain(&mut merge, later + WINDOW);
    assert_eq!((out.len(), out.last()), (11, Some(&(60_000, 0))));
}
