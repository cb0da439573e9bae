//! Small stories, a model, and the cost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::finding::Cause;
use flow_model::flow::Vantage;
use flow_model::object_ref::ObjectRef;
use flow_model::policies::Direction;
use flow_model::record::{Endpoint, FlowVerdict};
use proptest::prelude::*;

use super::*;
use crate::facts::JudgedConnection;

/// Something changes, and the table is read after that.
fn changed(table: &mut Connections) {
    table.changed();
    table.apply(&[], &[]);
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_777_000_000 + second).unwrap()
}

/// `10.42.0.SRC:SPORT` to a Service, served by `10.42.0.DST:5432`.
fn tuple(src: u8, sport: u16, dst: u8) -> FlowTuple {
    let ip = |last| IpAddr::from([10, 42, 0, last]);
    let service = IpAddr::from([10, 43, 0, dst]);
    FlowTuple { src: ip(src), sport, dst: service, dport: 80, backend: Some((ip(dst), 5432)) }
}

fn opened(tuple: FlowTuple, second: i64) -> OpenConnection {
    OpenConnection { tuple, seen: at(second), older: second == 0 }
}

/// Denies the sources listed; pods of one tens digit are of one workload.
#[derive(Default)]
struct Policy {
    denied: BTreeSet<u8>,
    /// Policies that deny beside those that always do.
    more: Vec<ObjectRef>,
    causes_unknown: bool,
    decided: usize,
    detailed: usize,
    explained: usize,
}

impl Policy {
    fn denying(sources: &[u8]) -> Self {
        Self { denied: sources.iter().copied().collect(), ..Self::default() }
    }
}

fn last(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(ip) => ip.octets()[3],
        IpAddr::V6(_) => 0,
    }
}

fn endpoint(ip: IpAddr, port: u16) -> Endpoint {
    let mut endpoint = Endpoint::bare(ip, port);
    if last(ip) < 200 {
        endpoint.namespace = Some("ns".into());
        endpoint.workload = Some(ArcStr::from(format!("w{}", last(ip) / 10)));
        endpoint.pod = Some(ArcStr::from(format!("p{}", last(ip))));
    }
    endpoint
}

impl Assess for Policy {
    fn decide(&mut self, tuple: &FlowTuple) -> Decision {
        self.decided += 1;
        if self.denied.contains(&last(tuple.src)) { Decision::Deny } else { Decision::Allow }
    }

    fn detail(&mut self, tuple: &FlowTuple) -> Option<JudgedConnection> {
        self.detailed += 1;
        let verdict = FlowVerdict {
            decision: Decision::Deny,
            direction: Some(Direction::Ingress),
            policies: [vec!["ns/a".into(), "ns/b".into()], self.more.clone()].concat(),
            explanation: String::new(),
        };
        Some(JudgedConnection {
            src: endpoint(tuple.src, tuple.sport),
            dst: endpoint(tuple.dst, tuple.dport),
            vantage: Vantage::Source,
            verdict: Arc::new(verdict),
        })
    }

    fn cause(&mut self, _: &FlowTuple, judged: &JudgedConnection) -> Option<Cause> {
        self.explained += 1;
        let pod = judged.src.pod.as_ref().filter(|_| !self.causes_unknown);
        pod.map(|pod| self.more.last().map_or_else(|| pod.to_string(), ToString::to_string).into())
    }
}

/// `source>destination: open, since when`, a `+` for older than the agent.
fn told(groups: &[LatentGroup]) -> Vec<String> {
    let name = |e: &Endpoint| e.workload.clone().unwrap_or_default();
    let line = |g: &LatentGroup| {
        let since = g.since.duration_since(at(0)).as_secs();
        format!("{}>{}: {}, {since}{}", name(&g.src), name(&g.dst), g.open, if g.older { "+" } else { "" })
    };
    groups.iter().map(line).collect()
}

