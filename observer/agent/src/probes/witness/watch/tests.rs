//! Which connections count, and what is reported.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rstest::rstest;

use super::*;
use crate::netlink::conntrack::State;

const POD: &str = "10.42.0.10";
const OTHER: &str = "10.42.0.11";
const NODE: &str = "192.0.2.1";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn conn(src: &str, dst: &str) -> Conn {
    Conn {
        orig_src: ip(src),
        orig_dst: ip("10.43.0.9"),
        orig_sport: 40_000,
        orig_dport: 80,
        reply_src: ip(dst),
        reply_dst: ip(src),
        reply_sport: 8080,
        reply_dport: 40_000,
        state: State::Established,
        from_syn: true,
    }
}

/// A watch that has the two pods in sight for a long time, and what it reported.
struct Bed {
    watch: Watch,
    in_sight: InSight,
    /// Whether something is known to hide traffic of the first pod.
    is_explained: Arc<AtomicBool>,
    reported: Arc<Mutex<Vec<(String, bool)>>>,
    begin: Instant,
}

impl Bed {
    fn new() -> Self {
        let (in_sight, begin) = (InSight::default(), Instant::now());
        in_sight.set([(ip(POD), 7, "veth7".to_owned()), (ip(OTHER), 8, "veth8".to_owned())], begin);
        let (reported, is_explained) = (Arc::<Mutex<Vec<_>>>::default(), Arc::new(AtomicBool::new(false)));
        let (to, explains) = (Arc::clone(&reported), Arc::clone(&is_explained));
        let blind = move |reason, place: &str, unseen: Option<Unseen>| {
            assert_eq!(reason, BlindReason::Unwitnessed);
            if let Some(unseen) = &unseen {
                assert!(unseen.hides_pod && unseen.addresses == [ip(place)] && unseen.why.contains(place));
            }
            to.lock().push((place.to_owned(), unseen.is_some()));
        };
        let explained = Box::new(move |pod| pod == ip(POD) && explains.load(Ordering::Relaxed));
        let watch = Watch::new(in_sight.clone(), explained, Arc::new(blind));
        Self { watch, in_sight, is_explained, reported, begin }
    }

    /// Handles the same connection three times, each ten seconds after the other.
    fn thrice(&mut self, conn: &Conn, is_known: bool) {
        for seconds in [100, 110, 120] {
            let at = self.begin + Duration::from_secs(seconds);
            self.watch.connection(conn, Some(self.begin), at, || Ok(is_known)).unwrap();
            self.watch.end();
        }
    }

    fn reported(&self) -> Vec<(String, bool)> {
        std::mem::take(&mut self.reported.lock())
    }
}

fn lost(place: &str) -> (String, bool) {
    (place.to_owned(), true)
}

fn regained(place: &str) -> (String, bool) {
    (place.to_owned(), false)
}

#[rstest]
#[case::as_client(POD, NODE, &[POD])]
#[case::as_server(NODE, POD, &[POD])]
#[case::both(POD, OTHER, &[POD, OTHER])]
#[case::as_client_of_a_stranger(OTHER, "203.0.113.7", &[OTHER])]
#[case::as_mapped_address("::ffff:10.42.0.10", NODE, &[POD])]
#[case::of_others("10.42.1.10", "10.42.2.10", &[])]
#[case::to_itself(POD, POD, &[])]
fn what_nobody_saw_is_reported_once_and_until_it_is_seen(
    #[case] src: &str,
    #[case] dst: &str,
    #[case] blind: &[&str],
) {
    let mut bed = Bed::new();
    bed.thrice(&conn(src, dst), false);
    bed.thrice(&conn(src, dst), false);
    assert_eq!(bed.reported(), blind.iter().map(|place| lost(place)).collect::<Vec<_>>());
    bed.thrice(&conn(src, dst), true);
    assert_eq!(bed.reported(), blind.iter().map(|place| regained(place)).collect::<Vec<_>>());
}

#[test]
fn what_is_seen_is_not_reported() {
    let mut bed = Bed::new();
    bed.thrice(&conn(POD, OTHER), true);
    assert_eq!(bed.reported(), []);
}

#[test]
fn one_met_in_the_middle_does_not_count() {
    let mut bed = Bed::new();
    bed.thrice(&Conn { from_syn: false, ..conn(POD, NODE) }, false);
    assert_eq!(bed.reported(), []);
}

#[test]
fn nothing_is_asked_of_pods_that_came_late_or_while_nothing_can_be_claimed() {
    let mut bed = Bed::new();
    let (before, later) =
        (bed.begin.checked_sub(Duration::from_secs(1)), bed.begin + Duration::from_secs(200));
    for settled in [before, None] {
        for _ in 0..5 {
            bed.watch.connection(&conn(POD, NODE), settled, later, || panic!("asked")).unwrap();
        }
    }
    assert_eq!(bed.reported(), []);
}

#[test]
fn another_reason_explains_it() {
    let mut bed = Bed::new();
    bed.is_explained.store(true, Ordering::Relaxed);
    bed.thrice(&conn(POD, NODE), false);
    bed.thrice(&conn(POD, OTHER), false);
    assert_eq!(bed.reported(), [], "what hides the client hides it from the server's interface, too");
    bed.is_explained.store(false, Ordering::Relaxed);
    bed.thrice(&conn(POD, NODE), false);
    assert_eq!(bed.reported(), [lost(POD)]);
    bed.is_explained.store(true, Ordering::Relaxed);
    bed.watch.end();
    assert_eq!(bed.reported(), [regained(POD)]);
}

#[test]
fn it_ends_with_the_pod() {
    let mut bed = Bed::new();
    bed.thrice(&conn(POD, NODE), false);
    bed.in_sight.lose(7);
    bed.watch.end();
    bed.watch.end();
    assert_eq!(bed.reported(), [lost(POD), regained(POD)]);
}

#[test]
fn a_failure_claims_nothing() {
    let mut bed = Bed::new();
    let fails = || Err(ProbeError::NoMap("CONNS"));
    bed.watch.connection(&conn(POD, NODE), Some(bed.begin), bed.begin, fails).unwrap_err();
    assert_eq!(bed.reported(), []);
}
