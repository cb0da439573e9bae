use flow_model::flow::Vantage;
use proptest::prelude::*;

use super::*;
use crate::sink::testing::{at, pod};

const SERVER: (Side, Phase) = (Side::Server, Phase::Established);

fn key() -> PairKey {
    PairKey::new(&pod("web", "front-x-y"), &pod("data", "db-0"), Vantage::Source)
}

fn told(reason: &str) -> Reason {
    Reason { key: key(), by: SERVER.0, phase: SERVER.1, reason: reason.into() }
}

fn later(millis: i64) -> Timestamp {
    at(0) + SignedDuration::from_millis(millis)
}

/// One pair and the reasons that came early.
struct Scene {
    resets: Resets,
    told: Told,
}

impl Scene {
    fn new() -> Self {
        Self { resets: Resets::default(), told: Told::new() }
    }

    fn count(&mut self, delta: i64, millis: i64) {
        let mut deltas = [[0; 3]; 2];
        deltas[SERVER.0 as usize][SERVER.1 as usize] = delta;
        let mut told = self.told.take(&key(), &deltas, later(millis));
        self.resets.add(&deltas, &mut told, later(millis));
        self.told.put_back(&key(), told, later(millis));
    }

    fn tell(&mut self, reason: &str, millis: i64) {
        self.told.note(told(reason), Some(&mut self.resets), later(millis));
    }

    fn published(&mut self, millis: i64) -> Vec<(String, u64)> {
        self.resets.settle(later(millis), false);
        let published = self.resets.published().filter(|(.., count)| *count > 0);
        published.map(|(.., reason, count)| (reason.to_owned(), count)).collect()
    }
}

fn expected(all: &[(&str, u64)]) -> Vec<(String, u64)> {
    all.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect()
}

#[test]
fn a_reason_that_comes_before_the_count() {
    let mut scene = Scene::new();
    scene.tell("no_socket", 0);
    assert_eq!(scene.published(0), []);
    scene.count(1, 200);
    assert_eq!(scene.published(200), expected(&[("no_socket", 1)]));
}

#[test]
fn a_reason_that_comes_after_the_count() {
    let mut scene = Scene::new();
    scene.count(2, 0);
    assert_eq!(scene.published(100), []);
    scene.tell("no_socket", 120);
    assert_eq!(scene.published(120), expected(&[("no_socket", 1)]));
    assert_eq!(scene.published(499), expected(&[("no_socket", 1)]));
    assert_eq!(scene.published(500), expected(&[("no_socket", 1), ("", 1)]));
}

#[test]
fn a_reason_that_comes_too_early_is_none() {
    let mut scene = Scene::new();
    scene.tell("no_socket", 0);
    scene.count(1, 2_001);
    assert_eq!(scene.published(3_000), expected(&[("", 1)]));
}

#[test]
fn what_the_kernel_takes_back_is_not_counted_again() {
    let mut scene = Scene::new();
    scene.count(2, 0);
    scene.count(-1, 0);
    scene.count(1, 0);
    assert_eq!(scene.published(1_000), expected(&[("", 2)]));
}

proptest! {
    /// Whatever comes when: no counter falls, and in the end all are published, none twice.
    #[test]
    fn every_reset_is_published_once(
        steps in proptest::collection::vec((0_u8..4, 0_i64..400), 0..60),
    ) {
        let (mut scene, mut now, mut counted) = (Scene::new(), 0, 0);
        let mut before: BTreeMap<String, u64> = BTreeMap::new();
        for (what, pause) in steps {
            now += pause;
            match what {
                0 => scene.tell("no_socket", now),
                1 => scene.tell("tcp_state", now),
                _ => {
                    scene.count(1, now);
                    counted += 1;
                }
            }
            let published: BTreeMap<String, u64> = scene.published(now).into_iter().collect();
            for (reason, count) in &before {
                prop_assert!(published.get(reason) >= Some(count), "{reason}: {before:?}, then {published:?}");
            }
            prop_assert!(published.values().sum::<u64>() <= counted);
            before = published;
        }
        let all = scene.published(now + 500);
        prop_assert_eq!(all.iter().map(|(_, count)| count).sum::<u64>(), counted);
    }
}
