use std::sync::Arc;
use std::time::{Duration, Instant};

use flow_model::finding::{Finding, FindingKind, Share};
use flow_model::object_ref::ObjectRef;

use crate::kube::events::pace::Limits;
use crate::kube::events::queue::Queue;
use crate::kube::events::report::{EventState, Outcome, Report, message};
use crate::kube::events::subject::of;
use crate::kube::events::tests::{cluster, finding};
use crate::sink::testing::{at, pod, resolved};

fn report(finding: Finding) -> Report {
    let subject = of(&finding, &cluster(), "node1").unwrap();
    Report::new(Arc::new(finding), subject)
}

/// A queue and a clock.
struct Desk {
    queue: Queue,
    start: Instant,
    seconds: u64,
}

impl Desk {
    fn new(limits: Limits) -> Self {
        let start = Instant::now();
        Self { queue: Queue::new(limits, start), start, seconds: 0 }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_secs(self.seconds)
    }

    fn note(&mut self, finding: Finding) -> u64 {
        self.queue.note(report(finding), self.now())
    }

    /// Names and counts of what is written now.
    fn write(&mut self) -> Vec<(String, u64)> {
        self.write_with(|report| Outcome::Written(written_state(report))).0
    }

    /// The same, and how many reports are lost.
    fn write_with(&mut self, outcome: impl Fn(&Report) -> Outcome) -> (Vec<(String, u64)>, u64) {
        let (mut written, mut lost) = (Vec::new(), 0);
        while let Some(report) = self.queue.next(self.now()) {
            written.push((report.key.name.to_string(), report.finding.count));
            let outcome = outcome(&report);
            lost += self.queue.finished(report, outcome, self.now());
        }
        (written, lost)
    }

    /// Seconds until the next write may be due.
    fn due(&self) -> Option<u64> {
        let due = self.queue.next_due(self.now())?;
        Some(due.saturating_duration_since(self.now()).as_secs())
    }
}

fn written_state(report: &Report) -> EventState {
    EventState { reported: report.finding.count, count: 1, message: report.message("node1") }
}

fn one(count: u64) -> Vec<(String, u64)> {
    vec![("front-5d-1.a".to_owned(), count)]
}

#[test]
fn repetitions_make_one_event_and_ever_rarer_patches() {
    let mut desk = Desk::new(Limits::default());
    desk.note(finding("a", 1, 0));
    assert_eq!(desk.write(), one(1));
    let mut written = Vec::new();
    for second in 1..=3_600 {
        desk.seconds = second;
        desk.note(finding("a", 1 + second, second as i64));
        written.extend(desk.write().iter().map(|(_, count)| (second, *count)));
    }
    let seconds: Vec<_> = written.iter().map(|(second, _)| *second).collect();
    assert_eq!(&seconds[..7], [10, 30, 70, 150, 310, 610, 910]);
    assert!(
        written.iter().all(|(second, count)| *count == second + 1),
        "the newest word is written: {written:?}"
    );
}

#[test]
fn what_is_no_news_is_not_written() {
    let mut desk = Desk::new(Limits::default());
    assert_eq!(desk.note(resolved(finding("over", 9, 0), 0)), 0);
    assert_eq!(desk.due(), None, "it was over before we knew of it");
    desk.note(finding("a", 2, 0));
    desk.write();
    desk.seconds = 1_000;
    desk.note(finding("a", 2, 1_000));
    assert_eq!((desk.write(), desk.due()), (vec![], None));
    desk.seconds = 1_300;
    desk.note(Finding { summary: "another rule".into(), ..finding("a", 3, 1_300) });
    assert_eq!(desk.write(), one(3));
    desk.seconds += 1_799;
    desk.note(Finding { summary: "another rule".into(), ..finding("a", 3, 1_300) });
    assert_eq!(desk.write(), []);
    desk.seconds += 1;
    desk.note(Finding { summary: "another rule".into(), ..finding("a", 3, 1_300) });
    assert_eq!(desk.write(), one(3), "or it would go after its hour, while it goes on");
}

#[test]
fn an_end_has_an_event_of_its_own_if_the_finding_has_one() {
    let mut desk = Desk::new(Limits::default());
    desk.note(finding("a", 2, 0));
    desk.write();
    desk.seconds = 1;
    desk.note(finding("a", 3, 1));
    desk.note(resolved(finding("a", 3, 1), 1));
    let mut written = desk.write();
    written.sort();
    let [count, end] = ["front-5d-1.a", "front-5d-1.a.end"].map(|name| (name.to_owned(), 3));
    assert_eq!(written, [count, end.clone()], "the last count comes with the end");
    desk.note(resolved(finding("a", 3, 1), 1));
    assert_eq!((desk.write(), desk.due()), (vec![], None), "it ends once");
    desk.note(finding("b", 3, 2));
    desk.note(resolved(finding("b", 3, 2), 2));
    assert_eq!((desk.write(), desk.due()), (vec![], None), "it was over before anything was written");

    desk.note(finding("c", 3, 3));
    let report = desk.queue.next(desk.now()).unwrap();
    desk.note(resolved(finding("c", 3, 3), 3));
    let state = written_state(&report);
    desk.queue.finished(report, Outcome::Written(state), desk.now());
    assert_eq!(desk.write(), [("front-5d-1.c.end".to_owned(), 3)], "it ended while it was written");

    desk.note(finding("d", 3, 4));
    let report = desk.queue.next(desk.now()).unwrap();
    desk.note(resolved(finding("d", 3, 4), 4));
    assert_eq!(desk.queue.finished(report, Outcome::Failed, desk.now()), 0);
    desk.seconds = 100;
    assert_eq!((desk.write(), desk.due()), (vec![], None), "what ended is not tried again");
}

