//! Measurements, what they make usual, and bounds. Times are milliseconds.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use Agreement::{Contradicts, MayAgree, MayContradict, Passed, Refused};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_795_000_000_000 + ms).unwrap()
}

fn span(ms: i64) -> SignedDuration {
    SignedDuration::from_millis(ms)
}

/// A change of policies that decides about the attempt.
fn flip(ms: i64) -> Change {
    let measured = Some(Measured { address: None, proves: true });
    Change { since: LagSince::Policy, at: at(ms), measured }
}

/// A change of policies that may be none of the attempt's.
fn nearby(ms: i64) -> Change {
    Change { measured: None, ..flip(ms) }
}

fn pod(ms: i64, proves: bool) -> Change {
    let measured = Some(Measured { address: Some([10, 42, 0, 9].into()), proves });
    Change { since: LagSince::Pod, at: at(ms), measured }
}

fn tried(ms: i64, agreement: Agreement, changes: &[Change]) -> Tried {
    let mut all = [None; 4];
    for (slot, change) in all.iter_mut().zip(changes) {
        *slot = Some(*change);
    }
    Tried { time: at(ms), met: at(ms), agreement, changes: all, here: true }
}

fn new() -> Enforcement {
    Enforcement::new(&EnforcementConfig::default())
}

/// Plays attempts after one change, and returns all measurements in milliseconds.
fn lags(change: Change, attempts: &[(i64, Agreement)]) -> Vec<i128> {
    let mut enforcement = new();
    let mut lags = Vec::new();
    for (ms, agreement) in attempts {
        enforcement.attempt(&tried(*ms, *agreement, &[change]));
        lags.extend(enforcement.tick(at(*ms)));
    }
    lags.extend(enforcement.tick(at(3_600_000)));
    lags.into_iter().map(|lag| lag.lag.as_millis()).collect()
}

#[rstest]
#[case::bracketed(&[(500, Contradicts), (3_000, Contradicts), (3_400, Refused)], &[3_000])]
#[case::allowed_at_last(&[(3_000, Contradicts), (3_400, Passed)], &[3_000])]
#[case::dropped_at_last(&[(3_000, Contradicts), (3_400, MayAgree)], &[3_000])]
#[case::right_at_once(&[(200, Refused), (4_000, Refused)], &[200])]
#[case::right_but_late(&[(5_001, Refused)], &[])]
#[case::an_hour_later(&[(3_600_000, Refused)], &[])]
#[case::silence_alone_proves_nothing(&[(200, MayAgree)], &[])]
#[case::one_pod_later_than_the_other(&[(1_000, Refused), (9_000, Contradicts), (9_500, Refused)], &[9_000])]
#[case::never_enforced(&[(1_000, Contradicts), (500_000, Contradicts)], &[])]
#[case::slow(&[(1_000, Contradicts), (599_000, Contradicts), (599_900, Refused)], &[599_000])]
#[case::measured_once(
    &[(1_000, Contradicts), (2_000, Refused), (17_000, Passed), (20_000, Contradicts), (21_000, Refused)],
    &[1_000]
)]
#[case::an_older_attempt_is_reported_late(&[(3_000, Refused), (2_000, Contradicts)], &[2_000])]
#[case::before_the_change(&[(-10, Contradicts), (-5, Refused)], &[])]
fn a_change_of_policies(#[case] attempts: &[(i64, Agreement)], #[case] expected: &[i128]) {
    assert_eq!(lags(flip(0), attempts), expected);
}

#[rstest]
#[case::isolated_by_the_policy(true, &[(700, Refused)], &[700])]
#[case::refused_before_it_was_known_too(false, &[(700, Refused)], &[])]
#[case::open_before_it_was_known_too(false, &[(700, Passed)], &[])]
#[case::open_until_its_rules_exist(true, &[(700, Contradicts), (900, Refused)], &[700])]
#[case::stopped_until_its_peer_knows_it(false, &[(700, Contradicts), (900, Passed)], &[700])]
fn a_new_pod(#[case] proves: bool, #[case] attempts: &[(i64, Agreement)], #[case] expected: &[i128]) {
    assert_eq!(lags(pod(0, proves), attempts), expected);
}