#[test]
fn groups_gather_workloads_and_name_the_oldest() {
    let mut table = Connections::default();
    table.apply(
        &[
            opened(tuple(11, 1000, 51), 7),
            opened(tuple(12, 1001, 52), 3),
            opened(tuple(12, 1002, 52), 0),
            opened(tuple(21, 1003, 51), 5),
            opened(tuple(31, 1004, 51), 5),
        ],
        &[],
    );
    let mut policy = Policy::denying(&[11, 12, 21]);
    let groups = table.judge(&mut policy, at(10));
    assert_eq!(told(&groups), ["w1>w5: 3, 0+", "w2>w5: 1, 5"]);
    assert_eq!((groups[0].src.port, groups[0].src.pod.as_deref()), (1002, Some("p12")));
    assert_eq!(groups[0].examples.iter().map(|t| t.sport).collect::<Vec<_>>(), [1002, 1001, 1000]);
    assert_eq!(groups[0].cause, Some("p12".to_owned().into()));
    assert_eq!((policy.decided, policy.detailed, policy.explained), (5, 3, 2));

    let counts: BTreeMap<_, _> = table
        .counts()
        .into_iter()
        .map(|c| (format!("{} {}", c.src.workload.unwrap(), c.policy), c.count))
        .collect();
    let expected = [("w1 ns/a", 3), ("w1 ns/b", 3), ("w2 ns/a", 1), ("w2 ns/b", 1)];
    assert_eq!(counts, expected.map(|(k, n)| (k.to_owned(), n)).into());
}

#[test]
fn only_what_is_new_is_judged_until_something_changes() {
    let mut table = Connections::default();
    let mut policy = Policy::denying(&[11]);
    assert!(!table.due(at(0)), "nothing is open");
    table.apply(&[opened(tuple(11, 1, 51), 1), opened(tuple(21, 2, 51), 1)], &[]);
    assert!(table.due(at(1)));
    table.judge(&mut policy, at(1));
    assert!(!table.due(at(2)));

    table.apply(&[opened(tuple(11, 3, 51), 2)], &[]);
    assert_eq!(told(&table.judge(&mut policy, at(2))), ["w1>w5: 2, 1"]);
    assert_eq!((policy.decided, policy.detailed, policy.explained), (3, 1, 1));

    changed(&mut table);
    assert!(table.due(at(3)));
    policy.denied = [21].into();
    assert_eq!(told(&table.judge(&mut policy, at(3))), ["w2>w5: 1, 1"]);
    assert_eq!((policy.decided, policy.detailed, policy.explained), (6, 2, 2));

    assert!(!table.due(at(62)));
    assert!(table.due(at(63)), "once a minute");
    policy.denied.clear();
    assert_eq!(told(&table.judge(&mut policy, at(63))), [""; 0]);
    assert_eq!(table.counts(), []);
}

#[test]
fn the_last_one_closing_ends_the_group() {
    let mut table = Connections::default();
    let mut policy = Policy::denying(&[11]);
    table.apply(&[opened(tuple(11, 1, 51), 1), opened(tuple(11, 2, 51), 2)], &[]);
    table.judge(&mut policy, at(2));
    table.apply(&[], &[tuple(11, 1, 51)]);
    assert!(table.due(at(3)));
    assert_eq!(told(&table.judge(&mut policy, at(3))), ["w1>w5: 1, 2"]);
    table.apply(&[], &[tuple(11, 2, 51)]);
    assert!(table.due(at(4)), "the group must be told empty");
    assert_eq!(table.judge(&mut policy, at(4)).len(), 0);
    assert_eq!(table.counts(), []);
}

#[test]
fn mismatches_are_left_out_until_they_close_or_are_allowed() {
    let mut table = Connections::default();
    let mut policy = Policy::denying(&[11]);
    // The attempt is reported before the table has it, and without the backend.
    table.not_latent(&FlowTuple { backend: None, ..tuple(11, 1, 51) }, at(1));
    table.apply(&[opened(tuple(11, 1, 51), 2), opened(tuple(11, 2, 51), 2)], &[]);
    table.not_latent(&tuple(11, 2, 51), at(2));
    assert_eq!(table.judge(&mut policy, at(2)).len(), 0);

    table.apply(&[opened(tuple(11, 1, 51), 3)], &[tuple(11, 1, 51)]);
    assert_eq!(told(&table.judge(&mut policy, at(3))), ["w1>w5: 1, 3"], "another connection of that tuple");

    changed(&mut table);
    table.judge(&mut Policy::default(), at(4));
    changed(&mut table);
    assert_eq!(told(&table.judge(&mut policy, at(5))), ["w1>w5: 2, 2"], "it was allowed in between");
}