#[test]
fn the_end_is_on_each_pod_that_has_an_event() {
    let mut desk = Desk::new(Limits { object: (1, Duration::from_secs(60)), ..Limits::default() });
    let on = |name: &str, finding: Finding| Finding { src: Some(pod("web", name)), ..finding };
    desk.note(on("front-5d-1", finding("a", 1, 0)));
    desk.note(on("front-5d-2", finding("a", 2, 0)));
    assert_eq!(desk.write().len(), 2);
    desk.seconds = 120;
    desk.note(on("front-5d-2", resolved(finding("a", 2, 0), 120)));
    let mut ends = desk.write();
    ends.sort();
    assert_eq!(ends, ["front-5d-1.a.end", "front-5d-2.a.end"].map(|name| (name.to_owned(), 2)));

    desk.note(on("front-5d-1", finding("b", 1, 120)));
    desk.note(on("front-5d-2", resolved(finding("b", 1, 120), 121)));
    desk.seconds = 240;
    assert_eq!((desk.write(), desk.due()), (vec![], None), "it was over when the Event's turn came");
}

#[test]
fn the_text_of_the_end_is_in_no_warning() {
    let over = resolved(Finding { cause: Some("p changed".into()), ..finding("a", 1, 0) }, 1);
    let report = report(over);
    assert_eq!(report.message("node1"), "summary of a. Cause: p changed");
    let end = report.clone().of_end();
    assert_eq!(end.message("node1"), "Ended: the policies allow it. Before: summary of a");
    assert_eq!((end.first_seen(), end.last_seen()), (at(1), at(1)));
    let shared = Finding { src: Some(crate::sink::testing::host("node9")), ..(*report.finding).clone() };
    let end = self::report(shared).of_end();
    assert_eq!(end.message("node1"), "Ended on node1: the policies allow it. Before: summary of a");
}

/// A workload's pods share a finding. A new pod has not failed before it was there.
#[test]
fn an_event_counts_the_attempts_of_its_own_pod() {
    let of_src = Some(Share { count: 1, first_seen: at(600) });
    let first = report(Finding { of_src, ..finding("a", 613, 600) });
    let state = EventState::first(&first, first.message("node1"));
    assert_eq!((state.count, first.first_seen()), (1, at(600)));
    let of_src = of_src.map(|share| Share { count: 3, ..share });
    let next = report(Finding { of_src, ..finding("a", 700, 601) });
    assert!(state.lacks(&next));
    let state = state.next(&next, next.message("node1"));
    assert_eq!(state.count, 3);
    assert!(!state.lacks(&report(Finding { of_src, ..finding("a", 701, 602) })), "another pod failed");
}

#[test]
fn open_connections_are_no_count_of_events() {
    let mut desk = Desk::new(Limits::default());
    let latent = |count| Finding { kind: FindingKind::LatentDenial, ..finding("a", count, 0) };
    desk.note(latent(3));
    assert_eq!(desk.write(), one(3));
    desk.seconds = 600;
    desk.note(latent(4));
    assert_eq!(desk.write(), [], "the sentence contains how many are open");
    desk.note(Finding { summary: "has 4 open connections".into(), ..latent(4) });
    assert_eq!(desk.write(), one(4));
}

#[test]
fn all_events_and_those_of_one_object_are_limited() {
    let limits = Limits {
        all: (5, Duration::from_secs(10)),
        object: (2, Duration::from_secs(60)),
        ..Limits::default()
    };
    let mut desk = Desk::new(limits);
    for n in 0..4 {
        desk.note(finding(&format!("one{n}"), 1, 0));
        desk.note(Finding { src: Some(pod("web", "front-5d-2")), ..finding(&format!("two{n}"), 1, 0) });
    }
    let written = desk.write();
    assert_eq!(written.iter().filter(|(name, _)| name.starts_with("front-5d-1.")).count(), 2);
    assert_eq!((written.len(), desk.due()), (4, Some(60)));
    desk.seconds = 60;
    assert_eq!(desk.write().len(), 2, "one of each object");
    for n in 0..20 {
        let src = Some(crate::sink::testing::host("node9"));
        let other = Finding { src, ..finding(&format!("three{n}"), 1, 0) };
        desk.note(Finding { policies: vec![ObjectRef::new("data", format!("p{n}"))], ..other });
    }
    desk.seconds = 61;
    assert_eq!((desk.write().len(), desk.due()), (2, Some(59)), "the Service's own limit");
    // None is lost: each comes to its turn.
    let mut rest = 0;
    while let Some(wait) = desk.due() {
        desk.seconds += wait.max(1);
        rest += desk.write().len();
    }
    assert_eq!(rest, 2 + 18);
}

