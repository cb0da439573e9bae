//! Whatever happens: bounded, silent below the floor, and over some day.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// Resets of one flow within a second.
    Resets {
        server: u8,
        client: u8,
        orphan: bool,
        count: u8,
    },
    Wait(f64),
    /// The clock is set by this much.
    Jump(f64),
    Move,
    Change,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let resets = (0..6_u8, 0..40_u8, any::<bool>(), 1..12_u8)
        .prop_map(|(server, client, orphan, count)| Step::Resets { server, client, orphan, count });
    let step = prop_oneof![
        6 => resets,
        4 => (0.1..20.0).prop_map(Step::Wait),
        1 => (-500.0..500.0).prop_map(Step::Jump),
        1 => Just(Step::Move),
        1 => Just(Step::Change),
    ];
    prop::collection::vec(step, 1..60)
}

fn flow_of(server: u8, client: u8, orphan: bool) -> Flow {
    let dst = match server {
        0 => database(),
        1 => Endpoint { service: Some("data/lb".into()), ..Endpoint::bare([10, 43, 0, 5].into(), 80) },
        n => pod(&format!("data/s{n}-0"), [10, 42, 1, n], 80),
    };
    let src =
        if client < 20 { outside(client) } else { pod(&format!("web/c{client}-0"), [10, 42, 0, client], 1) };
    flow(src, dst, if orphan { Phase::Orphan } else { Phase::Established })
}

/// Plays the steps. Returns the largest number of resets of one server within ten seconds.
fn play(story: &mut Story, steps: &[Step]) -> u64 {
    let mut most = 0;
    let mut seen: Vec<(f64, u8)> = Vec::new();
    for step in steps {
        match *step {
            Step::Resets { server, client, orphan, count } => {
                for n in 0..count {
                    let at = story.now + f64::from(n) / 100.0;
                    story.reset(at, &flow_of(server, client, orphan));
                    seen.push((at, server));
                    let recent = seen.iter().filter(|(then, of)| *of == server && (at - then).abs() <= 10.0);
                    most = most.max(recent.count() as u64);
                }
            }
            Step::Wait(seconds) => story.until(story.now + seconds),
            Step::Jump(seconds) => story.tick(story.now + seconds),
            Step::Move => story.causes.moves.push(moved(story.now)),
            Step::Change => story.causes.endpoints.push(change(story.now, "backend went")),
        }
        story.tick(story.now);
    }
    most
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_burst_ends_and_nothing_grows(steps in steps(), experienced in any::<bool>()) {
        let config = BurstConfig { max_keys: 4, ..BurstConfig::default() };
        let mut story = Story::new(config, experienced);
        play(&mut story, &steps);
        let (servers, pairs) = story.bursts.len();
        prop_assert!(servers <= 4 && pairs <= 4 && story.bursts.bursts.len() <= servers);
        for (_, watch) in story.bursts.servers.iter() {
            prop_assert!(watch.rate.buckets() <= 10 && watch.examples.len() <= 5);
        }
        let end = story.now + 120.0;
        story.until(end);
        prop_assert!(story.bursts.bursts.is_empty());
        for finding in story.findings() {
            prop_assert_eq!(finding.state, State::Resolved, "{:?}", finding);
        }
    }

    #[test]
    fn nothing_is_raised_below_the_floor(steps in steps(), experienced in any::<bool>(), floor in 1_u32..40) {
        let mut story = Story::new(BurstConfig { floor, ..BurstConfig::default() }, experienced);
        let most = play(&mut story, &steps);
        story.until(story.now + 60.0);
        if most < u64::from(floor) {
            story.quiet();
        }
        for finding in &story.emitted {
            prop_assert!(finding.count >= u64::from(floor), "{:?}", finding);
        }
    }

    #[test]
    fn a_constant_habit_does_not_raise_for_ever(
        per_minute in 1_u32..600,
        experienced in any::<bool>(),
        jitter in prop::collection::vec(0.0..1.0_f64, 50),
    ) {
        let mut story = Story::new(BurstConfig::default(), experienced);
        let apart = 60.0 / f64::from(per_minute);
        let count = 30 * per_minute;
        let jitter = jitter.iter().cycle();
        for (n, jitter) in (0..count).zip(jitter) {
            story.reset((f64::from(n) + jitter) * apart, &flow_of(3, 30, false));
        }
        let (raised, late) = (story.raised(), t(1_000.0));
        prop_assert!(raised <= usize::from(experienced), "raised {raised} times");
        for finding in story.findings() {
            prop_assert!(finding.ended.is_some_and(|at| at < late), "{:?}", finding);
        }
    }
}
