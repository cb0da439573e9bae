//! Tests that usual resets are no news, and that more resets than usual are.

use rstest::rstest;

use super::*;

fn checker() -> Flow {
    flow(pod("monitoring/checker-0", [10, 42, 0, 77], 50_000), cache(), Phase::Established)
}

/// The resets begin with the agent's start.
#[rstest]
#[case::two_a_second(2.0)]
#[case::one_in_two_seconds(0.5)]
#[case::a_hundred_a_second(100.0)]
fn a_steady_health_checker_raises_nothing(#[case] per_second: f64) {
    let mut story = Story::started();
    let count = (600.0 * per_second) as u32;
    story.resets(0.0, 600.0, count, &checker());
    story.quiet();

    // A jump to several times is news, and is over when the habit goes on.
    story.resets(600.0, 10.0, (50.0 * per_second) as u32 + 20, &checker());
    assert_eq!(story.finding().state, State::Active);
    story.resets(610.0, 120.0, (120.0 * per_second) as u32, &checker());
    assert_eq!(story.finding().state, State::Resolved);
    assert_eq!(story.counted, ["data/cache unknown"]);
}

#[test]
fn a_steady_habit_of_many_clients_raises_nothing() {
    let mut story = Story::started();
    for n in 0..1_200_u32 {
        let client = outside(u8::try_from(n % 200).unwrap());
        story.reset(0.5 * f64::from(n), &flow(client, database(), Phase::Orphan));
    }
    story.quiet();
}

#[test]
fn spikes_every_minute_are_learnt() {
    let mut story = Story::started();
    for minute in 0..120 {
        story.resets(60.0 * f64::from(minute), 1.0, 20, &checker());
    }
    story.until(7_300.0);
    assert!(story.raised() <= 2, "{}", story.raised());
    let late = |finding: &&Finding| finding.last_seen > t(1_200.0);
    assert_eq!(story.emitted.iter().filter(late).count(), 0, "{:#?}", story.emitted);
}

#[test]
fn a_habit_that_begins_later_raises_once_and_ends_by_itself() {
    let mut story = Story::experienced();
    story.resets(0.0, 500.0, 1_000, &checker());
    assert_eq!((story.raised(), story.finding().state), (1, State::Active));
    story.resets(500.0, 3_000.0, 6_000, &checker());
    assert_eq!((story.raised(), story.finding().state), (1, State::Resolved));
    let end = story.finding().ended.unwrap().duration_since(t(0.0));
    assert!((600..640).contains(&end.as_secs()), "{end}");
    let because = "it goes on as it is, and is taken for a habit";
    assert_eq!(story.finding().ended_because.as_deref(), Some(because));
}

#[test]
fn what_has_a_cause_is_no_habit() {
    let mut story = Story::experienced();
    for n in 0..900 {
        let at = 4.0 * f64::from(n);
        story.causes.moves.push(moved(at));
        story.causes.moves.drain(..story.causes.moves.len().saturating_sub(20));
        story.resets(at + 0.5, 1.0, 8, &flow(outside(1), database(), Phase::Orphan));
    }
    assert_eq!((story.raised(), story.finding().state), (1, State::Active));
    assert!(story.finding().count > 7_000);
    // The flapping ends, and so does the burst.
    story.until(3_700.0);
    assert_eq!(story.finding().state, State::Resolved);
    // It has not made flapping usual.
    story.causes.moves.push(moved(3_800.0));
    story.resets(3_801.0, 1.0, 8, &flow(outside(1), database(), Phase::Orphan));
    story.until(3_810.0);
    let states: Vec<_> = story.findings().into_iter().map(|finding| finding.state).collect();
    assert_eq!((story.raised(), states.len()), (2, 2));
    assert!(states.contains(&State::Active), "{states:?}");
}

#[test]
fn a_cause_that_does_not_come_again_protects_from_learning_for_a_while_only() {
    let mut story = Story::experienced();
    story.causes.endpoints.push(change(1.0, "backend data/cache-0 of data/cache came"));
    story.resets(2.0, 900.0, 1_800, &checker());
    assert_eq!((story.raised(), story.finding().state), (1, State::Resolved));
    assert_eq!(story.counted, ["data/cache endpoint_change"]);
}

