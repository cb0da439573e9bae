use super::*;
use crate::sink::testing::{at, finding, resolved};

fn put(store: &FindingStore, finding: Finding, second: i64) {
    store.put(Arc::new(finding), at(second));
}

fn ids(store: &FindingStore, second: i64) -> Vec<ArcStr> {
    store.snapshot(at(second)).iter().map(|finding| finding.id.clone()).collect()
}

#[test]
fn the_newest_state_is_kept() {
    let store = FindingStore::new(9);
    for finding in [resolved(finding("a", 0), 0), finding("a", 1), resolved(finding("a", 1), 2)] {
        put(&store, finding.clone(), 9);
        let kept: Vec<Finding> = store.snapshot(at(9)).iter().map(|kept| (**kept).clone()).collect();
        assert_eq!(kept, [finding]);
    }
}

#[test]
fn active_ones_come_first_and_the_newest_of_them() {
    let store = FindingStore::new(9);
    for finding in [
        finding("old", 1),
        resolved(finding("gone", 9), 10),
        finding("new", 3),
        finding("b", 2),
        finding("a", 2),
    ] {
        put(&store, finding, 10);
    }
    assert_eq!(ids(&store, 10), ["new", "a", "b", "old", "gone"]);
}

#[test]
fn resolved_ones_stay_for_an_hour() {
    let store = FindingStore::new(9);
    put(&store, finding("active", 0), 0);
    put(&store, resolved(finding("gone", 0), 10), 10);
    assert_eq!(ids(&store, 3610), ["active", "gone"]);
    assert_eq!(ids(&store, 3611), ["active"]);
}

#[test]
fn episodes_of_one_subject_are_kept_apart_and_bounded() {
    let store = FindingStore::new(99);
    let episode = |n: i64| Finding { subject: "s".into(), ..finding(&format!("e{n:02}"), n) };
    put(&store, resolved(finding("other", 0), 1), 1);
    for n in 0..20 {
        put(&store, episode(n), n);
        put(&store, resolved(episode(n), n), n);
    }
    put(&store, episode(20), 20);
    let expected = ["e20", "e19", "e18", "e17", "e16", "e15", "e14", "e13", "other"];
    assert_eq!(ids(&store, 20), expected);
}

#[test]
fn the_store_is_bounded() {
    let store = FindingStore::new(3);
    put(&store, resolved(finding("over", 90), 91), 91);
    for n in 0..3 {
        put(&store, finding(&format!("f{n}"), n), 100);
    }
    assert_eq!(ids(&store, 100), ["f2", "f1", "f0"]);
    put(&store, finding("f9", 50), 100);
    assert_eq!(ids(&store, 100), ["f9", "f2", "f1"]);
    let counts: Vec<usize> = store.active().iter().map(|(_, n)| *n).collect();
    assert_eq!((counts.len(), counts[0], counts.iter().sum()), (FindingKind::VARIANTS.len(), 3, 3));
    put(&store, finding("f1", 60), 100);
    assert_eq!(ids(&store, 100), ["f1", "f9", "f2"], "an update needs no room");
}
