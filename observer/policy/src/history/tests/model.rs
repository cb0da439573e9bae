//! Random sequences of cluster states, one change a minute: the cause is the step after the last state that allowed.

use crate::testing::Judged as _;
use proptest::prelude::*;

use super::*;

const RULES: [&str; 4] = ["ns(team=a)", "ns(team=a)&pods(app=web) : 6379", "ns(team=c)", " : 80"];

/// Holds everything that can change in the cluster.
#[derive(Clone, Debug, PartialEq)]
struct State {
    /// The rules that each of the policies data/p0, data/p1 and web/p2 (egress) has; `None`: the policy is not there.
    policies: [Option<[bool; 4]>; 3],
    team: bool,
    app: bool,
}

impl State {
    fn cluster(&self) -> Cluster {
        let rules = |on: [bool; 4]| -> Vec<&str> {
            RULES.into_iter().zip(on).filter(|(_, on)| *on).map(|(rule, _)| rule).collect()
        };
        let mut cluster = cluster();
        for (i, on) in self.policies.iter().enumerate() {
            if let Some(on) = on {
                cluster = cluster.policy(match i {
                    2 => policy("web", "p2").egress(if on[0] { &["ns(team=b)"] } else { &[] }),
                    _ => policy("data", &format!("p{i}")).ingress(&rules(*on)),
                });
            }
        }
        let labels = if self.team { "team=a" } else { "" };
        cluster.inventory.namespaces[0] = Arc::new(namespace("web", labels));
        let labels: &[_] = if self.app { &[("app", "web")] } else { &[] };
        cluster.inventory.pods[0] = Arc::new(pod("web", "client", labels, "10.42.0.5"));
        cluster
    }
}

fn step() -> impl Strategy<Value = (usize, Option<[bool; 4]>)> {
    (0usize..5, proptest::option::weighted(0.8, any::<[bool; 4]>()))
}

fn sequences() -> impl Strategy<Value = Vec<State>> {
    proptest::collection::vec(step(), 1..12).prop_map(|steps| {
        let mut states = vec![State { policies: [None; 3], team: true, app: true }];
        for (what, rules) in steps {
            let mut state = states.last().unwrap().clone();
            match what {
                0..3 => state.policies[what] = rules,
                3 => state.team = !state.team,
                _ => state.app = !state.app,
            }
            states.push(state);
        }
        states
    })
}

proptest! {
    #[test]
    fn the_cause_is_the_step_after_the_last_one_that_allowed(states in sequences()) {
        let clusters: Vec<_> = states.iter().map(State::cluster).collect();
        let decision = |c: &Cluster| c.judge("web/client", "data/cache", "6379").decision;
        let sentence = cause(&clusters.iter().collect::<Vec<_>>());
        if decision(clusters.last().unwrap()) == Decision::Deny {
            let allowed = clusters.iter().rposition(|c| decision(c) == Decision::Allow).unwrap();
            let when = at(60 * (allowed as i64 + 1)).to_string();
            prop_assert!(sentence.as_ref().is_some_and(|sentence| sentence.contains(&when)), "{when}: {sentence:?}");
        } else {
            prop_assert_eq!(sentence, None);
        }
    }
}