#[test]
fn a_mismatch_that_was_over_before_it_was_told_open_is_forgotten() {
    let mut table = Connections::default();
    table.not_latent(&tuple(11, 1, 51), at(1));
    table.apply(&[opened(tuple(11, 1, 51), 200)], &[]);
    assert_eq!(table.judge(&mut Policy::denying(&[11]), at(200)).len(), 1);
}

#[test]
fn a_tuple_used_again_for_another_backend_is_another_connection() {
    let mut table = Connections::default();
    let (old, new) = (tuple(11, 1, 51), FlowTuple { backend: None, ..tuple(11, 1, 51) });
    table.apply(&[opened(old, 1)], &[]);
    table.apply(&[opened(new, 2)], &[]);
    table.apply(&[], &[old]);
    assert_eq!(table.len(), 1);
    table.apply(&[], &[new]);
    assert!(table.is_empty());
}

#[test]
fn causes_are_looked_for_a_few_at_a_time() {
    let mut table = Connections::default();
    let many: Vec<_> = (0..20).map(|n| opened(tuple(n * 10, 1, 51), 1)).collect();
    table.apply(&many, &[]);
    let mut policy = Policy::denying(&(0..200).collect::<Vec<_>>());
    let explained = |groups: Vec<LatentGroup>| groups.iter().filter(|g| g.cause.is_some()).count();
    assert_eq!(explained(table.judge(&mut policy, at(1))), 16);
    assert!(table.due(at(1)));
    assert_eq!(explained(table.judge(&mut policy, at(1))), 20);
    assert!(!table.due(at(1)));
    changed(&mut table);
    table.judge(&mut policy, at(2));
    assert_eq!(policy.explained, 20, "the same policies refuse still");
}

#[test]
fn a_known_cause_stays_until_a_better_one_is_known() {
    let mut table = Connections::default();
    let mut policy = Policy::denying(&[11]);
    let mut cause = |policy: &mut Policy, second| {
        if second == 1 {
            table.apply(&[opened(tuple(11, 1, 51), 1)], &[]);
        }
        changed(&mut table);
        table.judge(policy, at(second)).pop().and_then(|group| group.cause).map(|cause| cause.text)
    };
    assert_eq!(cause(&mut policy, 1).as_deref(), Some("p11"));
    policy.more = vec!["ns/c".into()];
    policy.causes_unknown = true;
    assert_eq!(cause(&mut policy, 2).as_deref(), Some("p11"), "that of others is not known");
    assert_eq!((cause(&mut policy, 3).as_deref(), policy.explained), (Some("p11"), 2), "asked once");
    policy.more.push("ns/d".into());
    policy.causes_unknown = false;
    assert_eq!(cause(&mut policy, 4).as_deref(), Some("ns/d"));
    policy.denied.clear();
    assert_eq!(cause(&mut policy, 5), None);
    policy.denied.insert(11);
    policy.causes_unknown = true;
    assert_eq!(cause(&mut policy, 6), None, "it is denied again for a reason of its own");
}

#[test]
fn the_world_outside_is_one_group() {
    let mut table = Connections::default();
    table.apply(&[opened(tuple(201, 1, 51), 1), opened(tuple(202, 2, 51), 2)], &[]);
    assert_eq!(told(&table.judge(&mut Policy::denying(&[201, 202]), at(2))), [">w5: 2, 1"]);
}

#[test]
fn who_cannot_be_named_is_left_out() {
    struct Nobody;
    impl Assess for Nobody {
        fn decide(&mut self, _: &FlowTuple) -> Decision {
            Decision::Deny
        }
        fn detail(&mut self, _: &FlowTuple) -> Option<JudgedConnection> {
            None
        }
        fn cause(&mut self, _: &FlowTuple, _: &JudgedConnection) -> Option<Cause> {
            unreachable!("there is no group")
        }
    }
    let mut table = Connections::default();
    table.apply(&[opened(tuple(11, 1, 51), 1)], &[]);
    assert_eq!(table.judge(&mut Nobody, at(1)).len(), 0);
}

