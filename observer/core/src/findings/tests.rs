//! The findings that attempts and open connections become. Times are seconds.

mod episodes;
mod kinds;
mod lagging;
mod latent;
mod life;
mod model;
mod raised;

use std::sync::Arc;

use flow_model::decision::Decision;
use flow_model::finding::{Cause, Finding, FindingKind, Severity, Share, State};
use flow_model::flow::{Outcome, RstOrigin, Vantage};
use flow_model::policies::Direction;
use flow_model::record::{Attempt, Endpoint, FlowVerdict, LossCause};
use jiff::SignedDuration;

use super::*;
use crate::detected::Raised;
use crate::facts::{AttemptFacts, Backends, LatentGroup};

const REFUSED: &str = "refused by NetworkPolicy data/cache-ingress; no rule admits namespace web";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + seconds).unwrap()
}

fn pod(namespace: &str, workload: &str, ip: [u8; 4], port: u16) -> Endpoint {
    Endpoint {
        namespace: Some(namespace.into()),
        pod: Some(format!("{workload}-0").into()),
        workload: Some(workload.into()),
        ..Endpoint::bare(ip.into(), port)
    }
}

/// web/storefront, from a source port of its own.
fn storefront(port: u16) -> Endpoint {
    pod("web", "storefront", [10, 42, 0, 10], port)
}

/// data/valkey, addressed by its Service of the same name.
fn valkey() -> Endpoint {
    Endpoint {
        service: Some("data/valkey".into()),
        backend_ip: Some([10, 42, 0, 12].into()),
        ..pod("data", "valkey", [10, 43, 0, 5], 6379)
    }
}

/// A connection of this client to data/valkey, open since then, that the policies would refuse.
fn refusable(src: Endpoint, since: Timestamp, cause: Option<Cause>) -> LatentGroup {
    LatentGroup {
        src,
        dst: valkey(),
        vantage: Vantage::Source,
        verdict: verdict(Decision::Deny).unwrap(),
        open: 1,
        since,
        older: false,
        cause,
        examples: vec![],
    }
}

fn verdict(decision: Decision) -> Option<Arc<FlowVerdict>> {
    let (policies, explanation) = match decision {
        Decision::Allow => (vec!["data/allow-web".into()], "allowed by data/allow-web#ingress[0]"),
        Decision::Deny => (vec!["data/cache-ingress".into()], REFUSED),
        Decision::Unknown => (vec![], "not known: the pod of 10.42.0.12 is not known"),
    };
    let direction = (decision == Decision::Deny).then_some(Direction::Ingress);
    Some(Arc::new(FlowVerdict { decision, direction, policies, explanation: explanation.into() }))
}

/// `web/storefront -> data/valkey:6379`, ended so.
fn attempt(outcome: Outcome, signal: Option<&str>, decision: Decision) -> Attempt {
    Attempt {
        count: 1,
        vantage: Vantage::Source,
        outcome,
        signal: signal.map(ArcStr::from),
        icmp_type: None,
        icmp_code: None,
        drop_reason: None,
        cause: None,
        accept_backlog: None,
        enforcer: None,
        enforcer_policy: None,
        enforcement_lag: None,
        origin: RstOrigin::default(),
        src: storefront(40_000),
        dst: valkey(),
        latency_us: None,
        syn_retransmits: 0,
        isn: 0,
        verdict: verdict(decision),
    }
}

fn rejected(decision: Decision) -> Attempt {
    attempt(Outcome::Rejected, Some("icmp-port-unreachable"), decision)
}

fn established(decision: Decision) -> Attempt {
    attempt(Outcome::Established, Some("syn-ack"), decision)
}

fn facts(time: Timestamp, attempt: &Attempt) -> AttemptFacts<'_> {
    AttemptFacts {
        time,
        attempt,
        src_start: None,
        dst_start: None,
        policy_change: None,
        settling: false,
        backends: None,
        probe: None,
        cause: None,
    }
}

/// Findings, and what a detector raises.
struct Scene {
    findings: Findings,
    /// The findings that a detector raises.
    raised: BTreeMap<FindingKey, Raised>,
}

impl Scene {
    fn new() -> Self {
        Self::with(FindingsConfig::default())
    }

    fn with(config: FindingsConfig) -> Self {
        Self { findings: Findings::new("node1".into(), config), raised: BTreeMap::new() }
    }

    fn attempt(&mut self, seconds: i64, attempt: &Attempt) -> Vec<Finding> {
        self.facts(&facts(at(seconds), attempt))
    }

    fn facts(&mut self, facts: &AttemptFacts<'_>) -> Vec<Finding> {
        self.findings.attempt(facts);
        self.emitted()
    }

    fn tick(&mut self, seconds: i64) -> Vec<Finding> {
        self.findings.tick(at(seconds));
        self.emitted()
    }

    fn emitted(&mut self) -> Vec<Finding> {
        self.updates().into_iter().map(|update| update.finding).collect()
    }

    fn updates(&mut self) -> Vec<FindingUpdate> {
        std::iter::from_fn(|| self.findings.next_output()).collect()
    }
}

impl Findings {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn latent(&mut self, groups: &[LatentGroup], now: Timestamp) {
        self.report(latent_denials(groups, now), now);
    }
}

/// Returns the one finding that was emitted.
#[track_caller]
fn one(emitted: Vec<Finding>) -> Finding {
    let [finding] =
        <[Finding; 1]>::try_from(emitted).unwrap_or_else(|emitted| panic!("not one: {emitted:#?}"));
    finding
}

fn texts(finding: &Finding) -> Vec<&str> {
    finding.evidence.iter().map(|evidence| evidence.text.as_str()).collect()
}
