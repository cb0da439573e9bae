//! Lines of the log beside attempts, compared with a plain list of lines.

use flow_model::flow::FlowTuple;
use flow_model::testing::attempt_seen;
use proptest::prelude::*;

use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_795_000_000_000 + ms).unwrap()
}

fn line(ms: i64, sport: u16, policy: Option<&str>) -> LoggedSyn {
    LoggedSyn { time: at(ms), src: [10, 42, 0, 10].into(), sport, isn: 7, policy: policy.map(ArcStr::from) }
}

fn attempt(ms: i64, sport: u16, life_ms: u64, outcome: Outcome) -> AttemptSeen {
    let seen = attempt_seen(at(ms), outcome);
    AttemptSeen { tuple: FlowTuple { sport, ..seen.tuple }, latency_ns: life_ms * 1_000_000, isn: 7, ..seen }
}

#[test]
fn a_line_is_of_the_attempt_whose_syn_it_names() {
    let mut log = EnforcerLog::default();
    log.add(line(0, 1, Some("data/lockdown")));
    assert_eq!(log.take(&attempt(1, 2, 0, Outcome::Rejected)), None, "another port");
    let other = AttemptSeen { isn: 8, ..attempt(1, 1, 0, Outcome::Rejected) };
    assert_eq!(log.take(&other), None, "another SYN");
    let logged = log.take(&attempt(1, 1, 0, Outcome::Rejected)).unwrap();
    assert_eq!(logged.policy.as_deref(), Some("data/lockdown"));
    assert_eq!(log.take(&attempt(1, 1, 0, Outcome::Rejected)), None, "an attempt is reported once");
}

#[test]
fn a_line_may_name_its_policy_later() {
    let mut log = EnforcerLog::default();
    for (ms, policy) in [(0, None), (1, Some("a/b")), (2, Some("c/d"))] {
        log.add(line(ms, 1, policy));
    }
    let logged = log.take(&attempt(2, 1, 2, Outcome::Unanswered)).unwrap();
    assert_eq!(logged.policy.as_deref(), Some("a/b"));
}

#[test]
fn what_was_admitted_after_all_was_not_dropped() {
    let mut log = EnforcerLog::default();
    log.add(line(0, 1, Some("a/b")));
    assert_eq!(log.take(&attempt(1, 1, 1, Outcome::Established)), None);
}

#[test]
fn a_line_may_come_only_while_the_log_is_read_and_has_none() {
    let mut log = EnforcerLog::default();
    let key = SynKey::of(&attempt(0, 1, 0, Outcome::Rejected));
    assert!(!log.may_come(key));
    log.set_read(true);
    assert!(log.may_come(key));
    assert_eq!(log.add(line(0, 1, None)), key);
    assert!(!log.may_come(key));
    log.set_read(false);
    assert!(!log.may_come(SynKey { sport: 2, ..key }));
}

#[test]
fn a_flood_of_lines_leaves_the_newest() {
    let mut log = EnforcerLog::default();
    for sport in 1..=10_000 {
        log.add(line(0, sport, None));
    }
    assert_eq!(log.logged.len(), MAX.get());
    assert_eq!(log.take(&attempt(0, 1, 0, Outcome::Rejected)), None);
    assert!(log.take(&attempt(0, 10_000, 0, Outcome::Rejected)).is_some());
}

#[test]
fn lines_are_forgotten_in_time_also_when_the_clock_is_set_back() {
    for now in [40_000, -40_000] {
        let mut log = EnforcerLog::default();
        log.add(line(0, 1, None));
        log.tick(at(now / 2));
        assert_eq!(log.logged.len(), 1);
        log.tick(at(now));
        assert_eq!(log.logged.len(), 0, "{now}");
    }
}

/// What may happen, at a port.
#[derive(Clone, Debug)]
enum Step {
    Line(u16, Option<u8>),
    Attempt(u16, u64, Outcome),
    Tick,
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        Just(Outcome::Established),
        Just(Outcome::Refused),
        Just(Outcome::Rejected),
        Just(Outcome::Unanswered)
    ];
    prop_oneof![
        (0_u16..3, any::<Option<u8>>()).prop_map(|(port, policy)| Step::Line(port, policy)),
        (0_u16..3, 0_u64..20_000, outcome).prop_map(|(port, life, how)| Step::Attempt(port, life, how)),
        Just(Step::Tick),
    ]
}

/// The lines that are remembered: port, time, policy.
type Lines = Vec<(u16, i64, Option<String>)>;

/// Returns what the lines of the port say about an attempt: the first policy, if they overlap its life.
fn expected(lines: &Lines, port: u16, end: i64, life: u64) -> Option<Option<String>> {
    let of_port: Vec<_> = lines.iter().filter(|(of, ..)| *of == port).collect();
    let (first, last) = (of_port.first()?.1, of_port.last()?.1);
    let overlaps = last >= end - i64::try_from(life).unwrap() - 1_000 && first <= end + 1_000;
    overlaps.then(|| of_port.iter().find_map(|(_, _, policy)| policy.clone()))
}

proptest! {
    #[test]
    fn the_log_agrees_with_a_list_of_lines(
        steps in proptest::collection::vec((0_i64..8_000, step()), 0..40),
    ) {
        let (mut log, mut lines, mut now) = (EnforcerLog::default(), Lines::new(), 0);
        for (pause, step) in steps {
            now += pause;
            match step {
                Step::Line(port, policy) => {
                    let policy = policy.map(|n| format!("p/{n}"));
                    log.add(line(now, port, policy.as_deref()));
                    lines.push((port, now, policy));
                }
                Step::Attempt(port, life, outcome) => {
                    let expected = expected(&lines, port, now, life).filter(|_| outcome != Outcome::Established);
                    let got = log.take(&attempt(now, port, life, outcome));
                    let got = got.map(|logged| logged.policy.map(|policy| policy.to_string()));
                    prop_assert_eq!(got, expected);
                    lines.retain(|(of, ..)| *of != port);
                }
                Step::Tick => {
                    log.tick(at(now));
                    let newest = |port| lines.iter().filter(|(of, ..)| *of == port).map(|(_, at, _)| *at).max();
                    let kept: Vec<u16> =
                        (0..3).filter(|port| newest(*port).is_some_and(|at| now - at <= 30_000)).collect();
                    lines.retain(|(of, ..)| kept.contains(of));
                }
            }
        }
    }
}
