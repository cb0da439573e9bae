//! How long policies take to be enforced, from snapshots and attempts to measurements and findings.

use flow_model::finding::{FindingChange, FindingKind, FindingUpdate};
use flow_model::record::{Attempt, EnforcementLag, LagSince};
use jiff::SignedDuration;
use proptest::prelude::*;

use super::verdicts::{admitting, findings, guarded, outputs};
use super::*;

/// A connection from docs to Postgres, which a firewall stops unless it is established.
fn attempt(ms: i64, established: bool) -> Input {
    let Input::Attempt(rejected) = rejected(ms) else { unreachable!() };
    let tuple = FlowTuple { dst: "10.42.0.12".parse().unwrap(), ..rejected.tuple };
    let rejected = AttemptSeen { tuple, ..rejected };
    Input::Attempt(match established {
        false => rejected,
        true => AttemptSeen { outcome: Outcome::Established, icmp: None, ..rejected },
    })
}

/// Policies that admit docs, or don't.
fn policies(admit: bool) -> Input {
    guarded(admitting(&[if admit { "docs" } else { "app" }]))
}

struct Scene {
    engine: Engine,
    out: Vec<Output>,
}

impl Scene {
    /// The policies admit docs at first.
    fn new() -> Self {
        let mut engine = Engine::new("n1");
        engine.handle(policies(true), at(0));
        outputs(&mut engine);
        Self { engine, out: Vec::new() }
    }

    /// Eight changes were enforced within a second.
    fn experienced() -> Self {
        let mut scene = Self::new();
        for change in 1..=8 {
            let (ms, admit) = (change * 60_000, change % 2 == 0);
            scene.handle(ms, policies(admit));
            scene.handle(ms + 1_000, attempt(ms + 1_000, admit));
            scene.handle(ms + 30_000, Input::Tick);
        }
        assert_eq!(scene.lags().len(), 8);
        assert_eq!(scene.engine.enforcement.usual(LagSince::Policy), SignedDuration::from_secs(5));
        scene
    }

    /// Handles an input. A rejected attempt waits 0.1 s for its drop.
    fn handle(&mut self, ms: i64, input: Input) {
        self.engine.handle(input, at(ms));
        self.engine.handle(Input::Unclaimed { count: 0 }, at(ms + 150));
        self.engine.handle(Input::Tick, at(ms + 200));
        self.out.extend(outputs(&mut self.engine));
    }

    fn attempts(&self) -> Vec<&Attempt> {
        let attempt = |output| match output {
            &Output::Record(FlowRecord { event: Event::Attempt(ref attempt), .. }) => Some(attempt),
            _ => None,
        };
        self.out.iter().filter_map(attempt).collect()
    }

    fn lags(&self) -> Vec<(LagSince, i128)> {
        let lag = |output: &Output| match output {
            Output::EnforcementLag { since, lag } => Some((*since, lag.as_millis())),
            _ => None,
        };
        self.out.iter().filter_map(lag).collect()
    }

    fn mismatches(&self) -> Vec<&flow_model::finding::Finding> {
        let all = findings(&self.out);
        all.into_iter().filter(|finding| finding.kind == FindingKind::EnforcementMismatch).collect()
    }
}

#[test]
fn a_slow_enforcer_is_measured_and_no_finding() {
    let mut scene = Scene::new();
    scene.handle(60_000, policies(false));
    scene.handle(61_000, attempt(61_000, true));
    scene.handle(63_500, attempt(63_500, true));
    scene.handle(64_000, attempt(64_000, false));
    assert_eq!(scene.lags(), [], "another pod may still be open");
    scene.handle(79_000, Input::Tick);
    assert_eq!(scene.lags(), [(LagSince::Policy, 3_500)]);
    assert_eq!(scene.mismatches(), Vec::<&flow_model::finding::Finding>::new());
    let lags: Vec<_> = scene.attempts().iter().map(|attempt| attempt.enforcement_lag).collect();
    let lag = |age_us| Some(EnforcementLag { since: LagSince::Policy, age_us });
    assert_eq!(lags, [lag(1_000_000), lag(3_500_000), None]);
}