#[test]
fn at_the_start_a_burst_that_passes_is_emitted_late() {
    let mut story = Story::started();
    story.resets(5.0, 2.0, 40, &checker());
    story.until(20.0);
    story.quiet();
    story.until(30.0);
    let finding = story.finding();
    assert!(finding.summary.contains("40 resets"), "{}", finding.summary);
    assert_eq!((finding.first_seen, finding.last_seen), (t(25.5), t(25.5)), "it was suspected before");
    story.until(90.0);
    assert_eq!((story.finding().state, story.raised()), (State::Resolved, 1));
}

#[test]
fn at_the_start_a_burst_with_a_cause_is_emitted_at_once() {
    let mut story = Story::started();
    story.causes.moves.push(moved(5.0));
    story.resets(6.0, 0.5, 40, &flow(outside(1), database(), Phase::Orphan));
    story.until(8.0);
    assert_eq!(story.counted, ["dbaas/pg-cluster vip_move"]);
    assert_eq!(story.finding().state, State::Active);
}

/// The server's own count is above what is usual, so no client stands out; the one client there is has a name.
#[test]
fn the_only_client_is_named() {
    let mut story = Story::experienced();
    story.resets(0.0, 5.0, 20, &flow(web(), cache(), Phase::Established));
    story.until(6.0);
    let summary = story.finding().summary;
    assert!(summary.contains(" from web/front; "), "{summary}");
}

#[test]
fn a_client_stands_out_from_the_habit_of_another() {
    let mut story = Story::started();
    let mut checks = (0..2_000).map(f64::from).map(|n| 0.5 * n);
    for at in checks.by_ref().take_while(|at| *at < 600.0) {
        story.reset(at, &checker());
    }
    for n in 0..12 {
        story.reset(600.5 + 0.5 * f64::from(n), &checker());
        story.reset(600.6 + 0.5 * f64::from(n), &flow(web(), cache(), Phase::Orphan));
    }
    story.until(607.0);
    let finding = story.finding();
    assert_eq!(
        finding.summary,
        "data/cache: 12 resets of connections unknown to this node in 10 s from web/front; no cause is known"
    );
    story.resets(607.0, 120.0, 240, &checker());
    assert_eq!((story.finding().state, story.raised()), (State::Resolved, 1));
}

/// Back, forward, and far forward; then it works as before.
#[rstest]
#[case(-3_600.0)]
#[case(-7.0)]
#[case(90.0)]
#[case(1e7)]
fn the_clock_is_set(#[case] by: f64) {
    let mut story = Story::experienced();
    story.resets(0.0, 5.0, 20, &checker());
    story.until(5.0);
    assert_eq!(story.finding().state, State::Active);
    story.tick(5.0 + by);
    story.until(45.0 + by);
    assert_eq!(story.finding().state, State::Resolved);

    // Of another server: what was learnt of the first one is another matter.
    story.causes.moves.push(moved(100.0 + by));
    story.resets(100.5 + by, 1.0, 8, &flow(web(), database(), Phase::Orphan));
    story.until(102.0 + by);
    assert_eq!(story.counted.last().map(String::as_str), Some("dbaas/pg-cluster vip_move"));
    story.until(200.0 + by);
    assert!(story.findings().iter().all(|finding| finding.state == State::Resolved));
}

#[test]
fn what_is_forgotten_during_its_burst_is_lowered() {
    let mut story = Story::new(BurstConfig { max_keys: 3, ..BurstConfig::default() }, true);
    story.resets(0.0, 1.0, 10, &checker());
    story.until(2.0);
    assert_eq!(story.finding().state, State::Active);
    for n in 0..3 {
        story.reset(3.0, &flow(web(), pod(&format!("data/s{n}-0"), [10, 42, 0, n], 1), Phase::Orphan));
    }
    story.until(4.0);
    assert_eq!(story.finding().state, State::Resolved);
    assert_eq!(story.bursts.len(), (3, 3));
}