#[test]
fn what_another_node_enforces_is_not_measured_here() {
    let mut enforcement = new();
    for (ms, agreement) in [(100, Refused), (1_000, Contradicts), (2_000, Refused)] {
        enforcement.attempt(&Tried { here: false, ..tried(ms, agreement, &[flip(0)]) });
    }
    assert_eq!(enforcement.tick(at(60_000)), []);
}

#[test]
fn the_newest_change_is_the_one_that_is_waited_for() {
    let mut enforcement = new();
    enforcement.attempt(&tried(9_000, Contradicts, &[pod(8_000, true), flip(0)]));
    enforcement.attempt(&tried(9_500, Refused, &[pod(8_000, true), flip(0)]));
    let expected = [Lag { since: LagSince::Pod, lag: span(1_000) }];
    assert_eq!(enforcement.tick(at(60_000)), expected);
}

#[rstest]
#[case(nearby(100_000), LagSince::Policy)]
#[case(pod(100_000, false), LagSince::Pod)]
fn a_contradiction_near_a_change_is_lag(#[case] change: Change, #[case] since: LagSince) {
    let standing = |ms, agreement| new().attempt(&tried(ms, agreement, &[change]));
    let settling = |ms: &i64| standing(*ms, Contradicts).settling;
    let times = [84_999, 85_000, 99_999, 100_000, 115_000, 115_001];
    assert_eq!(
        times.iter().copied().filter(settling).collect::<Vec<_>>(),
        [85_000, 99_999, 100_000, 115_000]
    );
    let lag = |ms| standing(ms, Contradicts).lag;
    assert_eq!(lag(115_000), Some(EnforcementLag { since, age_us: 15_000_000 }));
    assert_eq!(lag(99_999), None, "it met what was enforced before the change");
    let silent = standing(101_000, MayContradict);
    assert_eq!(silent, Standing { settling: true, lag: None }, "silence shows no contradiction");
    for agreement in [Refused, Passed, MayAgree] {
        assert_eq!(standing(101_000, agreement), Standing::default());
    }
}

#[test]
fn the_start_of_a_pod_that_is_older_than_the_agent_excuses_for_the_whole_grace() {
    let mut enforcement = new();
    (0..8).for_each(|_| enforcement.usual_of_pods.add(span(100)));
    let mut settling = |change| enforcement.attempt(&tried(10_000, Contradicts, &[change])).settling;
    assert!(!settling(pod(0, true)));
    assert!(settling(Change { measured: None, ..pod(0, true) }));
}

/// Its last SYN was dropped 5 s before it is reported.
#[test]
fn silence_counts_from_its_last_syn_and_is_reported_no_later() {
    let mut enforcement = new();
    learn(&mut enforcement, 8, 1_000);
    let silent = |time: i64| Tried { met: at(time - 5_000), ..tried(time, MayContradict, &[nearby(0)]) };
    let mut settling = |time| enforcement.attempt(&silent(time)).settling;
    assert!(settling(9_900) && !settling(10_100));
    let mut unlearnt = new();
    assert!(unlearnt.attempt(&silent(15_000)).settling && !unlearnt.attempt(&silent(15_001)).settling);
}

/// Measures a lag of policies so many times.
fn learn(enforcement: &mut Enforcement, times: i64, lag: i64) {
    for n in -times..0 {
        let change = n * 100_000;
        enforcement.attempt(&tried(change + lag, Contradicts, &[flip(change)]));
        enforcement.attempt(&tried(change + lag, Refused, &[flip(change)]));
        enforcement.attempt(&tried(change + lag + 1, Refused, &[flip(change)]));
        assert_eq!(enforcement.tick(at(change + 90_000)).len(), 1);
    }
}

#[rstest]
#[case::nothing_yet(0, 1_000, 15_000)]
#[case::too_little(7, 1_000, 15_000)]
#[case::floor(8, 1, 5_000)]
#[case::margin(8, 2_999, 9_000)]
#[case::ceiling(8, 40_000, 15_000)]
fn the_usual_lag_is_learnt(#[case] times: i64, #[case] lag: i64, #[case] usual: i64) {
    let mut enforcement = new();
    learn(&mut enforcement, times, lag);
    assert_eq!(enforcement.usual(LagSince::Policy), span(usual));
    assert_eq!(enforcement.usual(LagSince::Pod), span(15_000), "pods are learnt apart");
}