/// Forty findings repeat. That must not delay the Event of the next one.
#[test]
fn first_reports_and_ends_go_before_repetitions() {
    let mut desk = Desk::new(Limits::default());
    let on = |n: u64, finding: Finding| {
        let name = if n.is_multiple_of(2) { "front-5d-1" } else { "front-5d-2" };
        Finding { src: Some(pod("web", name)), ..finding }
    };
    let mut worst = 0;
    for second in 0..1_200 {
        desk.seconds = second;
        (0..40).for_each(|n| _ = desk.note(on(n, finding(&format!("f{n}"), 1 + second, second as i64))));
        let new = if second == 900 { vec!["new"] } else { vec![] };
        new.iter().for_each(|id| _ = desk.note(on(0, finding(id, 1, 900))));
        let written = desk.write();
        if written.iter().any(|(name, _)| name.ends_with(".new")) {
            worst = second;
        }
    }
    assert_eq!(worst, 900, "written in the same second");
    desk.note(on(1, resolved(finding("f1", 1_200, 1_200), 1_200)));
    let written = desk.write();
    assert!(written.iter().any(|(name, _)| name == "front-5d-2.f1.end"), "{written:?}");
}

#[test]
fn an_api_server_that_is_down_is_given_up() {
    let mut desk = Desk::new(Limits::default());
    desk.note(finding("a", 1, 0));
    let mut tries = Vec::new();
    let mut lost = 0;
    while let Some(wait) = desk.due() {
        desk.seconds += wait;
        desk.note(finding("a", 1 + desk.seconds, 0));
        let (written, more) = desk.write_with(|_| Outcome::Failed);
        tries.push((desk.seconds, written[0].1));
        lost += more;
    }
    assert_eq!((tries.as_slice(), lost), ([(0, 1), (1, 2), (3, 4), (7, 8)].as_slice(), 1));
    assert_eq!(desk.due(), None);
    // The next report of it starts with fresh tries, after the pause.
    desk.note(finding("a", 50, 0));
    assert_eq!(desk.due(), Some(8));
    desk.seconds += 8;
    assert_eq!(desk.write(), one(50));
}

#[test]
fn without_leave_little_is_tried() {
    let mut desk = Desk::new(Limits::default());
    for n in 0..3 {
        desk.note(finding(&format!("f{n}"), 1, 0));
    }
    let (written, lost) = desk.write_with(|_| Outcome::Forbidden);
    assert_eq!((written.len(), lost, desk.due()), (1, 1, Some(300)));
    desk.seconds = 300;
    assert_eq!(desk.write_with(|_| Outcome::Gone).1, 0, "an object that went needs no Event");
    assert_eq!(desk.due(), None);
}

#[test]
fn the_queue_is_bounded() {
    let mut desk = Desk::new(Limits::default());
    let lost: u64 = (0..1_500).map(|n| desk.note(finding(&format!("f{n}"), 1, 0))).sum();
    assert_eq!(lost, 500);
    assert_eq!(desk.note(finding("f7", 2, 0)), 0, "an update needs no room");
}

#[test]
fn names_are_valid_and_differ_between_objects() {
    let named = |object: &str| {
        let mut report = report(finding("0123456789abcdef", 1, 0));
        report.subject.regarding.name = object.into();
        Report::new(report.finding, report.subject).key.name
    };
    assert_eq!(named("front-5d-1"), "front-5d-1.0123456789abcdef");
    let long = named(&format!("{}-.{}", "a".repeat(234), "b".repeat(30)));
    assert_eq!(long, format!("{}.0123456789abcdef", "a".repeat(234)));
    assert!(named(&"a".repeat(300)).len() == 253);
}

#[test]
fn messages_are_cut_and_name_the_cause() {
    let of = |summary: &str, cause: Option<&str>| {
        message(&Finding { summary: summary.into(), cause: cause.map(Into::into), ..finding("a", 1, 0) })
    };
    assert_eq!(of("x can't reach y", None), "x can't reach y");
    assert_eq!(of("x can't reach y", Some("policy p changed")), "x can't reach y. Cause: policy p changed");
    assert_eq!(of("since policy p changed", Some("policy p changed")), "since policy p changed");
    assert_eq!(of(&"é".repeat(1_000), None).len(), 1_024);
    assert_eq!(of(&format!("x{}", "é".repeat(1_000)), None).len(), 1_023);
}
