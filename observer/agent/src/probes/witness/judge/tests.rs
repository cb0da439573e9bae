//! Three connections tell, if they are no accident.

use super::*;

const POD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 42, 0, 10));

/// Returns whether each of these, seconds after the first and seen or not, made the pod's connections unseen.
fn looks(connections: &[(u64, bool)]) -> Vec<bool> {
    let (mut judge, begin) = (Judge::default(), Instant::now());
    let mut take = |(at, is_seen): &(u64, bool)| {
        if *is_seen {
            judge.seen(POD, End::Client);
        } else {
            judge.unseen(POD, End::Client, begin + Duration::from_secs(*at));
        }
        judge.is_blind(POD)
    };
    connections.iter().map(&mut take).collect()
}

#[test]
fn three_that_nobody_saw_tell_until_one_is_seen() {
    assert_eq!(looks(&[(0, false), (10, false), (20, false), (30, false)]), [false, false, true, true]);
    assert_eq!(looks(&[(0, false), (10, false), (20, false), (22, true)]), [false, false, true, false]);
    assert_eq!(looks(&[(0, false), (0, false), (0, false), (19, false), (20, false)])[3..], [false, true]);
    assert_eq!(looks(&[(0, false), (30, false)]), [false, false], "two may be an accident");
}

#[test]
fn one_that_is_seen_ends_the_suspicion() {
    let mixed = [(0, false), (10, false), (12, true), (20, false), (30, false), (32, true), (60, false)];
    assert!(!looks(&mixed).contains(&true));
}

#[test]
fn rare_accidents_do_not_add_up() {
    let hourly: Vec<(u64, bool)> = (0..100).map(|hour| (hour * 3_600, false)).collect();
    assert!(!looks(&hourly).contains(&true));
}

#[test]
fn each_side_counts_for_itself() {
    let (mut judge, begin) = (Judge::default(), Instant::now());
    for at in [0, 10, 20].map(|seconds| begin + Duration::from_secs(seconds)) {
        judge.unseen(POD, End::Client, at);
        assert!(!judge.seen(POD, End::Server), "the kubelet's probes are seen");
    }
    assert!(judge.is_blind(POD) && judge.watches(POD, End::Client) && !judge.watches(POD, End::Server));
}

#[test]
fn what_is_forgotten_is_named_once() {
    let (mut judge, begin) = (Judge::default(), Instant::now());
    for at in [0, 10, 20].map(|seconds| begin + Duration::from_secs(seconds)) {
        judge.unseen(POD, End::Client, at);
        judge.unseen(POD, End::Server, at);
    }
    assert!(judge.forget(|_| false).is_empty());
    assert_eq!(judge.forget(|_| true), BTreeSet::from([POD]));
    assert!(judge.forget(|_| true).is_empty() && !judge.watches(POD, End::Client));
}