#[test]
fn one_slow_change_is_usual_until_it_is_long_ago() {
    let mut enforcement = new();
    learn(&mut enforcement, 20, 100);
    enforcement.usual_of_policies.add(span(4_000));
    (0..63).for_each(|_| enforcement.usual_of_policies.add(span(100)));
    assert_eq!(enforcement.usual(LagSince::Policy), span(12_000));
    enforcement.usual_of_policies.add(span(100));
    assert_eq!(enforcement.usual(LagSince::Policy), span(5_000));
}

#[test]
fn the_floor_is_below_a_small_grace() {
    let mut enforcement = Enforcement::new(&EnforcementConfig { grace: span(1_000) });
    learn(&mut enforcement, 8, 100);
    assert_eq!(enforcement.usual(LagSince::Policy), span(1_000));
}

#[test]
fn the_oldest_change_gives_way_and_is_not_measured_again() {
    let mut enforcement = new();
    for n in 0..100 {
        enforcement.attempt(&tried(1_000 + n, Contradicts, &[flip(n)]));
    }
    assert_eq!(enforcement.policies.len(), MAX_CHANGES);
    for n in 0..100 {
        enforcement.attempt(&tried(2_000, Refused, &[flip(n)]));
    }
    assert_eq!(enforcement.policies.len(), MAX_CHANGES);
    assert_eq!(enforcement.tick(at(20_000)).len(), MAX_CHANGES);
    enforcement.tick(at(1_000_000));
    assert_eq!(enforcement.policies.len(), 0);
}

#[derive(Clone, Debug)]
struct Step {
    wait: i64,
    /// How long before now the attempt was made, and the changes before that.
    ago: i64,
    ages: Vec<(u8, i64)>,
    agreement: Agreement,
    here: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let agreement = prop_oneof![
        Just(Contradicts),
        Just(Refused),
        Just(Passed),
        Just(MayAgree),
        Just(MayContradict),
        Just(Agreement::Nothing)
    ];
    let age = prop_oneof![-20_000_i64..20_000, 0_i64..700_000];
    let ages = prop::collection::vec((0..4_u8, age), 0..4);
    let step = (0_i64..30_000, 0_i64..6_000, ages, agreement, any::<bool>())
        .prop_map(|(wait, ago, ages, agreement, here)| Step { wait, ago, ages, agreement, here });
    prop::collection::vec(step, 0..300)
}

proptest! {
    #[test]
    fn no_measurement_is_negative_or_ahead_and_all_is_bounded(steps in steps()) {
        let mut enforcement = new();
        let mut now = 0;
        for Step { wait, ago, ages, agreement, here } in steps {
            now += wait;
            let met = now - ago;
            // Changes of few moments, so that several attempts follow one.
            let made = |(kind, age): (u8, i64)| {
                let change = (met - age).div_euclid(10_000) * 10_000;
                [flip(change), nearby(change), pod(change, true), pod(change, false)][usize::from(kind)]
            };
            let changes: Vec<Change> = ages.into_iter().map(made).collect();
            let tried = Tried { time: at(now), met: at(met), here, ..tried(now, agreement, &changes) };
            let standing = enforcement.attempt(&tried);
            let distance = |change: &Change| tried.time.duration_since(change.at).abs();
            // Never longer than the grace, and never shorter than the floor.
            let within = |limit: i64| changes.iter().any(|change| distance(change) <= span(limit));
            let contradicts = matches!(agreement, Contradicts | MayContradict);
            prop_assert!(!standing.settling || (contradicts && within(15_000)));
            prop_assert!(standing.settling || !contradicts || !within(5_000) || ago > 0);
            if let Some(lag) = standing.lag {
                prop_assert!(standing.settling && agreement == Contradicts);
                prop_assert!(i128::from(lag.age_us) <= span(15_000).as_micros());
            }
            for Lag { lag, .. } in enforcement.tick(at(now)) {
                prop_assert!(!lag.is_negative() && lag <= HORIZON, "{lag:?}");
            }
            prop_assert!(enforcement.pods.len() <= MAX_PODS && enforcement.policies.len() <= MAX_CHANGES);
            for since in [LagSince::Pod, LagSince::Policy] {
                let usual = enforcement.usual(since);
                prop_assert!(usual >= span(5_000) && usual <= span(15_000));
            }
        }
        prop_assert!(enforcement.tick(at(now + 1_000_000)).iter().all(|lag| lag.lag <= HORIZON));
        prop_assert_eq!(enforcement.pods.len() + enforcement.policies.len(), 0);
    }
}
