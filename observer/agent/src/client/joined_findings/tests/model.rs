//! For any facts on any nodes, the joined findings are right, and the order of the nodes does not matter.

use std::collections::BTreeMap;
use std::sync::Arc;

use flow_core::facts::AttemptFacts;
use flow_core::findings::{Findings, FindingsConfig};
use flow_model::decision::Decision;
use flow_model::finding::{Cause, FindingKind, FindingUpdate};
use flow_model::flow::{Outcome, RstOrigin, Vantage};
use flow_model::record::{Attempt, FlowVerdict};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::sink::testing::{pod, service};

const NODES: [&str; 3] = ["node1", "node2", "node3"];

#[derive(Clone, Copy, Debug)]
enum What {
    /// The policies refuse from now on.
    Break,
    /// The policies allow it from now on.
    Mend,
    /// An attempt fails.
    Refused,
    Tick,
}

/// Something that happens, and the nodes that see it, each after a delay of its own in milliseconds.
#[derive(Clone, Debug)]
struct Step {
    after: u16,
    what: What,
    seen_by: [Option<u16>; 3],
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let what = prop_oneof![1 => Just(What::Break), 1 => Just(What::Mend), 4 => Just(What::Refused), 1 => Just(What::Tick)];
    let seen_by = prop::array::uniform3(prop::option::weighted(0.7, 0..1_500_u16));
    let step =
        (0..40_000_u16, what, seen_by).prop_map(|(after, what, seen_by)| Step { after, what, seen_by });
    prop::collection::vec(step, 0..60)
}

/// A node, and the newest state of each of its episodes.
struct Node {
    findings: Findings,
    /// The newest change by which the policies refuse, as this node knows.
    broken: Option<Cause>,
    changed: Option<Timestamp>,
    failures: u64,
    known: BTreeMap<ArcStr, Finding>,
}

impl Node {
    fn new(name: &str) -> Self {
        let findings = Findings::new(name.into(), FindingsConfig::default());
        Self { findings, broken: None, changed: None, failures: 0, known: BTreeMap::new() }
    }

    fn see(&mut self, what: What, now: Timestamp, change: usize) {
        match what {
            What::Break => {
                let cause = Cause { text: format!("change {change}"), at: Some(now) };
                self.broken.get_or_insert(cause);
                self.changed = Some(now);
            }
            What::Mend => {
                (self.broken, self.changed) = (None, Some(now));
                self.findings.policies_changed(&mut |_, _| Some(verdict(Decision::Allow)), now);
            }
            What::Refused => self.refused(now),
            What::Tick => self.findings.tick(now),
        }
        while let Some(FindingUpdate { finding, .. }) = self.findings.next_output() {
            self.known.insert(finding.id.clone(), finding);
        }
    }

    fn refused(&mut self, time: Timestamp) {
        let decision = if self.broken.is_some() { Decision::Deny } else { Decision::Allow };
        let attempt = Attempt {
            vantage: Vantage::Source,
            outcome: Outcome::Refused,
            signal: Some("rst".into()),
            icmp_type: None,
            icmp_code: None,
            drop_reason: None,
            cause: None,
            accept_backlog: None,
            enforcer: None,
            enforcer_policy: None,
            enforcement_lag: None,
            origin: RstOrigin::default(),
            src: pod("web", "front-5d-1"),
            dst: service("data", "db"),
            count: 1,
            latency_us: None,
            syn_retransmits: 0,
            isn: 0,
            verdict: Some(verdict(decision)),
        };
        let (cause, policy_change) = (self.broken.as_ref(), self.changed);
        let (src_start, dst_start, backends) = (None, None, None);
        let attempt = &attempt;
        self.findings.attempt(&AttemptFacts {
            time,
            attempt,
            src_start,
            dst_start,
            policy_change,
            settling: false,
            backends,
            probe: None,
            cause,
        });
        self.failures += 1;
    }
}

fn verdict(decision: Decision) -> Arc<FlowVerdict> {
    let policies = vec!["data/deny".into()];
    Arc::new(FlowVerdict { decision, direction: None, policies, explanation: "refused".into() })
}

/// Plays the steps; each node sees its part in the order of its own delays.
fn play(steps: &[Step]) -> Vec<Node> {
    let mut nodes: Vec<Node> = NODES.iter().map(|name| Node::new(name)).collect();
    let mut now = at(0);
    let mut seen: Vec<(Timestamp, usize, What, usize)> = Vec::new();
    for (n, step) in steps.iter().enumerate() {
        now += SignedDuration::from_millis(step.after.into());
        let delays = step.seen_by.iter().enumerate().filter_map(|(node, delay)| Some((node, (*delay)?)));
        seen.extend(
            delays.map(|(node, delay)| (now + SignedDuration::from_millis(delay.into()), node, step.what, n)),
        );
    }
    seen.sort_by_key(|(time, node, _, n)| (*time, *node, *n));
    for (time, node, what, n) in seen {
        nodes[node].see(what, time, n);
    }
    nodes
}

fn check(nodes: &[Node], joined: &[Finding]) {
    let reports = || nodes.iter().flat_map(|node| node.known.values());
    let mut ids: Vec<_> = joined.iter().map(|finding| (&finding.id, finding.kind)).collect();
    ids.sort_by_key(|(id, kind)| ((*id).clone(), kind.as_str()));
    let all = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), all, "two have one id: {joined:#?}");
    for finding in joined {
        let of_subject = |report: &&Finding| report.subject == finding.subject;
        let contributors = || reports().filter(of_subject).filter(|report| report.state == finding.state);
        assert_eq!(finding.state == State::Active, finding.ended.is_none(), "{finding:#?}");
        assert_eq!(finding.ended.is_some(), finding.ended_because.is_some(), "{finding:#?}");
        assert!(contributors().any(|report| report.summary == finding.summary), "{finding:#?}");
        assert!(finding.cause.is_none() || contributors().any(|report| report.cause == finding.cause));
        assert!(finding.cause_at.is_none_or(|at| at <= finding.first_seen), "{finding:#?}");
        assert!(finding.count <= nodes.iter().map(|node| node.failures).max().unwrap_or(0), "{finding:#?}");
        let previous = joined.iter().find(|other| Some(&other.id) == finding.previous.as_ref());
        assert!(finding.previous.is_none() || previous.is_some_and(|p| p.state == State::Resolved));
    }
    for kind in [FindingKind::PolicyDenied, FindingKind::ServiceRefused] {
        let active = joined.iter().filter(|finding| finding.kind == kind && finding.state == State::Active);
        assert!(active.count() <= 1, "one episode goes on at a time");
    }
}

proptest! {
    #[test]
    fn the_order_of_nodes_is_irrelevant_and_episodes_stay_apart(steps in steps(), turn in 0..3_usize) {
        let nodes = play(&steps);
        let answers = |order: &[usize]| -> Vec<Finding> {
            order.iter().flat_map(|node| nodes[*node].known.values().cloned()).collect()
        };
        let joined = join(answers(&[0, 1, 2]));
        check(&nodes, &joined);
        let mut order = [2, 1, 0];
        order.rotate_left(turn);
        prop_assert_eq!(&join(answers(&order)), &joined);
        prop_assert_eq!(join(answers(&order).into_iter().rev()), joined);
    }
}