#[test]
fn ten_thousand_are_named_once_a_pair() {
    let mut table = Connections::default();
    let many: Vec<_> = (0..10_000u16)
        .map(|n| opened(tuple((n % 100) as u8, n, 100 + (n % 7) as u8), i64::from(n % 50)))
        .collect();
    table.apply(&many, &[]);
    let mut policy = Policy::denying(&(0..200).collect::<Vec<_>>());
    let groups = table.judge(&mut policy, at(60));
    assert_eq!(groups.iter().map(|g| g.open).sum::<u64>(), 10_000);
    assert!(policy.detailed <= 700, "once per pair: {}", policy.detailed);
}

/// A step in a random life.
#[derive(Clone, Debug)]
enum Step {
    Open(FlowTuple),
    Close(FlowTuple),
    Mismatch(FlowTuple),
    Deny(BTreeSet<u8>),
    Judge,
}

fn step() -> impl Strategy<Value = Step> {
    let few = || (10u8..16, 0u16..4, 50u8..52).prop_map(|(src, sport, dst)| tuple(src, sport, dst));
    prop_oneof![
        4 => few().prop_map(Step::Open),
        3 => few().prop_map(Step::Close),
        1 => few().prop_map(Step::Mismatch),
        1 => proptest::collection::btree_set(10u8..16, 0..6).prop_map(Step::Deny),
        2 => Just(Step::Judge),
    ]
}

/// Open connections by tuple: since when, and whether denied when it opened.
#[derive(Default)]
struct Model(BTreeMap<(IpAddr, u16, IpAddr), (Timestamp, bool)>);

impl Model {
    fn groups(&mut self, denied: &BTreeSet<u8>) -> Vec<String> {
        let mut groups: BTreeMap<(u8, u8), (u64, Timestamp)> = BTreeMap::new();
        for ((src, _, dst), (seen, mismatch)) in &mut self.0 {
            let denied = denied.contains(&last(*src));
            *mismatch &= denied;
            if denied && !*mismatch {
                let group = groups.entry((last(*src) / 10, last(*dst) / 10)).or_insert((0, *seen));
                *group = (group.0 + 1, group.1.min(*seen));
            }
        }
        let since = |t: Timestamp| t.duration_since(at(0)).as_secs();
        groups.iter().map(|((s, d), (n, t))| format!("w{s}>w{d}: {n}, {}", since(*t))).collect()
    }
}

proptest! {
    #[test]
    fn deltas_lead_to_what_a_plain_table_says(steps in proptest::collection::vec(step(), 1..60)) {
        let (mut table, mut model, mut policy) = (Connections::default(), Model::default(), Policy::default());
        let key = |t: &FlowTuple| (t.src, t.sport, t.dst);
        for (second, step) in (1i64..).zip(steps) {
            match step {
                Step::Open(tuple) => {
                    table.apply(&[opened(tuple, second)], &[]);
                    model.0.entry(key(&tuple)).or_insert((at(second), false));
                }
                Step::Close(tuple) => {
                    table.apply(&[], &[tuple]);
                    model.0.remove(&key(&tuple));
                }
                Step::Mismatch(tuple) => {
                    let denied = policy.denied.contains(&last(tuple.src));
                    if let Some(open) = model.0.get_mut(&key(&tuple)).filter(|_| denied) {
                        table.not_latent(&tuple, at(second));
                        open.1 = true;
                    }
                }
                Step::Deny(denied) => {
                    policy.denied = denied;
                    changed(&mut table);
                    model.groups(&policy.denied);
                    table.judge(&mut policy, at(second));
                }
                Step::Judge => {
                    let expected = model.groups(&policy.denied);
                    prop_assert_eq!(told(&table.judge(&mut policy, at(second))), expected);
                }
            }
            prop_assert_eq!(table.len(), model.0.len());
        }
    }
}

/// It closed before the change, and the table has not been read since.
#[test]
fn what_is_open_is_known_when_the_table_was_read_after_the_change() {
    let (mut table, mut policy) = (Connections::default(), Policy::default());
    let tuple = tuple(1, 40_000, 2);
    table.apply(&[opened(tuple, 1)], &[]);
    assert_eq!(told(&table.judge(&mut policy, at(1))), [""; 0]);
    policy.denied = [1].into();
    table.changed();
    assert!(!table.due(at(2)));
    table.apply(&[], &[tuple]);
    assert_eq!(told(&table.judge(&mut policy, at(3))), [""; 0]);
}
