use flow_model::flow::Vantage;
use proptest::prelude::*;

use super::*;
use crate::sink::testing::{at, pod};

fn key(client: usize) -> PairKey {
    PairKey::new(&pod("web", &format!("c{client}-x-y")), &pod("data", "db-0"), Vantage::Source)
}

fn syn(n: i64) -> Counts {
    Counts { syn: n, ..Counts::default() }
}

fn store(max_series: usize) -> SeriesStore {
    SeriesStore::new(&MetricsConfig { max_series, ..MetricsConfig::default() })
}

fn published(store: &mut SeriesStore, key: &PairKey, now: Timestamp) -> Option<u64> {
    store.snapshot(now).into_iter().find(|(k, _)| k == key).map(|(_, s)| s.syn.get())
}

proptest! {
    #[test]
    fn a_counter_is_the_highest_sum_so_far(deltas: Vec<i32>) {
        let (mut counter, mut sum, mut highest) = (Monotone::default(), 0_i64, 0_i64);
        for delta in deltas {
            counter.add(delta.into());
            sum += i64::from(delta);
            highest = highest.max(sum);
            prop_assert_eq!(i64::try_from(counter.get()).unwrap(), highest);
        }
    }
}

#[test]
fn pairs_past_the_limit_fold_and_nothing_is_lost() {
    let mut store = store(3);
    for client in 0..10 {
        store.add(Some(key(client)), &syn(2), Decision::Unknown, at(0));
    }
    store.add(None, &syn(5), Decision::Unknown, at(0));
    let all = store.snapshot(at(0));
    assert_eq!(all.len(), 4);
    assert_eq!(all.iter().map(|(_, s)| s.syn.get()).sum::<u64>(), 25);
    assert_eq!(published(&mut store, &PairKey::other(), at(0)), Some(19));
}

#[test]
fn no_fold_is_published_before_it_is_needed() {
    let mut store = store(3);
    store.add(Some(key(1)), &syn(1), Decision::Unknown, at(0));
    assert_eq!(published(&mut store, &PairKey::other(), at(0)), None);
}

#[test]
fn what_is_taken_back_does_not_open_a_series() {
    let mut store = store(3);
    store.add(Some(key(1)), &syn(-1), Decision::Unknown, at(0));
    assert_eq!(store.len(), 0);
    store.add(Some(key(2)), &syn(4), Decision::Unknown, at(0));
    store.add(Some(key(2)), &syn(-1), Decision::Unknown, at(0));
    assert_eq!(published(&mut store, &key(2), at(0)), Some(4), "a counter never goes down");
    store.add(Some(key(2)), &syn(2), Decision::Unknown, at(0));
    assert_eq!(published(&mut store, &key(2), at(0)), Some(5));
}

#[test]
fn series_of_a_departed_workload_stay_for_the_grace_and_make_room() {
    let mut store = store(1);
    store.add(Some(key(1)), &syn(1), Decision::Unknown, at(0));
    store.depart(&["web/c1".into()], at(60));
    assert_eq!(published(&mut store, &key(1), at(60 + 15 * 60)), Some(1));
    assert_eq!(published(&mut store, &key(1), at(60 + 15 * 60 + 11)), None);
    store.add(Some(key(2)), &syn(1), Decision::Unknown, at(1000));
    assert_eq!(published(&mut store, &key(2), at(1000)), Some(1));
}

#[test]
fn a_workload_that_comes_back_keeps_its_series() {
    let mut store = store(9);
    store.add(Some(key(1)), &syn(1), Decision::Unknown, at(0));
    store.depart(&["data/db".into(), "x/y".into()], at(10));
    store.add(Some(key(1)), &syn(1), Decision::Unknown, at(20));
    assert_eq!(published(&mut store, &key(1), at(7200)), Some(2));
}

#[test]
fn idle_series_expire() {
    let mut store = store(9);
    store.add(Some(key(1)), &syn(1), Decision::Unknown, at(0));
    let day = 24 * 3600;
    assert_eq!(published(&mut store, &key(1), at(day)), Some(1));
    assert_eq!(published(&mut store, &key(1), at(day + 20)), None);
}