#[test]
fn an_enforcer_that_does_nothing_is_a_finding_from_the_first_attempt_on() {
    let mut scene = Scene::new();
    scene.handle(60_000, policies(false));
    scene.handle(61_000, attempt(61_000, true));
    assert!(scene.mismatches().is_empty());
    scene.handle(75_001, attempt(75_001, true));
    let [finding] = scene.mismatches()[..] else { panic!("{:?}", scene.out) };
    assert_eq!((finding.first_seen, finding.count), (at(61_000), 2));
    scene.handle(120_000, Input::Tick);
    assert_eq!(scene.lags(), [], "it is not enforced, so nothing was measured");
}

#[test]
fn a_pod_is_measured_from_when_the_agent_saw_its_address() {
    let Input::Cluster { inventory } = policies(false) else { unreachable!() };
    let mut before = Inventory::clone(&inventory);
    let postgres = before.pods.pop().unwrap();
    let started = Arc::new(Pod { start: Some(at(55_000)), ..Pod::clone(&postgres) });
    let mut after = before.clone();
    after.pods.push(started);

    let mut scene = Scene { engine: Engine::new("n1"), out: Vec::new() };
    scene.handle(0, Input::Cluster { inventory: Arc::new(before) });
    scene.handle(60_000, Input::Cluster { inventory: Arc::new(after) });
    scene.handle(61_000, attempt(61_000, true));
    scene.handle(62_000, attempt(62_000, false));
    scene.handle(80_000, Input::Tick);
    assert_eq!(scene.lags(), [(LagSince::Pod, 1_000)]);
    assert!(scene.mismatches().is_empty());
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Policies { admit: bool },
    Attempt { established: bool },
    Tick,
}

fn steps() -> impl Strategy<Value = Vec<(i64, Step)>> {
    let step = prop_oneof![
        1 => any::<bool>().prop_map(|admit| Step::Policies { admit }),
        4 => any::<bool>().prop_map(|established| Step::Attempt { established }),
        2 => Just(Step::Tick),
    ];
    prop::collection::vec((300..9_000_i64, step), 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn lag_is_no_finding_and_what_lasts_is_one(experienced in any::<bool>(), steps in steps()) {
        let mut scene = if experienced { Scene::experienced() } else { Scene::new() };
        let (mut now, mut admit, mut changed) = (600_000, true, experienced.then_some(480_000));
        let (mut is_active, mut contradictions) = (false, 0_u64);
        for (wait, step) in steps {
            now += wait;
            let mut contradicts = false;
            let input = match step {
                Step::Policies { admit: next } => {
                    if next != admit {
                        (admit, changed) = (next, Some(now));
                    }
                    policies(next)
                }
                Step::Attempt { established } => {
                    contradicts = established != admit;
                    attempt(now, established)
                }
                Step::Tick => Input::Tick,
            };
            contradictions += u64::from(contradicts);
            scene.out.clear();
            let usual = scene.engine.enforcement.usual(LagSince::Policy);
            prop_assert!(usual <= SignedDuration::from_secs(15));
            let usual = i64::try_from(usual.as_millis()).unwrap();
            scene.handle(now, input);
            let age = changed.map(|changed| now - changed);
            for output in &scene.out {
                match output {
                    Output::Finding(FindingUpdate { change, finding })
                        if finding.kind == FindingKind::EnforcementMismatch =>
                    {
                        is_active = *change != FindingChange::Resolved;
                        prop_assert!(finding.count <= contradictions);
                        if *change == FindingChange::Appeared {
                            prop_assert!(age.is_none_or(|age| age > usual), "within the usual lag: {age:?}");
                            let begins = changed.is_none_or(|changed| finding.first_seen >= at(changed));
                            prop_assert!(begins, "evidence against other policies");
                        }
                    }
                    Output::EnforcementLag { lag, .. } => {
                        let age = SignedDuration::from_millis(now + 200 - 600_000);
                        prop_assert!(!lag.is_negative() && *lag <= age, "{lag:?}");
                    }
                    _ => {}
                }
            }
            if contradicts && age.is_none_or(|age| age > usual) {
                prop_assert!(is_active, "a contradiction that lasts is a finding");
            }
            let marked = scene.attempts().iter().any(|attempt| attempt.enforcement_lag.is_some());
            prop_assert!(!marked || (contradicts && age.is_some_and(|age| age <= usual)));
        }
    }
}
