//! Tests of what is combined, in random order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flow_model::finding::{Finding, State};
use proptest::prelude::*;

use crate::kube::events::combined::{Combining, OWN, OWN_FOR, PREFIX};
use crate::kube::events::report::Report;
use crate::kube::events::subject::of;
use crate::kube::events::tests::{cluster, finding};
use crate::sink::testing::{pod, resolved};

fn report(finding: Finding) -> Report {
    let subject = of(&finding, &cluster(), "node1").unwrap();
    Report::new(Arc::new(finding), subject)
}

fn names(reports: &[Report]) -> Vec<&str> {
    reports.iter().map(|report| report.key.name.as_str()).collect()
}

#[test]
fn an_own_event_makes_room_ten_minutes_after_its_last_update() {
    let (mut combining, start) = (Combining::new(), Instant::now());
    let mut note = |id: &str, now| combining.note(report(finding(id, 1, 0)), now);
    for n in 0..OWN {
        note(&format!("f{n}"), start);
    }
    assert_eq!(names(&note("a", start)), ["front-5d-1.a-combined"]);
    assert_eq!(names(&note("f0", start + OWN_FOR / 2)), ["front-5d-1.f0"]);
    let later = start + OWN_FOR;
    assert_eq!(names(&note("b", later)), ["front-5d-1.b"]);
    assert_eq!(names(&note("a", later)), ["front-5d-1.a-combined"], "it stays where it is");
    assert_eq!(names(&note("f0", later)), ["front-5d-1.f0"]);
}

#[test]
fn other_kinds_and_other_objects_are_not_similar() {
    let (mut combining, now) = (Combining::new(), Instant::now());
    for n in 0..=OWN {
        combining.note(report(finding(&format!("f{n}"), 1, 0)), now);
    }
    let other = Finding { kind: flow_model::finding::FindingKind::Unanswered, ..finding("x", 1, 0) };
    assert_eq!(names(&combining.note(report(other), now)), ["front-5d-1.x"]);
    let other = Finding { src: Some(pod("web", "front-5d-2")), ..finding("y", 1, 0) };
    assert_eq!(names(&combining.note(report(other), now)), ["front-5d-2.y"]);
}

#[test]
fn what_is_too_many_to_combine_is_reported_as_lost() {
    let (mut combining, now) = (Combining::new(), Instant::now());
    let taken =
        (0..1_500).filter(|n| !combining.note(report(finding(&format!("f{n}"), 1, 0)), now).is_empty());
    assert_eq!(taken.count(), OWN + 1_000);
}

/// A finding of the model: how often it happened on each of two pods, while it is active.
type Active = BTreeMap<String, [u64; 2]>;

proptest! {
    #[test]
    fn each_finding_is_in_one_event_and_each_end_is_told_once(
        steps in prop::collection::vec((0_usize..30, 0_usize..2, any::<bool>()), 1..300),
    ) {
        let (mut combining, start) = (Combining::new(), Instant::now());
        let (mut active, mut episodes) = (Active::new(), [0_u32; 30]);
        let mut open: BTreeSet<String> = BTreeSet::new();
        let mut own: [BTreeSet<String>; 2] = Default::default();
        for (second, (n, on, ends)) in steps.into_iter().enumerate() {
            let now = start + Duration::from_millis(second as u64);
            let id = format!("f{n}-{}", episodes[n]);
            let name = ["front-5d-1", "front-5d-2"][on];
            let counts = active.entry(id.clone()).or_default();
            counts[on] += u64::from(!ends);
            let state = finding(&id, counts[on].max(1), second as i64);
            let state = if ends { resolved(state, second as i64) } else { state };
            let reports = combining.note(report(Finding { src: Some(pod("web", name)), ..state }), now);
            if ends {
                active.remove(&id);
                episodes[n] += 1;
            }
            prop_assert!(reports.len() == 1 || ends, "an update is reported once");
            for report in &reports {
                let is_combined = report.finding.summary.starts_with(PREFIX);
                let key = report.key.name.to_string();
                match (report.finding.state, is_combined) {
                    (State::Active, _) => {
                        open.insert(key.clone());
                        if !is_combined {
                            own[on].insert(key);
                        }
                    }
                    (State::Resolved, true) => prop_assert!(open.remove(&key), "its end is told once"),
                    // The queue finds the Events of a finding on all pods.
                    (State::Resolved, false) => open.retain(|key| !key.ends_with(&format!(".{id}"))),
                }
            }
            prop_assert!(own.iter().all(|own| own.len() <= OWN));
            let goes_on = |key: &String| active.keys().any(|id| key.ends_with(&format!(".{id}")));
            let mut own_events = open.iter().filter(|key| !key.ends_with("-combined"));
            prop_assert!(own_events.all(goes_on));
            if active.is_empty() {
                prop_assert!(open.is_empty(), "all has ended: {open:?}");
            }
        }
        for id in active.into_keys() {
            for report in combining.note(report(resolved(finding(&id, 1, 0), 900)), start) {
                if report.finding.state == State::Resolved {
                    open.retain(|key| *key != report.key.name.as_str() && !key.ends_with(&format!(".{id}")));
                }
            }
        }
        prop_assert!(open.is_empty(), "what has ended has no open Event: {open:?}");
    }

    #[test]
    fn a_combined_count_is_the_sum_of_what_happened(counts in prop::collection::vec(1_u64..50, 12..60)) {
        let (mut combining, now) = (Combining::new(), Instant::now());
        let note = |combining: &mut Combining, n: usize, count| {
            combining.note(report(finding(&format!("f{n}"), count, 0)), now).pop().unwrap()
        };
        (0..counts.len()).for_each(|n| drop(note(&mut combining, n, 1)));
        let mut last = None;
        for (n, count) in counts.iter().enumerate() {
            last = Some(note(&mut combining, n, *count));
        }
        prop_assert_eq!(last.unwrap().finding.count, counts[OWN..].iter().sum::<u64>());
        let ended: u64 = (OWN..counts.len())
            .map(|n| combining.note(report(resolved(finding(&format!("f{n}"), counts[n], 0), 9)), now).remove(0))
            .map(|report| report.finding.count)
            .last()
            .unwrap();
        prop_assert_eq!(ended, counts[OWN..].iter().sum::<u64>(), "what has ended still counts");
    }
}
